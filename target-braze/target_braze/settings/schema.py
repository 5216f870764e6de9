"""The mapping of a stream as JSON Schema: what an entry of the setting `streams` may say."""

from __future__ import annotations

from typing import Final

from target_braze.mapping.cdp.layouts import METHODS
from target_braze.mapping.values.schemas import TYPES
from target_braze.settings.kinds import STEPS
from target_braze.settings.parts import IDENTIFIERS
from target_braze.settings.parts import NAME as _NAME
from target_braze.settings.parts import NAMES as _NAMES
from target_braze.settings.parts import strict_object as _object

_CALLS: Final = _object(
    {
        "method": {
            "type": "string",
            "enum": list(METHODS),
            "description": "Which call all records are. Default: what the name of a warehouse table says (identifies, "
            "users, tracks, pages, screens, groups, aliases), else the column `type`, else track.",
        },
        "method_field": {**_NAME, "description": "Column that says which call a record is."},
        "anonymous_label": {
            "type": ["string", "null"],
            "minLength": 1,
            "description": "Label of the alias that an anonymous id becomes, where `user` says nothing else; null "
            "leaves calls of anonymous users out. Default: anonymous_id, of Amplitude device_id.",
        },
        "previous_id": {
            "type": "string",
            "enum": ["external_id", "user_alias"],
            "description": "What the previous id of an alias call is in Braze, an alias being that of an anonymous id. "
            "Default: user_alias if it is the anonymous id of the call, else external_id.",
        },
        "events": _object(
            {"only": _NAMES, "except": _NAMES},
            description="Events by name or glob: `only` these are sent, those of `except` are not.",
        ),
        "page": {**_NAME, "description": "The event's name of a page call. Default: Viewed {name} Page."},
        "screen": {**_NAME, "description": "The event's name of a screen call. Default: Viewed {name} Screen."},
        "orders": _object(
            {
                "to": {"type": "string", "enum": ["purchases", "ecommerce", "events"]},
                "currency": _NAME,
                "source": _NAME,
            },
            description="What `Order Completed` is `to` become: `purchases`, one for each product; with `ecommerce` it "
            "and its likes become Braze's recommended events; with `events` nothing special. `currency` is that of "
            "orders without one, `source` what the recommended events name as such. Default: purchases.",
        ),
        "group": _object(
            {"attribute": _NAME, "subscription_state": _NAME},
            minProperties=1,
            maxProperties=1,
            description="What a group call sets: the `attribute` of this name to the group's id; or the state of the "
            "subscription group whose id it is, to what the trait named by `subscription_state` says. Default: "
            "the attribute group_id.",
        ),
    },
    **{"not": {"required": ["method", "method_field"]}},
)

STREAM: Final = _object(
    {
        "to": {
            "type": "string",
            "enum": [
                "attributes",
                "events",
                "purchases",
                "calls",
                "subscriptions",
                "email_status",
                "aliases",
                "identifications",
                "merges",
                "external_ids",
                "deletions",
                "catalog_items",
                "cohorts",
            ],
            "description": "What a record is in Braze. Default: the last part of the stream's name, in any "
            "case, if it is attributes, events or purchases, as in public-events; else attributes.",
        },
        "user": {
            **IDENTIFIERS,
            "description": "List of an identifier and its column each: `external_id`, `braze_id`, `email`, `phone`, or "
            "`user_alias` with the column of its `name` and either a literal `label` or its column `label_field`. The "
            "first that is valid is sent. Default: the columns external_id, braze_id, alias_name with "
            "alias_label or user_alias_name with user_alias_label, email, phone. The log says which ones a stream has.",
        },
        "fields": {
            **_NAMES,
            "description": "Columns and globs sent as attributes or fields of items. Default: all but the identifiers, "
            "which no glob takes.",
        },
        "spread": {
            **_NAMES,
            "description": "Columns of objects, or of their JSON, whose members are attributes or properties of their "
            "own. Default: the column properties of events and purchases where it holds objects, unless the key "
            "properties says which columns are.",
        },
        "operators": {
            "type": "object",
            "additionalProperties": {
                "oneOf": [
                    {"enum": ["inc", "add", "remove", "$add"]},
                    _object({"$update": _NAME, "$remove": _NAME}, minProperties=1, maxProperties=1),
                ]
            },
            "description": "Column to how it changes what Braze has instead of replacing it: `inc` adds a whole "
            "number, `add` and `remove` take elements of an array, `$add` takes objects for an array of objects, and "
            "`{$update: key}` and `{$remove: key}` take objects that Braze finds by their `key`.",
        },
        "merge_objects": {
            "type": "boolean",
            "description": "Whether objects are merged into those that Braze has, key by key, and `$update` likewise. "
            "Default: they replace them.",
        },
        "vanished": {
            "type": "string",
            "enum": ["keep", "unset"],
            "description": "What becomes of an attribute that an earlier run has sent, if the user's record has no "
            "such column any more: `keep` it, or `unset` it, which needs `ledger_path` and whole rows. Default: keep.",
        },
        "rename": {
            "type": "object",
            "additionalProperties": _NAME,
            "description": "Column to its name in Braze.",
        },
        "types": {
            "type": "object",
            "additionalProperties": {"type": "string", "enum": list(TYPES)},
            "description": "Column to the type it has in Braze, for columns that arrive as text or are "
            f"numbers that stand for times: {', '.join(f'`{name}`' for name in TYPES)}.",
        },
        "event": _object(
            {
                "name": {**_NAME, "description": "The event's name itself."},
                "name_field": {**_NAME, "description": "Column of the event's name. Default: name."},
            },
            minProperties=1,
            maxProperties=1,
        ),
        "time_field": {
            **_NAME,
            "description": "Column that says when the event or purchase happened. Default: time.",
        },
        "properties": {
            **_NAMES,
            "description": "Columns and globs sent as properties of the event or purchase. Default: all that have no "
            "other part.",
        },
        "calls": _CALLS,
        "purchase": _object(
            dict.fromkeys(("product_id", "price", "currency", "quantity"), _NAME),
            description="Columns of the purchase's `product_id`, `price`, `currency` and `quantity`. Default: the "
            "columns of these names; the quantity may be missing and is 1 then.",
        ),
        **STEPS,
    }
)
