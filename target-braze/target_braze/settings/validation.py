"""What is wrong with settings, beyond what their JSON Schema can say."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

from target_braze.braze import limits
from target_braze.braze.client import EndpointError, base_url
from target_braze.reporting import dead_letter_file


def prepare(config: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Read numbers that came as text, as from the environment, and set a default that depends on another setting.

    Answers what is wrong that the schema's check must not show.
    """
    if not isinstance(config.get("api_key", ""), str):
        return ["setting 'api_key' is no text"]
    if config.get("track_endpoint") == "bulk":
        config.setdefault("max_objects_per_request", limits.BULK_OBJECTS)
    for name in numbers(schema).keys() & config.keys():
        if isinstance(text := config[name], str):
            with suppress(ValueError):
                config[name] = json.loads(text)
    return []


def mistakes(config: dict[str, Any]) -> list[str]:
    """What is wrong with settings that fit their schema, a line for each."""
    found = []
    if config["on_error"] == "dead_letter" and not config.get("dead_letter_path"):
        found.append("setting 'dead_letter_path': name a file, for 'on_error' is dead_letter")
    found += dead_letter_file.mistakes(config)
    most = config.get("max_dead_letters")
    if most is not None and most > 1 and most % 1:
        found.append(f"setting 'max_dead_letters': {most} is neither a number of records nor a share below 1")
    found += [
        f"setting 'streams.{name}.missing_columns': unset needs a ledger, which knows what was sent; name it in "
        "'ledger_path'"
        for name, entry in config["streams"].items()
        if entry.get("missing_columns") == "unset" and not config.get("ledger_path")
    ]
    try:
        ZoneInfo(config["time_zone"])
    except (OSError, ValueError, KeyError):
        found.append(f"setting 'time_zone': {config['time_zone']!r} is no IANA time zone such as Europe/Berlin")
    try:
        base_url(config["endpoint"])
    except EndpointError as error:
        found.append(str(error))
    return found


def numbers(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings that are numbers, each with its description in the schema."""
    return {
        name: described
        for name, described in schema["properties"].items()
        if {"integer", "number"} & {*described.get("type", ())}
    }
