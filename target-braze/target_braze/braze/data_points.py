"""Data points of a change. https://www.braze.com/docs/user_guide/data/infrastructure/data_points/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FREE: Final = frozenset(
    {
        "_merge_objects",
        "_update_existing_only",
        "braze_id",
        "email_subscribe",
        "external_id",
        "facebook",
        "push_subscribe",
        "push_tokens",
        "subscription_groups",
        "user_alias",
    }
)
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_OPERATORS: Final = frozenset({"inc", "add", "remove", "$add", "$update", "$remove"})


def attribute_points(fields: Mapping[str, Any], identifier_type: str) -> int:
    """Return the data points that an attributes object costs: never fewer than Braze counts.

    Args:
        fields: The object.
        identifier_type: The field that names the user, which is not billed.
    """
    points = len(fields) - len(FREE & fields.keys()) - (identifier_type in fields and identifier_type not in FREE)
    if not _SCALARS.issuperset(map(type, fields.values())):
        for name, value in fields.items():
            if isinstance(value, dict | list) and name not in FREE:
                points += _points(value) - 1
    return points


def _points(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, dict) and value and value.keys() <= _OPERATORS:
        return max(1, sum(map(_points_of_operator, value, value.values())))
    if isinstance(value, dict):
        return max(1, len(value))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return max(1, sum(len(item) for item in value if isinstance(item, dict)))
    return 1


def _points_of_operator(key: str, operand: Any) -> int:  # noqa: ANN401
    """Return one for each element, criterion and changed property."""
    if key == "$update":
        return sum(len(rule["$new_object"]) for rule in operand)
    if key == "$add":
        return sum(map(len, operand))
    return 1 if key == "inc" else len(operand)
