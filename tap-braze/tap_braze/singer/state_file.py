"""The file of `--state`, in the forms that people have: the value, STATE messages, lines of either, or Meltano's."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any, Final

import click
from singer_sdk.exceptions import ConfigValidationError
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST_RUN: Final = "a first run needs no state, so leave out --state"
_FORMS: Final = (
    'expected {"bookmarks": {...}}, a STATE message, lines that end with one of these, or Meltano\'s '
    '{"singer_state": {...}}'
)
# Messages that may follow the last STATE in the output of a run that was killed.
_OTHER_MESSAGES: Final = frozenset({"ACTIVATE_VERSION", "BATCH", "RECORD", "SCHEMA"})


class StateFile(click.File):
    """A file to read; if it does not exist, the error explains what a first run needs."""

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IO[Any]:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            self.fail(f"{error.message}; {_FIRST_RUN}", param, ctx)


def read(text: str) -> dict[str, Any]:
    """Return the state in a file.

    Raises:
        ConfigValidationError: The file contains no state.
    """
    text = text.lstrip("\ufeff").strip()
    if not text:
        raise _wrong(f"the file is empty; {_FIRST_RUN}")
    try:
        return _state(json.loads(text))
    except ValueError:  # more than one line
        pass
    for line in reversed(text.splitlines()):
        if not line.strip():
            continue
        try:
            message = json.loads(line)
        except ValueError as error:
            raise _wrong(f"the file, or its last line, is not JSON ({error})") from None
        if not (isinstance(message, dict) and message.get("type") in _OTHER_MESSAGES):
            return _state(message)
    raise _wrong(f"the file has Singer messages, but no STATE among them; {_FIRST_RUN}")


def _state(found: object) -> dict[str, Any]:
    for value in _unwrapped(found):
        if isinstance(value, dict) and (not value or _is_value(value)):
            return value
    raise _wrong(f"this is not a state: {_FORMS}")


def _unwrapped(value: object) -> Iterator[object]:
    yield value
    if isinstance(value, dict):
        if value.get("type") == "STATE":
            yield from _unwrapped(value.get("value"))
        elif "singer_state" in value:
            yield from _unwrapped(value["singer_state"])


def _is_value(value: dict[str, Any]) -> bool:
    bookmarks = value.get("bookmarks")
    return isinstance(bookmarks, dict) and all(isinstance(each, dict) for each in bookmarks.values())


def _wrong(text: str) -> ConfigValidationError:
    return ConfigValidationError("Wrong state", errors=[f"option --state: {text}"], schema={})
