"""Decode JSON input and encode JSON for Braze, with all digits of numbers."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

encode: Final = msgspec.json.Encoder(decimal_format="number").encode

# A float holds any number of up to this many characters exactly: 15 digits and a point.
_EXACT: Final = 16
# Smaller floats have fewer digits.
_SMALLEST: Final = 1e-290


def exact(text: str) -> float | Decimal:
    """Return the number in a decimal text: a float, or a Decimal if a float would lose digits."""
    number = float(text)
    if (len(text) <= _EXACT and _SMALLEST < number < math.inf) or repr(number) == text:
        return number
    decimal = Decimal(text)
    return number if Decimal(repr(number)) == decimal else decimal


decode: Final[Callable[[bytes | str], Any]] = msgspec.json.Decoder(float_hook=exact).decode
