"""The tap's settings: their JSON Schema, their checks, and the typed form that streams use."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from singer_sdk import typing as th

from tap_braze.braze.client import base_url
from tap_braze.fetching.windows import DAY
from tap_braze.settings.currents import CURRENTS, Currents
from tap_braze.settings.given import parsed, unknown
from tap_braze.settings.opt_in import OPT_INS
from tap_braze.settings.user_ids import UserIds
from tap_braze.settings.users import USERS, Users
from tap_braze.times import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "api_key",
        # Other characters are not valid in an HTTP header; with quotes around the key, Braze returns 401.
        th.StringType(pattern=r"^[!#-&(-~]+(?!\n)$"),
        required=True,
        nullable=False,
        secret=True,
        title="API key",
        description=(
            "REST API key of the workspace, from Settings > APIs and Identifiers. The table of streams lists the "
            "permission that each stream needs."
        ),
    ),
    th.Property(
        "endpoint",
        th.StringType,
        required=True,
        nullable=False,
        title="Endpoint",
        description=(
            "Your Braze instance (`US-01`), or the host or URL of its REST API (`rest.iad-01.braze.com`). Plain "
            "`http://` works for localhost only."
        ),
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description=(
            "First day to read, such as `2026-01-31`, for series, bounces, unsubscribes and invalid phone "
            "numbers. Default: 100 days ago. Lists, such as campaigns, are read in full whatever it says."
        ),
    ),
    th.Property(
        "edited_since",
        th.DateTimeType,
        title="Edited since",
        description=(
            "Read details of templates, Content Blocks and preference centers only if they were edited on or after "
            "this date, such as `2026-01-31`, and with `deletions: keep` also the lists of these, campaigns and "
            "Canvases. Statistics may then have IDs without a row in the list. Default: read all of them."
        ),
    ),
    th.Property(
        "end_date",
        th.DateTimeType,
        title="End date",
        description="Stop series before this date or moment, such as `2026-02-01`. Default: read through today.",
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
    th.Property(
        "include_archived",
        th.BooleanType,
        default=True,
        title="Include archived",
        description="Also read archived campaigns, Canvases and cards.",
    ),
    *OPT_INS,
    th.Property(
        "deletions",
        th.StringType,
        default="hard",
        allowed_values=["hard", "soft", "keep"],
        title="Deletions",
        description=(
            "What to do about rows that Braze no longer has, in streams that are read in full. `hard` sends all "
            "rows with a version and ACTIVATE_VERSION at the end, so the loader deletes or marks the others. `soft` "
            "sends each such row once more, with its key and `_sdc_deleted_at`, for loaders that ignore "
            "ACTIVATE_VERSION. `keep` sends neither, and only edited campaigns, Canvases, templates, Content Blocks "
            "and preference centers."
        ),
    ),
    th.Property(
        "app_ids",
        th.ArrayType(th.StringType(min_length=1)),
        default=[],
        title="App IDs",
        description=(
            "Read KPIs, custom events, sessions and purchases once per app. List API identifiers of apps; rows "
            "then carry `app_id`. Default: one series for all apps together."
        ),
    ),
    th.Property(
        "segment_ids",
        th.ArrayType(th.StringType(min_length=1)),
        default=[],
        title="Segment IDs",
        description=(
            "Read custom events and sessions once per segment. List API identifiers of segments with analytics "
            "tracking; rows then carry `segment_id`. Default: one series for all users."
        ),
    ),
    th.Property(
        "product_ids",
        th.ArrayType(th.StringType(min_length=1)),
        default=[],
        title="Product IDs",
        description=(
            'Read purchases once per product. List product IDs, or `["*"]` for every product; rows then carry '
            "`product_id`. Default: one series for all products together."
        ),
    ),
    th.Property(
        "send_ids",
        th.ArrayType(
            th.ObjectType(
                th.Property(
                    "campaign_id", th.StringType(min_length=1), required=True, nullable=False, title="Campaign ID"
                ),
                th.Property("send_id", th.StringType(min_length=1), required=True, nullable=False, title="Send ID"),
                nullable=False,
                additional_properties=False,
            )
        ),
        default=[],
        title="Send IDs",
        description=(
            'Sends that `sends_analytics` reads, such as `[{"campaign_id": "...", "send_id": "..."}]`. Braze has '
            "no endpoint that lists them. Default: none."
        ),
    ),
    th.Property(
        "series_unit",
        th.StringType,
        default="day",
        allowed_values=["day", "hour"],
        title="Series unit",
        description=(
            "Read custom events, sessions, purchases and cards by `day` or by `hour`. With `hour`, `time` is a "
            "date and time."
        ),
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=256),
        default=16,
        title="Concurrency",
        description="Requests in flight at the same time. Lower it if other programs need Braze's API more.",
    ),
    th.Property(
        "rate_limit_reserve",
        th.NumberType(minimum=0, maximum=0.9),  # type: ignore[arg-type] # the SDK types the bounds as int
        default=0.2,
        title="Rate limit reserve",
        description=(
            "Share of each rate limit, from 0 to 0.9, to leave to other programs: Braze counts all requests of a "
            "workspace together. The default leaves a fifth."
        ),
    ),
    th.Property(
        "on_missing_permission",
        th.StringType,
        default="fail",
        allowed_values=["fail", "skip"],
        title="On missing permission",
        description=(
            "What to do when the API key lacks a stream's permission: `fail` ends the run, `skip` logs a warning "
            "and reads the other streams."
        ),
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        default=60,
        title="Request timeout",
        description="Seconds that one request may take in total, and that a download may go without progress.",
    ),
    th.Property(
        "scheduled_broadcasts",
        th.ObjectType(
            th.Property(
                "days",
                th.IntegerType(minimum=0, maximum=3650),
                default=90,
                title="Days",
                description="Days to look ahead after today.",
            ),
            nullable=False,
            additional_properties=False,
        ),
        default={},
        title="Scheduled broadcasts",
        description='How far ahead `scheduled_broadcasts` looks, such as `{"days": 30}`. Default: 90 days.',
    ),
    th.Property(
        "subscriptions",
        th.ObjectType(
            th.Property(
                "external_ids",
                th.ArrayType(th.StringType(min_length=1)),
                default=[],
                title="External IDs",
                description="External IDs of the users to read.",
            ),
            th.Property(
                "external_ids_file",
                th.StringType(min_length=1),
                title="External IDs file",
                description="Path of a UTF-8 text file with one external ID per line.",
            ),
            th.Property(
                "groups",
                th.ArrayType(th.StringType(min_length=1)),
                default=[],
                title="Subscription groups",
                description="IDs of the subscription groups that `subscription_group_states` reads.",
            ),
            nullable=False,
            additional_properties=False,
        ),
        default={},
        title="Subscriptions",
        description=(
            "Whose subscriptions `subscription_states` and `subscription_group_states` read. Set `external_ids` "
            "or `external_ids_file` (one external ID per line), or both; `subscription_group_states` also needs "
            "`groups`, a list of subscription group IDs. Default: nobody's."
        ),
    ),
    USERS,
    CURRENTS,
).to_dict()


_Validator = th.extend_validator_with_defaults(th.DEFAULT_JSONSCHEMA_VALIDATOR)


@dataclass(frozen=True)
class Settings:
    """The checked and typed settings."""

    zone: tzinfo
    start: datetime
    edited_since: datetime | None
    today: date
    last_day: date
    lookback: timedelta
    include_archived: bool
    deletions: str
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
        """Read a config that its JSON Schema accepts.

        Raises:
            ValueError: A setting is wrong in a way that JSON Schema cannot express; the message names the setting.
        """
        zone, currents = _zone(config["time_zone"]), config["currents"]
        today = datetime.now(zone).date()
        start, end = _moment(config, "start_date", zone), _moment(config, "end_date", zone)
        files_since = start
        if start is None:
            start = datetime.combine(today - 100 * DAY, time(), zone)
        if start.date() > today:
            raise ValueError(f"setting 'start_date': {config['start_date']!r} is in the future")
        if end is not None and end <= start:
            raise ValueError(f"setting 'end_date': {config['end_date']!r} is not after the start date ({start.date()})")
        # Read a day that begins before the end in full: Braze's daily rows cannot be split.
        last = today if end is None else min(today, (end - timedelta(microseconds=1)).date())
        return cls(
            zone=zone,
            start=start,
            edited_since=_moment(config, "edited_since", zone),
            today=today,
            last_day=last,
            lookback=config["lookback_days"] * DAY,
            include_archived=config["include_archived"],
            deletions=config["deletions"],
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
            currents=Currents.of(currents, start, _moment(currents, "start_date", zone, "currents.") or files_since),
        )


def checked(
    config: Mapping[str, Any], schema: dict[str, Any], env_prefix: str, known: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], list[str]]:
    """Return a config with its defaults filled in, and one line for each error in it.

    Values may be text, as they are from the environment. A setting that is null counts as not set. `known` lists names
    that are not the tap's and are no error.
    """
    found = parsed(copy.deepcopy({name: value for name, value in config.items() if value is not None}), schema)
    if errors := [*unknown(found, schema, known)]:
        return found, errors
    errors = [
        f"setting '{name}': it must be an object"  # otherwise the validator fails when it fills in its defaults
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
    """Return a JSON Schema error as a line that names the setting and shows no secret."""
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
        return timezone.utc  # works even on a machine without a time zone database
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
