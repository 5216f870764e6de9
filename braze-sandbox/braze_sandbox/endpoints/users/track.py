"""POST /users/track: each object in turn, attributes before events before purchases (docs: post_user_track)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.rules.attributes import apply_attributes
from braze_sandbox.rules.checks import check_attributes, check_event, check_purchase, check_user
from braze_sandbox.rules.error_texts import ALL_REFUSED, recorded_text
from braze_sandbox.rules.identity import Identity, Rejected, users_of
from braze_sandbox.wire.answer import Answer, Refusal, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import TypeAlias

    from braze_sandbox.model.profile import Profile
    from braze_sandbox.wire.answer import Json

    Report: TypeAlias = Callable[[str, str], None]
    Work: TypeAlias = Callable[[], Profile | None]
    """Applies a checked object and returns its user."""

DISTINCT_NAMES = 20_000
"""Number of distinct event or product names that blocks a profile."""

ARRAYS = ("attributes", "events", "purchases")


def track(call: Call) -> Answer:
    """POST /users/track: 201 with an `errors` entry per refused object, or 400 with nothing applied.

    If all objects are refused, the recorded response is a 400 whose `errors` name each one.
    """
    return take(call, arrays_of(call, call.instance.options.track_objects))


def take(call: Call, arrays: dict[str, list[Any]]) -> Answer:
    """Check each object, report errors, and apply the valid ones now or later."""
    counts: dict[str, int] = {}
    errors: list[dict[str, Any]] = []
    works: list[Work] = []
    if call.fault == "refuse_named" and call.rejects:
        named = [{"type": why, "input_array": array, "index": index} for (array, index), why in call.rejects.items()]
        raise Refusal(400, ALL_REFUSED, named)
    for array in ARRAYS:
        if array not in arrays:
            continue
        touched: set[int] = set()
        processed = 0
        for index, obj in enumerate(arrays[array]):
            try:
                work = check(call, array, index, obj)
                if call.instance.write_lag.lags:
                    # The user is not known until the work runs.
                    works.append(work)
                    touched.add(index)
                else:
                    touched.add(id(work()))
                processed += 1
            except Rejected as why:  # noqa: PERF203 - each object stands alone
                errors.append({"type": str(why), "input_array": array, "index": index})
        # Documented as a number of users for attributes and of objects for the others.
        counts[f"{array}_processed"] = len(touched) if array == "attributes" else processed
    if call.recorded and len(errors) == sum(map(len, arrays.values())):
        raise Refusal(400, ALL_REFUSED, errors)
    if works:
        call.apply(lambda: [work() for work in works])
    body: dict[str, Any] = {"message": "success", **counts}
    if errors:
        body["errors"] = errors
    return Answer(encode(body), 201)


def check(call: Call, array: str, index: int, obj: Json) -> Work:
    """Return a function that applies an object to its user; raise Rejected if Braze would refuse it."""
    if (array, index) in call.rejects:
        raise Rejected(call.rejects[array, index])
    try:
        return _CHECK[array](call, obj, _reporter(call, f"{array}[{index}]", obj))
    except Rejected as why:
        raise Rejected(recorded_text(str(why)) if call.recorded else str(why)) from None


def _reporter(call: Call, where: str, obj: object) -> Report:
    return lambda reason, path: call.instance.recorder.violation(reason, f"{where}.{path}", obj)


def arrays_of(call: Call, most: int) -> dict[str, list[Any]]:
    """Return a request's arrays; refuse them if they are empty or have too many objects."""
    arrays: dict[str, list[Any]] = {}
    for name in ARRAYS:
        if name in call.body:
            if not isinstance(call.body[name], list):
                raise Refusal(400, "Bad Request", [f"'{name}' must be an array"])
            arrays[name] = call.body[name]
    total = sum(map(len, arrays.values()))
    if total > most:
        raise Refusal(400, "Max Input Length Exceeded", [f"{total} objects were sent, at most {most} may be"])
    if not total:
        # Docs silent; a request that does nothing is more likely a bug than intentional.
        raise Refusal(400, ALL_REFUSED)
    for name in sorted(call.body.keys() - set(ARRAYS)):
        call.report("a field that /users/track does not have is ignored", name, call.body[name])
    return arrays


