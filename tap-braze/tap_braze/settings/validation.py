"""Check a config: its JSON Schema, then what JSON Schema cannot express."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from tap_braze.braze.hosts import base_url
from tap_braze.braze.windows.broker import broker_mistake
from tap_braze.reporting import report_page
from tap_braze.settings.given import parsed, unknown
from tap_braze.settings.schema import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_Validator = th.extend_validator_with_defaults(th.DEFAULT_JSONSCHEMA_VALIDATOR)


def checked(
    config: Mapping[str, Any], schema: dict[str, Any], env_prefix: str, known: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], list[str]]:
    """Return a config with its defaults filled in, and one line for each error in it.

    Values may be text, as they are from the environment. A setting that is null counts as not set. `known` lists names
    that are not the tap's and are no error.
    """
    found = parsed(copy.deepcopy({name: value for name, value in config.items() if value is not None}), schema)
    if errors := [*unknown(found, schema, known)]:
        return found, errors
    errors = [
        f"setting '{name}': it must be an object"  # otherwise the validator fails when it fills in its defaults
        for name, described in schema["properties"].items()
        if "object" in described["type"] and not isinstance(found.get(name, {}), dict)
    ]
    if errors:
        return found, errors
    errors = [_explain(error, env_prefix) for error in _Validator(schema).iter_errors(found)]
    if not errors:
        try:
            base_url(found["endpoint"])
            Settings.of(found)
        except ValueError as error:
            errors.append(str(error))
        if (broker := found.get("braze_broker")) and (wrong := broker_mistake(broker, found.get("braze_broker_token"))):
            errors.append(wrong)
        errors += report_page.mistakes(found)
    return found, errors


def _explain(error: Any, env_prefix: str) -> str:  # noqa: ANN401 - jsonschema is not typed
    """Return a JSON Schema error as a line that names the setting and shows no secret."""
    if error.validator == "required":
        name = error.message.split("'")[1]
        return f"setting '{name}' is missing: set it in the config, or as {env_prefix}{name.upper()} with --config=ENV"
    name = ".".join(str(part) for part in error.path)
    text = error.message
    if error.schema.get("writeOnly") or {"url", "storage_options"} & {*error.path}:
        text = (
            "it contains characters that are not valid in a Braze API key"
            if name == "api_key"
            else "its value has the wrong type"
        )
    return f"setting '{name}': {text}"
