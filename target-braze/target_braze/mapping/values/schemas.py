"""Read a column's JSON Schema: its types, its formats, and the resulting type in Braze."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from target_braze.mapping.values.times import EPOCHS

# The JSON Schema for each value that `types:` of a mapping may have.
TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "date-time": {"type": "string", "format": "date-time"},
    # Numbers, sent as the text of a time.
    **{name: {"type": "string", "format": name} for name in EPOCHS},
    "array": {"type": "array"},
    "object": {"type": "object"},
}
TIME_FORMATS: Final = frozenset({"date-time", "date", *EPOCHS})
SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})

_QUICK: Final[Mapping[str, type]] = {"string": str, "integer": int, "number": float, "boolean": bool}
# How schemas mark a number as a time: `logicalType` of Avro (https://avro.apache.org/docs/1.12.0/specification/),
# `format` of draft 3 of JSON Schema (section 5.23) and of OpenAPI documents.
_EPOCH_IDIOMS: Final[Mapping[tuple[str, str], str]] = {
    ("logicalType", "timestamp-millis"): "epoch-milliseconds",
    ("logicalType", "timestamp-micros"): "epoch-microseconds",
    ("logicalType", "date"): "epoch-days",
    ("format", "utc-millisec"): "epoch-milliseconds",
    ("format", "unix-time"): "epoch-seconds",
}
# The last two come from Avro.
_NUMBERS: Final = ("integer", "number", "int", "long")
# Where a schema contains schemas.
_LISTS: Final = ("anyOf", "oneOf", "allOf")
# Definitions that refer to each other grow with each level; no real column needs more.
_MOST_REFERENCES: Final = 10_000


def resolved(schema: Any, root: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return a part of the schema `root` with each `$ref` resolved and numbers that are times marked.

    A schema that contains itself ends in an empty schema, so values at that level are sent unchanged.

    Raises:
        ValueError: A `$ref` points outside the schema or to nothing in it, or there are too many references.
    """
    return _Resolver(root).resolve(schema)


class _Resolver:
    """Replaces references with the parts of `root` that they point to."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = _MOST_REFERENCES

    def resolve(self, schema: Any, path: tuple[str, ...] = ()) -> Any:  # noqa: ANN401
        """Return the schema without references; `path` holds the references that led here."""
        if not isinstance(schema, Mapping):
            return schema  # in JSON Schema, `true` means "anything"
        if isinstance(reference := schema.get("$ref"), str):
            own = self.resolve({key: value for key, value in schema.items() if key != "$ref"}, path)
            if reference in path:
                return own
            target = self.resolve(self._target(reference), (*path, reference))
            return {**target, **own} if isinstance(target, Mapping) else own
        found = dict(schema)
        for key in (*_LISTS, "type"):
            if isinstance(branches := schema.get(key), list):
                found[key] = [self.resolve(branch, path) for branch in branches]
        if isinstance(properties := schema.get("properties"), Mapping):
            found["properties"] = {name: self.resolve(one, path) for name, one in properties.items()}
        if "items" in schema:
            found["items"] = self.resolve(schema["items"], path)
        return _with_epochs(found)

    def _target(self, reference: str) -> Any:  # noqa: ANN401
        """Return the target of a JSON pointer (RFC 6901) in a `$ref`."""
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"its schema refers to itself in more than {_MOST_REFERENCES:,} ways")
        if not reference.startswith("#"):
            raise ValueError(f"its schema has the $ref '{reference}', which points outside the SCHEMA message")
        here: Any = self._root
        for step in filter(None, unquote(reference[1:]).split("/")):
            key = step.replace("~1", "/").replace("~0", "~")
            try:
                here = here[int(key)] if isinstance(here, list) else here[key]
            except (KeyError, IndexError, TypeError, ValueError):
                raise ValueError(f"its schema has the $ref '{reference}', which points to nothing there") from None
        return here


def _with_epochs(schema: dict[str, Any]) -> dict[str, Any]:
    for (keyword, word), epoch in _EPOCH_IDIOMS.items():
        if schema.get(keyword) == word and any(kind in _NUMBERS for kind in _types(schema)):
            return {**schema, "type": ["string", "null"], "format": epoch}
    return schema


def branches_of(schema: object) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the types other than null that a schema allows, each with its schema."""
    if not isinstance(schema, Mapping):
        return []
    found: list[tuple[str, Mapping[str, Any]]] = []
    for keyword in _LISTS:
        for branch in schema.get(keyword) or ():
            found += branches_of(branch)
    for kind in _types(schema):
        # JSON Schema draft 3 and Avro allow schemas in the list of types.
        found += branches_of(kind) if isinstance(kind, Mapping) else [(kind, schema)] if kind != "null" else []
    return found


def _types(schema: Mapping[str, Any]) -> list[Any]:
    types = schema.get("type", ())
    return [*types] if isinstance(types, list | tuple) else [types]


def json_types(schema: object) -> set[str]:
    """Return the types other than null that a schema allows."""
    return {kind for kind, _ in branches_of(schema)}


def formats_of(schema: object) -> set[str | None]:
    """Return the formats of the types that a schema allows, with None for a type without a format."""
    return {branch.get("format") for _, branch in branches_of(schema)}


def epoch_of(schema: object) -> str | None:
    """Return the unit of numbers that are times, a key of `EPOCHS`, or None if the column has no such numbers."""
    formats = formats_of(schema)
    return next(iter(formats)) if len(formats) == 1 and formats <= EPOCHS.keys() else None


def properties_of(schema: object) -> dict[str, Mapping[str, Any]]:
    """Return the schemas of object members by name."""
    found: dict[str, Any] = {}
    for kind, branch in branches_of(schema):
        found |= (branch.get("properties") or {}) if kind == "object" else {}
    return {name: one if isinstance(one, Mapping) else {} for name, one in found.items()}


def is_decimal(schema: object) -> bool:
    """Return whether all text in a column is numeric."""
    branches = branches_of(schema)
    return bool(branches) and all(kind == "string" and holds_decimals(branch) for kind, branch in branches)


def holds_decimals(branch: Mapping[str, Any]) -> bool:
    """Return whether text in this part of a schema is numeric: https://sdk.meltano.com/en/latest/implementation/."""
    return branch.get("format") == "singer.decimal" or "x-singer.decimal" in branch


def is_time(schema: object) -> bool:
    """Return whether a column holds only times and dates."""
    formats = formats_of(schema)
    return bool(formats) and formats <= TIME_FORMATS


def exact_type(schema: Mapping[str, Any]) -> type | None:
    """Return the Python type whose values can be sent unchanged, except for long text and non-finite numbers."""
    branches = branches_of(schema)
    if len(branches) != 1:
        return None
    ((kind, branch),) = branches
    if kind == "string" and (branch.get("format") in TIME_FORMATS or holds_decimals(branch)):
        return None
    return _QUICK.get(kind)


def braze_type(schema: Mapping[str, Any]) -> str | None:
    """Return the type that Braze gives an attribute with values of a schema, or None if it depends on the values."""
    branches = branches_of(schema)
    kinds = {kind for kind, _ in branches}
    if kinds == {"array"}:
        items = [json_types(branch.get("items")) for _, branch in branches]
        return (
            "Object Array" if items == [{"object"}] else "Array" if all(items) and not {"object"} & items[0] else None
        )
    if kinds == {"object"}:
        return "Object"
    if kinds == {"boolean"}:
        return "Boolean"
    if kinds and (kinds <= {"integer", "number"} or is_decimal(schema)):
        return "Number"
    if kinds == {"string"} and is_time(schema):
        return "Time"
    return "String" if kinds and kinds <= SCALARS else None
