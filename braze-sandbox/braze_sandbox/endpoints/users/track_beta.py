"""POST /users/track/bulk and /users/track/sync, both in limited beta.

Docs: post_user_track_bulk, post_user_track_synchronous.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.users.track import ARRAYS, arrays_of, check, take, touches
from braze_sandbox.model.clock import iso
from braze_sandbox.model.profile import plain
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.rules.attributes import STANDARD
from braze_sandbox.rules.identity import CONTROL, Rejected, identify
from braze_sandbox.wire.answer import Answer, Refusal, success

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from braze_sandbox.model.profile import Profile

BULK_BYTES = 2_000_000
BULK_PER_PROFILE = 100


def _beta(handler: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
    """Return a handler for accounts in the beta."""

    def handle(call: Call) -> Answer:
        if status := call.instance.options.beta_refusal:
            raise Refusal(status, "Not Found" if status == 404 else "Forbidden")  # noqa: PLR2004 - a status code
        return handler(call)

    return handle


def bulk(call: Call) -> Answer:
    """Handle /users/track with more objects. Too many for one profile: 400, nothing applied (docs silent)."""
    arrays = arrays_of(call, call.instance.options.bulk_objects)
    users = Counter(_user(call, obj) for objects in arrays.values() for obj in objects)
    del users[None]
    if users and max(users.values()) > BULK_PER_PROFILE:
        raise Refusal(400, "Max Input Length Exceeded", [f"a profile may have at most {BULK_PER_PROFILE} objects"])
    return take(call, arrays)


def _user(call: Call, obj: Any) -> Hashable:  # noqa: ANN401 - any JSON
    try:
        identity = identify(obj) if isinstance(obj, dict) else None
    except Rejected:
        return None
    profile = call.instance.profiles.find(*identity) if identity else None
    return profile.braze_id if profile else identity


def sync(call: Call) -> Answer:
    """Apply one object and return the user's state. All errors are fatal."""
    arrays = arrays_of(call, 1)
    array = next(name for name in ARRAYS if arrays.get(name))
    obj = arrays[array][0]
    try:
        profile = check(call, array, 0, obj)()
    except Rejected as why:
        raise Refusal(400, str(why), [str(why)]) from None
    users = []
    if profile:
        named = {name: obj[name] for name in ("external_id", "user_alias", "braze_id") if obj.get(name) is not None}
        secondary = next((name for name in ("email", "phone") if obj.get(name) is not None), None)
        if not named and secondary:
            named = {secondary: obj[secondary]}
        users.append({**named, **_ECHO[array](profile, obj)})
    return success({"users": users}, 201)


def _attributes(profile: Profile, obj: dict[str, Any]) -> dict[str, Any]:
    # How Braze shows a missing or removed value is not documented: here it is null.
    names = [name.strip() for name in obj if name not in CONTROL and name.strip() not in STANDARD]
    return {"custom_attributes": {name: plain(profile.custom_attributes.get(name)) for name in names}}


def _summary(stored: Iterable[dict[str, Any]], key: str, name: str) -> dict[str, Any]:
    ones = [one for one in stored if one[key] == name]
    times = [one["time"] for one in ones]
    # A purchase with quantity 3 is three purchases (docs: purchase_object).
    count = sum(one.get("quantity", 1) for one in ones)
    return {key: name, "first": iso(min(times)), "last": iso(max(times)), "count": count}


_ECHO: dict[str, Callable[[Profile, dict[str, Any]], dict[str, Any]]] = {
    "attributes": _attributes,
    "events": lambda profile, obj: {"custom_events": [_summary(profile.events, "name", obj["name"].strip())]},
    "purchases": lambda profile, obj: {
        "purchase_events": [_summary(profile.purchases, "product_id", str(obj["product_id"]))]
    },
}

ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/users/track/bulk",
        permission="users.track.bulk",
        pool="track_bulk",
        handler=_beta(bulk),
        touches=touches,
        body_bytes=BULK_BYTES,
        too_large=400,
    ),
    Endpoint(
        method="POST",
        path="/users/track/sync",
        permission="users.track.sync",
        pool="track_sync",
        handler=_beta(sync),
        touches=touches,
    ),
]
