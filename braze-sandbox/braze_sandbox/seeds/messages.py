"""Message bodies of the seed data, one format per channel (docs: get_campaign_details)."""

from __future__ import annotations

from typing import Any

GROUP = "7c4f0e6b-52f3-4a6e-9a2e-1d5a8c3b0f11"


def message(channel: str, name: str, number: int) -> dict[str, Any]:
    """Return a variation's message in the format of /campaigns/details."""
    base: dict[str, Any] = {"channel": channel, "name": name}
    if channel.endswith("_push"):
        return base | {
            "alert": f"Your parcel no. {number} is on its way",
            "title": "Parcel news",
            "action": "https://shop.example/parcels",
            "image_url": f"https://img.example/{number}.png",
            "large_image_url": f"https://img.example/{number}-large.png" if channel == "web_push" else None,
            "extras": {"campaign_no": str(number)},
        }
    form: dict[str, dict[str, Any]] = {
        "email": {
            "subject": f"Letter no. {number}: schöne Grüße, 50% off",
            "body": f"<html><body><p>Hello {{{{${{first_name}}}}}}, this is letter {number}.</p></body></html>",
            "from": "Shop <hello@shop.example>",
            "reply_to": "help@shop.example",
            "title": f"letter-{number}",
            "amp_body": "",
            "preheader": "Worth a look",
            "custom_plain_text": f"Hello, this is letter {number}.",
            "should_inline_css": True,
            "should_whitespace_header": False,
            "email_headers": [{"X-Letter": str(number)}],
            "extras": [],
        },
        "in_app_message": {"message": f"Note {number}", "extras": {"screen": "home"}},
        "banners": {"placement_ids": ["home"], "extras": {}},
        "content_cards": {"extras": {"position": str(number % 5)}},
        "webhook": {
            "url": "https://hooks.example/braze",
            "body": '{"user":"{{${user_id}}}"}',
            "type": "application/json",
            "method": "POST",
            "headers": {"X-Source": "braze"},
        },
        "sms": {"body": f"Code {number}", "from": "+15550100", "subscription_group_id": GROUP},
        "whats_app": {
            "subscription_group_id": GROUP,
            "template_name": "parcel_update",
            "template_language_code": "en",
            "from": ["+15550101"],
            "header_variables": [],
            "body_variables": ["{{${first_name}}}"],
            "button_variables": [],
        },
    }
    return base | form[channel]


def survey(name: str, key: str) -> dict[str, Any]:
    """Return an in-app survey."""
    choices = [
        {
            "choice_id": f"{key}-{at}",
            "text": text,
            "custom_attribute_key": "liked",
            "custom_attribute_value": text.lower(),
            "deleted": at == 2,  # noqa: PLR2004 - one choice out of three has been removed
        }
        for at, text in enumerate(["Yes", "No", "Perhaps"])
    ]
    return {
        "channel": "in_app_message",
        "name": name,
        "type": "survey",
        "data": {"pages": [{"header": {"text": "Did you like it?"}, "choices": choices}]},
    }


def whats_app_response(name: str) -> dict[str, Any]:
    """Return a WhatsApp response message."""
    return {
        "channel": "whats_app",
        "name": name,
        "subscription_group_id": GROUP,
        "layout": "quick-reply",
        "from": ["+15550101"],
        "header_text": "Parcel",
        "body_text": "Is Tuesday fine?",
        "buttons": [{"text": "Yes"}, {"text": "No"}],
    }


def control(channel: str) -> dict[str, Any]:
    """Return a control variant."""
    return {"channel": channel, "type": "control"}
