"""User activity as Currents events: stored events and purchases, plus made-up activity."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from braze_sandbox.currents.diary import LATEST, Diary, Event, event
from braze_sandbox.currents.messages import CHANNELS, reaches
from braze_sandbox.model.ids import key
from braze_sandbox.model.profile import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.workspace import Campaign, Canvas, Workspace

_DEVICES: dict[str, dict[str, Any]] = {
    "Shop iOS": {"platform": "ios", "os_version": "19.1", "device_model": "iPhone18,1", "ad_id_type": "ios_idfa"},
    "Shop Android": {
        "platform": "android",
        "os_version": "16",
        "device_model": "Pixel 10",
        "ad_id_type": "google_ad_id",
    },
    "Shop Web": {"platform": "web", "os_version": "145", "device_model": None, "ad_id_type": None},
}


def activity(workspace: Workspace, profiles: Iterable[Profile], start: datetime, end: datetime) -> Iterator[Event]:
    """Yield made-up events, one person at a time, queued from `start` up to but not including `end`.

    They derive from a hash of the person and the day, so overlapping windows agree.
    """
    people = list(_people(workspace, profiles))
    # Activity that begins on one day can end on the next.
    for number in range((start - LATEST).toordinal() - 1, end.toordinal() + 1):
        today = _Today.of(workspace, datetime.fromordinal(number).replace(tzinfo=timezone.utc))
        for person in people:
            diary = Diary(person, today.midnight)
            _live(diary, today)
            yield from (event for event in diary.events if start <= event.queued < end)


def own(user: Profile, start: datetime, end: datetime) -> Iterator[Event]:
    """Return a profile's events and purchases as sent through the REST API: without a device and queued at once."""
    return (event for event in _own(user) if start <= event.queued < end)


@dataclass(frozen=True, slots=True)
class _Today:
    """What happens in a workspace on one day."""

    midnight: datetime
    messages: list[tuple[Campaign, str]]
    """Campaigns sent that day, each with all its message variations."""
    sends: dict[str, str]
    """The send ID that messages have, by campaign; those of most campaigns have none."""
    canvases: list[Canvas]
    events: list[str]
    products: list[str]
    groups: list[str]

    @classmethod
    def of(cls, workspace: Workspace, midnight: datetime) -> _Today:
        def runs(first: datetime | None, last: datetime | None) -> bool:
            return first is not None and first <= midnight and (last is None or midnight <= last)

        sent = [one for one in workspace.campaigns.values() if runs(one.first_sent, one.last_sent)]
        begun = [send for send in workspace.sends.values() if send.sent_at < midnight + timedelta(days=1)]
        entered = [one for one in workspace.canvases.values() if runs(one.first_entry, one.last_entry) and one.variants]
        return cls(
            midnight,
            [(campaign, variation) for campaign in sent for variation in campaign.messages],
            {send.campaign_id: send.id for send in sorted(begun, key=lambda send: send.sent_at)},
            entered,
            sorted(workspace.events),
            sorted(workspace.products),
            list(workspace.subscription_groups),
        )


def _people(workspace: Workspace, profiles: Iterable[Profile]) -> Iterator[dict[str, Any]]:
    """Yield the user fields of events. Apps and devices rotate, as in the seed."""
    apps = list(workspace.apps.items())
    for number, user in enumerate(profiles):
        yield who(user) | (_device(apps[number % len(apps)], number) if apps else {})


def who(user: Profile) -> dict[str, Any]:
    """Return the event fields that identify the user."""
    return {
        "user_id": user.braze_id,
        "external_user_id": user.external_id,
        "app_group_id": key("workspace", 0),
        "email_address": user.email,
        "phone_number": user.phone,
        "timezone": user.attributes.get("time_zone"),
    }


def _device(app: tuple[str, str], number: int) -> dict[str, Any]:
    app_id, name = app
    ad_id_type = _DEVICES.get(name, {}).get("ad_id_type")
    return {
        **_DEVICES.get(name, {"platform": "web"}),
        "app_id": app_id,
        "device_id": key("device", number),
        "push_token": key("token", number),
        "ad_id": key("ad", number) if ad_id_type else None,
        "ad_tracking_enabled": number % 2 == 0 if ad_id_type else None,
    }


def _own(user: Profile) -> Iterator[Event]:
    for number, done in enumerate(user.events):
        known = {**who(user), "app_id": done["app_id"], "name": done["name"], "properties": _text(done["properties"])}
        yield event("users.behaviors.CustomEvent", f"{user.braze_id}/own/{number}", done["time"], done["time"], known)
    for number, bought in enumerate(user.purchases):
        known = {**who(user), **bought, "properties": _text(bought["properties"])}
        # A purchase with quantity 3 is three purchases (docs: purchase_object).
        for piece in range(bought["quantity"]):
            name = f"{user.braze_id}/bought/{number}/{piece}"
            yield event("users.behaviors.Purchase", name, bought["time"], bought["time"], known)


def _text(properties: dict[str, Any] | None) -> str:
    return json.dumps(plain(properties or {}), ensure_ascii=False)


def _live(diary: Diary, today: _Today) -> None:
    chance, person = diary.chance, diary.person
    for _ in range(chance.number(3) if "device_id" in person else 0):
        _session(diary, today)
    messages = [one for one in today.messages if reaches(one[0].messages[one[1]]["channel"], person)]
    for _ in range(chance.number(5) if messages else 0):
        campaign, variation = chance.one_of(messages)
        _campaign(diary, campaign, variation, today.sends.get(campaign.id))
    if today.canvases and chance.once_in(4):
        _canvas(diary, chance.one_of(today.canvases))
    if today.groups and person["email_address"] and chance.once_in(12):
        _subscription(diary, chance.one_of(today.groups))
    if chance.once_in(30):
        diary.add("users.RandomBucketNumberUpdate", diary.moment(), random_bucket_number=chance.number(10_000))
    if chance.once_in(30):
        _agent(diary)


