"""Arrays and objects that come as JSON text, as a CSV carries them."""

from __future__ import annotations

from target_braze.damaged_json import UNDECODABLE
from target_braze.encode import decode
from target_braze.mapping.values.times import show


def from_json_text(value: object, expected: str = "JSON") -> object:
    """Return what JSON text holds, None for blank text, and any other value as it is. Numbers keep all their digits.

    `expected` names, for the error, what the text should hold.

    Raises:
        ValueError: The text is not JSON, or is nested too deep to decode.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return decode(value)
    except UNDECODABLE:
        raise ValueError(f"expected {expected}, got {show(value)}") from None
