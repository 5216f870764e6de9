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
    from collections.abc import Iterable

    from braze_sandbox.profiles import Profile

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
        profiles = call.instance.profiles
        matches = profiles.sharing(kind, value) if kind in ("email", "phone") else [profiles.find(kind, value)]
        matches = [profile for profile in matches if profile]
        if not matches:
            invalid.append(text)
        found.update({profile.braze_id: profile for profile in matches if profile})
    users = [
        {name: value for name, value in user_object(profile).items() if name in fields} for profile in found.values()
    ]
    body: dict[str, Any] = {"users": users}
    if invalid:
        body["invalid_user_ids"] = invalid
    return success(body)


def _wanted(body: dict[str, Any]) -> list[tuple[str, Any, str]]:
    external, aliases = body.get("external_ids", []), body.get("user_aliases", [])
    if not isinstance(external, list) or not all(isinstance(one, str) for one in external):
        raise Refusal(400, "'external_ids' must be an array of strings")
    if not isinstance(aliases, list) or not all(
        isinstance(one, dict) and isinstance(one.get("alias_name"), str) and isinstance(one.get("alias_label"), str)
        for one in aliases
    ):
        raise Refusal(400, "'user_aliases' must be an array of objects with alias_name and alias_label")
    if len(external) + len(aliases) > IDS:
        raise Refusal(400, f"more than {IDS} external_ids and user_aliases")
    single = [name for name in ("device_id", "email_address", "phone") if name in body]
    if len(single) > 1:
        raise Refusal(400, f"only one of device_id, email_address and phone may be given, not {' and '.join(single)}")
    for name in (*single, *(["braze_id"] if "braze_id" in body else [])):
        if not isinstance(body[name], str):
            raise Refusal(400, f"'{name}' must be a string")
    wanted: list[tuple[str, Any, str]] = [("external_id", one, one) for one in external]
    wanted += [("alias", (one["alias_label"], one["alias_name"]), one["alias_name"]) for one in aliases]
    if "braze_id" in body:
        wanted.append(("braze_id", body["braze_id"], body["braze_id"]))
    if "email_address" in body:
        wanted.append(("email", body["email_address"], body["email_address"]))
    if "phone" in body:
        wanted.append(("phone", normal_phone(body["phone"]) or body["phone"], body["phone"]))
    if "device_id" in body:
        # No profile here has devices, so nobody is found.
        wanted.append(("external_id", None, body["device_id"]))
    if not wanted:
        raise Refusal(400, "an identifier is required")
    return wanted


def pool(call: Call) -> str:
    """The pool of a request: naming light fields buys a faster one (docs: api_limits)."""
    fields = call.body.get("fields_to_export") if isinstance(call.body, dict) else None
    light = isinstance(fields, list) and not {"campaigns_received", "canvases_received"} & set(map(str, fields))
    return "export_ids_fields" if light else "export_ids"


ENDPOINTS = [
    Endpoint(method="POST", path="/users/export/ids", permission="users.export.ids", pool=pool, handler=export_ids),
]