def _session(diary: Diary, today: _Today) -> None:
    chance, begun = diary.chance, diary.moment()
    session = key("session", f"{diary.person['user_id']}/{begun}")
    offline = chance.once_in(8)
    length = 30 + chance.number(1800)
    at = begun
    diary.add("users.behaviors.app.SessionStart", at, session_id=session, offline=offline)
    for _ in range(chance.number(4) if today.events else 0):
        at += timedelta(seconds=chance.number(length // 4))
        properties = json.dumps({"page": chance.number(9), "from": "app", "tags": ["a", "b"][: chance.number(3)]})
        name = chance.one_of(today.events)
        diary.add("users.behaviors.CustomEvent", at, name=name, properties=properties, offline=offline)
    if today.products and chance.once_in(4):
        product = chance.one_of(today.products)
        known: dict[str, Any] = {
            "product_id": product,
            "price": chance.number(10_000) / 100,
            "currency": "EUR",
            "properties": "{}",
        }
        diary.add("users.behaviors.Purchase", at, **known, offline=offline)
    if chance.once_in(6):
        latitude, longitude = 41.15 + chance.number(100) / 1000, -8.61 + chance.number(100) / 1000
        diary.add("users.behaviors.Location", at, latitude=latitude, longitude=longitude, ll_accuracy=25.0)
    # Often not before the next app start, and sometimes never.
    if not chance.once_in(10):
        end = begun + timedelta(seconds=length)
        late = offline or chance.once_in(3)
        diary.add("users.behaviors.app.SessionEnd", end, session_id=session, duration=float(length), offline=late)


def _campaign(diary: Diary, campaign: Campaign, variation: str, send: str | None) -> None:
    chance, at = diary.chance, diary.moment()
    message = campaign.messages[variation]
    about = {
        "campaign_id": campaign.id,
        "campaign_name": campaign.name,
        "message_variation_id": variation,
        "message_variation_name": message.get("name", "Control"),
        "send_id": send,
    }
    if message.get("type") == "control":
        diary.add("users.campaigns.EnrollInControl", at, **about)
        return
    engaged = CHANNELS[message["channel"]](diary, at, about)
    if engaged and campaign.conversion_behaviors:
        index = chance.number(len(campaign.conversion_behaviors))
        behavior = json.dumps(campaign.conversion_behaviors[index])
        later = at + timedelta(hours=1 + chance.number(20))
        diary.add(
            "users.campaigns.Conversion", later, **about, conversion_behavior_index=index, conversion_behavior=behavior
        )


def _canvas(diary: Diary, canvas: Canvas) -> None:
    chance, at = diary.chance, diary.moment()
    variant = chance.one_of(canvas.variants)
    about = {
        "canvas_id": canvas.id,
        "canvas_name": canvas.name,
        "canvas_variation_id": variant["id"],
        "canvas_variation_name": variant["name"],
    }
    diary.add("users.canvas.Entry", at, **about, in_control_group=not variant["first_step_ids"])
    if not variant["first_step_ids"]:
        return
    entry = key("canvas entry", f"{diary.person['user_id']}/{at}")
    engaged = False
    for number, step in enumerate(canvas.steps):
        here = {**about, "canvas_step_id": step["id"], "canvas_step_name": step["name"]}
        following = canvas.steps[number + 1]["id"] if number + 1 < len(canvas.steps) else None
        diary.add(
            "users.canvasstep.Progression",
            at,
            **here,
            canvas_entry_id=entry,
            is_canvas_entry=number == 0,
            progression_type="advance" if following else "exit",
            next_step_id=following,
        )
        for variation, message in step["messages"].items():
            if reaches(message["channel"], diary.person):
                sent = {**here, "canvas_step_message_variation_id": variation}
                engaged |= CHANNELS[message["channel"]](diary, at, sent)
        at += timedelta(hours=1)
    if engaged:
        diary.add("users.canvas.Conversion", at, **about, conversion_behavior_index=0)


def _subscription(diary: Diary, group: str) -> None:
    status = diary.chance.one_of(["Subscribed", "Unsubscribed"])
    known: dict[str, Any] = {"subscription_group_id": group, "subscription_status": status, "channel": "email"}
    diary.add("users.behaviors.subscriptiongroup.StateChange", diary.moment(), **known, state_change_source="rest_api")


def _agent(diary: Diary) -> None:
    """Add an agent's decision about a user and one tool call without a user."""
    at = diary.moment()
    run = key("agent run", f"{diary.person['user_id']}/{at}")
    agent: dict[str, Any] = {"agent_id": key("agent", 0), "agent_name": "Greeter", "request_id": run, "is_error": False}
    known: dict[str, Any] = {
        "tool_call_id": key("tool call", run),
        "duration": 120,
        "tool_name": "lookup",
        "tool_arguments": "{}",
    }
    diary.add("agentconsole.ToolInvocation", at, **agent, **known)
    tokens: dict[str, Any] = dict.fromkeys(
        ("prompt_tokens", "completion_tokens", "total_tokens", "cache_tokens", "reasoning_tokens"), 7
    )
    known = {"invocation_id": run, "duration": 900, "model_provider": "provider", "model_name": "model"}
    diary.add(
        "agentconsole.AgentExecuted", at, **agent, **known, **tokens, cache_hit=False, llm_owned_by_customer=False
    )
