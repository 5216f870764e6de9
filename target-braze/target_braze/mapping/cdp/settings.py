"""JSON Schema of the key `calls` of a stream's mapping."""

from __future__ import annotations

from typing import Final

from target_braze.mapping.base.settings import NAME, NAMES, strict_object
from target_braze.mapping.cdp.layouts import METHODS

CALLS: Final = strict_object(
    {
        "method": {
            "type": "string",
            "enum": list(METHODS),
            "description": "The call that all records are. Default: by the name of a warehouse table (identifies, "
            "users, tracks, pages, screens, groups, aliases), otherwise by the column `type`, otherwise track.",
        },
        "method_field": {**NAME, "description": "Column with the name of the call."},
        "anonymous_label": {
            "type": ["string", "null"],
            "minLength": 1,
            "description": "Label of the alias that an anonymous id becomes, unless `user` says otherwise; null skips "
            "calls of anonymous users. Default: anonymous_id, for Amplitude device_id.",
        },
        "previous_id": {
            "type": "string",
            "enum": ["external_id", "user_alias"],
            "description": "What the previous id of an alias call is in Braze: an external id, or the alias of an "
            "anonymous id. Default: user_alias if it is the anonymous id of the call, otherwise external_id.",
        },
        "events": strict_object(
            {"only": NAMES, "except": NAMES},
            description="Events to send, by name or glob: `only` these, or all `except` these.",
        ),
        "page": {**NAME, "description": "Event name of a page call. Default: Viewed {name} Page."},
        "screen": {**NAME, "description": "Event name of a screen call. Default: Viewed {name} Screen."},
        "orders": strict_object(
            {
                "to": {"type": "string", "enum": ["purchases", "ecommerce", "events"]},
                "currency": NAME,
                "source": NAME,
            },
            description="What `Order Completed` becomes (`to`): `purchases`, one per product; `ecommerce`, Braze's "
            "recommended events, for this and the other order events; or `events`, an ordinary event. `currency` "
            "applies to orders that name none; `source` is the source named in recommended events. Default: "
            "purchases.",
        ),
        "group": strict_object(
            {"attribute": NAME, "subscription_state": NAME},
            minProperties=1,
            maxProperties=1,
            description="What a group call sets: the attribute named `attribute`, to the group's id; or the state of "
            "the subscription group with this id, to the value of the trait named by `subscription_state`. Default: "
            "the attribute group_id.",
        ),
    },
    **{"not": {"required": ["method", "method_field"]}},
)
