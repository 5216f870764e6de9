"""Building blocks of schemas: columns that several streams share."""

from __future__ import annotations

from typing import Any, Final

from singer_sdk import typing as th

EXTRA: Final = "_extra"
OTHER_METRICS: Final = "other_metrics"
_EXTRAS: Final = {
    EXTRA: "Fields that Braze sends and that have no column, by name.",
    OTHER_METRICS: "Metrics and other fields that Braze sends and that have no column, such as clicks by button.",
}


def counts(**described: str) -> list[th.Property[Any]]:
    """Return integer columns by name and description."""
    return [th.Property(name, th.IntegerType, description=text) for name, text in described.items()]


def key(name: str, description: str) -> th.Property[Any]:
    """Return a string column of the primary key."""
    return th.Property(name, th.StringType, required=True, description=description)


def day(description: str = "The day, in the company's time zone.") -> th.Property[Any]:
    """Return the column `time` of a daily series."""
    return th.Property("time", th.DateType, required=True, description=description)


def moment(name: str, description: str, *, required: bool = False) -> th.Property[Any]:
    """Return a date-time column."""
    return th.Property(name, th.DateTimeType, required=required, description=description)


def edits() -> list[th.Property[Any]]:
    """Return the columns with the times of creation and last edit."""
    return [
        moment("created_at", "When it was created."),
        moment("updated_at", "When it was last edited."),
    ]


def campaign_or_canvas(what: str) -> list[th.Property[Any]]:
    """Return the columns that details of campaigns and of Canvases begin with; `what` names one of them."""
    return [
        *edits(),
        th.Property("name", th.StringType, description=f"Name of the {what}."),
        th.Property("description", th.StringType, description="Its description."),
        *flags(
            archived="Whether it is archived.",
            draft="Whether it is a draft.",
            enabled="Whether it is active.",
            has_post_launch_draft="Whether it has changes that are not live yet.",
        ),
    ]


def flags(**described: str) -> list[th.Property[Any]]:
    """Return boolean columns by name and description."""
    return [th.Property(name, th.BooleanType, description=text) for name, text in described.items()]


def open_object(name: str, description: str) -> th.Property[Any]:
    """Return an object column whose fields Braze does not document in full."""
    return th.Property(name, th.ObjectType(additional_properties=True), description=description)


def open_array(name: str, description: str) -> th.Property[Any]:
    """Return an array column whose items Braze does not document, or sends in several forms.

    Loaders need a type for the items.
    """
    plain = ["object", "string", "number", "boolean", "null"]
    items = th.CustomType({"type": ["array", *plain], "items": {"type": plain}})
    return th.Property(name, th.ArrayType(items), description=description)


def strings(name: str, description: str) -> th.Property[Any]:
    """Return a column that holds an array of strings."""
    return th.Property(name, th.ArrayType(th.StringType), description=description)


def schema(*properties: th.Property[Any], extra: str = EXTRA) -> dict[str, Any]:
    """Return the schema of a stream. Nested objects accept unknown fields, because Braze adds fields to them.

    Unknown fields at the top level go into the column `extra`: `EXTRA`, or `OTHER_METRICS` for a long form.
    """
    column = open_object(extra, _EXTRAS[extra])
    return _with_columns(th.PropertiesList(*properties, column).to_dict())


def extra_column(properties: dict[str, Any]) -> str:
    """Return the name of the column for unknown fields."""
    return OTHER_METRICS if OTHER_METRICS in properties else EXTRA


