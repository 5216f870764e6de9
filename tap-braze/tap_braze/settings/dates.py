"""Which days to read, and in which time zone they begin."""

from __future__ import annotations

from datetime import timezone
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from singer_sdk import typing as th

from tap_braze.times import moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

DATES: Final = (
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description=(
            "First day to read, such as `2026-01-31`, for series, bounces, unsubscribes and invalid phone "
            "numbers. Default: 100 days ago. Lists, such as campaigns, are always read in full."
        ),
    ),
    th.Property(
        "edited_since",
        th.DateTimeType,
        title="Edited since",
        description=(
            "Read details of templates, Content Blocks and preference centers only if they were edited on or after "
            "this date, such as `2026-01-31`. With `deletions: keep`, this also applies to their lists and those of "
            "campaigns and Canvases; statistics may then contain IDs that the lists lack. Default: read all of them."
        ),
    ),
    th.Property(
        "end_date",
        th.DateTimeType,
        title="End date",
        description="Stop series before this date or time, such as `2026-02-01`. Default: read through today.",
    ),
    th.Property(
        "lookback_days",
        th.IntegerType(minimum=0),
        default=14,
        title="Lookback days",
        description=(
            "Days before the bookmark to read again in each run, because Braze adds conversions to the day of "
            "the send or entry. Raise it if your conversion windows are longer."
        ),
    ),
    th.Property(
        "time_zone",
        th.StringType,
        default="UTC",
        title="Time zone",
        description=(
            "IANA time zone of your company in Braze, such as `America/New_York`. The days of a series begin at "
            "midnight there."
        ),
    ),
)


def zone_of(name: str) -> tzinfo:
    """Return the time zone that the setting `time_zone` names.

    Raises:
        ValueError: This machine does not know the name.
    """
    if name == "UTC":
        return timezone.utc  # works even on a machine without a time zone database
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"setting 'time_zone': {name!r} is not a time zone that this machine knows; use an IANA name such as "
            "Europe/Berlin (if it knows none, pip install tzdata)"
        ) from None


def moment_of(config: Mapping[str, Any], name: str, zone: tzinfo, within: str = "") -> datetime | None:
    """Return the moment that a setting names, in `zone`; None if it is not set.

    `within` is the path of the object setting that holds it, with a dot at its end.

    Raises:
        ValueError: The setting is neither a date nor a date and time.
    """
    text = config.get(name)
    if text is None:
        return None
    try:
        return moment(text, zone).astimezone(zone)
    except (ValueError, OverflowError):
        raise ValueError(
            f"setting '{within}{name}': {text!r} is neither a date (2026-01-31) nor a date and time "
            "(2026-01-31T00:00:00Z)"
        ) from None
