"""Building blocks of the schemas, the fields that more than one stream has; no streams."""

from __future__ import annotations

from typing import Any, Final

from singer_sdk import typing as th


def counts(**described: str) -> list[th.Property[Any]]:
    """Whole numbers, by name and description."""
    return [th.Property(name, th.IntegerType, description=text) for name, text in described.items()]


def key(name: str, description: str) -> th.Property[Any]:
    """A text that is part of the primary key."""
    return th.Property(name, th.StringType, required=True, description=description)


def day(description: str = "The day, in the company's time zone.") -> th.Property[Any]:
    """The `time` of a series by days."""
    return th.Property("time", th.DateType, required=True, description=description)


def moment(name: str, description: str, *, required: bool = False) -> th.Property[Any]:
    """A date and time."""
    return th.Property(name, th.DateTimeType, required=required, description=description)


def edits() -> list[th.Property[Any]]:
    """When an object was made and edited."""
    return [
        moment("created_at", "When it was made."),
        moment("updated_at", "When it was edited last."),
    ]


def flags(**described: str) -> list[th.Property[Any]]:
    """Booleans, by name and description."""
    return [th.Property(name, th.BooleanType, description=text) for name, text in described.items()]


def open_object(name: str, description: str) -> th.Property[Any]:
    """An object of which Braze does not say all that it may hold."""
    return th.Property(name, th.ObjectType(additional_properties=True), description=description)


def strings(name: str, description: str) -> th.Property[Any]:
    """A list of texts."""
    return th.Property(name, th.ArrayType(th.StringType), description=description)


def schema(*properties: th.Property[Any]) -> dict[str, Any]:
    """The schema of a stream; its nested objects stay open, for Braze adds to them."""
    return _with_columns(th.PropertiesList(*properties).to_dict())


def _with_columns(node: dict[str, Any]) -> dict[str, Any]:
    """A schema whose objects have no empty `properties`: the SDK's flattening makes no column of such an object.

    Without these it makes one of JSON, which is what an object of open keys needs.
    """
    if properties := node.pop("properties", None):
        node["properties"] = {name: _with_columns(inner) for name, inner in properties.items()}
    return node


def conversions(booked_on: str) -> list[th.Property[Any]]:
    """Conversions by their own day and by that of the `send` or `entry` that led to them."""
    described = {}
    for number, event in (("", "the primary conversion event"), ("1", "event B"), ("2", "event C"), ("3", "event D")):
        described[f"conversions{number}"] = f"Conversions of {event}, on the day of the conversion."
        described[f"conversions{number}_by_{booked_on}_time"] = (
            f"Conversions of {event}, on the day of the {booked_on} that led to them; grows afterwards."
        )
    return counts(**described)


DIMENSIONS: Final = {
    "app_id": key("app_id", "API identifier of the app that the row is of.").to_dict()["app_id"],
    "segment_id": key("segment_id", "API identifier of the segment that the row is of.").to_dict()["segment_id"],
    "product_id": key("product_id", "The product that the row is of, as purchases name it.").to_dict()["product_id"],
}
HOUR: Final = th.Property("time", th.DateTimeType, required=True, description="The hour, as Braze writes it.").to_dict()

REVENUE: Final = th.Property("revenue", th.NumberType, description="Revenue in US dollars.")

CONVERSION_BEHAVIOR: Final = th.ObjectType(
    th.Property("type", th.StringType, description="What the user does: `Makes Any Purchase`, say."),
    th.Property("window", th.IntegerType, description="Seconds after the send in which it counts."),
    th.Property("custom_event_name", th.StringType, description="Name of the custom event."),
    th.Property("product", th.StringType, description="The product that is bought."),
    strings("app_ids", "Apps that count, null for any."),
)

_VARIATION: Final[list[th.Property[Any]]] = [
    th.Property("variation_api_id", th.StringType, description="API identifier of the message variation."),
    th.Property("variation_name", th.StringType, description="Name of the variation, where Braze gives that."),
    REVENUE,
    *counts(unique_recipients="Distinct recipients of the variation.", enrolled="Users in the control group."),
    *conversions("send"),
]

