"""Values: from what a Singer record holds to what Braze takes, by the column's JSON Schema and never by the value.

A converter takes a value that is not null and returns the value to send, None for "nothing", or raises ValueError
saying what is wrong with it. It is compiled once per column, so that a column keeps one type for good: Braze fixes an
attribute's type with the first value it sees (https://www.braze.com/docs/user_guide/data/activation/custom_data/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze import limits
from target_braze.encode import encode
from target_braze.scalars import Convert, checked_string, cutting_string, to_boolean, to_integer, to_number
from target_braze.times import show, to_date, to_time

if TYPE_CHECKING:
    from datetime import tzinfo


# What `types:` of a mapping may say, as the JSON Schema that it stands for.
TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "date-time": {"type": "string", "format": "date-time"},
    "array": {"type": "array"},
    "object": {"type": "object"},
}

_QUICK: Final[Mapping[str, type]] = {"string": str, "integer": int, "number": float, "boolean": bool}
# So many elements of these types, whatever their text is, are no 100 KB.
_FEW: Final = 50
_SHORT: Final = frozenset({str, bool, float})
_TYPED_FORMATS: Final = frozenset({"date-time", "date", "singer.decimal"})
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})


def compile_value(schema: Mapping[str, Any], place: Place) -> Convert:
    """Compile the converter of a column from its JSON Schema.

    Raises:
        ValueError: Braze has no type for the column, or does not take the name of one of its keys.
    """
    if place.typed_nested_times:
        for kind, branch in _branches(schema):
            if kind == "array" and kinds_of(branch.get("items")) == {"array"}:
                raise ValueError("it holds arrays of arrays, for which Braze has no type")
    convert = _compile(schema, place)
    kinds = kinds_of(schema)
    return convert if kinds and kinds <= _SCALARS else _top_level(convert, place)


def kinds_of(schema: object) -> set[str]:
    """The types that a schema allows, but null."""
    return {kind for kind, _ in _branches(schema)}


def quick_type(schema: Mapping[str, Any]) -> type | None:
    """The type of Python's whose values go as they are, but for text that is long and numbers that are none."""
    branches = _branches(schema)
    if len(branches) != 1:
        return None
    ((kind, branch),) = branches
    if kind == "string" and (branch.get("format") in _TYPED_FORMATS or "x-singer.decimal" in branch):
        return None
    return _QUICK.get(kind)


def braze_type(schema: Mapping[str, Any]) -> str | None:
    """The type that Braze gives to an attribute with values of a schema; None where the values decide."""
    branches = _branches(schema)
    kinds = {kind for kind, _ in branches}
    if kinds == {"array"}:
        items = [kinds_of(branch.get("items")) for _, branch in branches]
        return (
            "Object Array" if items == [{"object"}] else "Array" if all(items) and not {"object"} & items[0] else None
        )
    if kinds == {"object"}:
        return "Object"
    if kinds == {"boolean"}:
        return "Boolean"
    formats = formats_of(schema)
    if kinds and (kinds <= {"integer", "number"} or (kinds == {"string"} and _is_decimal(branches))):
        return "Number"
    if kinds == {"string"} and formats <= {"date", "date-time"}:
        return "Time"
    return "String" if kinds and kinds <= _SCALARS else None


def _is_decimal(branches: list[tuple[str, Mapping[str, Any]]]) -> bool:
    return all(branch.get("format") == "singer.decimal" or "x-singer.decimal" in branch for _, branch in branches)


def formats_of(schema: object) -> set[str | None]:
    """The formats of the types that a schema allows, None for a type that has none."""
    return {branch.get("format") for _, branch in _branches(schema)}


def checked_name(name: str) -> str:
    """The name of an attribute, property or nested key, trimmed as Braze does it.

    Raises:
        ValueError: Braze would not take it.
    """
    trimmed = name.strip()
    if not trimmed:
        raise ValueError("a name may not be blank")
    if len(trimmed) > limits.NAME_LENGTH:
        raise ValueError(f"a name may be at most {limits.NAME_LENGTH} characters long")
    if "." in trimmed or "$" in trimmed:
        raise ValueError(f"a name may not contain '.' or '$': {trimmed!r}")
    return trimmed


def checked_size(value: object, most: int) -> None:
    """Check the size of an object or array as JSON.

    Raises:
        ValueError: it is over `most` bytes.
    """
    size = len(encode(value))
    if size > most:
        raise ValueError(f"{size:,} bytes as JSON, Braze takes at most {most:,}")


@dataclass(frozen=True)
class Place:
    """Where in Braze's object a value goes, as far as it matters to its form.

    `zone` is the time zone of times that carry none. `typed_nested_times` says that a time inside an object is written
    as `{"$time": ...}`: so in attributes; property names may not begin with `$`. `text` converts text, and says what
    becomes of text that is too long: an error, unless there is `cut`, which is told of text that is cut.
    """

    zone: tzinfo
    typed_nested_times: bool
    text: Convert = checked_string
    cut: Callable[[str], None] | None = None

    def of(self, what: str) -> Place:
        """The same place for one column or the like, which is called `what` where its text is cut."""
        cut = self.cut
        return self if cut is None else replace(self, text=cutting_string(lambda text: cut(f"{what} holds {text}")))