def _with_columns(node: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without empty `properties` in objects: the SDK's flattening makes no column of such an object.

    Without the empty `properties`, it makes a JSON column, as an object with open keys needs.
    """
    if properties := node.pop("properties", None):
        node["properties"] = {name: _with_columns(inner) for name, inner in properties.items()}
    return node


def conversions(booked_on: str) -> list[th.Property[Any]]:
    """Return the columns of conversions by their own day, and by the day of the `send` or `entry` that led to them."""
    described = {}
    # Recordings contain `conversions4` and higher numbers.
    events = [
        ("", "the primary conversion event"),
        *((str(number), f"event {'ABCDEFGHIJ'[number]}") for number in range(1, 10)),
    ]
    for number, event in events:
        described[f"conversions{number}"] = f"Conversions of {event}, on the day of the conversion."
        described[f"conversions{number}_by_{booked_on}_time"] = (
            f"Conversions of {event}, on the day of the {booked_on} that led to them; grows afterwards."
        )
    return counts(**described)


DIMENSIONS: Final = {
    "app_id": key("app_id", "API identifier of the app the row is for.").to_dict()["app_id"],
    "segment_id": key("segment_id", "API identifier of the segment the row is for.").to_dict()["segment_id"],
    "product_id": key("product_id", "ID of the product the row is for, as in purchases.").to_dict()["product_id"],
}
HOUR: Final = th.Property("time", th.DateTimeType, required=True, description="The hour, as Braze writes it.").to_dict()

REVENUE: Final = th.Property("revenue", th.NumberType, description="Revenue in US dollars.")

CONVERSION_BEHAVIOR: Final = th.ObjectType(
    th.Property("type", th.StringType, description="What the user does, such as `Makes Any Purchase`."),
    th.Property("window", th.IntegerType, description="Seconds after the send during which it counts."),
    th.Property("custom_event_name", th.StringType, description="Name of the custom event."),
    th.Property("product", th.StringType, description="ID of the product."),
    strings("app_ids", "Apps that count; null for all apps."),
)

_VARIATION: Final[list[th.Property[Any]]] = [
    th.Property("variation_api_id", th.StringType, description="API identifier of the message variation."),
    th.Property("variation_name", th.StringType, description="Name of the variation, if Braze sends one."),
    REVENUE,
    *counts(unique_recipients="Distinct recipients of the variation.", enrolled="Users in the control group."),
    *conversions("send"),
]

_PUSH: Final = {
    "sent": "Messages sent.",
    "direct_opens": "Opens by tapping the message.",
    "total_opens": "Direct opens and influenced opens.",
    "bounces": "Messages that bounced.",
    "body_clicks": "Clicks on the body.",
    "delivered": "Messages delivered.",
    "undelivered": "Messages that were not delivered.",
    "delivery_failed": "Messages that could not be delivered.",
}
_IN_APP: Final = {
    "impressions": "Times shown.",
    "clicks": "Clicks.",
    "first_button_clicks": "Clicks on the first button.",
    "second_button_clicks": "Clicks on the second button.",
}

# The documented metrics, plus others seen in responses. The set is open: clicks by button and slide are named after
# text that the customer wrote on them.
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
            "machine_open": "Opens by machines, such as Apple's Mail Privacy Protection; `opens` includes them.",
            "machine_amp_open": "Opens of AMP emails by machines.",
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
            "opt_out": "Replies that opt out.",
            "help": "Replies that ask for help.",
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
    "banners": (
        "Banner",
        {
            "impressions": "Times shown.",
            "clicks": "Clicks.",
            "dismissals": "Dismissals.",
            "unique_daily_impressions": "Distinct users who saw it on the day.",
        },
    ),
    "trigger_in_app_message": ("in-app message", _IN_APP),
    "in_app_message": ("in-app message (older name)", _IN_APP),
}


def messages(description: str) -> th.Property[Any]:
    """Return the column of statistics by channel and message variation. Braze adds channels and metrics."""
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
    """Return the columns of the long form of `messages`: the metrics of all channels."""
    described = {name: text for _, metrics in _METRICS.values() for name, text in metrics.items()}
    described |= {
        "sent": "Messages sent.",
        "delivered": "Messages delivered.",
        "bounces": "Messages that bounced.",
        "opens": "Opens.",
        "influenced_opens": "All opens of a push message in a Canvas, including direct opens.",
        "clicks": "Clicks.",
        "undelivered": "Messages that were not delivered.",
        "unique_recipients": "Distinct recipients of the variation.",
        "enrolled": "Users in the control group.",
        "delivery_failed": "Messages that could not be delivered.",
    }
    return [
        key("channel", "Channel, such as `email` or `ios_push`."),
        key("variation", "API identifier of the variation, or its name, or its position in the list (`#1`)."),
        th.Property("variation_api_id", th.StringType, description="API identifier of the message variation."),
        th.Property("variation_name", th.StringType, description="Name of the variation, if Braze sends one."),
        REVENUE,
        *counts(**dict(sorted(described.items()))),
    ]