_PUSH: Final = {
    "sent": "Messages sent.",
    "direct_opens": "Opens by a tap on the message itself.",
    "total_opens": "Direct opens, and those that the message influenced.",
    "bounces": "Messages that bounced.",
    "body_clicks": "Clicks on the body.",
}
_IN_APP: Final = {
    "impressions": "Times shown.",
    "clicks": "Clicks.",
    "first_button_clicks": "Clicks on the first button.",
    "second_button_clicks": "Clicks on the second button.",
}

# https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaign_analytics/#response
_METRICS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "ios_push": ("iOS push", _PUSH),
    "android_push": ("Android push", _PUSH),
    "kindle_push": ("Kindle push", _PUSH),
    "web_push": ("web push", _PUSH),
    "webhook": ("webhook", {"sent": "Webhooks sent.", "errors": "Webhooks that failed."}),
    "email": (
        "email",
        {
            "sent": "Emails sent.",
            "opens": "Opens.",
            "unique_opens": "Distinct users who opened.",
            "clicks": "Clicks.",
            "unique_clicks": "Distinct users who clicked.",
            "unsubscribes": "Unsubscribes.",
            "bounces": "Emails that bounced.",
            "delivered": "Emails delivered.",
            "reported_spam": "Emails reported as spam.",
        },
    ),
    "sms": (
        "SMS",
        {
            "sent": "Messages sent.",
            "sent_to_carrier": "Messages handed to the carrier.",
            "delivered": "Messages delivered.",
            "rejected": "Messages rejected by the carrier.",
            "delivery_failed": "Messages that could not be delivered.",
            "clicks": "Clicks on shortened links.",
            "opt_out": "Answers that opt out.",
            "help": "Answers that ask for help.",
        },
    ),
    "whats_app": (
        "WhatsApp",
        {
            "sent": "Messages sent.",
            "delivered": "Messages delivered.",
            "failed": "Messages that failed.",
            "read": "Messages read.",
        },
    ),
    "content_cards": (
        "Content Card",
        {
            "sent": "Cards sent.",
            "total_clicks": "Clicks.",
            "total_dismissals": "Dismissals.",
            "total_impressions": "Times shown.",
            "unique_clicks": "Distinct users who clicked.",
            "unique_dismissals": "Distinct users who dismissed.",
            "unique_impressions": "Distinct users who saw it.",
        },
    ),
    "trigger_in_app_message": ("in-app message", _IN_APP),
    "in_app_message": ("in-app message (older name)", _IN_APP),
}


def messages(description: str) -> th.Property[Any]:
    """Statistics by channel and message variation. Channels, and the metrics of each, are an open set."""
    channels = [
        th.Property(
            channel,
            th.ArrayType(th.ObjectType(*_VARIATION, *counts(**metrics))),
            description=f"Statistics of each {title} variation.",
        )
        for channel, (title, metrics) in _METRICS.items()
    ]
    return th.Property("messages", th.ObjectType(*channels), description=description)


def flat_messages() -> list[th.Property[Any]]:
    """What the long form of `messages` has a column for: the metrics of all channels."""
    described = {name: text for _, metrics in _METRICS.values() for name, text in metrics.items()}
    described |= {
        "sent": "Messages sent.",
        "delivered": "Messages delivered.",
        "bounces": "Messages that bounced.",
        "opens": "Opens.",
        "influenced_opens": "All opens of a push message of a Canvas, direct ones too.",
        "clicks": "Clicks.",
        "undelivered": "Messages that were not delivered.",
        "unique_recipients": "Distinct recipients of the variation.",
        "enrolled": "Users in the control group.",
    }
    return [
        key("channel", "Channel, as Braze names it in `messages`."),
        key("variation", "The variation's API identifier; else its name; else its place in the list (`#1`)."),
        th.Property("variation_api_id", th.StringType, description="API identifier of the message variation."),
        th.Property("variation_name", th.StringType, description="Name of the variation, where Braze gives that."),
        REVENUE,
        *counts(**dict(sorted(described.items()))),
    ]