def _compile(schema: Mapping[str, Any], place: Place, *, nested: bool = False) -> Convert:
    branches = _branches(schema)
    kinds = {kind for kind, _ in branches}
    if not kinds:
        return _compile_untyped(place)
    if kinds == {"integer", "number"}:
        return to_number
    if kinds <= _SCALARS and len(branches) > 1:
        # One stable type for the column: text can hold what any of them says.
        return place.text
    converters = {kind: _compile_branch(kind, branch, place, nested=nested) for kind, branch in branches}
    if len(converters) == 1:
        return next(iter(converters.values()))
    return _by_kind(converters, place)


def _branches(schema: object) -> list[tuple[str, Mapping[str, Any]]]:
    """The types a schema allows but null, each with the schema that describes it."""
    if not isinstance(schema, Mapping):
        return []  # JSON Schema has `true` for "anything"
    found: list[tuple[str, Mapping[str, Any]]] = []
    for keyword in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(keyword) or ():
            found += _branches(branch)
    types = schema.get("type", ())
    found += [(kind, schema) for kind in ([types] if isinstance(types, str) else types) if kind != "null"]
    return found


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
    if form == "singer.decimal" or "x-singer.decimal" in schema:
        return to_number
    if form not in {"date-time", "date"}:
        return place.text

    def convert(value: object) -> object:
        try:
            moment = to_date(value) if form == "date" else to_time(value, place.zone)
        except ValueError:
            if isinstance(value, str) and not value.strip():
                return None
            raise
        return {"$time": moment} if nested and place.typed_nested_times else moment

    return convert


def _compile_array(schema: Mapping[str, Any], place: Place) -> Convert:
    items = schema.get("items")
    kinds = kinds_of(items)
    # Braze knows times inside of objects; an array of bare times is an array of text.
    element = (
        _compile(items, place, nested="object" in kinds) if isinstance(items, Mapping) else _compile_untyped(place)
    )

    def convert(value: object) -> list[Any] | None:
        if isinstance(value, str):
            value = _parse(value, list)
        if value is None:
            return None
        if not isinstance(value, list):
            raise ValueError(f"expected an array, got {show(value)}")
        return [sent for item in value if item is not None and (sent := element(item)) is not None]

    return convert


def _compile_object(schema: Mapping[str, Any], place: Place) -> Convert:
    members = {
        checked_key(name): _not_null(_compile(member, place, nested=True))
        for name, member in (schema.get("properties") or {}).items()
    }
    convert_members = _members(members, _not_null(_compile_untyped(place)))

    def convert(value: object) -> dict[str, Any] | None:
        if isinstance(value, str):
            value = _parse(value, dict)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, got {show(value)}")
        return convert_members(value)

    return convert


def _members(members: Mapping[str, Convert], other: Convert) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The converter of what is in an object: of `members` as their schema says, of all else as `other` does."""

    def convert(value: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, member in value.items():
            key = name if name in members else checked_key(name)
            try:
                sent = members.get(key, other)(member)
            except ValueError as wrong:
                raise ValueError(f"at '{key}': {wrong}") from None
            # A null anywhere inside makes Braze discard the whole object.
            if sent is None:
                continue
            if key in found:
                raise ValueError(f"two keys are called '{key}', once the blanks at their ends are cut off")
            found[key] = sent
        return found

    return convert


def checked_key(name: str) -> str:
    """The name of a key inside an object.

    https://www.braze.com/docs/user_guide/data/activation/attributes/nested_custom_attribute_support/

    Raises:
        ValueError: Braze would not take it.
    """
    if " " in checked_name(name):
        raise ValueError(f"the name of a key inside an object may not contain a space: {name!r}")
    return name.strip()


def _compile_untyped(place: Place) -> Convert:
    """A value whose schema says nothing: as it is, checked for what Braze refuses."""

    def convert(value: object) -> object:
        if isinstance(value, str):
            return place.text(value)
        if isinstance(value, list):
            return [item for item in map(_not_null(convert), value) if item is not None]
        if isinstance(value, dict):
            return members(value)
        return to_number(value) if isinstance(value, float) else value

    members = _members({}, _not_null(convert))

    return convert


def _by_kind(converters: Mapping[str, Convert], place: Place) -> Convert:
    scalar = next((converters[kind] for kind in ("string", "number", "integer", "boolean") if kind in converters), None)
    if len(_SCALARS & converters.keys()) > 1:
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
    """Check an object or array for what Braze would take for something else, or keep only a part of.

    https://www.braze.com/docs/api/objects_filters/user_attributes_object/
    """
    if isinstance(value, dict):
        if value.keys() == {"inc"} or (value and value.keys() <= {"add", "remove"}):
            raise ValueError(f"Braze takes an object with no key but '{min(value)}' for a command, not for data")
        return
    kinds = set(map(type, value))
    if kinds <= {dict}:
        return  # as many as fit into the size
    if kinds & {dict, list}:
        raise ValueError("Braze keeps arrays of text, numbers and booleans, and arrays of objects; this one is neither")
    if len(value) > limits.ARRAY_ELEMENTS:
        raise ValueError(f"{len(value)} elements, Braze keeps {limits.ARRAY_ELEMENTS} and drops the oldest")


def _not_null(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _parse(text: str, kind: type) -> Any:  # noqa: ANN401
    """An array or object that came as JSON text, as a CSV carries it; None from blank text."""
    if not text.strip():
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        value = None
    if not isinstance(value, kind):
        raise ValueError(f"expected a JSON {'array' if kind is list else 'object'}, got {show(text)}")
    return value
