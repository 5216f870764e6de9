"""Whether a message on a channel can reach a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.workspace import Workspace

PUSHES = ("ios_push", "android_push", "web_push", "kindle_push")
_SUBSCRIBED = {"opted_in": ("opted_in",), "subscribed": ("opted_in", "subscribed")}
STATES = (*_SUBSCRIBED, "all")
"""Values of `recipient_subscription_state`."""


def obstacle(workspace: Workspace, profile: Profile, channel: str, content: dict[str, Any], state: str) -> str:
    """Return the reason that a message cannot reach a user; empty if it can.

    Args:
        workspace: Where bounces and apps are looked up.
        profile: The user.
        channel: As in campaign details.
        content: The message object; for SMS and WhatsApp, its subscription group matters.
        state: Which users to reach: `opted_in`, `subscribed` (or opted in) or `all`.
    """
    if channel == "email":
        return _no_email(workspace, profile) or _unsubscribed(profile, "email_subscribe", state)
    if channel in PUSHES:
        if channel.removesuffix("_push") not in _platforms(workspace, profile):
            return f"the user has no push token for {channel}"
        return _unsubscribed(profile, "push_subscribe", state)
    return _no_text_message(profile, content) if channel in ("sms", "whats_app") else ""


def _no_email(workspace: Workspace, profile: Profile) -> str:
    if not profile.email:
        return "the user has no email address"
    bounced = any(bounce.address.lower() == profile.email.lower() for bounce in workspace.hard_bounces)
    return "the email address has bounced" if bounced else ""


def _no_text_message(profile: Profile, content: dict[str, Any]) -> str:
    if not profile.phone:
        return "the user has no phone number"
    group = content.get("subscription_group_id")
    states = profile.attributes.get("subscription_groups", {})
    if group is not None and states.get(group) != "subscribed":
        return "the user is not subscribed to the message's subscription group"
    return ""


def _unsubscribed(profile: Profile, name: str, state: str) -> str:
    present = profile.attributes.get(name, "subscribed")
    return "" if state == "all" or present in _SUBSCRIBED[state] else f"the user's {name} is {present}"


def _platforms(workspace: Workspace, profile: Profile) -> set[str]:
    observed = {str(token.get("platform")) for token in profile.observed.get("push_tokens", ())}
    apps = {workspace.apps.get(token["app_id"], "") for token in profile.attributes.get("push_tokens") or ()}
    return {name.lower() for name in observed | {app.rpartition(" ")[2] for app in apps}}
