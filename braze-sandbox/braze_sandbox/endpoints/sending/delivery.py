"""Deliver dispatches: to profiles, and to the messages counted by statistics and Currents."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from braze_sandbox.model.clock import iso
from braze_sandbox.model.membership import members
from braze_sandbox.model.messages import Message
from braze_sandbox.model.objects import Send
from braze_sandbox.request.bodies import prioritized
from braze_sandbox.rules.attributes import apply_attributes
from braze_sandbox.rules.audience import compile_audience
from braze_sandbox.rules.channels import obstacle
from braze_sandbox.rules.identity import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_sandbox.model.messages import Dispatch
    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.workspace import Campaign, Canvas
    from braze_sandbox.state.instance import Instance
    from braze_sandbox.wire.answer import Json

    Recipient = tuple[Profile, dict[str, Any]]

CHANNELS = {
    "apple_push": "ios_push",
    "android_push": "android_push",
    "kindle_push": "kindle_push",
    "web_push": "web_push",
    "email": "email",
    "sms": "sms",
    "whats_app": "whats_app",
    "webhook": "webhook",
    "content_card": "content_cards",
}
"""Maps a request's messages to channels of campaign details."""
_ALIASES = ("trigger_properties", "context", "canvas_entry_properties")


def send_due(instance: Instance) -> None:
    """Send everything scheduled for now or earlier, oldest first."""
    schedules = instance.workspace.schedules
    if not schedules:
        return
    now = instance.clock.utc_now()
    for schedule in sorted(schedules.values(), key=lambda one: one.at):
        if schedule.at <= now:
            del schedules[schedule.id]
            Delivery(instance, schedule.dispatch).run()


