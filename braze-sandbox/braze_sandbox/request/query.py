"""Query parameters: read and validated; errors are a 400 that names the parameter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from braze_sandbox.model.clock import parse_iso
from braze_sandbox.wire.answer import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from braze_sandbox.model.clock import Clock
    from braze_sandbox.request.endpoint import Call

T = TypeVar("T")


def required(call: Call, name: str) -> str:
    """Return a required parameter."""
    value = call.query.get(name)
    if not value:
        raise Refusal(400, f"'{name}' is required")
    return value


def whole_number(text: str) -> int | None:
    """Parse ASCII digits into a number; return None for any other text and for absurdly long numbers."""
    return int(text) if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else None


def integer(call: Call, name: str, default: int | None, low: int, high: int | None = None) -> int:
    """Return a whole number within bounds, both inclusive; without a default, the parameter is required."""
    text = call.query.get(name)
    if text is None and default is not None:
        return default
    text = required(call, name)
    value = whole_number(text)
    if value is None or value < low or (high is not None and value > high):
        bounds = f"an integer from {low} to {high}" if high is not None else f"an integer of at least {low}"
        raise Refusal(400, f"'{name}' must be {bounds}")
    return value


def several(call: Call, name: str, most: int) -> list[str]:
    """Return the values of a repeatable parameter, `name` or `name[]`; empty if it is missing."""
    values = [value for given, value in call.pairs if given in (name, name + "[]") and value]
    if len(values) > most:
        raise Refusal(400, f"'{name}' may have at most {most} values")
    return values


def flag(call: Call, name: str) -> bool:
    """Return a boolean; False if it is missing."""
    text = call.query.get(name, "false")
    if text not in ("true", "false"):
        raise Refusal(400, f"'{name}' must be true or false")
    return text == "true"


def choice(call: Call, name: str, allowed: Sequence[str]) -> str:
    """Return one of the allowed words; the first one if the parameter is missing."""
    text = call.query.get(name, allowed[0])
    if text not in allowed:
        raise Refusal(400, f"'{name}' must be one of {', '.join(allowed)}")
    return text


def moment(call: Call, name: str) -> datetime | None:
    """Return an ISO 8601 date-time; UTC if it has no offset (docs silent)."""
    text = call.query.get(name)
    if text is None:
        return None
    parsed = parse_iso(text)
    if parsed is None:
        raise Refusal(400, f"'{name}' must be an ISO 8601 date-time")
    return parsed[0]


def calendar_day(call: Call, name: str) -> datetime | None:
    """Return a date, `YYYY-MM-DD`, as its midnight in UTC."""
    text = call.query.get(name)
    if text is None:
        return None
    parsed = parse_iso(text) if len(text) == len("2024-01-01") else None
    if parsed is None:
        raise Refusal(400, f"'{name}' must be a date in the form YYYY-MM-DD")
    return parsed[0]


def ending_at(call: Call, clock: Clock) -> datetime:
    """Return the end of a series; by default, the time of the request."""
    return moment(call, "ending_at") or clock.now()


def lookup(call: Call, name: str, objects: Mapping[str, T], text: str) -> T:
    """Return the object that a parameter refers to; if unknown, refuse with a 400 and `text` (docs silent)."""
    found = objects.get(required(call, name))
    if found is None:
        raise Refusal(400, text)
    return found


def paged(call: Call, items: Sequence[T], size: int) -> Sequence[T]:
    """Return the requested page; page numbers start at 0, and a page past the end is empty."""
    page = integer(call, "page", 0, 0)
    return items[page * size : (page + 1) * size]
