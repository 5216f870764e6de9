"""The setting `currents`: where Braze writes event files, and which of them to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

from tap_braze.storage import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

CURRENTS: Final = th.Property(
    "currents",
    th.ObjectType(
        th.Property(
            "url",
            th.StringType(min_length=1),
            title="URL",
            description=(
                "Bucket or folder that Currents writes to: `s3://bucket/currents`, `gs://`, `az://` or a local "
                "path. Give the folder path of the Currents connector, or a folder above it."
            ),
        ),
        OPTIONS,
        th.Property(
            "event_types",
            th.ArrayType(th.StringType(min_length=1)),
            default=[],
            title="Event types",
            description=(
                "Event types to make streams for, such as `users.messages.email.Open` or `users.messages.*`. "
                "Default: all."
            ),
        ),
        th.Property(
            "start_date",
            th.DateTimeType,
            title="Start date",
            description=(
                "First hour of files to read, by the time at which Braze queued their events. Default: the tap's "
                "`start_date`."
            ),
        ),
        # Braze keeps events for five days while it cannot write; the default adds two.
        # https://www.braze.com/docs/user_guide/data/distribution/braze_currents/setting_up_currents/
        th.Property(
            "lookback_hours",
            th.IntegerType(minimum=0, maximum=24 * 365),
            default=168,
            title="Lookback hours",
            description=(
                "Hours before the newest file read in which late files are still picked up. The default of 7 "
                "days exceeds the 5 days for which Braze can hold back events."
            ),
        ),
        th.Property(
            "deduplicate",
            th.BooleanType,
            default=False,
            title="Deduplicate",
            description="Drop an event whose ID appeared shortly before in the same run and stream.",
        ),
        th.Property(
            "find_sends",
            th.BooleanType,
            default=False,
            title="Find sends",
            description=(
                "Read statistics of each send named in the files, as if it were in `send_ids`. The first run of "
                "`sends_analytics` then reads all files of messages sent in the last 14 days; later runs read new ones."
            ),
        ),
        nullable=False,
        additional_properties=False,
    ),
    default={},
    title="Currents",
    description=(
        "The event files that Braze Currents writes, for the `currents_…` streams. `url`: the bucket (`s3://`, "
        "`gs://`, `az://`) or folder; `storage_options`: its credentials. `event_types`: which types to read, "
        "globs allowed (default: all). `start_date`: first hour of files (default: the tap's). `lookback_hours` "
        "(168): how late files may appear. `deduplicate` (false): drop events that repeat within a run. "
        "`find_sends` (false): also read `sends_analytics` of the sends in the files."
    ),
)


@dataclass(frozen=True)
class Currents:
    """The checked and typed setting.

    The first run starts at `start`. If `not_before` is set, no run reads older files.
    """

    url: str | None = field(repr=False)
    storage_options: Mapping[str, Any] = field(repr=False)
    event_types: tuple[str, ...]
    start: datetime
    not_before: datetime | None
    lookback: timedelta
    deduplicate: bool
    find_sends: bool

    def wants(self, event_type: str) -> bool:
        """Return whether to read an event type."""
        return not self.event_types or any(fnmatchcase(event_type, pattern) for pattern in self.event_types)

    @classmethod
    def of(cls, config: Mapping[str, Any], start: datetime, not_before: datetime | None) -> Currents:
        """Read the setting.

        Raises:
            ValueError: It lacks a part that another one needs.
        """
        if config["find_sends"] and config.get("url") is None:
            raise ValueError("setting 'currents.find_sends': set 'currents.url' too, the bucket with the files to read")
        return cls(
            url=config.get("url"),
            storage_options=config["storage_options"],
            event_types=tuple(dict.fromkeys(config["event_types"])),
            start=not_before or start,
            not_before=not_before,
            lookback=timedelta(hours=config["lookback_hours"]),
            deduplicate=config["deduplicate"],
            find_sends=config["find_sends"],
        )
