"""The tap's settings: their JSON Schema, collected from a module per subject, and the typed form that streams use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from tap_braze.fetching.windows import DAY
from tap_braze.settings.connection import CONNECTION
from tap_braze.settings.currents import CURRENTS, Currents
from tap_braze.settings.dates import DATES, moment_of, zone_of
from tap_braze.settings.objects import OBJECTS
from tap_braze.settings.opt_in import OPT_INS
from tap_braze.settings.report import REPORT
from tap_braze.settings.scim import SCIM, DashboardUsers
from tap_braze.settings.series import SERIES
from tap_braze.settings.subscriptions import SUBSCRIPTIONS
from tap_braze.settings.user_ids import UserIds
from tap_braze.settings.users import USERS, Users

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_SCHEMA: dict[str, Any] = th.PropertiesList(
    *CONNECTION,
    *DATES,
    *OBJECTS,
    *OPT_INS,
    *SERIES,
    SUBSCRIPTIONS,
    USERS,
    CURRENTS,
    *SCIM,
    *REPORT,
).to_dict()


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
    dashboard_users: DashboardUsers

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """Read a config that its JSON Schema accepts.

        Raises:
            ValueError: A setting is wrong in a way that JSON Schema cannot express; the message names the setting.
        """
        zone, currents = zone_of(config["time_zone"]), config["currents"]
        today = datetime.now(zone).date()
        start, end = moment_of(config, "start_date", zone), moment_of(config, "end_date", zone)
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
            edited_since=moment_of(config, "edited_since", zone),
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
            subscribers=UserIds.of(config["subscriptions"], "subscriptions"),
            users=Users.of(config["users"]),
            dashboard_users=DashboardUsers.of(config),
            currents=Currents.of(currents, start, moment_of(currents, "start_date", zone, "currents.") or files_since),
        )
