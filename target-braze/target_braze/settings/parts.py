"""Pieces of JSON Schema that the settings are made of."""

from __future__ import annotations

from typing import Any, Final

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
