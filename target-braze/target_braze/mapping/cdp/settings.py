"""JSON Schema of the keys of a stream of calls."""

from __future__ import annotations

from typing import Any, Final

from target_braze.mapping.base.settings import (
    CONSENTED_AT,
    FIELDS,
    NAME,
    NAMES,
    PROPERTIES,
    TIME_FIELD,
    described,
    strict_object,
)
from target_braze.mapping.cdp.layouts import METHODS

CALLS: Final = strict_object(
    {
        "method": described(
            {"type": "string", "enum": list(METHODS)},
            "Method",
            "The call that all records are. Default: by the name of a warehouse table (identifies, users, tracks, "
            "pages, screens, groups, aliases), otherwise by the column `type`, otherwise track.",
        ),
        "method_field": described(NAME, "Column of the method", "Column with the name of the call."),
        "anonymous_label": described(
            {"type": ["string", "null"], "minLength": 1},
            "Label of anonymous users",
            "Label of the alias that an anonymous ID becomes, unless `user` says otherwise; null skips calls of "
            "anonymous users. Default: anonymous_id, for Amplitude device_id.",
        ),
        "previous_id": described(
            {"type": "string", "enum": ["external_id", "user_alias"]},
            "Previous ID",
            "What the previous ID of an alias call is in Braze: an external ID, or the alias of an anonymous ID. "
            "Default: user_alias if it is the anonymous ID of the call, otherwise external_id.",
        ),
        "events": strict_object(
            {
                "only": described(NAMES, "Only these events", "Events to send, by name or glob. Default: all."),
                "except": described(
                    NAMES, "Except these events", "Events not to send, by name or glob. Default: none."
                ),
            },
            title="Events",
            description="Which events to send: `only` these, or all `except` these.",
        ),
        "page": described(NAME, "Page event", "Event name of a page call. Default: Viewed {name} Page."),
        "screen": described(NAME, "Screen event", "Event name of a screen call. Default: Viewed {name} Screen."),
        "orders": strict_object(
            {
                "to": described(
                    {"type": "string", "enum": ["purchases", "ecommerce", "events"]},
                    "Object in Braze",
                    "What `Order Completed` becomes: `purchases`, one per product; `ecommerce`, Braze's recommended "
                    "events, for this and the other order events; or `events`, an ordinary event. Default: purchases.",
                ),
                "currency": described(NAME, "Currency", "Currency of orders that name none, as an ISO 4217 code."),
                "source": described(
                    NAME,
                    "Source",
                    "Source of all recommended events. Default: the event's property `source`, otherwise the channel "
                    "of the call.",
                ),
            },
            title="Orders",
            description="How to send the order events of an online store.",
        ),
        "group": strict_object(
            {
                "attribute": described(
                    NAME,
                    "Group attribute",
                    "Attribute that a group call sets to the ID of the group. Default: group_id.",
                ),
                "subscription_state": described(
                    NAME,
                    "Trait of the subscription state",
                    "Trait with the state of the subscription group whose ID is that of the group.",
                ),
            },
            minProperties=1,
            maxProperties=1,
            title="Group calls",
            description="What a group call sets: an attribute, or the state of a subscription group.",
        ),
    },
    title="Calls",
    description="How to read customer-data platform calls.",
    **{"not": {"required": ["method", "method_field"]}},
)
SETTINGS: Final[dict[str, Any]] = {
    "calls": CALLS,
    "fields": FIELDS,
    "properties": PROPERTIES,
    "time_field": TIME_FIELD,
    "consented_at": CONSENTED_AT,
}
