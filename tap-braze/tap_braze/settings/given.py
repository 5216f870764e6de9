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
# How much an environment variable must resemble a setting, from 0 to 1.
_CLOSE: Final = 0.8
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


def unread(
    environment: Mapping[str, str], prefix: str, config: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[str]:
    """Yield a line for each environment variable that means a setting, but has not become one.

    The environment belongs to all programs, so a name that resembles no setting is not an error: Kubernetes sets
    TARGET_BRAZE_SERVICE_HOST for a service of that name, and Meltano sets TARGET_BRAZE_EU_ENDPOINT for a plugin
    target-braze-eu, extras such as TARGET_BRAZE__DIALECT, and a variable for each setting that it also writes to the
    config, nested ones too.

    Args:
        environment: All environment variables.
        prefix: Beginning of the names of the plugin's variables, such as TARGET_BRAZE_.
        config: Settings as given, with those that were read from the environment.
        schema: JSON Schema of the settings.
    """
    names = {name.upper(): name for name in schema["properties"]}
    nested = tuple(f"{name.upper()}_" for name, described in schema["properties"].items() if _is_object(described))
    for variable, value in environment.items():
        given = variable.removeprefix(prefix)
        if given == variable or not value:
            continue
        if given in names:
            if names[given] not in config:
                yield (
                    f"environment variable {variable} is set, but the environment is not read: add --config=ENV, give "
                    f"setting '{names[given]}' in the config, or unset the variable"
                )
        elif given.startswith(nested):
            outer = max((name for name in names if given.startswith(f"{name}_")), key=len)
            if names[outer] not in config:
                yield (
                    f"environment variable {variable} names a part of setting '{names[outer]}': set {prefix}{outer} to "
                    "the whole setting as JSON, with --config=ENV, or unset the variable"
                )
        elif close := _close_variable(given, names):
            yield f"environment variable {variable} is no setting; did you mean {prefix}{close}? If not, unset it"


def _close_variable(given: str, names: Mapping[str, str]) -> str | None:
    for name in names:
        if name.replace("_", "") == given.replace("_", ""):
            return name
        if given.endswith(f"_{name}"):
            return None
    return next(iter(difflib.get_close_matches(given, names, n=1, cutoff=_CLOSE)), None)


def _is_object(described: Mapping[str, Any]) -> bool:
    return "object" in _types(described)


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
