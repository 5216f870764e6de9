"""Decode arrays and objects that arrive as JSON text, as in a CSV."""

from __future__ import annotations

from target_braze.damaged_json import UNDECODABLE
from target_braze.encode import decode
from target_braze.mapping.values.times import show


def from_json_text(value: object, expected: str = "JSON") -> object:
    """Return decoded JSON text, None for blank text, and any other value unchanged. Numbers keep all their digits.

    `expected` is the content that the error message asks for.

    Raises:
        ValueError: The text is not JSON, or is nested too deeply to decode.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return decode(value)
    except UNDECODABLE:
        raise ValueError(f"expected {expected}, got {show(value)}") from None
