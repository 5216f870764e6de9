"""Settings as a user gives them: parse nested values passed as text, and find unknown names."""

from __future__ import annotations

import difflib
import json
import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_JSON_TYPES: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
# Extras that Meltano may pass: https://docs.meltano.com/concepts/plugins/#plugin-extras
_MELTANO: Final = frozenset(
    {
        *("_catalog", "_load_schema", "_metadata", "_schema", "_select", "_select_filter", "_state"),
        *("_dialect", "_target_schema", "_mappings", "_use_cached_catalog"),
    }
)
# Number of valid names that an error lists if none is close.
_LISTED: Final = 12


def parsed(value: Any, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return a value in the types of its JSON Schema, at every level.

    Meltano and the environment pass text: `config set tap-braze send_ids '["a"]'`. Keep text where the schema
    allows it, or where it is not JSON of a type that the schema allows.
    """
    if isinstance(value, str):
        value = _from_text(value, schema)
    if isinstance(value, dict):
        return {name: parsed(inner, _schema_of(name, schema)) for name, inner in value.items()}
    if isinstance(value, list):
        return [parsed(inner, schema.get("items", {})) for inner in value]
    return value


def unknown(config: Mapping[str, Any], schema: Mapping[str, Any], known: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield a line for each unknown setting, at every level, with the closest valid name.

    `known` adds names at the top level, such as the SDK's.
    """
    names = schema["properties"]
    for name, value in config.items():
        if name not in names and name not in known and name not in _MELTANO:
            yield _line(name, name, [*names])
        elif name in names:
            yield from _unknown_within(name, value, names[name])


def _unknown_within(path: str, value: object, schema: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _unknown_within(f"{path}[{number}]", inner, schema.get("items", {}))
    elif isinstance(value, dict):
        names = schema.get("properties", {})
        for name, inner in value.items():
            if name not in names and schema.get("additionalProperties") is False:
                yield _line(f"{path}.{name}", name, [*names])
            else:
                yield from _unknown_within(f"{path}.{name}", inner, _schema_of(name, schema))


def _line(path: str, name: str, names: list[str]) -> str:
    text = f"setting '{path}' does not exist"
    if close := difflib.get_close_matches(name, names, n=1):
        return f"{text}; did you mean '{close[0]}'?"
    return f"{text}; valid names are {', '.join(names)}" if len(names) <= _LISTED else text


def _schema_of(name: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
    return inner if isinstance(inner, dict) else {}


def _from_text(text: str, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401
    types = _types(schema)
    if "string" in types:
        types &= {"array", "object"}  # text like this is meant as JSON
    if not types:
        return text
    try:
        value = json.loads(text.lower() if "boolean" in types and text.lower() in {"true", "false"} else text)
    except ValueError:
        return text
    if types & {"integer", "number"} and isinstance(value, (int, float)) and not isinstance(value, bool):
        return value if math.isfinite(value) else text
    return value if _JSON_TYPES.get(type(value), "string") in types else text


def _types(schema: Mapping[str, Any]) -> set[str]:
    types = schema.get("type", [])
    found = {types} if isinstance(types, str) else {*types}
    for option in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        found |= _types(option)
    if "enum" in schema and not found:
        found = {_JSON_TYPES.get(type(value), "string") for value in schema["enum"]}
    return found
