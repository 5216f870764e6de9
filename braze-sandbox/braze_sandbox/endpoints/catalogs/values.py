"""Values of catalog items: coerced to their field's type or refused (docs: put_update_catalog_items)."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from braze_sandbox.model.clock import parse_iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.wire.answer import Json

CHARACTERS = 5000
ELEMENTS = 100
LEVELS = 50

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


class Unfit(Exception):  # noqa: N818 - what the value is
    """A value that a field cannot hold; the message is the error id."""


def coerce(kind: str, value: Json) -> Json:
    """Return a value as a field type; null stays null (docs silent)."""
    if value is None:
        return None
    fitted = _COERCE[kind](value)
    # Whether non-string values are measured by their JSON is not documented.
    size = len(fitted) if isinstance(fitted, str) else len(json.dumps(fitted, ensure_ascii=False))
    if size > CHARACTERS:
        raise Unfit("items-too-large")
    return fitted


def edited(value: dict[str, Any], old: Json) -> list[str]:
    """Return an array after `$add` and `$remove` (docs: patch_catalog_items_bulk)."""
    if not value.keys() <= {"$add", "$remove"}:
        raise Unfit("unable-to-coerce-value")
    more, less = (_array(value.get(name, [])) for name in ("$add", "$remove"))
    kept = [*(old or ()), *(one for one in more if one not in (old or ()))]
    return _array([one for one in kept if one not in less])


def _string(value: Json) -> str:
    # Only numbers become strings; which other conversions exist is not documented.
    if isinstance(value, (bool, dict, list)):
        raise Unfit("unable-to-coerce-value")
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: Json) -> Json:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if set(value) & set(".eE") else int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unfit("unable-to-coerce-value")
    return value


def _boolean(value: Json) -> bool:
    word = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(word, bool):
        raise Unfit("unable-to-coerce-value")
    return word


def _time(value: Json) -> str:
    """Convert ISO 8601 or seconds since 1970 to the format of the samples."""
    parsed = parse_iso(value) if isinstance(value, str) else None
    if parsed:
        moment = parsed[0]
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unfit("unable-to-coerce-value")
    else:
        try:
            moment = datetime.fromtimestamp(value, timezone.utc)
        except (ValueError, OverflowError, OSError):
            raise Unfit("unable-to-coerce-value") from None
    return moment.isoformat(timespec="milliseconds")


def _object(value: Json) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unfit("unable-to-coerce-value")
    _walk(value, 1)
    return value


def _walk(value: Json, level: int) -> None:
    if not isinstance(value, (dict, list)):
        return
    if level > LEVELS:
        raise Unfit("too-deep-nesting-in-value-object")
    if isinstance(value, dict) and any("." in name or "$" in name for name in value):
        raise Unfit("invalid-keys-in-value-object")
    for inner in value.values() if isinstance(value, dict) else value:
        _walk(inner, level + 1)


def _array(value: Json) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or len(value) > ELEMENTS:
        raise Unfit("unable-to-coerce-value")
    return value


def _geo(value: Json) -> list[float]:
    numbers = isinstance(value, list) and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) for one in value
    )
    if not numbers or len(value) != 2 or abs(value[0]) > 180 or abs(value[1]) > 90:  # noqa: PLR2004 - degrees
        raise Unfit("unable-to-coerce-value")
    pair: list[float] = value
    return pair


_COERCE: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "number": _number,
    "boolean": _boolean,
    "time": _time,
    "object": _object,
    "array": _array,
    "geo": _geo,
}
TYPES = frozenset(_COERCE)
