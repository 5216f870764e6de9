"""JSON as it goes to Braze: decimals are numbers, with all their digits."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

encode: Final = msgspec.json.Encoder(decimal_format="number").encode

# A float holds any number of so many characters exactly: 15 digits and a point.
_EXACT: Final = 16


def exact(text: str) -> float | Decimal:
    """The number that a decimal text says: a float, unless that would lose some of its digits."""
    number = float(text)
    if len(text) <= _EXACT or repr(number) == text:
        return number
    decimal = Decimal(text)
    return number if Decimal(repr(number)) == decimal else decimal
