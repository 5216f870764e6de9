"""POST /subscription/status/set and version 2 (docs: post_update_user_subscription_group_status and …_v2).

Both are asynchronous here: the pages do not specify it, but the first advises waiting minutes between updates.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from braze_sandbox.request.bodies import MOST, bad, each, emails, mentioned, only, phones, strings
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, success

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from braze_sandbox.model.profile import Profile

UNKNOWN_GROUP = "Invalid subscription group ID"
BOTH = "Either an email address or a phone number should be provided, but not both."
STATES = ("subscribed", "unsubscribed")

_COMMON = {"subscription_group_id", "subscription_state", "use_double_opt_in_logic"}
_FIRST = {"external_id": "external_id", "email": "email", "phone": "phone"}
_SECOND = {"external_ids": "external_id", "emails": "email", "phones": "phone"}


def set_one(call: Call) -> Answer:
    """Handle version 1: one group. Identifiers may be one string or an array."""
    only(call, _COMMON | _FIRST.keys())
    _not_both(call.body)
    change = _change(call, call.body, _FIRST, singles=_FIRST)
    call.apply(lambda: _apply(call, call.body, change))
    return success({}, 201)


def set_many(call: Call) -> Answer:
    """Handle version 2: several groups. Whether the 50-user limit is per group or per request is not documented."""
    only(call, {"subscription_groups"})
    groups = call.body.get("subscription_groups")
    if not isinstance(groups, list) or not groups or not all(isinstance(group, dict) for group in groups):
        raise bad("'subscription_groups' is required and must be an array of objects")
    _not_both(_SECOND[name] for group in groups for name in _SECOND if group.get(name) is not None)
    changes = [_change(call, group, _SECOND, singles=_SECOND) for group in groups]
    if sum(len(values) for change in changes for values in change.values()) > MOST:
        raise bad(f"a single request may not contain more than {MOST} users")
    call.apply(each(partial(_apply, call), list(zip(groups, changes, strict=True))))
    return success({}, 201)


def _not_both(kinds: Iterable[str]) -> None:
    if {"email", "phone"} <= set(kinds):
        raise bad(BOTH)


def _change(
    call: Call, obj: dict[str, Any], names: Mapping[str, str], singles: Iterable[str] = ()
) -> dict[str, list[str]]:
    """Return a validated object's identifiers, by kind. Braze's response to a bad one is not documented."""
    group = obj.get("subscription_group_id")
    try:
        UUID(group)
    except (ValueError, AttributeError, TypeError):
        raise bad("'subscription_group_id' is required and must be the id of a subscription group") from None
    if obj.get("subscription_state") not in STATES:
        raise bad(f"'subscription_state' is required and must be {' or '.join(STATES)}")
    if not isinstance(obj.get("use_double_opt_in_logic", False), bool):
        raise bad("'use_double_opt_in_logic' must be a boolean")
    found = {
        kind: strings(obj[name], name, single=name in singles)
        for name, kind in names.items()
        if obj.get(name) is not None
    }
    if not found:
        raise bad(f"one of {', '.join(names)} is required")
    emails(found.get("email", ()), "email")
    phones(found.get("phone", ()), "phone")
    known = call.instance.workspace.subscription_groups.get(str(group))
    if known is None:
        if call.instance.options.unknown_groups == "refused":
            raise bad(UNKNOWN_GROUP)
        call.report("a subscription group that the workspace does not have is kept", str(group), obj)
    elif ("phone" if known.channel == "email" else "email") in found:
        raise bad(f"a subscription group of the channel {known.channel} does not take this identifier")
    return found


def _apply(call: Call, obj: dict[str, Any], change: dict[str, list[str]]) -> None:
    profiles = call.instance.profiles
    group, state = obj["subscription_group_id"], obj["subscription_state"]
    # Double opt-in subscribes a user once they reply, which never happens here.
    waits = obj.get("use_double_opt_in_logic") is True and state == "subscribed" and not _is_email(call, group, change)
    for kind, values in change.items():
        for value in values:
            users: list[Profile]
            if kind == "external_id":
                profile = profiles.find(kind, value)
                users = [profile] if profile else []
                if profile is None:
                    call.report("no user has the external ID (docs silent: nothing happens)", kind, value)
            else:
                users = profiles.sharing(kind, value)
                if not users and not waits:
                    profiles.pending_subscriptions.group(kind, value, group, state)
            for user in users:
                if not waits:
                    user.attributes.setdefault("subscription_groups", {})[group] = state
                profiles.touch(user)


def _is_email(call: Call, group: str, change: dict[str, list[str]]) -> bool:
    known = call.instance.workspace.subscription_groups.get(group)
    return known.channel == "email" if known else "email" in change


ENDPOINTS = [
    Endpoint(
        method="POST",
        path=path,
        permission="subscription.status.set",
        pool="subscriptions",
        handler=handler,
        touches=mentioned,
    )
    for path, handler in (("/subscription/status/set", set_one), ("/v2/subscription/status/set", set_many))
]
