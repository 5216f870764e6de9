"""POST /users/export/ids: profiles by identifier (docs: post_users_identifier)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.exports.selection import EXPORTED, selection_of
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.rules.identity import as_text, normal_phone
from braze_sandbox.wire.answer import Answer, Refusal, success

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.profiles import Profiles
    from braze_sandbox.wire.answer import Json

IDS = 50


def export_ids(call: Call) -> Answer:
    """Return profiles by identifier; unknown identifiers come back in `invalid_user_ids`."""
    selection = selection_of(call)
    found: dict[str, Profile] = {}
    invalid = []
    for kind, value, text in _wanted(call.body):
        matches = _found(call.instance.profiles, kind, value)
        if not matches:
            invalid.append(text)
        found.update({profile.braze_id: profile for profile in matches})
    now = call.instance.clock.now()
    body: dict[str, Any] = {"users": [selection.show(profile, now) for profile in found.values()]}
    if invalid:
        body["invalid_user_ids"] = invalid
    return success(body, EXPORTED[call.recorded])


def _wanted(body: dict[str, Any]) -> list[tuple[str, Json, Json]]:
    """Return the identifiers of a request: kind, value, and its format in `invalid_user_ids`."""
    external, aliases = body.get("external_ids", []), body.get("user_aliases", [])
    if not _all(external, lambda one: isinstance(as_text(one), str)):
        raise Refusal(400, "'external_ids' must be an array of strings")
    if not _all(aliases, _is_alias):
        raise Refusal(400, "'user_aliases' must be an array of objects with alias_name and alias_label")
    if len(external) + len(aliases) > IDS:
        # "Ids or aliases": whether they share one limit is not documented.
        raise Refusal(400, f"more than {IDS} external_ids and user_aliases")
    single = [name for name in ("device_id", "email_address", "phone") if name in body]
    if len(single) > 1:
        raise Refusal(400, f"only one of device_id, email_address and phone may be given, not {' and '.join(single)}")
    wanted: list[tuple[str, Json, Json]] = [("external_id", as_text(one), one) for one in external]
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


def _is_alias(one: Json) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(name), str) for name in ("alias_name", "alias_label"))


def _all(values: Json, check: Callable[[Json], bool]) -> bool:
    return isinstance(values, list) and all(map(check, values))


def _found(profiles: Profiles, kind: str, value: Json) -> list[Profile]:
    if kind == "device":
        return [
            user
            for user in profiles
            if any(value in (one.get("device_id"), one.get("idfv")) for one in user.observed.get("devices", ()))
        ]
    if kind in ("email", "phone"):
        return profiles.sharing(kind, value)
    profile = profiles.find(kind, value)
    return [] if profile is None else [profile]


def pool(call: Call) -> str:
    """Return a request's pool: requesting only light fields uses a faster one (docs: api_limits)."""
    fields = call.body.get("fields_to_export") if isinstance(call.body, dict) else None
    light = isinstance(fields, list) and not {"campaigns_received", "canvases_received"} & set(map(str, fields))
    return "export_ids_fields" if light else "export_ids"


ENDPOINTS = [
    Endpoint(method="POST", path="/users/export/ids", permission="users.export.ids", pool=pool, handler=export_ids),
]
