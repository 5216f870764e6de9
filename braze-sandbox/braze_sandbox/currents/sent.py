"""Messages sent through the API, as Currents events."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from braze_sandbox.currents.activity import who
from braze_sandbox.currents.diary import event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from braze_sandbox.currents.diary import Event
    from braze_sandbox.model.profiles import Profiles
    from braze_sandbox.model.workspace import Workspace

_EVENTS = {
    "email": ("email.Send", "email.Delivery"),
    "ios_push": ("pushnotification.Send",),
    "android_push": ("pushnotification.Send",),
    "web_push": ("pushnotification.Send",),
    "kindle_push": ("pushnotification.Send",),
    "sms": ("sms.Send", "sms.Delivery"),
    "whats_app": ("whatsapp.Send", "whatsapp.Delivery"),
    "content_cards": ("contentcard.Send",),
    "webhook": ("webhook.Send",),
}
"""Other channels have no event until a user sees the message."""


def sent(workspace: Workspace, profiles: Profiles, start: datetime, end: datetime) -> Iterator[Event]:
    """Yield message sends and deliveries, queued at once, from `start` up to but not including `end`."""
    campaigns, canvases = workspace.campaigns, workspace.canvases
    for number, message in enumerate(workspace.messages):
        profile = profiles.find("braze_id", message.braze_id)
        if profile is None or not start <= message.sent_at < end:
            continue
        campaign, canvas = campaigns.get(message.campaign_id or ""), canvases.get(message.canvas_id or "")
        variation = message.message_variation_id
        known = {
            **who(profile),
            "campaign_id": message.campaign_id,
            "campaign_name": campaign and campaign.name,
            "message_variation_id": None if canvas else variation,
            "canvas_id": message.canvas_id,
            "canvas_name": canvas and canvas.name,
            "canvas_step_id": message.canvas_step_id,
            "canvas_variation_id": message.canvas_variation_id,
            "canvas_step_message_variation_id": variation if canvas else None,
            "send_id": message.send_id,
            "dispatch_id": message.dispatch_id,
            "send_time": int(message.sent_at.timestamp()),
            "to_phone_number": profile.phone,
            "subscription_group_id": message.content.get("subscription_group_id"),
        }
        for step, name in enumerate(_EVENTS.get(message.channel, ())):
            at = message.sent_at + timedelta(seconds=step)
            yield event(f"users.messages.{name}", f"{message.dispatch_id}/{number}/{step}", at, at, known)
