"""Convert values of Singer records to values that Braze accepts, by the column's JSON Schema and never by the value.

A converter takes a value other than null. It returns the value to send, returns None for "nothing", or raises
ValueError with the reason. It is compiled once per column, so that a column never changes its type: Braze fixes an
attribute's type with the first value it receives
(https://www.braze.com/docs/user_guide/data/activation/custom_data/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze import limits
from target_braze.encode import encode
from target_braze.mapping.values.json_text import from_json_text
from target_braze.mapping.values.names import checked_key, checked_name
from target_braze.mapping.values.scalars import (
    Convert,
    checked_string,
    cutting_string,
    to_boolean,
    to_integer,
    to_number,
)
from target_braze.mapping.values.schemas import SCALARS, TIME_FORMATS, branches_of, holds_decimals, json_types
from target_braze.mapping.values.times import EPOCHS, from_epoch, remembered, show, to_date, to_time

if TYPE_CHECKING:
    from datetime import tzinfo


# This number of elements of these types cannot exceed 100 KB.
_FEW: Final = 50
_SHORT: Final = frozenset({str, bool, float})


def compile_value(schema: Mapping[str, Any], place: Place) -> Convert:
    """Compile the converter of a column from its JSON Schema.

    Raises:
        ValueError: Braze has no type for the column, or does not accept the name of one of its keys.
    """
    if place.typed_nested_times:
        for kind, branch in branches_of(schema):
            if kind == "array" and json_types(branch.get("items")) == {"array"}:
                raise ValueError("it holds arrays of arrays, which Braze has no type for")
    convert = _compile(schema, place)
    kinds = json_types(schema)
    return convert if kinds and kinds <= SCALARS else _top_level(convert, place)


def checked_size(value: object, most: int) -> None:
    """Check the size of an object or array as JSON.

    Raises:
        ValueError: The JSON is larger than `most` bytes.
    """
    size = len(encode(value))
    if size > most:
        raise ValueError(f"{size:,} bytes as JSON, Braze takes at most {most:,}")


@dataclass(frozen=True)
class Place:
    """Where in Braze's object a value goes, to the extent that it affects the value's form.

    `zone` is the time zone of times without an offset. `typed_nested_times`: write a time inside an object as
    `{"$time": ...}`, as in attributes (property names may not begin with `$`). `text` converts text; text that is too
    long is an error unless `cuts` is set. `report` receives messages to the user about values.
    """

    zone: tzinfo
    typed_nested_times: bool
    text: Convert = checked_string
    cuts: bool = False
    report: Callable[[str], None] = lambda _text: None

    def of(self, what: str) -> Place:
        """Return the same place for one column or similar, named `what` in reports."""

        def report(text: str) -> None:
            self.report(f"{what} holds {text}")

        return replace(self, report=report, text=cutting_string(report) if self.cuts else self.text)

    def key(self, name: str) -> str:
        """Return the name of a key inside an object.

        Raises:
            ValueError: Braze would not accept the name.
        """
        return checked_key(name) if self.typed_nested_times else checked_name(name)


def _compile(schema: Mapping[str, Any], place: Place, *, nested: bool = False) -> Convert:
    branches = branches_of(schema)
    kinds = {kind for kind, _ in branches}
    if not kinds:
        return _compile_untyped(place)
    if kinds == {"integer", "number"}:
        return to_number
    if kinds <= SCALARS and len(branches) > 1:
        # Text gives the column one stable type, because it can hold a value of any of them.
        return place.text
    converters = {kind: _compile_branch(kind, branch, place, nested=nested) for kind, branch in branches}
    if len(converters) == 1:
        return next(iter(converters.values()))
    return _by_kind(converters, place)


def _compile_branch(kind: str, schema: Mapping[str, Any], place: Place, *, nested: bool) -> Convert:
    if kind == "string":
        return _compile_string(schema, place, nested=nested)
    if kind == "array":
        return _compile_array(schema, place)
    if kind == "object":
        return _compile_object(schema, place)
    scalars: Mapping[str, Convert] = {"integer": to_integer, "number": to_number, "boolean": to_boolean}
    return scalars.get(kind) or _compile_untyped(place)


def _compile_string(schema: Mapping[str, Any], place: Place, *, nested: bool) -> Convert:
    form = schema.get("format")
    if holds_decimals(schema):
        return to_number
    if form not in TIME_FORMATS:
        return place.text

    def convert(value: object) -> str | None:
        try:
            return (
                from_epoch(value, form)
                if form in EPOCHS
                else to_date(value)
                if form == "date"
                else to_time(value, place.zone)
            )
        except ValueError:
            if isinstance(value, str) and not value.strip():
                return None
            raise

    read = remembered(convert)
    if nested and place.typed_nested_times:
        return lambda value: None if (moment := read(value)) is None else {"$time": moment}
    return read


def _compile_array(schema: Mapping[str, Any], place: Place) -> Convert:
    items = schema.get("items")
    kinds = json_types(items)
    # Braze supports times inside objects, but an array of bare times is an array of text.
    element = (
        _compile(items, place, nested="object" in kinds) if isinstance(items, Mapping) else _compile_untyped(place)
    )

    def convert(value: object) -> list[Any] | None:
        value = from_json_text(value, "a JSON array")
        if value is None:
            return None
        if not isinstance(value, list):
            raise ValueError(f"expected an array, got {show(value)}")
        return [sent for item in value if item is not None and (sent := element(item)) is not None]

    return convert


def _compile_object(schema: Mapping[str, Any], place: Place) -> Convert:
    members = {
        place.key(name): _not_null(_compile(member, place, nested=True))
        for name, member in (schema.get("properties") or {}).items()
    }
    convert_members = _members(members, _not_null(_compile_untyped(place)), place)

    def convert(value: object) -> dict[str, Any] | None:
        value = from_json_text(value, "a JSON object")
        if value is None:
            return None
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, got {show(value)}")
        return convert_members(value)

    return convert


def _members(
    members: Mapping[str, Convert], other: Convert, place: Place
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return the converter of an object's members: those in `members` by their schema, all others by `other`."""

    def convert(value: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, member in value.items():
            key = name if name in members else place.key(name)
            try:
                sent = members.get(key, other)(member)
            except ValueError as wrong:
                raise ValueError(f"at '{key}': {wrong}") from None
            # A null anywhere inside makes Braze discard the whole object.
            if sent is None:
                continue
            if key in found:
                raise ValueError(f"two keys are called '{key}' after trimming spaces")
            found[key] = sent
        return found

    return convert


def _compile_untyped(place: Place) -> Convert:
    """Compile the converter of values without a type: leave them unchanged, but reject values that Braze refuses."""

    def convert(value: object) -> object:
        if isinstance(value, str):
            return place.text(value)
        if isinstance(value, list):
            return [item for item in map(_not_null(convert), value) if item is not None]
        if isinstance(value, dict):
            return members(value)
        return to_number(value) if isinstance(value, float) else value

    members = _members({}, _not_null(convert), place)

    return convert


def _by_kind(converters: Mapping[str, Convert], place: Place) -> Convert:
    scalar = next((converters[kind] for kind in ("string", "number", "integer", "boolean") if kind in converters), None)
    if len(SCALARS & converters.keys()) > 1:
        scalar = place.text

    def convert(value: object) -> object:
        kind = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else None
        converter = converters.get(kind) if kind else scalar
        if converter is None:
            raise ValueError(f"expected {' or '.join(sorted(converters))}, got {show(value)}")
        return converter(value)

    return convert


def _top_level(convert: Convert, place: Place) -> Convert:
    """Add the checks of a whole column: the size of objects and arrays."""

    def checked(value: object) -> object:
        sent = convert(value)
        if isinstance(sent, dict | list):
            if place.typed_nested_times:
                _check_attribute(sent)
            if isinstance(sent, dict) or len(sent) > _FEW or not _SHORT.issuperset(map(type, sent)):
                checked_size(sent, limits.OBJECT_BYTES)
        return sent

    return checked


def _check_attribute(value: dict[str, Any] | list[Any]) -> None:
    """Check an object or array for content that Braze would misread or store only in part.

    https://www.braze.com/docs/api/objects_filters/user_attributes_object/
    """
    if isinstance(value, dict):
        if value.keys() == {"inc"} or (value and value.keys() <= {"add", "remove"}):
            raise ValueError(f"Braze reads an object with only the key '{min(value)}' as an operator, not as data")
        return
    kinds = set(map(type, value))
    if kinds <= {dict}:
        return  # limited only by size
    if kinds & {dict, list}:
        raise ValueError("Braze keeps arrays of text, numbers and booleans, and arrays of objects; this one is neither")
    if len(value) > limits.ARRAY_ELEMENTS:
        raise ValueError(f"{len(value)} elements, Braze keeps {limits.ARRAY_ELEMENTS} and drops the oldest")


def _not_null(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)
