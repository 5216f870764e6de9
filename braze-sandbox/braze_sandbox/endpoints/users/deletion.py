"""POST /users/delete (docs: post_user_delete)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from braze_sandbox.request.bodies import array, bad, each, mentioned, prioritization, prioritized, texts
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.rules.identity import Rejected, as_text, check_alias
from braze_sandbox.wire.answer import Answer, encode, success

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.model.profile import Profile

# `least_recently_updated` is not allowed here.
_PREFERENCES = ("identified", "unidentified", "most_recently_updated")
_KINDS = {
    "external_ids": "external_id",
    "user_aliases": "alias",
    "braze_ids": "braze_id",
    "email_addresses": "email",
    "phone_numbers": "phone",
}


def delete(call: Call) -> Answer:
    """Delete users by one kind of identifier, including deprecated external IDs.

    The documented response has no `message`, but the recorded one does. `deleted` counts what was queued, so here it
    includes unknown identifiers; the response to a bad request is not documented.
    """
    given = [name for name in _KINDS if name in call.body]
    if len(given) != 1:
        raise bad(f"one of {', '.join(_KINDS)} is required, and only one")
    finders = [_finder(call, given[0], one, index) for index, one in enumerate(array(call, given[0]))]
    call.apply(each(partial(_delete, call), [(finder,) for finder in finders]))
    deleted = {"deleted": len(finders)}
    return success(deleted, 201) if call.recorded else Answer(encode(deleted), 201)


def _finder(call: Call, name: str, one: Any, index: int) -> Callable[[], Profile | None]:  # noqa: ANN401 - any JSON
    profiles, where = call.instance.profiles, f"{name}[{index}]"
    kind = _KINDS[name]
    if kind in ("email", "phone"):
        # The table has strings, the text requires a prioritization, and the example has objects.
        (value,) = texts(one, where, kind)
        return partial(prioritized, call.instance.profiles, kind, value, prioritization(one, where, _PREFERENCES))
    if kind == "alias":
        try:
            return partial(profiles.find, kind, check_alias(one).value)
        except Rejected as why:
            raise bad(f"{where}: {why}") from None
    one = as_text(one)
    if not isinstance(one, str) or not one:
        raise bad(f"{where} must be a non-empty string")
    return partial(profiles.find, kind, one)


def _delete(call: Call, find: Callable[[], Profile | None]) -> None:
    if profile := find():
        call.instance.profiles.remove(profile)


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/users/delete",
        permission="users.delete",
        pool="identity",
        handler=delete,
        touches=mentioned,
    ),
]
