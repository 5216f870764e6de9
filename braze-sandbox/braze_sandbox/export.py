"""POST /users/export/ids: profiles as Braze shows them (docs: post_users_identifier)."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from braze_sandbox.clock import iso
from braze_sandbox.endpoint import Answer, Call, Endpoint, Refusal, success
from braze_sandbox.identity import normal_phone
from braze_sandbox.profiles import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from braze_sandbox.endpoint import Json
    from braze_sandbox.profiles import Profile, Profiles

IDS = 50
RECENT = timedelta(days=90)
"""Events and purchases that are older are left out."""

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
    "push_tokens",
    "random_bucket",
    "total_revenue",
    "uninstalled_at",
    "user_aliases",
}


def user_object(profile: Profile) -> dict[str, Any]:
    """All fields of a user, without those that are empty."""
    sent = profile.attributes
    location = sent.get("current_location")
    user = {
        "external_id": profile.external_id,
        "braze_id": profile.braze_id,
        "user_aliases": [{"alias_name": name, "alias_label": label} for label, name in profile.aliases.items()],
        "created_at": profile.created_at.strftime("%Y-%m-%d %H:%M:%S.") + f"{profile.created_at:%f}"[:3] + " UTC",
        "created_from": "rest_api",
        "random_bucket": profile.random_bucket,
        "total_revenue": profile.total_revenue or None,
        "last_coordinates": [location["longitude"], location["latitude"]] if location else None,
        "custom_attributes": plain(profile.custom_attributes),
        "custom_events": _aggregates(profile.events, "name"),
        "purchases": _aggregates(profile.purchases, "product_id"),
        "push_tokens": [
            {"app": token["app_id"], "token": token["token"], "device_id": token.get("device_id")}
            for token in sent.get("push_tokens") or ()
        ],
        **{name: sent.get(name) for name in _STANDARD},
    }
    return {name: value for name, value in user.items() if value not in (None, [], {})}


def _aggregates(happenings: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    by_name: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in happenings:
        by_name[one[name]].append(one)
    since = datetime.now(timezone.utc) - RECENT
    rows = []
    for key, ones in by_name.items():
        times = [one["time"] for one in ones]
        if max(times) >= since:
            # A purchase of three is three purchases (docs: purchase_object).
            count = sum(one.get("quantity", 1) for one in ones)
            rows.append({"name": key, "first": iso(min(times)), "last": iso(max(times)), "count": count})
    return rows


def export_ids(call: Call) -> Answer:
    """Profiles by identifier; those that nobody has come back in `invalid_user_ids`.

    `fields_to_export` is required, as for every customer since August 2024.
    """
    fields = call.body.get("fields_to_export")
    if not isinstance(fields, list) or not fields:
        raise Refusal(400, "'fields_to_export' is required and must be an array of field names")
    if unknown := sorted(str(name) for name in fields if not isinstance(name, str) or name not in FIELDS):
        raise Refusal(400, f"'fields_to_export' names unknown fields: {', '.join(unknown)}")
    found: dict[str, Profile] = {}
    invalid = []
    for kind, value, text in _wanted(call.body):
        matches = _found(call.instance.profiles, kind, value)
        if not matches:
            invalid.append(text)
        found.update({profile.braze_id: profile for profile in matches})
    users = [
        {name: value for name, value in user_object(profile).items() if name in fields} for profile in found.values()
    ]
    body: dict[str, Any] = {"users": users}
    if invalid:
        body["invalid_user_ids"] = invalid
    return success(body)


def _wanted(body: dict[str, Any]) -> list[tuple[str, Json, str]]:
    """The identifiers of a request: kind, value, and how `invalid_user_ids` calls it."""
    external, aliases = body.get("external_ids", []), body.get("user_aliases", [])
    if not _all(external, lambda one: isinstance(one, str)):
        raise Refusal(400, "'external_ids' must be an array of strings")
    if not _all(aliases, lambda one: isinstance(one, dict) and {"alias_name", "alias_label"} <= one.keys()):
        raise Refusal(400, "'user_aliases' must be an array of objects with alias_name and alias_label")
    if len(external) + len(aliases) > IDS:
        # "Ids or aliases": the docs do not say whether they count together.
        raise Refusal(400, f"more than {IDS} external_ids and user_aliases")
    single = [name for name in ("device_id", "email_address", "phone") if name in body]
    if len(single) > 1:
        raise Refusal(400, f"only one of device_id, email_address and phone may be given, not {' and '.join(single)}")
    wanted: list[tuple[str, Json, str]] = [("external_id", one, one) for one in external]
    wanted += [("alias", (one["alias_label"], one["alias_name"]), one["alias_name"]) for one in aliases]
    for name, kind in _SINGLE.items():
        if name in body:
            text = body[name]
            if not isinstance(text, str):
                raise Refusal(400, f"'{name}' must be a string")
            wanted.append((kind, (normal_phone(text) or text) if kind == "phone" else text, text))
    if not wanted:
        raise Refusal(400, "an identifier is required")
    return wanted


_SINGLE = {"braze_id": "braze_id", "email_address": "email", "phone": "phone", "device_id": "device"}


def _all(values: Json, check: Callable[[Json], bool]) -> bool:
    return isinstance(values, list) and all(map(check, values))


def _found(profiles: Profiles, kind: str, value: Json) -> list[Profile]:
    if kind == "device":
        # No profile here has devices.
        return []
    if kind in ("email", "phone"):
        return profiles.sharing(kind, value)
    profile = profiles.find(kind, value)
    return [] if profile is None else [profile]


def pool(call: Call) -> str:
    """The pool of a request: naming light fields buys a faster one (docs: api_limits)."""
    fields = call.body.get("fields_to_export") if isinstance(call.body, dict) else None
    light = isinstance(fields, list) and not {"campaigns_received", "canvases_received"} & set(map(str, fields))
    return "export_ids_fields" if light else "export_ids"


ENDPOINTS = [
    Endpoint(method="POST", path="/users/export/ids", permission="users.export.ids", pool=pool, handler=export_ids),
]