class Delivery:
    """A dispatch on its way to its recipients."""

    def __init__(self, instance: Instance, dispatch: Dispatch) -> None:
        self._instance = instance
        self._workspace = instance.workspace
        self._dispatch = dispatch
        self._body = dispatch.body
        self._now = instance.clock.utc_now()

    def run(self) -> None:
        """Deliver each message to every reachable recipient."""
        send = {"message": self._message, "campaign": self._campaign, "canvas": self._canvas}.get(self._dispatch.source)
        if send:
            send()
        else:
            for profile, _ in self._users("custom_audience"):
                self._deliver(profile, "live_activity", self._body, {})

    def _message(self) -> None:
        campaign = self._workspace.campaigns.get(self._body.get("campaign_id") or "")
        for profile, _ in self._users("audience"):
            for name, content in self._body["messages"].items():
                known = {"campaign_id": campaign.id} if campaign else {}
                variation = {"message_variation_id": content.get("message_variation_id")} if campaign else {}
                if self._deliver(profile, CHANNELS[name], content, {}, **known, **variation) and campaign:
                    self._received_campaign(profile, campaign)

    def _campaign(self) -> None:
        campaign: Campaign | None = self._workspace.campaigns.get(self._body["campaign_id"])
        if campaign is None or campaign.archived or not campaign.enabled:
            return
        for profile, properties in self._recipients():
            chosen = _variations(campaign.messages, profile, together=campaign.multivariate)
            sent = [
                self._deliver(
                    profile,
                    message["channel"],
                    message,
                    properties,
                    campaign_id=campaign.id,
                    message_variation_id=variation,
                )
                for variation, message in chosen.items()
                if message.get("type") != "control"
            ]
            if any(sent):
                self._received_campaign(profile, campaign)

    def _canvas(self) -> None:
        canvas: Canvas | None = self._workspace.canvases.get(self._body["canvas_id"])
        if canvas is None or canvas.archived or not canvas.enabled or not canvas.variants:
            return
        steps = {step["id"]: step for step in canvas.steps}
        for profile, properties in self._recipients():
            variant = canvas.variants[_draw(profile.braze_id, len(canvas.variants))]
            known = {"canvas_id": canvas.id, "canvas_variation_id": variant["id"]}
            self._workspace.canvas_entries.append((canvas.id, variant["id"], self._now))
            canvas.first_entry = canvas.first_entry or self._now
            self._entered_canvas(profile, canvas, variant)
            for step_id in variant["first_step_ids"]:
                messages = steps[step_id]["messages"] if step_id in steps else {}
                for variation, message in _variations(messages, profile, together=False).items():
                    self._deliver(
                        profile,
                        message["channel"],
                        message,
                        properties,
                        canvas_step_id=step_id,
                        message_variation_id=variation,
                        **known,
                    )

    def _deliver(
        self, profile: Profile, channel: str, content: dict[str, Any], properties: dict[str, Any], **known: str | None
    ) -> bool:
        """Record a message if its channel can reach the user."""
        state = self._body.get("recipient_subscription_state", "subscribed")
        why = obstacle(self._workspace, profile, channel, content, state)
        if why:
            if not self._body.get("broadcast"):
                reason = f"a message by {channel} is not sent: {why}"
                self._instance.recorder.violation(reason, self._dispatch.source, profile.external_id)
            return False
        self._workspace.messages.append(
            Message(
                dispatch_id=self._dispatch.id,
                channel=channel,
                sent_at=self._now,
                braze_id=profile.braze_id,
                external_id=profile.external_id,
                content=content,
                properties=properties,
                send_id=self._body.get("send_id"),
                **known,
            )
        )
        return True

    def _users(self, audience: str) -> Iterator[Recipient]:
        """Yield the users of a message without a trigger: named users within the segment and the audience, if any."""
        find, body = self._instance.profiles.find, self._body
        named = [find("external_id", as_text(one)) for one in body.get("external_user_ids", ())]
        named += [find("alias", (one["alias_label"], one["alias_name"])) for one in body.get("user_aliases", ())]
        self._report_unknown(named)
        chosen = [one for one in named if one]
        segment = self._workspace.segments.get(body.get("segment_id") or "")
        if segment:
            inside = members(segment, self._instance.profiles)
            chosen = [one for one in inside if one in chosen] if named else inside
        elif not named:
            chosen = list(self._instance.profiles)
        yield from ((one, {}) for one in self._in_audience(chosen, body.get(audience)))

    def _recipients(self) -> Iterator[Recipient]:
        """Yield a trigger's recipients with their properties, after applying their attributes.

        Of several that are the same user, only the last counts (docs: recipient_object).
        """
        shared = self._properties(self._body)
        recipients = self._body.get("recipients")
        if recipients is None:
            everybody = self._in_audience(list(self._instance.profiles), self._body.get("audience"))
            yield from ((one, shared) for one in everybody)
            return
        found: dict[str, Recipient] = {}
        for given in recipients:
            profile = self._recipient(given)
            self._report_unknown([profile])
            if profile and self._in_audience([profile], self._body.get("audience")):
                if found.pop(profile.braze_id, None):
                    reason = "two recipients are the same user: only the last one counts"
                    self._instance.recorder.violation(reason, self._dispatch.source, self._body)
                found[profile.braze_id] = profile, {**shared, **self._properties(given)}
        yield from found.values()

    def _recipient(self, given: dict[str, Any]) -> Profile | None:
        profiles = self._instance.profiles
        if given.get("email") is not None:
            profile = prioritized(profiles, "email", given["email"], given["prioritization"])
            new: tuple[str, Json] = ("email", given["email"])
        elif given.get("user_alias") is not None:
            alias = given["user_alias"]["alias_label"], given["user_alias"]["alias_name"]
            profile, new = profiles.find("alias", alias), ("alias", alias)
        elif given.get("braze_id") is not None:
            braze_id = as_text(given["braze_id"])
            profile, new = profiles.find("braze_id", braze_id), ("braze_id", braze_id)
        else:
            external_id = as_text(given["external_user_id"])
            profile, new = profiles.find("external_id", external_id), ("external_id", external_id)
        attributes = given.get("attributes") or {}
        tied = given.get("email") is not None and bool(profiles.sharing("email", given["email"]))
        creates = given.get("send_to_existing_only", True) is False and given.get("braze_id") is None
        if profile is None and creates and not tied:
            profile = profiles.create(*new)
        if profile and attributes:
            apply_attributes(profiles, profile, attributes, self._report_attribute)
        return profile

    def _report_attribute(self, reason: str, path: str) -> None:
        self._instance.recorder.violation(reason, f"recipients.attributes.{path}", self._body)

    def _report_unknown(self, found: list[Profile | None]) -> None:
        if None in found:
            reason = "no user, or more than one, matches a recipient: nothing is sent to them"
            self._instance.recorder.violation(reason, self._dispatch.source, self._body)

    def _in_audience(self, profiles: list[Profile], audience: Json) -> list[Profile]:
        if audience is None:
            return profiles
        belongs = compile_audience(audience)
        return [one for one in profiles if belongs(one, self._now)]

    @staticmethod
    def _properties(given: dict[str, Any]) -> dict[str, Any]:
        return next((given[name] for name in _ALIASES if name in given), {})

    def _received_campaign(self, profile: Profile, campaign: Campaign) -> None:
        campaign.first_sent = campaign.first_sent or self._now
        rows = profile.observed.setdefault("campaigns_received", [])
        rows[:] = [row for row in rows if row["api_campaign_id"] != campaign.id]
        row = {"name": campaign.name, "api_campaign_id": campaign.id, "last_received": iso(self._now)}
        rows.append({**row, "engaged": {}, "converted": False})
        self._instance.profiles.touch(profile)

    def _entered_canvas(self, profile: Profile, canvas: Canvas, variant: dict[str, Any]) -> None:
        control = not variant["first_step_ids"]
        row = {
            "name": canvas.name,
            "api_canvas_id": canvas.id,
            "last_entered": iso(self._now),
            "variation_name": variant["name"],
            "in_control": control,
            "last_entered_control_at": iso(self._now) if control else None,
        }
        rows = profile.observed.setdefault("canvases_received", [])
        rows[:] = [*(one for one in rows if one["api_canvas_id"] != canvas.id), row]
        self._instance.profiles.touch(profile)


def track_send(instance: Instance, campaign_id: str, send_id: str) -> None:
    """Make a send id known so that its statistics can be requested."""
    known = Send(id=send_id, campaign_id=campaign_id, sent_at=instance.clock.utc_now())
    instance.workspace.sends.setdefault(send_id, known)


def _draw(name: str, count: int) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big") % count


def _variations(messages: dict[str, dict[str, Any]], profile: Profile, *, together: bool) -> dict[str, dict[str, Any]]:
    """Pick a user's variation: one per channel, or one of all (`together`) in a multivariate campaign."""
    channels: dict[str, list[str]] = {}
    for variation, message in messages.items():
        channels.setdefault("" if together else message["channel"], []).append(variation)
    chosen = [ones[_draw(profile.braze_id, len(ones))] for ones in channels.values()]
    return {variation: messages[variation] for variation in chosen}
