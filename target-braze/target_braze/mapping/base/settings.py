"""JSON Schema of the keys in a stream's mapping that several kinds share.

Keys of a single kind are in the `settings` of its module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze.mapping.values.schemas import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = {"type": "string", "minLength": 1}
NAMES: Final = {"type": "array", "items": NAME}


def strict_object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the schema of an object with these properties and no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def described(schema: Mapping[str, Any], title: str, description: str) -> dict[str, Any]:
    """Return the schema of a key with its label, a few words, and what it does, whole sentences."""
    return {**schema, "title": title, "description": description}


ALIAS: Final = strict_object(
    {
        "name": described(NAME, "Alias name", "Column with the name of the alias."),
        "label": described(NAME, "Alias label", "Label of the alias, the same for all records."),
        "label_field": described(NAME, "Column of the alias label", "Column with the label of the alias."),
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
            "external_id": described(NAME, "External ID", "Column with the external ID."),
            "braze_id": described(NAME, "Braze ID", "Column with the Braze ID."),
            "user_alias": described(ALIAS, "User alias", "Columns of the alias."),
            "email": described(NAME, "Email address", "Column with the email address."),
            "phone": described(NAME, "Phone number", "Column with the phone number."),
        },
        minProperties=1,
        maxProperties=1,
    ),
}


# Keys of all kinds, except those in a kind's `unsupported_keys`; `to` and `on_delete` are collected from the kinds.
COMMON: Final[dict[str, Any]] = {
    "user": described(
        IDENTIFIERS,
        "User",
        "Identifiers to try in order, each with its column: `external_id`, `braze_id`, `email`, `phone`, or "
        "`user_alias` with the column of its `name` and either a fixed `label` or its column `label_field`. The first "
        "valid one names the user. Default: the columns external_id, braze_id, alias_name with alias_label or "
        "user_alias_name with user_alias_label, email, phone. The log shows which of them a stream has.",
    ),
    "rename": {
        "type": "object",
        "additionalProperties": NAME,
        "title": "Names in Braze",
        "description": "Maps a column to its name in Braze.",
    },
    "types": {
        "type": "object",
        "additionalProperties": {"type": "string", "enum": list(TYPES)},
        "title": "Types in Braze",
        "description": "Maps a column to its type in Braze, for columns that arrive as text, or as numbers that "
        f"stand for times: {', '.join(f'`{name}`' for name in TYPES)}.",
    },
}

FIELDS: Final = described(
    NAMES,
    "Fields",
    "Columns and globs to send as attributes, or as fields of catalog items. Default: all columns but the "
    "identifiers, which no glob matches; none for relationships of Data Objects.",
)
FLATTEN: Final = described(
    NAMES,
    "Columns to flatten",
    "Columns of JSON objects, or of their text, whose keys become attributes or properties of their own. Default: "
    "none for attributes; for events and purchases the column properties, and for messages trigger_properties or "
    "context, if it holds objects and the key `properties` is not set.",
)
CONSENTED_AT: Final = described(
    NAME,
    "Time of the choice",
    "Column with the time at which the person opted in or out, such as `consented_at`. An opt-in that is later than "
    "the opt-out in Braze is sent (docs/consent.md). Default: no time, so an opt-out always wins.",
)
TIME_FIELD: Final = described(NAME, "Time column", "Column with the time of the event or purchase. Default: time.")
PROPERTIES: Final = described(
    NAMES,
    "Properties",
    "Columns and globs to send as properties of the event, purchase or message. Default: all columns without another "
    "use.",
)
SUBSCRIPTION: Final = {
    **strict_object(
        {
            "group": described(
                NAME,
                "Subscription group",
                "ID of the subscription group, the same for all records. email_status has no group.",
            ),
            "group_field": described(
                NAME,
                "Column of the subscription group",
                "Column with the ID of the subscription group. Default: subscription_group_id.",
            ),
            "state": described(
                NAME,
                "Subscription state",
                "State, the same for all records: subscribed, unsubscribed or, for email_status, opted_in.",
            ),
            "state_field": described(
                NAME,
                "Column of the subscription state",
                "Column with the state, as text or boolean. Default: subscription_state.",
            ),
            "double_opt_in": described(
                {"type": "boolean"},
                "Double opt-in",
                "Whether Braze asks users for confirmation before it subscribes them to an SMS group. Default: false.",
            ),
        },
        minProperties=1,
    ),
    "not": {"anyOf": [{"required": ["group", "group_field"]}, {"required": ["state", "state_field"]}]},
    "title": "Subscription",
    "description": "Subscription group and state, fixed or by column. Default: the columns subscription_group_id and "
    "subscription_state.",
}
PRIORITIZATION: Final = {
    "type": "array",
    "minItems": 1,
    "items": {"enum": ["identified", "unidentified", "most_recently_updated", "least_recently_updated"]},
    "not": {"allOf": [{"contains": {"const": "identified"}}, {"contains": {"const": "unidentified"}}]},
    "title": "Prioritization",
    "description": "Which user to choose if several share an email or phone, in Braze's terms. If several are left, "
    "Braze does nothing. Default: `[unidentified]` for the user to identify or merge, `[identified]` for the user to "
    "keep or delete, `[identified, most_recently_updated]` for the recipient of a message.",
}
DATA_OBJECT: Final = {
    **strict_object(
        {
            "type": described(
                NAME, "Type", "Name of the type of the Data Objects, as in the API. The type must exist. Required."
            ),
            "id": described(NAME, "Object ID", "Column with the ID of the object. Default: object_id."),
            "relationship": described(
                NAME,
                "Relationship",
                "Name of the relationship, as in the API's `rel_kind`. Required for data_object_relationships and "
                "data_object_user_relationships.",
            ),
            "related_type": described(
                NAME,
                "Related type",
                "Name of the type at the end of the relationship. Required for data_object_relationships.",
            ),
            "related_id": described(
                NAME,
                "Related object ID",
                "Column with the ID of the object at the end of the relationship. Default: related_object_id.",
            ),
        },
        required=["type"],
    ),
    "title": "Data Object",
    "description": "The Data Objects, or their relationship, that the records become. Required for these kinds.",
}
DELETION: Final[dict[str, Any]] = {
    "allow_deletions": described(
        {"type": "boolean"},
        "Allow deletions",
        "Must be true for users to be deleted, which cannot be undone. Default: false.",
    ),
    "max_deletions": described(
        {"type": "integer", "minimum": 1},
        "Deletion limit",
        "Maximum number of users to delete in a run. If more are due, the run stops and deletes nobody. Default: no "
        "limit.",
    ),
    "max_deleted_share": described(
        {"type": "number", "minimum": 0, "maximum": 1},
        "Deletion limit as a share",
        "Maximum share of the run's users to delete, from 0 to 1. If more are due, the run stops and deletes nobody. "
        "Default: no limit.",
    ),
    "prioritization": PRIORITIZATION,
}
