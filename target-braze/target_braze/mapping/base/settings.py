"""JSON Schema of the keys that a stream's mapping may have, as far as several kinds share them.

A key that one kind has stands in the `settings` of its module.
"""

from __future__ import annotations

from typing import Any, Final

from target_braze.mapping.values.schemas import TYPES

NAME: Final = {"type": "string", "minLength": 1}
NAMES: Final = {"type": "array", "items": NAME}


def strict_object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """An object that has these properties and no others."""
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

# Ways to name a user, in the order in which they are tried.
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


# Keys that all kinds have, unless one lists them in `unsupported_keys`; `to` and `on_delete` are listed from the kinds.
COMMON: Final[dict[str, Any]] = {
    "user": {
        **IDENTIFIERS,
        "description": "List of an identifier and its column each: `external_id`, `braze_id`, `email`, `phone`, or "
        "`user_alias` with the column of its `name` and either a literal `label` or its column `label_field`. The "
        "first that is valid is sent. Default: the columns external_id, braze_id, alias_name with alias_label or "
        "user_alias_name with user_alias_label, email, phone. The log says which ones a stream has.",
    },
    "rename": {
        "type": "object",
        "additionalProperties": NAME,
        "description": "Column to its name in Braze.",
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
    "description": "Columns and globs sent as attributes or fields of items. Default: all but the identifiers, which "
    "no glob takes.",
}
FLATTEN: Final = {
    **NAMES,
    "description": "Columns of objects, or of their JSON, whose members are attributes or properties of their own. "
    "Default: the column properties of events and purchases where it holds objects, unless the key properties says "
    "which columns are.",
}
TIME_FIELD: Final = {
    **NAME,
    "description": "Column that says when the event or purchase happened. Default: time.",
}
PROPERTIES: Final = {
    **NAMES,
    "description": "Columns and globs sent as properties of the event or purchase. Default: all that have no other "
    "part.",
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
    "description": "The id of the subscription `group` or its column `group_field`, and the `state` (subscribed or "
    "unsubscribed; of email_status also opted_in) or its column `state_field`, which may be boolean. Default: the "
    "columns subscription_group_id and subscription_state. email_status has no group. With `double_opt_in`, who is "
    "subscribed to an SMS group is asked first.",
}
PRIORITIZATION: Final = {
    "type": "array",
    "minItems": 1,
    "items": {"enum": ["identified", "unidentified", "most_recently_updated", "least_recently_updated"]},
    "not": {"allOf": [{"contains": {"const": "identified"}}, {"contains": {"const": "unidentified"}}]},
    "description": "Which of several users is meant that have one email or phone, in Braze's words; where several are "
    "left, nothing happens. Default: `[unidentified]` of who is identified or merged, `[identified]` of who is kept "
    "or deleted.",
}
DELETION: Final[dict[str, Any]] = {
    "allow_deletions": {
        "type": "boolean",
        "description": "Has to be true for users to be deleted, which cannot be undone.",
    },
    "max_deletions": {
        "type": "integer",
        "minimum": 1,
        "description": "How many users a run may delete at most; one more, and the run ends and deletes nobody.",
    },
    "max_deleted_share": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "Which share of the users that the run is about it may delete at most; else it deletes nobody.",
    },
    "prioritization": PRIORITIZATION,
}
