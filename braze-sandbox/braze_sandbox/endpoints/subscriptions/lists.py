"""Read users' subscription groups (docs: get_list_user_subscription_group_status, …_user_subscription_groups)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.subscriptions.status import BOTH, UNKNOWN_GROUP
from braze_sandbox.model.objects import SubscriptionGroup
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.paging import by_offset
from braze_sandbox.request.query import lookup, several
from braze_sandbox.rules.identity import normal_phone
from braze_sandbox.wire.answer import Answer, Refusal, success

if TYPE_CHECKING:
    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.profiles import Profiles

IDENTIFIERS = 50
LIMIT = 100


def _asked(call: Call) -> dict[str, list[str]]:
    given = {name: several(call, name, IDENTIFIERS) for name in ("external_id", "email", "phone")}
    if not any(given.values()):
        raise Refusal(400, "one of 'external_id', 'email' and 'phone' is required")
    return given


def _sharing(profiles: Profiles, kind: str, value: str) -> list[Profile]:
    if kind == "external_id":
        found = profiles.find(kind, value)
        return [found] if found else []
    return profiles.sharing(kind, (normal_phone(value) or value) if kind == "phone" else value)


def _states(profile: Profile) -> dict[str, str]:
    states: dict[str, str] = profile.attributes.get("subscription_groups", {})
    return states


def status(call: Call) -> Answer:
    """GET /subscription/status/get.

    Docs silent: responses about addresses or numbers use them as keys exactly as sent; if several users share one, the
    most recently updated user counts; an unknown user is `Unknown`; an unknown group is a 400.
    """
    group = lookup(call, "subscription_group_id", call.instance.workspace.subscription_groups, UNKNOWN_GROUP)
    asked = _asked(call)
    kind = next(kind for kind, values in asked.items() if values)
    if kind != "external_id":
        if asked["email"] and asked["phone"]:
            raise Refusal(400, BOTH)
        if (kind == "email") != (group.channel == "email"):
            raise Refusal(400, f"'{kind}' is not for a subscription group of channel {group.channel}")
    answer = {}
    for value in asked[kind]:
        users = _sharing(call.instance.profiles, kind, value)
        state = _states(max(users, key=lambda user: user.updated)).get(group.id) if users else None
        answer[value] = state.capitalize() if state else "Unknown"
    return success({"status": answer})


def _row(profile: Profile, groups: dict[str, SubscriptionGroup]) -> dict[str, Any]:
    shown = []
    for key, state in _states(profile).items():
        group = groups.get(key) or SubscriptionGroup(id=key, name=key)
        shown.append({"id": key, "name": group.name, "channel": group.channel, "status": state.capitalize()})
    return {
        "email": profile.email,
        "phone": profile.phone,
        "external_id": profile.external_id,
        "subscription_groups": shown,
    }


def groups_of_users(call: Call) -> Answer:
    """GET /subscription/user/status: groups with an explicitly set state, for all users matching any identifier.

    Docs silent: `limit` and `offset` count users, `total_count` counts all of them, they follow the order of the
    identifiers, and unknown users are left out.
    """
    users: dict[str, Profile] = {}
    for kind, values in _asked(call).items():
        for value in values:
            for profile in _sharing(call.instance.profiles, kind, value):
                users[profile.braze_id] = profile
    groups = call.instance.workspace.subscription_groups
    rows = [_row(profile, groups) for profile in by_offset(call, list(users.values()), LIMIT)]
    return success({"users": rows, "total_count": len(users)})


ENDPOINTS = [
    Endpoint(
        method="GET", path="/subscription/status/get", permission="subscription.status.get", pool="a", handler=status
    ),
    Endpoint(
        method="GET",
        path="/subscription/user/status",
        permission="subscription.groups.get",
        pool="a",
        handler=groups_of_users,
    ),
]
