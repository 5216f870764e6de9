"""JSON Schema of the keys in a stream's mapping that several kinds share.

Keys of a single kind are in the `settings` of its module.
"""

from __future__ import annotations

from typing import Any, Final

from target_braze.mapping.values.schemas import TYPES

NAME: Final = {"type": "string", "minLength": 1}
NAMES: Final = {"type": "array", "items": NAME}


def strict_object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the schema of an object with these properties and no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


ALIAS: Final = strict_object(
    {
        "name": NAME,
        "label": NAME,
        "label_field": NAME,
    },
    required=["name"],
    oneOf=[{"required": ["label"]}, {"required": ["label_field"]}],
)

# Ways to identify a user, in the order in which they are tried.
IDENTIFIERS: Final = {
    "type": "array",
    "minItems": 1,
    "items": strict_object(
        {
            "external_id": NAME,
            "braze_id": NAME,
            "user_alias": ALIAS,
            "email": NAME,
            "phone": NAME,
        },
        minProperties=1,
        maxProperties=1,
    ),
}


# Keys of all kinds, except those in a kind's `unsupported_keys`; `to` and `on_delete` are collected from the kinds.
COMMON: Final[dict[str, Any]] = {
    "user": {
        **IDENTIFIERS,
        "description": "Identifiers to try in order, each with its column: `external_id`, `braze_id`, `email`, "
        "`phone`, or `user_alias` with the column of its `name` and either a fixed `label` or its column "
        "`label_field`. The first valid one names the user. Default: the columns external_id, braze_id, alias_name "
        "with alias_label or user_alias_name with user_alias_label, email, phone. The log shows which of them a "
        "stream has.",
    },
    "rename": {
        "type": "object",
        "additionalProperties": NAME,
        "description": "Maps a column to its name in Braze.",
    },
    "types": {
        "type": "object",
        "additionalProperties": {"type": "string", "enum": list(TYPES)},
        "description": "Column to the type it has in Braze, for columns that arrive as text or are "
        f"numbers that stand for times: {', '.join(f'`{name}`' for name in TYPES)}.",
    },
}

FIELDS: Final = {
    **NAMES,
    "description": "Columns and globs to send as attributes, or as fields of catalog items. Default: all columns but "
    "the identifiers, which no glob matches.",
}
FLATTEN: Final = {
    **NAMES,
    "description": "Columns of JSON objects, or of their text, whose keys become attributes or properties of their "
    "own. Default: none for attributes; for events and purchases the column properties if it holds objects and the "
    "key `properties` is not set.",
}
TIME_FIELD: Final = {
    **NAME,
    "description": "Column with the time of the event or purchase. Default: time.",
}
PROPERTIES: Final = {
    **NAMES,
    "description": "Columns and globs to send as properties of the event or purchase. Default: all columns without "
    "another use.",
}
SUBSCRIPTION: Final = {
    **strict_object(
        {
            "group": NAME,
            "group_field": NAME,
            "state": NAME,
            "state_field": NAME,
            "double_opt_in": {"type": "boolean"},
        },
        minProperties=1,
    ),
    "not": {"anyOf": [{"required": ["group", "group_field"]}, {"required": ["state", "state_field"]}]},
    "description": "Subscription group and state. The `group` is an id, `group_field` its column; the `state` is "
    "subscribed or unsubscribed (for email_status also opted_in), `state_field` its column, which may be boolean. "
    "Default: the columns subscription_group_id and subscription_state. email_status has no group. With "
    "`double_opt_in: true`, Braze asks users for confirmation before it subscribes them to an SMS group.",
}
PRIORITIZATION: Final = {
    "type": "array",
    "minItems": 1,
    "items": {"enum": ["identified", "unidentified", "most_recently_updated", "least_recently_updated"]},
    "not": {"allOf": [{"contains": {"const": "identified"}}, {"contains": {"const": "unidentified"}}]},
    "description": "Which user to choose if several share an email or phone, in Braze's terms. If several are left, "
    "Braze does nothing. Default: `[unidentified]` for the user to identify or merge, `[identified]` for the user to "
    "keep or delete.",
}
DELETION: Final[dict[str, Any]] = {
    "allow_deletions": {
        "type": "boolean",
        "description": "Must be true for users to be deleted, which cannot be undone.",
    },
    "max_deletions": {
        "type": "integer",
        "minimum": 1,
        "description": "Maximum number of users to delete in a run. If more are due, the run stops and deletes nobody.",
    },
    "max_deleted_share": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "Maximum share of the run's users to delete, from 0 to 1. If more are due, the run stops and "
        "deletes nobody.",
    },
    "prioritization": PRIORITIZATION,
}
