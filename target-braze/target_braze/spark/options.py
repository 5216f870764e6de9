"""Options of the data source `braze`."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from target_braze.mapping.kinds import KINDS
from target_braze.mapping.stream_kinds import kind_of
from target_braze.settings.validation import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

# For the page in docs/ and for errors.
OPTIONS: Final = {
    "stream": "name of the stream, which selects its entry in setting `streams`",
    "config": "settings of the target without `api_key`: JSON, or the path of a JSON file on the driver",
    "outcome_log": "folder or fsspec URL for the outcomes of all runs, which the driver and all executors can reach",
    "run_id": "name of the run: the same name again resumes it. Default: a new one",
    "keys": "columns of the primary key, as a JSON array or separated by commas",
    "partitions": "number of partitions; a run resumes only with the same number; `write` sets it",
    "api_key_file": "file with the API key on the driver and each executor; default: environment variable "
    "TARGET_BRAZE_API_KEY",
}
_REQUIRED: Final = ("stream", "config", "outcome_log")
KEY_VARIABLE: Final = "TARGET_BRAZE_API_KEY"
_TOKEN_VARIABLE: Final = "TARGET_BRAZE_BRAZE_BROKER_TOKEN"  # noqa: S105 - a name
_HOW_TO_GIVE_THE_KEY: Final = (
    f"put it into the environment variable {KEY_VARIABLE} of the driver and the executors, or into a file that option "
    "'api_key_file' names"
)
# Settings that would stand in Spark's logs.
_SECRETS: Final = {
    "api_key": _HOW_TO_GIVE_THE_KEY,
    "braze_broker_token": f"put it into the environment variable {_TOKEN_VARIABLE} of the driver and the executors",
}
# Settings that work in one process only.
_OF_ONE_PROCESS: Final = {
    "ledger_path": "option 'outcome_log' takes its place",
    "dead_letter_path": "the outcome log has the dead letters, and OutcomeLog(...).merge() returns them",
    "report_path": "the outcome log has report.html",
    "delivery_log_path": "it belongs to one process",
    "processes": "Spark's tasks are the processes",
    "canary": "each task would send its own. Write a sample first: df.limit(1_000)",
    "dry_run": "try the mapping with a Loader instead, on a sample: stream.write(df.limit(10_000).toArrow())",
}


class Options(NamedTuple):
    """What one write needs to know. Holds no secret, because Spark pickles it and logs options."""

    stream: str
    settings: dict[str, Any]
    outcome_log: str
    run_id: str
    keys: tuple[str, ...]
    partitions: int | None
    api_key_file: str | None

    def only(self, streams: dict[str, Any]) -> Options:
        """Return the options with these entries in setting `streams`."""
        return self._replace(settings={**self.settings, "streams": streams})

    def config(self, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the settings of a Loader, with the API key and the broker's token.

        Raises:
            SettingsError: There is no key.
        """
        token = os.environ.get(_TOKEN_VARIABLE)
        secrets = {"api_key": self._api_key(), **({"braze_broker_token": token} if token else {})}
        return {**self.settings, **more, **secrets}

    def _api_key(self) -> str:
        if self.api_key_file is None:
            key = os.environ.get(KEY_VARIABLE, "")
        else:
            try:
                key = Path(self.api_key_file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(
                    f"option 'api_key_file': {self.api_key_file} cannot be read: {error.__class__.__name__}. The "
                    "driver and each executor need it"
                ) from None
        if not key:
            raise SettingsError(f"there is no API key on {platform.node()}: {_HOW_TO_GIVE_THE_KEY}")
        return key


def refuse_unfit(options: Options, at: str | None, entry: Mapping[str, Any]) -> None:
    """Refuse a stream whose entry needs one task.

    Raises:
        SettingsError: Something counts for the whole run, or needs an order across users.
    """
    kind = kind_of(options.stream, entry)
    if KINDS[kind].dealing == "never" and options.partitions != 1:
        raise SettingsError(
            f"stream '{options.stream}': records of kind '{kind}' cannot be divided among tasks; write the stream with "
            f"'partitions' 1 - at streams.{at}.to"
        )
    _refuse_limits(options.stream, f"streams.{at}", entry)


def _refuse_limits(stream: str, at: str, entry: Mapping[str, Any]) -> None:
    for name, value in entry.items():
        if name.startswith("max_") or name == "canary":
            raise SettingsError(
                f"stream '{stream}': '{name}' counts over the whole run, but each Spark task would count for itself. "
                f"Load this stream with the command line or a Loader - at {at}.{name}"
            )
        if isinstance(value, dict):
            _refuse_limits(stream, f"{at}.{name}", value)


def parse(given: Mapping[str, str]) -> Options:
    """Return the options of a write.

    Args:
        given: Options as Spark hands them over. Their names ignore case.

    Raises:
        SettingsError: An option is missing, unknown or wrong.
    """
    options = {name.lower(): value for name, value in given.items()}
    # Sail adds it.
    if (mode := options.pop("mode", "append")) != "append":
        raise SettingsError(wrong_mode(mode))
    if unknown := sorted(options.keys() - OPTIONS.keys()):
        raise SettingsError(f"option '{unknown[0]}' is unknown; the options of format braze are {', '.join(OPTIONS)}")
    if missing := [name for name in _REQUIRED if not options.get(name)]:
        raise SettingsError(f"option '{missing[0]}' is missing: {OPTIONS[missing[0]]}")
    return Options(
        stream=options["stream"],
        settings=_settings(options["config"]),
        outcome_log=options["outcome_log"],
        run_id=options.get("run_id") or uuid4().hex,
        keys=_columns(options.get("keys", "")),
        partitions=_count(options.get("partitions")),
        api_key_file=options.get("api_key_file"),
    )


def wrong_mode(mode: str) -> str:
    """Return the error about a mode other than append."""
    return (
        f'mode {mode}: Braze can only be added to, so write with .mode("append"). To delete users or items that are no '
        "longer in the data, use 'on_delete'"
    )


def _settings(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        # Neither the text nor the error's own message: both may hold a key.
        raise SettingsError(
            f"option 'config' is neither a JSON object nor the path of a file with one: {error.__class__.__name__}"
        ) from None
    if not isinstance(found, dict):
        raise SettingsError("option 'config' is not a JSON object")
    for name, how in _SECRETS.items():
        if name in found:
            raise SettingsError(
                f"option 'config' contains '{name}', which would stand in Spark's logs; take it out, and {how}"
            )
    for name, why in _OF_ONE_PROCESS.items():
        if found.get(name) and (name, found[name]) != ("processes", 1):
            raise SettingsError(f"setting '{name}' does not work in Spark: {why}")
    return found


def _columns(text: str) -> tuple[str, ...]:
    if not text.lstrip().startswith("["):
        return tuple(name for part in text.split(",") if (name := part.strip()))
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise SettingsError("option 'keys' is not a JSON array of column names")
    return tuple(found)


def _count(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"option 'partitions': {text!r} is not a positive whole number")
    return int(text)
