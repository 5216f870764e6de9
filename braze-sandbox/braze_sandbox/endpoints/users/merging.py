"""POST /users/identify and /users/merge: merge two profiles (docs: post_user_identify, post_users_merge)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from braze_sandbox.request.bodies import MOST, bad, each, mentioned, only, prioritization, prioritized, texts
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.rules.identity import EXTERNAL_ID_BYTES, Rejected, check_alias, normal_phone
from braze_sandbox.wire.answer import Answer, Refusal, success

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.profiles import Profiles
    from braze_sandbox.wire.answer import Json

_FILLED = ("first_name", "last_name", "gender", "dob", "time_zone", "home_city", "country", "language")


def absorb(profiles: Profiles, kept: Profile, gone: Profile) -> None:
    """Merge one profile into another, keeping the target's values, and remove it.

    Anything not listed in the docs is unknown: here aliases move if their label is free, as identified users keep
    theirs; an external ID and subscription states are lost.
    """
    sent, own = dict(gone.attributes), kept.attributes
    profiles.remove(gone)
    own.update({name: sent[name] for name in _FILLED if name in sent and name not in own})
    for kind in ("email", "phone"):
        if kind in sent and kind not in own:
            profiles.readdress(kept, kind, sent[kind])
    for name, pick in (("date_of_first_session", min), ("date_of_last_session", max)):
        if times := [one[name] for one in (own, sent) if name in one]:
            own[name] = pick(times)
    if tokens := [*own.get("push_tokens", ()), *sent.get("push_tokens", ())]:
        own["push_tokens"] = tokens
    kept.custom_attributes = {**gone.custom_attributes, **kept.custom_attributes}
    kept.observed = {**gone.observed, **kept.observed}
    kept.events.extend(gone.events)
    kept.purchases.extend(gone.purchases)
    for label, name in gone.aliases.items():
        if label not in kept.aliases:
            profiles.add_alias(kept, label, name)
    profiles.touch(kept)


_TO_IDENTIFY = {"aliases_to_identify": "alias", "emails_to_identify": "email", "phone_numbers_to_identify": "phone"}


def identify(call: Call) -> Answer:
    """Give unidentified users an external ID, or merge them into the user who already has it."""
    only(call, _TO_IDENTIFY)
    wanted: list[tuple[str, Callable[[], Profile | None], str, Json]] = []
    errors: list[dict[str, Any]] = []
    refusal: Refusal | None = None
    for array, kind in _TO_IDENTIFY.items():
        objects = call.body.get(array, [])
        if not isinstance(objects, list):
            raise bad(f"'{array}' must be an array of objects")
        for index, obj in enumerate(objects):
            where = f"{array}[{index}]"
            try:
                wanted.append(_checked(call, kind, obj, where))
            except Refusal as why:
                # Recorded: an array that appears in no request.
                errors.append({"type": _reason(obj, where, why), "input_array": "user_identifiers", "index": index})
                refusal = why
    # Whether the three arrays share the limit is not documented.
    if not 0 < len(wanted) + len(errors) <= MOST:
        raise bad(f"one of {', '.join(_TO_IDENTIFY)} is required, and all have at most {MOST} objects together")
    if refusal and not wanted:
        # The response to a request without a single valid object is neither recorded nor documented.
        raise refusal
    call.apply(each(partial(_identify, call), wanted))
    return success({"aliases_processed": len(wanted), **({"errors": errors} if errors else {})}, 201)


def _checked(call: Call, kind: str, obj: Json, where: str) -> tuple[str, Callable[[], Profile | None], str, Json]:
    (external_id,) = texts(obj, where, "external_id")
    if len(external_id.encode()) > EXTERNAL_ID_BYTES:
        raise bad(f"{where}: 'external_id' may have at most {EXTERNAL_ID_BYTES} bytes")
    return where, _finder(call, kind, obj, where), external_id, obj


def _reason(obj: Json, where: str, why: Refusal) -> str:
    if isinstance(obj, dict) and obj.get("external_id") in (None, ""):
        return "'external_id' is required"
    return why.message.removeprefix(f"{where}: ")


def _finder(call: Call, kind: str, obj: dict[str, Any], where: str) -> Callable[[], Profile | None]:
    profiles = call.instance.profiles
    if kind == "alias":
        return partial(profiles.find, "alias", _alias(obj.get("user_alias"), where))
    (value,) = texts(obj, where, kind)
    prioritization(obj, where)

    def find() -> Profile | None:
        found = profiles.sharing(kind, value)
        if len(found) > 1:
            # Despite any prioritization, according to a report about the page.
            call.report("an address that several users share identifies none of them", where, obj)
        return found[0] if len(found) == 1 else None

    return find


def _alias(value: Json, where: str) -> tuple[str, str]:
    try:
        label, name = check_alias(value).value
    except Rejected as why:
        raise bad(f"{where}: {why}") from None
    return label, name


def _identify(call: Call, where: str, find: Callable[[], Profile | None], external_id: str, obj: Json) -> None:
    profiles = call.instance.profiles
    found, target = find(), profiles.find("external_id", external_id)
    if found is None:
        call.report("nobody to identify: nothing happens", where, obj)
    elif found.external_id is not None:
        # Docs silent; the endpoint is meant for unidentified users.
        if found is not target:
            call.report("a user who has an external ID is not identified again", where, obj)
    elif target is None:
        profiles.name(found, external_id)
    elif found.aliases.keys() & target.aliases.keys():
        call.report("both users have an alias of the same label: they are not merged", where, obj)
    else:
        absorb(profiles, target, found)


_SIDES = ("identifier_to_merge", "identifier_to_keep")
_SHAPE = (
    "identifiers must be objects with an 'external_id' property that is a string, 'user_alias' property that is an "
    "object, 'email' property that is a string, or 'phone' property that is a string"
)


def merge(call: Call) -> Answer:
    """Merge users into others; always return 202."""
    only(call, {"merge_updates"})
    updates = call.body.get("merge_updates")
    if not isinstance(updates, list) or not updates or not all(isinstance(update, dict) for update in updates):
        raise bad("'merge_updates' must be an array of objects")
    if len(updates) > MOST:
        raise bad(f"a single request may not contain more than {MOST} merge updates")
    wanted = []
    for index, update in enumerate(updates):
        if update.keys() != set(_SIDES):
            raise bad("'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'")
        where = f"merge_updates[{index}]"
        gone, kept = (_side(call, update[side], f"{where}.{side}") for side in _SIDES)
        wanted.append((where, gone, kept, update))
    call.apply(each(partial(_merge, call), wanted))
    return success({}, 202)


def _side(call: Call, side: Json, where: str) -> Callable[[], Profile | None]:
    kinds = {"external_id": str, "user_alias": dict, "email": str, "phone": str}
    given = side.keys() & kinds.keys() if isinstance(side, dict) else set()
    # One identifier each: several are not documented.
    if len(given) != 1 or not isinstance(side[kind := given.pop()], kinds[kind]):
        raise bad(_SHAPE)
    profiles = call.instance.profiles
    if kind == "user_alias":
        return partial(profiles.find, "alias", _alias(side[kind], where))
    if kind == "external_id":
        return partial(profiles.find, kind, side[kind])
    return partial(prioritized, call.instance.profiles, kind, side[kind], prioritization(side, where))


def _merge(
    call: Call, where: str, gone: Callable[[], Profile | None], kept: Callable[[], Profile | None], update: Json
) -> None:
    source, target = gone(), kept()
    if source is None or target is None:
        call.report("a user to merge does not exist, or is one of several: nothing happens", where, update)
    elif source is target:
        call.report("a user is not merged with itself (docs silent)", where, update)
    elif _unreadable(source) and _unreadable(target):
        call.report("two users with invalid phone numbers are not merged", where, update)
    else:
        absorb(call.instance.profiles, target, source)


def _unreadable(profile: Profile) -> bool:
    return profile.phone is not None and normal_phone(profile.phone) != profile.phone


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/users/identify",
        permission="users.identify",
        pool="identity",
        handler=identify,
        touches=mentioned,
    ),
    Endpoint(
        method="POST", path="/users/merge", permission="users.merge", pool="identity", handler=merge, touches=mentioned
    ),
]
