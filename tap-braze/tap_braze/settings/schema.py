"""The tap's settings: their JSON Schema, and what the streams read out of them; no requests."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from singer_sdk import typing as th

from tap_braze.braze.client import base_url
from tap_braze.fetching.windows import DAY
from tap_braze.settings.currents import CURRENTS, Currents
from tap_braze.settings.user_ids import UserIds
from tap_braze.settings.users import USERS, Users
from tap_braze.times import moment

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
        description="First day of every series and of bounces, unsubscribes and invalid numbers, by default 100 days "
        "ago. If it is set, campaigns, Canvases, templates, Content Blocks and preference centers not edited since "
        "stay out of their lists.",
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
        description="API identifiers of apps: the KPIs, custom events, sessions and purchases are then read for each "
        "of these apps, and their rows carry `app_id`. Empty: all apps together.",
    ),
    th.Property(
        "segment_ids",
        th.ArrayType(th.StringType(min_length=1)),
        default=[],
        title="Segment IDs",
        description="API identifiers of segments with analytics tracking: custom events and sessions are then read for "
        "each of these segments, and their rows carry `segment_id`. Empty: all users.",
    ),
    th.Property(
        "product_ids",
        th.ArrayType(th.StringType(min_length=1)),
        default=[],
        title="Product IDs",
        description="Products, as purchases name them: the purchases are then read for each of these products, and "
        'their rows carry `product_id`. `["*"]`: for every product. Empty: all products together.',
    ),
    th.Property(
        "send_ids",
        th.ArrayType(
            th.ObjectType(
                th.Property("campaign_id", th.StringType(min_length=1), required=True, nullable=False),
                th.Property("send_id", th.StringType(min_length=1), required=True, nullable=False),
                nullable=False,
            )
        ),
        default=[],
        title="Send IDs",
        description="Sends that `sends_analytics` reads, each as `campaign_id` and `send_id`: no endpoint lists them.",
    ),
    th.Property(
        "series_unit",
        th.StringType,
        default="day",
        allowed_values=["day", "hour"],
        title="Series unit",
        description="`hour`: custom events, sessions, purchases and cards by the hour instead of by the day; `time` is "
        "then a date and time.",
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
        "on_missing_permission",
        th.StringType,
        default="fail",
        allowed_values=["fail", "skip"],
        title="On missing permission",
        description="What a permission that the API key lacks does: `fail` ends the run, `skip` leaves out the streams "
        "that need it, and says so.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        default=60,
        title="Request timeout",
        description="Seconds that one request may take in all, and that a download may go without progress.",
    ),
    th.Property(
        "scheduled_broadcasts",
        th.ObjectType(
            th.Property(
                "days", th.IntegerType(minimum=0, maximum=3650), default=90, description="Days ahead, after today."
            ),
            nullable=False,
            additional_properties=False,
        ),
        default={},
        title="Scheduled broadcasts",
        description="How far the stream `scheduled_broadcasts` looks ahead: `{days: 90}`, unless you say otherwise.",
    ),
    th.Property(
        "subscriptions",
        th.ObjectType(
            th.Property(
                "external_ids", th.ArrayType(th.StringType(min_length=1)), default=[], description="External ids."
            ),
            th.Property(
                "external_ids_file",
                th.StringType(min_length=1),
                description="A text file (UTF-8) with one external id a line.",
            ),
            th.Property(
                "groups",
                th.ArrayType(th.StringType(min_length=1)),
                default=[],
                description="UserIds of subscription groups, for `subscription_group_states`.",
            ),
            nullable=False,
            additional_properties=False,
        ),
        default={},
        title="Subscriptions",
        description="Whose subscriptions the streams `subscription_states` and `subscription_group_states` read: "
        "`external_ids`, `external_ids_file` (one external id a line), or both; and for the latter stream `groups`, "
        "the ids of its subscription groups.",
    ),
    USERS,
    CURRENTS,
).to_dict()


_Validator = th.extend_validator_with_defaults(th.DEFAULT_JSONSCHEMA_VALIDATOR)


@dataclass(frozen=True)
class Settings:
    """What the streams need to know, checked and typed."""

    zone: tzinfo
    start: datetime
    edited_since: datetime | None
    today: date
    last_day: date
    lookback: timedelta
    include_archived: bool
    app_ids: tuple[str, ...]
    segment_ids: tuple[str, ...]
    product_ids: tuple[str, ...]
    send_ids: tuple[Mapping[str, str], ...]
    concurrency: int
    skip_forbidden: bool
    broadcast_days: int
    subscription_groups: tuple[str, ...]
    subscribers: UserIds
    users: Users
    currents: Currents

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """Read a config that its JSON Schema found in order.

        Raises:
            ValueError: a setting is wrong in a way that JSON Schema cannot tell; the message names it.
        """
        zone, currents = _zone(config["time_zone"]), config["currents"]
        today = datetime.now(zone).date()
        start, end = _moment(config, "start_date", zone), _moment(config, "end_date", zone)
        edited_since = start
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
            edited_since=edited_since,
            today=today,
            last_day=last,
            lookback=config["lookback_days"] * DAY,
            include_archived=config["include_archived"],
            app_ids=tuple(dict.fromkeys(config["app_ids"])),
            segment_ids=tuple(dict.fromkeys(config["segment_ids"])),
            product_ids=tuple(dict.fromkeys(config["product_ids"])),
            send_ids=tuple({tuple(sorted(send.items())): send for send in config["send_ids"]}.values()),
            concurrency=config["concurrency"],
            skip_forbidden=config["on_missing_permission"] == "skip",
            broadcast_days=config["scheduled_broadcasts"]["days"],
            subscription_groups=tuple(dict.fromkeys(config["subscriptions"]["groups"])),
            subscribers=UserIds.of(config["subscriptions"], "subscriptions.external_ids_file"),
            users=Users.of(config["users"]),
            currents=Currents.of(currents, start, _moment(currents, "start_date", zone, "currents.") or edited_since),
        )


def checked(config: Mapping[str, Any], schema: dict[str, Any], env_prefix: str) -> tuple[dict[str, Any], list[str]]:
    """Return a config with its defaults filled in, and one line for each mistake in it.

    Numbers may come as text, as they do from the environment. A setting that is null counts as not set.
    """
    found = copy.deepcopy({name: value for name, value in config.items() if value is not None})
    for name, described in schema["properties"].items():
        if isinstance(found.get(name), str) and {"integer", "number"} & set(described["type"]):
            with suppress(ValueError):
                found[name] = json.loads(found[name])
    errors = [
        f"setting '{name}': it must be an object"  # the validator would fail to fill in its defaults
        for name, described in schema["properties"].items()
        if "object" in described["type"] and not isinstance(found.get(name, {}), dict)
    ]
    if errors:
        return found, errors
    errors = [_explain(error, env_prefix) for error in _Validator(schema).iter_errors(found)]
    if not errors:
        try:
            base_url(found["endpoint"])
            Settings.of(found)
        except ValueError as error:
            errors.append(str(error))
    return found, errors


def _explain(error: Any, env_prefix: str) -> str:  # noqa: ANN401 - jsonschema is not typed
    """A JSON Schema error as a line that names the setting, and does not show a secret."""
    if error.validator == "required":
        name = error.message.split("'")[1]
        return f"setting '{name}' is missing: give it in the config, or as {env_prefix}{name.upper()} with --config=ENV"
    name = ".".join(str(part) for part in error.path)
    text = error.message
    if error.schema.get("writeOnly") or {"url", "storage_options"} & {*error.path}:
        text = "that is not text that can be an API key" if name == "api_key" else "its value has not the right type"
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


def _moment(config: Mapping[str, Any], name: str, zone: tzinfo, within: str = "") -> datetime | None:
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
