"""Convert a source's text, numbers and booleans to the forms that Braze accepts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from target_braze.braze import limits
from target_braze.encode import encode, exact
from target_braze.mapping.values.times import show

Convert = Callable[[Any], Any]

# https://www.braze.com/docs/user_guide/data/activation/custom_data/data_types/ lists these spellings for a boolean;
# spreadsheets write yes and no.
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "t", "1", "yes", "y"), True),
    **dict.fromkeys(("false", "f", "0", "no", "n"), False),
}

_INTEGER: Final = re.compile(r"[+-]?\d+\Z", re.ASCII)
_LONGEST_INTEGER: Final = 300  # digits that a float can hold
_FRACTION: Final = re.compile(r"[.eE]")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)


def to_string(value: object) -> str:
    """Return a value as text, with numbers and booleans as in JSON.

    Raises:
        ValueError: The value is an object or an array.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int) or (isinstance(value, float | Decimal) and _is_finite(value)):
        return encode(value).decode()
    raise ValueError(f"expected text, got {show(value)}")


def to_id(value: object) -> str:
    """Return an id as text: text without surrounding whitespace, or a whole number in plain digits.

    Raises:
        ValueError: The value is neither, so there would be several ways to write it as text.
    """
    if isinstance(value, str):
        return value.strip()
    number = _whole(value)
    if number is None:
        raise ValueError(f"expected text or a whole number, got {show(value)}")
    return str(number)


def to_numeric_id(value: object) -> str:
    """Return the text of an id from a column of numbers, which may arrive as text. Raises like `to_id`."""
    if isinstance(value, str) and _FRACTION.search(text := value.strip()) and _NUMBER.match(text):
        value = Decimal(text)
    return to_id(value)


def _whole(value: object) -> int | None:
    """Return a whole number with all its digits, or None if the value is not one or is implausibly long."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, int):
        return value
    decimal = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not decimal.is_finite() or decimal.adjusted() >= _LONGEST_INTEGER or decimal != decimal.to_integral_value():
        return None
    return int(decimal)


def to_number(value: object) -> int | float | Decimal | None:
    """Return a finite JSON number from a number or its text, or None for blank text.

    Raises:
        ValueError: The value is not a finite number.
    """
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if _INTEGER.match(text) and len(text) <= _LONGEST_INTEGER:
            return int(text)
        if not _NUMBER.match(text):
            raise ValueError(f"expected a number, got {show(value)}")
        value = exact(text)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not _is_finite(value):
        raise ValueError(f"expected a number, got {show(value)}")
    return value


def _is_finite(number: float | Decimal) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond the range of floats
        return False


def to_integer(value: object) -> int | None:
    """Return a whole number from a number or its text, or None for blank text.

    Raises:
        ValueError: The value is not a whole number.
    """
    try:
        number = to_number(value)
    except ValueError:
        number = math.nan
    if number is not None and (number := _whole(number)) is None:
        raise ValueError(f"expected a whole number, got {show(value)}")
    return number


def to_boolean(value: object) -> bool | None:
    """Return a boolean from a boolean, 0, 1 or a word for one, or None for blank text.

    Raises:
        ValueError: The value is none of these.
    """
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, str | int) else "?"
    if not text:
        return None
    if text not in _BOOLEANS:
        raise ValueError(f"expected true or false, got {show(value)}")
    return _BOOLEANS[text]


def checked_string(value: object) -> str:
    """Return text that is short enough for Braze to store.

    Raises:
        ValueError: The text is too long, or the value is an object or an array.
    """
    text = value if isinstance(value, str) else to_string(value)
    if len(text) > limits.STRING_LENGTH:
        raise ValueError(f"{len(text)} characters long, Braze keeps at most {limits.STRING_LENGTH}")
    return text


def cutting_string(report: Callable[[str], None]) -> Convert:
    """Return a converter like `checked_string` that truncates text to the length Braze stores, and reports it."""

    def convert(value: object) -> str:
        text = to_string(value)
        if len(text) > limits.STRING_LENGTH:
            report(f"text of more than {limits.STRING_LENGTH} characters, which is cut to that length")
        return text[: limits.STRING_LENGTH]

    return convert