def _profile(call: Call, obj: dict[str, Any], identity: Identity, *, alias_creates: bool) -> Profile | None:
    """Return an object's profile, created if needed; None if it is missing and the object may only update."""
    profiles = call.instance.profiles
    found = profiles.find(*identity)
    if found or identity.kind == "braze_id":
        return found
    update_only = obj.get("_update_existing_only")
    if update_only or (identity.kind == "alias" and not (alias_creates and update_only is False)):
        return None
    return profiles.create(*identity)


def _attributes(call: Call, obj: Json, report: Report) -> Work:
    workspace = call.instance.workspace
    identity = check_user(obj, workspace)
    check_attributes(obj, workspace)

    def work() -> Profile | None:
        if identity is None:
            return _import_tokens(call, obj, report)
        profile = _profile(call, obj, identity, alias_creates=True)
        if profile is None:
            _lost(obj, identity, report, alias_creates=True)
        else:
            apply_attributes(call.instance.profiles, profile, obj, report)
        return profile

    return work


def _import_tokens(call: Call, obj: dict[str, Any], report: Report) -> Profile | None:
    """Create a profile for each push token that nobody has (docs: user_attributes_object); return the last one."""
    profiles, made = call.instance.profiles, None
    known = {token["token"] for profile in profiles for token in profile.attributes.get("push_tokens") or ()}
    known |= {token["token"] for profile in profiles for token in profile.observed.get("push_tokens") or ()}
    for token in obj["push_tokens"]:
        if token["token"] not in known:
            made = profiles.create()
            apply_attributes(profiles, made, {**obj, "push_tokens": [token]}, report)
    return made


def _event_or_purchase(call: Call, obj: Json, report: Report, *, purchase: bool) -> Work:
    identity = check_user(obj, call.instance.workspace)
    if identity is None:
        # Only attributes import tokens; docs silent on the rest.
        raise Rejected("BAD_PUSH_TOKEN_IMPORT")
    stored = (check_purchase if purchase else check_event)(obj, call.instance.clock.utc_now(), report)

    def work() -> Profile | None:
        profile = _profile(call, obj, identity, alias_creates=False)
        if profile is None:
            _lost(obj, identity, report, alias_creates=False)
        else:
            _store(call, profile, stored, purchase=purchase)
        return profile

    return work


def _store(call: Call, profile: Profile, stored: dict[str, Any], *, purchase: bool) -> None:
    workspace = call.instance.workspace
    if purchase:
        names, name, kept = workspace.products, stored["product_id"], profile.purchases
    else:
        names, name, kept = workspace.events, stored["name"], profile.events
    if profile.external_id and len(kept) >= DISTINCT_NAMES:
        key = "product_id" if purchase else "name"
        if len({one[key] for one in kept} | {name}) > DISTINCT_NAMES:
            workspace.blocked_external_ids.add(profile.external_id)
    names.add(name)
    kept.append(stored)
    call.instance.recorder.arrivals.append((profile, stored))
    call.instance.profiles.touch(profile)


def _lost(obj: dict[str, Any], identity: Identity | None, report: Report, *, alias_creates: bool) -> None:
    """Report an object whose user was not found, unless the sender asked to update only."""
    if identity is None or (obj.get("_update_existing_only") is True):
        return
    if identity.kind == "braze_id":
        report("no user has this braze_id: nothing happens (docs silent)", "braze_id")
    elif alias_creates:
        report("no user has this alias, and _update_existing_only is not false: nothing happens", "user_alias")
    else:
        report("no user has this alias: events and purchases by alias never create a user", "user_alias")


_CHECK: dict[str, Callable[[Call, Any, Report], Work]] = {
    "attributes": _attributes,
    "events": partial(_event_or_purchase, purchase=False),
    "purchases": partial(_event_or_purchase, purchase=True),
}


def touches(call: Call) -> set[Hashable]:
    """Return a request's users."""
    return users_of(call.instance.profiles, call.body)


ENDPOINTS = [
    Endpoint(
        method="POST", path="/users/track", permission="users.track", pool="track", handler=track, touches=touches
    ),
]
