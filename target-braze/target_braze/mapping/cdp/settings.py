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
            "description": "Which call all records are. Default: what the name of a warehouse table says (identifies, "
            "users, tracks, pages, screens, groups, aliases), else the column `type`, else track.",
        },
        "method_field": {**NAME, "description": "Column that says which call a record is."},
        "anonymous_label": {
            "type": ["string", "null"],
            "minLength": 1,
            "description": "Label of the alias that an anonymous id becomes, where `user` says nothing else; null "
            "leaves calls of anonymous users out. Default: anonymous_id, of Amplitude device_id.",
        },
        "previous_id": {
            "type": "string",
            "enum": ["external_id", "user_alias"],
            "description": "What the previous id of an alias call is in Braze, an alias being that of an anonymous "
            "id. Default: user_alias if it is the anonymous id of the call, else external_id.",
        },
        "events": strict_object(
            {"only": NAMES, "except": NAMES},
            description="Events by name or glob: `only` these are sent, those of `except` are not.",
        ),
        "page": {**NAME, "description": "The event's name of a page call. Default: Viewed {name} Page."},
        "screen": {**NAME, "description": "The event's name of a screen call. Default: Viewed {name} Screen."},
        "orders": strict_object(
            {
                "to": {"type": "string", "enum": ["purchases", "ecommerce", "events"]},
                "currency": NAME,
                "source": NAME,
            },
            description="What `Order Completed` is `to` become: `purchases`, one for each product; with `ecommerce` "
            "it and its likes become Braze's recommended events; with `events` nothing special. `currency` is that of "
            "orders without one, `source` what the recommended events name as such. Default: purchases.",
        ),
        "group": strict_object(
            {"attribute": NAME, "subscription_state": NAME},
            minProperties=1,
            maxProperties=1,
            description="What a group call sets: the `attribute` of this name to the group's id; or the state of the "
            "subscription group whose id it is, to what the trait named by `subscription_state` says. Default: the "
            "attribute group_id.",
        ),
    },
    **{"not": {"required": ["method", "method_field"]}},
)
