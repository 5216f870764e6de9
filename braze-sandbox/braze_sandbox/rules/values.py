"""Attribute values: detect their type, coerce them to the attribute's type, and drop what Braze does not store."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from braze_sandbox.model.clock import parse_iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.wire.answer import Json

STRING = 255
OBJECT_BYTES = 102_400
ELEMENTS = 500
LAST_YEAR = 3000

_AMERICAN = re.compile(r"(\d\d?)[/-](\d\d?)[/-](\d{4})", re.ASCII)
_WORDY = re.compile(r"[A-Z][a-z]{2} (\d\d) (\d\d) (\d\d:\d\d:\d\d)\.?\s?(Z|UTC|[+-]\d\d:?\d\d) (\d{4})", re.ASCII)


class Discard(Exception):  # noqa: N818 - what Braze does with the update
    """A value that Braze discards without an error; the message gives the reason."""


def parse_time(text: str) -> tuple[datetime, str] | None:
    """Parse a time in a documented format; return it with any doubt about it (docs: data_types)."""
    parsed = parse_iso(text)
    if parsed:
        moment, zoned = parsed
        return moment, "" if zoned or len(text) == len("2024-01-01") else "a time without offset is read as UTC"
    if match := _AMERICAN.fullmatch(text):
        month, day, year = match.groups()
        parsed = parse_iso(f"{year}-{month:0>2}-{day:0>2}")
        return (parsed[0], "a string that looks like a date became a time") if parsed else None
    if match := _WORDY.fullmatch(text):
        month, day, clock, zone, year = match.groups()
        parsed = parse_iso(f"{year}-{month}-{day}T{clock}{'Z' if zone == 'UTC' else zone}")
        return (parsed[0], "") if parsed else None
    return None


def kind_of(value: Json) -> str:
    """Return the type that Braze detects from a first value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        # Years after 3000 are stored as text (docs: data_types).
        time = parse_time(value) if value[:1].isdigit() or _WORDY.match(value) else None
        return "time" if time and time[0].year <= LAST_YEAR else "string"
    if isinstance(value, list):
        return "objects" if value and all(isinstance(element, dict) for element in value) else "array"
    return "object"


def scalar(kind: str, value: Json, report: Callable[[str], None]) -> Json:  # noqa: C901, PLR0912 - one case per pair of types
    """Return a scalar as the attribute's type; raise Discard if it cannot be converted (docs: managing_custom_data)."""
    if kind == "string":
        if isinstance(value, str):
            text = value
        elif isinstance(value, bool):
            raise Discard("a boolean for a string attribute is ignored")
        else:
            report("a number was coerced to the string that the attribute holds")
            text = json.dumps(value)
        if len(text) > STRING:
            raise Discard("a string over 255 characters is not stored")
        return text
    if kind == "number":
        if isinstance(value, bool):
            raise Discard("a boolean for a number attribute is ignored")
        if isinstance(value, str):
            try:
                number = json.loads(value, parse_constant=float)
            except ValueError:
                number = None
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise Discard("a string for a number attribute is ignored")
            report("a string was coerced to the number that the attribute holds")
            return number
        return value
    if kind == "boolean":
        if isinstance(value, bool):
            return value
        word = str(value).lower()
        if word in ("1", "true", "t", "0", "false", "f"):
            report("a value was coerced to the boolean that the attribute holds")
            return word in ("1", "true", "t")
        raise Discard("a value that is not a boolean is ignored for a boolean attribute")
    # A time.
    parsed = parse_time(value) if isinstance(value, str) else None
    if parsed is None or parsed[0].year > LAST_YEAR:
        raise Discard("a value that is not a time up to the year 3000 is ignored for a time attribute")
    if parsed[1]:
        report(parsed[1])
    return parsed[0].astimezone(timezone.utc)


def elements(values: list[Any], report: Callable[[str], None]) -> list[Any]:
    """Return a scalar array in its stored form: unique, newest 500 elements; times stay strings."""
    kept: dict[tuple[str, Any], Any] = {}
    for value in values:
        if value is None or isinstance(value, (dict, list)):
            report("an array element that is null, an array, or an object among scalars is not stored")
        elif isinstance(value, str) and len(value) > STRING:
            report("an array element over 255 characters is not stored")
        else:
            identity = (type(value).__name__, value)
            kept.pop(identity, None)
            kept[identity] = value
    result = list(kept.values())
    if len(result) > ELEMENTS:
        report(f"an array over {ELEMENTS} elements loses its oldest ones")
    return result[-ELEMENTS:]


def nested(value: Json) -> Json:
    """Return a value nested in an object or object array in its stored form; Discard drops the whole update.

    Docs: nested_custom_attribute_support. Handling of a bad key or an over-long string is not documented; here both are
    treated like null.
    """
    if value is None:
        raise Discard("a null inside a nested value discards the whole update")
    if isinstance(value, str):
        if len(value) > STRING:
            raise Discard("a nested string over 255 characters discards the update")
        return value
    if isinstance(value, list):
        return [nested(element) for element in value]
    if not isinstance(value, dict):
        return value
    if "$time" in value:
        text = value["$time"]
        parsed = parse_time(text) if isinstance(text, str) and len(value) == 1 else None
        if parsed is None or parsed[0].year > LAST_YEAR:
            raise Discard("a badly formed $time discards the whole update")
        return parsed[0]
    for name in value:
        if not name or len(name) > STRING or " " in name or "." in name or "$" in name:
            raise Discard(f"the nested key {name!r} is empty, too long, or has a space, a dot or a dollar sign")
    return {name: nested(inner) for name, inner in value.items()}


def stored_bytes(value: object) -> int:
    """Return a value's stored size."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode())
