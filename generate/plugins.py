"""Plugin definitions of Meltano: one file for `meltano add --from-ref`, one as Meltano Hub and lock files have it.

The form: https://docs.meltano.com/reference/plugin-definition-syntax
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import yaml
from tap_braze.settings.schema import CONFIG_SCHEMA
from tap_braze.streams import STREAMS
from tap_braze.streams.currents import CurrentsEvents
from target_braze.settings.config import CONFIG

from generate.project import REPOSITORY, VARIANT, blob, raw

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMAS: Final[dict[str, dict[str, Any]]] = {"tap-braze": CONFIG_SCHEMA, "target-braze": CONFIG}

_CAPABILITIES: Final = ("about", "stream-maps", "schema-flattening", "structured-logging")
_KINDS: Final = {
    "boolean": "boolean",
    "integer": "integer",
    "number": "decimal",
    "array": "array",
    "object": "object",
    "string": "string",
}
# Their default depends on another setting, so Meltano must not pass one: `track_endpoint: bulk` sends 1,000 objects.
_NO_DEFAULT: Final = {"max_objects_per_request"}
_HEADER: Final = "# Generated from the code by `make generate`; do not edit.\n"


def definitions() -> dict[str, dict[str, Any]]:
    """Return the definition of each plugin by its name."""
    return {each["name"]: each for each in (_tap(), _target(), _sandbox())}


def files() -> dict[str, str]:
    """Return the text of each file by its path; meltano.yml of this repository reads the lock files."""
    found = {}
    for name, definition in definitions().items():
        text = yaml.safe_dump(_with_variant(definition), sort_keys=False, allow_unicode=True, width=120)
        found[f"plugins/{name}.yml"] = _HEADER + text
        path = f"plugins/{definition['plugin_type']}/{name}--{definition['variant']}.lock"
        found[path] = json.dumps(definition, indent=2, ensure_ascii=False) + "\n"
    return found


def _with_variant(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition as a plugin with a list of one variant.

    `meltano add --from-ref` drops `select` from a definition without `variants`, and would then select every stream.
    """
    plugin = {key: definition[key] for key in ("plugin_type", "name", "namespace", "label", "description", "logo_url")}
    variant = {"name": definition["variant"], **{k: v for k, v in definition.items() if k not in (*plugin, "variant")}}
    return {**plugin, "variants": [variant]}


def _tap() -> dict[str, Any]:
    return {
        **_common("extractors", "tap-braze", "Braze campaigns, Canvases, segments, KPIs, exports and Currents."),
        "capabilities": [*_CAPABILITIES, "catalog", "discover", "state"],
        "select": ["*.*", *(f"!{name}.*" for name in deselected())],
        "settings_group_validation": [["api_key", "endpoint"]],
        "settings": _settings("tap-braze"),
    }


def _target() -> dict[str, Any]:
    return {
        **_common("loaders", "target-braze", "Users, events, purchases, subscriptions and catalogs into Braze."),
        "capabilities": [*_CAPABILITIES],
        "settings_group_validation": [["api_key", "endpoint"]],
        "settings": _settings("target-braze"),
    }


def _sandbox() -> dict[str, Any]:
    return {
        **_common("utilities", "braze-sandbox", "A Braze workspace on your own machine, for demos, tests and CI."),
        "commands": {
            "serve": {
                "args": "serve --port 8080 --seed demo",
                "description": "Serve Braze's REST API on http://127.0.0.1:8080, API key sandbox-key",
            }
        },
    }


def _common(plugin_type: str, name: str, description: str) -> dict[str, Any]:
    return {
        "plugin_type": plugin_type,
        "name": name,
        "namespace": name.replace("-", "_"),
        "variant": VARIANT,
        "label": {"tap-braze": "Braze", "target-braze": "Braze", "braze-sandbox": "Braze sandbox"}[name],
        "description": description,
        "docs": blob(f"{name}/README.md"),
        "repo": REPOSITORY,
        "logo_url": raw("docs/assets/logo.svg"),
        "pip_url": name,
        "executable": name,
    }


def deselected() -> list[str]:
    """Return the streams that are read only if a project selects them: people, slow lists, rare features."""
    return [*(stream.name for stream in STREAMS if not stream.selected_by_default), CurrentsEvents.name]


def _settings(name: str) -> list[dict[str, Any]]:
    return [_setting(key, schema) for key, schema in SCHEMAS[name]["properties"].items()]


def _setting(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    setting = {
        "name": name,
        "label": schema["title"],
        "kind": _kind(name, schema),
        "description": schema["description"],
    }
    if schema.get("secret"):
        setting["sensitive"] = True
    if options := [value for value in schema.get("enum", []) if value is not None]:
        setting["options"] = [{"label": _in_words(value), "value": value} for value in options]
    if schema.get("default") not in (None, {}, []) and name not in _NO_DEFAULT:
        setting["value"] = schema["default"]
    return setting


def _kind(name: str, schema: Mapping[str, Any]) -> str:
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    type_, *others = {*types} - {"null"}
    if "enum" in schema:
        return "options"
    if others:
        return "string"  # Meltano hands on values of other types unchanged
    if schema.get("format") == "date-time":
        return "date_iso8601"
    return "file" if name.endswith("_path") else _KINDS[type_]


def _in_words(value: str) -> str:
    return value.replace("_", " ").capitalize()
