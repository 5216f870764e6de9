"""Operators: columns that change the stored value of an attribute instead of replacing it.

https://www.braze.com/docs/api/objects_filters/user_attributes_object/ and, for `$add`, `$update` and `$remove`,
https://www.braze.com/docs/user_guide/data/activation/attributes/array_of_objects/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze import limits
from target_braze.mapping.property_sources import is_blank
from target_braze.mapping.values.nested import Place, compile_value
from target_braze.mapping.values.scalars import Convert, to_integer, to_string
from target_braze.mapping.values.schemas import SCALARS, json_types
from target_braze.mapping.values.times import show
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_braze.mapping.columns import Columns, Field

INCREMENT: Final = "inc"
# The types of attributes that the operators apply to.
BRAZE_TYPES: Final[Mapping[str, str]] = {
    "inc": "Number",
    **dict.fromkeys(("add", "remove"), "Array"),
    **dict.fromkeys(("$add", "$update", "$remove"), "Object Array"),
}
_ELEMENTS: Final = frozenset({"add", "remove"})


@dataclass(frozen=True)
class Operator:
    """A column whose values are operands of an operator."""

    key: str
    field: Field

    def fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        """Add the operator to the object, next to those of other columns for the same attribute.

        Raises:
            RecordError: The value is not valid for this operator.
        """
        value = self.field.value(record)
        if value is None or value == []:
            return
        operand = fields.setdefault(self.field.name, {})
        operand[self.key] = value
        if len(operand) > 1 and (both := _contradiction(operand)):
            raise RecordError(f"'{self.field.name}': {both}")


def _contradiction(operand: Mapping[str, list[Any]]) -> str | None:
    """Return what a record both removes and adds or updates, or None."""
    if "remove" in operand:
        # It is not documented which of the two wins.
        both = [one for one in operand.get("add", ()) if _is_in(one, operand["remove"])]
        return f"{show(both[0])} is both added and removed" if both else None
    # Braze removes after adding and before updating, so both the addition and the update would be lost.
    for key, value in ((rule["$identifier_key"], rule["$identifier_value"]) for rule in operand.get("$remove", ())):
        for done, items in (
            ("added", operand.get("$add", ())),
            ("updated", [rule["$new_object"] for rule in operand.get("$update", ())]),
        ):
            if any(key in item and _is_in(item[key], [value]) for item in items):
                return f"the object whose '{key}' is {show(value)} is both {done} and removed"
    return None


def _is_in(one: object, others: Sequence[object]) -> bool:
    """Return whether Braze may treat one of the others as equal; it may convert numbers to text."""
    return one in others or _text(one) in map(_text, others)


def _text(value: object) -> str:
    return repr(value) if isinstance(value, dict | list) else to_string(value)


def compile_operators(columns: Columns, place: Place, reserved: Mapping[str, str]) -> tuple[Operator, ...]:
    """Compile the operators in `operators` of a mapping.

    Raises:
        MappingError: A column is unknown, the operator does not take its type, or two operators conflict.
    """
    found: list[Operator] = []
    for column, given in columns.entry.get("operators", {}).items():
        setting = f"operators.{column}"
        columns.known(column, "operators", setting)
        key, identifier = (given, None) if isinstance(given, str) else next(iter(given.items()))
        kinds = json_types(columns.schema(column))
        wanted = _kinds(key)
        if kinds and not kinds & wanted:
            raise columns.error(
                f"'{setting}' is '{key}', which takes {' or '.join(sorted(wanted))}, but the column holds "
                f"{' or '.join(sorted(kinds))}"
            )

        def converter(schema: Mapping[str, Any], place: Place, key: str = key, of: str | None = identifier) -> Convert:
            return _converter(key, of, schema, place)

        (field,) = columns.fields([column], place, {}, reserved, compile_column=converter)
        for other in found:
            if other.field.name == field.name and (
                other.key == key or INCREMENT in {other.key, key} or (other.key in _ELEMENTS) != (key in _ELEMENTS)
            ):
                raise columns.error(
                    f"columns '{other.field.column}' ({other.key}) and '{column}' ({key}) would both change "
                    f"'{field.name}', but these two operators cannot be combined"
                )
        found.append(Operator(key, field))
    return tuple(found)


def _kinds(key: str) -> frozenset[str]:
    """Return the column types that an operator takes; text may hold JSON, as in a CSV."""
    if key == INCREMENT:
        return frozenset({"integer", "number", "string"})
    if key in _ELEMENTS:
        return SCALARS | {"array"}
    return frozenset({"array", "object", "string"}) | (SCALARS if key == "$remove" else frozenset())


def _converter(key: str, identifier: str | None, schema: Mapping[str, Any], place: Place) -> Convert:
    if key == INCREMENT:
        return to_integer
    kinds = json_types(schema)
    textual = key not in _ELEMENTS and not kinds & {"array", "object"} and key != "$remove"
    convert = compile_value({"type": ["array", "object"]} if textual else schema, place)

    def to_list(value: object) -> list[Any] | None:
        sent = convert(value)
        # A CSV writes blank text for a missing value.
        items = [item for item in (sent if isinstance(sent, list) else [sent]) if not is_blank(item)]
        if not items:
            return None
        if key in _ELEMENTS:
            if any(isinstance(item, dict) for item in items):
                raise ValueError(f"'{key}' is for text, numbers and booleans; use '${key}' for objects")
            if len(items) > limits.ARRAY_ELEMENTS:
                raise ValueError(f"{len(items)} elements, Braze keeps {limits.ARRAY_ELEMENTS}")
            return items
        if identifier is None:
            if not all(isinstance(item, dict) for item in items):
                raise ValueError(f"'{key}' takes objects")
            return items
        return [_rule(key, identifier, item) for item in items]

    return to_list


def _rule(key: str, identifier: str, item: object) -> dict[str, Any]:
    value = item.get(identifier) if isinstance(item, dict) else item if key == "$remove" else None
    if value is None or isinstance(value, dict | list):
        raise ValueError(f"'{key}' needs objects with a plain value of '{identifier}', by which Braze finds them")
    rule = {"$identifier_key": identifier, "$identifier_value": value}
    return rule if key == "$remove" else {**rule, "$new_object": item}
