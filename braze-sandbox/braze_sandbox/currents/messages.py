"""What follows from a message on each channel, as Currents events: sends, deliveries, opens, and clicks."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from braze_sandbox.model.ids import key
from braze_sandbox.seeds.messages import GROUP

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from braze_sandbox.currents.diary import Diary

    Add = Callable[..., None]
    Channel = Callable[[Diary, datetime, dict[str, Any]], bool]

_SENDER = "+15550100"


def reaches(channel: str, person: dict[str, Any]) -> bool:
    """Return whether a message on a channel can reach a person."""
    if channel in ("in_app_message", "content_cards"):
        return "app_id" in person
    if channel.endswith("_push"):
        return person.get("platform") == channel.removesuffix("_push")
    if channel in ("sms", "whats_app"):
        return person["phone_number"] is not None
    # The sandbox writes no banner events.
    return channel != "banners" and (channel != "email" or person["email_address"] is not None)


def _dispatch(diary: Diary, at: datetime, about: dict[str, Any], **more: Any) -> Add:  # noqa: ANN401 - any fields
    """Return a function that adds events of one dispatch of a message, including the fields in `more`."""
    # Without the send, whose date depends on when the sandbox starts.
    message = f"{diary.person['user_id']}/{at}/{ {**about, 'send_id': None} }"
    shared = {
        **about,
        "dispatch_id": key("dispatch", message).replace("-", ""),
        "send_time": int(at.timestamp()),
        **more,
    }

    def add(event_type: str, moment: datetime, **known: Any) -> None:  # noqa: ANN401 - any fields
        diary.add(f"users.messages.{event_type}", moment, **(shared | known))

    return add


def _email(diary: Diary, at: datetime, about: dict[str, Any]) -> bool:
    chance = diary.chance
    server = {"ip_pool": "main", "sending_ip": "192.0.2.10", "esp": "SparkPost", "from_domain": "shop.example"}
    browser: dict[str, Any] = {
        "user_agent": "Mozilla/5.0",
        "browser": "Chrome",
        "device_class": "phone",
        "is_amp": False,
    }
    add = _dispatch(diary, at, about, **server)
    add("email.Send", at, message_extras='{"letter": 1}' if chance.once_in(3) else None)
    if chance.once_in(20):
        add("email.Bounce", at + timedelta(seconds=9), bounce_reason="550 no such user", is_drop=False)
        return False
    if chance.once_in(20):
        add("email.SoftBounce", at + timedelta(seconds=9), bounce_reason="452 mailbox full")
    add("email.Delivery", at + timedelta(seconds=20))
    if chance.once_in(40):
        add("email.MarkAsSpam", at + timedelta(minutes=50))
    if chance.once_in(12):
        at += timedelta(minutes=40)
        add("email.Unsubscribe", at)
        state: dict[str, Any] = {
            "subscription_status": "Unsubscribed",
            "channel": "email",
            "state_change_source": "unsubscribe_link",
        }
        diary.add("users.behaviors.subscription.GlobalStateChange", at, **about, **state)
        return False
    if chance.once_in(2):
        return False
    opened = at + timedelta(minutes=1 + chance.number(300))
    # A string, not a boolean: "true" or null.
    machine = "true" if chance.once_in(4) else None
    add("email.Open", opened, **browser, machine_open=machine)
    if machine or chance.once_in(2):
        return False
    bot: dict[str, Any] = (
        {"is_suspected_bot_click": True, "suspected_bot_click_reason": ["user_agent"]} if chance.once_in(8) else {}
    )
    url = {"url": f"https://shop.example/?utm_id={chance.number(9)}", "link_alias": "shop"}
    add("email.Click", opened + timedelta(seconds=30), **browser, **url, **bot)
    return not bot


def _push(diary: Diary, at: datetime, about: dict[str, Any]) -> bool:
    add = _dispatch(diary, at, about)
    add("pushnotification.Send", at)
    if diary.chance.once_in(20):
        add("pushnotification.Bounce", at + timedelta(seconds=5))
        return False
    if not diary.chance.once_in(3):
        return False
    add("pushnotification.Open", at + timedelta(minutes=7), button_action_type="deep_link")
    return True


def _sms(diary: Diary, at: datetime, about: dict[str, Any]) -> bool:
    chance = diary.chance
    number = diary.person["phone_number"]
    numbers = {"to_phone_number": number, "user_phone_number": number, "from_phone_number": _SENDER}
    add = _dispatch(diary, at, about, **numbers, subscription_group_id=GROUP)
    add("sms.Send", at)
    add("sms.CarrierSend", at + timedelta(seconds=2))
    if chance.once_in(15):
        fault = {"error": "unreachable carrier", "provider_error_code": "30003"}
        add("sms.Rejection", at + timedelta(seconds=5), **fault)
        return False
    add("sms.Delivery", at + timedelta(seconds=5))
    if chance.once_in(10):
        # From a number that belongs to no user.
        stranger = {"user_id": None, "external_user_id": None, "user_phone_number": f"+1555{chance.number(10**7):07}"}
        said = {"inbound_phone_number": _SENDER, "action": "None", "message_body": "Who is this?", "media_urls": [None]}
        add("sms.InboundReceive", at + timedelta(minutes=2), **said, **stranger)
    if not chance.once_in(4):
        return False
    url = {"url": "https://shop.example/parcels", "short_url": "https://s.example/p"}
    add("sms.ShortLinkClick", at + timedelta(minutes=3), **url)
    return True


def _in_app_message(diary: Diary, at: datetime, about: dict[str, Any]) -> bool:
    add = _dispatch(diary, at, about, offline=diary.chance.once_in(8))
    add("inappmessage.Impression", at)
    if not diary.chance.once_in(3):
        return False
    add("inappmessage.Click", at + timedelta(seconds=4), button_id=str(diary.chance.number(2)))
    return True


def _content_cards(diary: Diary, at: datetime, about: dict[str, Any]) -> bool:
    card = key("content card", f"{diary.person['user_id']}/{at}")
    add = _dispatch(diary, at, about, content_card_id=card)
    add("contentcard.Send", at)
    add("contentcard.Impression", at + timedelta(hours=2), is_unique=True)
    if diary.chance.once_in(4):
        add("contentcard.Dismiss", at + timedelta(hours=3), is_unique=True)
        return False
    if not diary.chance.once_in(4):
        return False
    add("contentcard.Click", at + timedelta(hours=3), is_unique=True)
    return True


def _webhook(diary: Diary, at: datetime, about: dict[str, Any]) -> bool:
    add = _dispatch(diary, at, about)
    if diary.chance.once_in(10):
        answer = {"http_status_code": 503, "host": "hooks.example", "url_path": "/braze", "is_terminal": True}
        add("webhook.Failure", at, **answer)
        return False
    add("webhook.Send", at)
    return False


def _whats_app(diary: Diary, at: datetime, about: dict[str, Any]) -> bool:
    known = {
        "to_phone_number": diary.person["phone_number"],
        "from_phone_number": _SENDER,
        "template_name": "parcel_update",
    }
    add = _dispatch(diary, at, about, **known, subscription_group_id=GROUP)
    add("whatsapp.Send", at)
    add("whatsapp.Delivery", at + timedelta(seconds=4))
    if diary.chance.once_in(2):
        add("whatsapp.Read", at + timedelta(minutes=9))
    return False


CHANNELS: dict[str, Channel] = {
    "email": _email,
    "ios_push": _push,
    "android_push": _push,
    "web_push": _push,
    "kindle_push": _push,
    "sms": _sms,
    "in_app_message": _in_app_message,
    "content_cards": _content_cards,
    "webhook": _webhook,
    "whats_app": _whats_app,
}
"""What follows a message on each channel; each function returns whether the user acted on it."""
