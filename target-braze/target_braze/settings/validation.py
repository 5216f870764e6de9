"""Validate settings against their JSON Schema, and check what a schema cannot express."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import jsonschema

from target_braze.braze import limits
from target_braze.braze.hosts import EndpointError, base_url
from target_braze.braze.windows.broker import broker_mistake
from target_braze.mapping.kinds import KINDS
from target_braze.reporting import dead_letter_file, delivery_log, report_page
from target_braze.settings.config import CONFIG
from target_braze.settings.given import parsed, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class SettingsError(ValueError):
    """Settings are missing or wrong; the message has a line for each."""


def complete(config: Mapping[str, Any], *, has_outcome_log: bool = False) -> dict[str, Any]:
    """Return a copy of the settings, with defaults for those that are not set.

    Args:
        config: The settings.
        has_outcome_log: An outcome log takes the place of the ledger and of the file of dead letters.

    Raises:
        SettingsError: A setting is missing, unknown or wrong.
    """
    found = copy.deepcopy(dict(config))
    settings = CONFIG["properties"]
    errors = prepare(found, CONFIG)
    if not errors:
        for name, described in settings.items():
            if "default" in described:
                found.setdefault(name, copy.deepcopy(described["default"]))
        wrong = jsonschema.Draft202012Validator(CONFIG).iter_errors(found)
        errors = [f"setting '{_path(error)}': {error.message}" for error in wrong] or mistakes(
            found, has_outcome_log=has_outcome_log
        )
    if errors:
        raise SettingsError("\n".join(errors))
    return found


def _path(error: jsonschema.ValidationError) -> str:
    return ".".join(str(part) for part in error.absolute_path) or "config"


def prepare(
    config: dict[str, Any], schema: dict[str, Any], known: frozenset[str] = frozenset(), *, sends: bool = True
) -> list[str]:
    """Parse values given as text, for example in the environment, and set defaults that depend on other settings.

    Return the errors that the schema's check does not find or must not show. `known` are other valid names, which are
    not the target's own. A command that never `sends` needs no API key.
    """
    if not isinstance(config.get("api_key", ""), str):
        return ["setting 'api_key' is not text"]
    if config.get("track_endpoint") == "bulk":
        config.setdefault("max_objects_per_request", limits.BULK_OBJECTS)
    config.update(parsed(config, schema))
    if (config.get("dry_run") is True or not sends) and not config.get("preflight"):
        # No requests are made, so any key and endpoint will do.
        config.setdefault("api_key", "none")
        config.setdefault("endpoint", "US-01")
    return [*unknown(config, schema, known)]


def mistakes(config: dict[str, Any], *, has_outcome_log: bool = False) -> list[str]:
    """Return a line for each error in settings that match their schema; `has_outcome_log` is as for `complete`."""
    found = []
    if has_outcome_log and config.get("ledger_path"):
        found.append("setting 'ledger_path': an outcome log takes the place of the ledger; leave out one of them")
    if config["on_error"] == "dead_letter" and not (config.get("dead_letter_path") or has_outcome_log):
        found.append("setting 'dead_letter_path': name a file, because 'on_error' is dead_letter")
    found += dead_letter_file.mistakes(config)
    found += delivery_log.mistakes(config)
    found += report_page.mistakes(config, "dead_letter_path", "delivery_log_path", "ledger_path")
    most = config.get("max_dead_letters")
    if most is not None and most > 1 and most % 1:
        found.append(f"setting 'max_dead_letters': {most} is neither a whole number of records nor a share below 1")
    found += [
        f"setting 'streams.{name}.missing_columns': unset needs a ledger, which knows what was sent; set 'ledger_path'"
        for name, entry in config["streams"].items()
        if entry.get("missing_columns") == "unset" and not config.get("ledger_path")
    ]
    found += _mistakes_of_messages(config)
    if (broker := config.get("braze_broker")) and (wrong := broker_mistake(broker, config.get("braze_broker_token"))):
        found.append(wrong)
    try:
        ZoneInfo(config["time_zone"])
    except (OSError, ValueError, KeyError):
        found.append(f"setting 'time_zone': {config['time_zone']!r} is not an IANA time zone such as Europe/Berlin")
    try:
        base_url(config["endpoint"])
    except EndpointError as error:
        found.append(str(error))
    return found


def _mistakes_of_messages(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each stream that sends messages, and could send them twice."""
    for name, entry in config["streams"].items():
        # No kind that sends messages is chosen by a stream's name.
        sends = "to" in entry and any(semantics.sends_messages for semantics in KINDS[entry["to"]].semantics)
        if not sends or entry.get("allow_duplicate_messages") is True:
            continue
        accept = f"or accept that with 'streams.{name}.allow_duplicate_messages'"
        if not config.get("ledger_path"):
            yield (
                f"setting 'streams.{name}': {entry['to']} send messages, and without a ledger, people receive them "
                f"again if a run is repeated or records overlap. Set 'ledger_path', {accept}"
            )
        elif config["ledger_synchronous"] != "full":
            yield (
                f"setting 'ledger_synchronous': stream '{name}' sends messages, and with normal, people can receive "
                f"them again after a power failure. Set full, {accept}"
            )


def numbers(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the numeric settings, each with its schema."""
    return {
        name: described
        for name, described in schema["properties"].items()
        if {"integer", "number"} & {*described.get("type", ())}
    }
