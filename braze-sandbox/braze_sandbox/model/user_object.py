"""User objects: profiles in the format of exports (docs: post_users_identifier, post_users_segment)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from braze_sandbox.model.clock import iso, iso_milliseconds, parse_iso
from braze_sandbox.model.profile import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from braze_sandbox.model.profile import Profile

RECENT = timedelta(days=90)
"""Older events and purchases are left out."""

_STANDARD = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "dob",
    "gender",
    "country",
    "home_city",
    "language",
    "time_zone",
    "push_subscribe",
    "email_subscribe",
)
SUBSCRIPTION_TIMES = {
    "email_subscribe": ("email_opted_in_at", "email_unsubscribed_at"),
    "push_subscribe": ("push_opted_in_at", "push_unsubscribed_at"),
}
"""Fields that come along with a field without being requested."""

FIELDS = frozenset(_STANDARD) | {
    "apps",
    "attributed_ad",
    "attributed_adgroup",
    "attributed_campaign",
    "attributed_source",
    "braze_id",
    "campaigns_received",
    "canvases_received",
    "cards_clicked",
    "created_at",
    "created_from",
    "custom_attributes",
    "custom_events",
    "devices",
    "external_id",
    "last_coordinates",
    "purchases",
    "push_opted_in_at",
    "push_tokens",
    "random_bucket",
    "total_revenue",
    "uninstalled_at",
    "user_aliases",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What an export includes for each user."""

    fields: frozenset[str]
    custom_attributes: frozenset[str] = frozenset()
    """Custom attributes by name; ignored if `fields` includes all of them."""
    recorded: bool = True
    """Whether to write times with milliseconds and include some empty fields, as recorded."""
    id_name: str = "braze_id"
    """`appboy_id`, the additional name in old recordings."""

    def show(self, profile: Profile, now: datetime) -> dict[str, Any]:
        """Return the selected fields of a user, leaving out empty ones."""
        found = user_object(profile, now, recorded=self.recorded)
        user = {name: value for name, value in found.items() if name in self.fields}
        if self.custom_attributes and "custom_attributes" not in self.fields:
            named = {name: profile.custom_attributes.get(name) for name in sorted(self.custom_attributes)}
            if kept := {name: value for name, value in named.items() if value is not None}:
                user["custom_attributes"] = plain(kept, iso_milliseconds if self.recorded else iso)
        return {self.id_name if name == "braze_id" else name: value for name, value in user.items()}


def user_object(profile: Profile, now: datetime, *, recorded: bool) -> dict[str, Any]:
    """Return all fields of a user, leaving out empty ones."""
    stamp = iso_milliseconds if recorded else iso
    sent = profile.attributes
    location = sent.get("current_location")
    user = {
        **profile.observed,
        "external_id": profile.external_id,
        "braze_id": profile.braze_id,
        "user_aliases": [{"alias_name": name, "alias_label": label} for label, name in profile.aliases.items()],
        "created_at": stamp(profile.created_at) if recorded else _spaced(profile.created_at),
        "created_from": profile.observed.get("created_from", "rest_api"),
        "random_bucket": profile.random_bucket,
        "total_revenue": round(profile.total_revenue + profile.observed.get("total_revenue", 0), 2) or None,
        "last_coordinates": [location["longitude"], location["latitude"]] if location else None,
        "custom_attributes": plain(profile.custom_attributes, stamp),
        "custom_events": _aggregates(profile.events, "name", profile.observed.get("custom_events", ()), now, stamp),
        "purchases": _aggregates(profile.purchases, "product_id", profile.observed.get("purchases", ()), now, stamp),
        "push_tokens": [
            *profile.observed.get("push_tokens", ()),
            *(
                {"app": token["app_id"], "token": token["token"], "device_id": token.get("device_id")}
                for token in sent.get("push_tokens") or ()
            ),
        ],
        **{name: sent.get(name) for name in _STANDARD},
    }
    shown = {name: value for name, value in user.items() if value not in (None, [], {})}
    return {"user_aliases": [], "total_revenue": 0.0, **shown} if recorded else shown


def _spaced(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment:%f}"[:3] + " UTC"


def _aggregates(
    activity: Iterable[dict[str, Any]],
    name: str,
    observed: Iterable[dict[str, Any]],
    now: datetime,
    stamp: Callable[[datetime], str],
) -> list[dict[str, Any]]:
    """Return first, last, and count by name over sent and previously counted activity, leaving out what is too old."""
    rows = {row["name"]: {**row, **{end: _restamp(row[end], stamp) for end in ("first", "last")}} for row in observed}
    by_name: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in activity:
        by_name[one[name]].append(one)
    for key, ones in by_name.items():
        times = [one["time"] for one in ones]
        first, last = stamp(min(times)), stamp(max(times))
        # A purchase with quantity 3 is three purchases (docs: purchase_object).
        count = sum(one.get("quantity", 1) for one in ones)
        if old := rows.get(key):
            first, last, count = min(first, old["first"]), max(last, old["last"]), count + old["count"]
        rows[key] = {"name": key, "first": first, "last": last, "count": count}
    since = stamp(now - RECENT)
    return [row for row in rows.values() if row["last"] >= since]


def _restamp(text: str, stamp: Callable[[datetime], str]) -> str:
    parsed = parse_iso(text)
    return stamp(parsed[0]) if parsed else text
