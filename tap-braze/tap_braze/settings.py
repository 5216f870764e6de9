"""The tap's settings: their JSON Schema, and what the streams read out of them; no requests."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from singer_sdk import typing as th

from tap_braze.braze_api import base_url
from tap_braze.times import moment
from tap_braze.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "api_key",
        # What is outside of this cannot stand in an HTTP header; quotes around the key make Braze answer 401.
        th.StringType(pattern=r"^[!#-&(-~]+(?!\n)$"),
        required=True,
        nullable=False,
        secret=True,
        title="API key",
        description="REST API key of the workspace (Settings > APIs and Identifiers). "
        "The permissions that it needs are in the table of streams.",
    ),
    th.Property(
        "endpoint",
        th.StringType,
        required=True,
        nullable=False,
        title="Endpoint",
        description="Your instance (`US-01`), or its REST host or URL (`rest.iad-01.braze.com`). "
        "Plain `http://` is accepted for localhost only.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="First day of every series; campaigns and Canvases not edited since stay out of their lists. "
        "Default: 100 days ago.",
    ),
    th.Property(
        "end_date",
        th.DateTimeType,
        title="End date",
        description="First moment of the series that is no longer read. Default: none, today is read too.",
    ),
    th.Property(
        "lookback_days",
        th.IntegerType(minimum=0),
        default=14,
        title="Lookback days",
        description="Days before the bookmark that each run reads again, because Braze books conversions back on the "
        "day of the send or entry.",
    ),
    th.Property(
        "time_zone",
        th.StringType,
        default="UTC",
        title="Time zone",
        description="IANA name of the company's time zone in Braze, such as `America/New_York`: "
        "the days of a series are its days.",
    ),
    th.Property(
        "include_archived",
        th.BooleanType,
        default=True,
        title="Include archived",
        description="Read archived campaigns, Canvases and cards too.",
    ),
    th.Property(
        "app_ids",
        th.ArrayType(th.StringType(min_length=1)),
        default=[],
        title="App IDs",
        description="API identifiers of apps: the KPIs and custom events are then read for each of these apps, and "
        "their rows carry `app_id`. Empty: all apps together.",
    ),
    th.Property(
        "series_unit",
        th.StringType,
        default="day",
        allowed_values=["day"],
        title="Series unit",
        description="Unit of the series.",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=256),
        default=16,
        title="Concurrency",
        description="Requests under way at the same time.",
    ),
    th.Property(
        "rate_limit_reserve",
        th.NumberType(minimum=0, maximum=0.9),  # type: ignore[arg-type] # the SDK declares whole bounds
        default=0.2,
        title="Rate limit reserve",
        description="Share of each rate-limit window, 0 to 0.9, that is left to the workspace's other programs: Braze "
        "counts the requests of all of them together.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        default=60,
        title="Request timeout",
        description="Seconds that one request may take.",
    ),
).to_dict()


_Validator = th.extend_validator_with_defaults(th.DEFAULT_JSONSCHEMA_VALIDATOR)


@dataclass(frozen=True)
class Settings:
    """What the streams need to know, checked and typed."""

    zone: tzinfo
    start: datetime
    last_day: date
    lookback: timedelta
    include_archived: bool
    app_ids: tuple[str, ...]
    concurrency: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """Read a config that its JSON Schema found in order.

        Raises:
            ValueError: a setting is wrong in a way that JSON Schema cannot tell; the message names it.
        """
        zone = _zone(config["time_zone"])
        today = datetime.now(zone).date()
        start, end = _moment(config, "start_date", zone), _moment(config, "end_date", zone)
        if start is None:
            start = datetime.combine(today - 100 * DAY, time(), zone)
        if start.date() > today:
            raise ValueError(f"setting 'start_date': {config['start_date']!r} is in the future")
        if end is not None and end <= start:
            raise ValueError(f"setting 'end_date': {config['end_date']!r} is not after the start date ({start.date()})")
        # A day that has begun before the end is read: Braze's rows of a day cannot be cut.
        last = today if end is None else min(today, (end - timedelta(microseconds=1)).date())
        return cls(
            zone=zone,
            start=start,
            last_day=last,
            lookback=config["lookback_days"] * DAY,
            include_archived=config["include_archived"],
            app_ids=tuple(dict.fromkeys(config["app_ids"])),
            concurrency=config["concurrency"],
        )


def config_errors(config: dict[str, Any], schema: dict[str, Any], env_prefix: str) -> list[str]:
    """What is wrong with a config, a line for each mistake; fills in the defaults on the way.

    Numbers may come as text, as they do from the environment, and null is as good as nothing.
    """
    for name in [name for name, value in config.items() if value is None]:
        del config[name]
    for name, described in schema["properties"].items():
        if isinstance(config.get(name), str) and {"integer", "number"} & set(described["type"]):
            with suppress(ValueError):
                config[name] = json.loads(config[name])
    errors = [_explain(error, env_prefix) for error in _Validator(schema).iter_errors(config)]
    if not errors:
        try:
            base_url(config["endpoint"])
            Settings.of(config)
        except ValueError as error:
            errors.append(str(error))
    return errors


def _explain(error: Any, env_prefix: str) -> str:  # noqa: ANN401 - jsonschema is not typed
    """A JSON Schema error as a line that names the setting, and does not show a secret."""
    if error.validator == "required":
        name = error.message.split("'")[1]
        return f"setting '{name}' is missing: give it in the config, or as {env_prefix}{name.upper()} with --config=ENV"
    name = ".".join(str(part) for part in error.path)
    text = "that is not text that can be an API key" if error.schema.get("writeOnly") else error.message
    return f"setting '{name}': {text}"


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return timezone.utc  # known even where the machine has no time zone database
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"setting 'time_zone': {name!r} is no time zone that this machine knows; give an IANA name such as "
            "Europe/Berlin (where names like that are unknown: pip install tzdata)"
        ) from None


def _moment(config: Mapping[str, Any], name: str, zone: tzinfo) -> datetime | None:
    text = config.get(name)
    if text is None:
        return None
    try:
        return moment(text, zone).astimezone(zone)
    except (ValueError, OverflowError):
        raise ValueError(
            f"setting '{name}': {text!r} is neither a date (2026-01-31) nor a date and time (2026-01-31T00:00:00Z)"
        ) from None
