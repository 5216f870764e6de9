"""Convert times and dates from a source's text to ISO 8601 with an offset, so that Braze never has to guess.

https://www.braze.com/docs/user_guide/data/activation/custom_data/data_types/
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

from target_braze.braze import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

# The most common forms, matched without parsing their parts.
_MINUTE: Final = timedelta(minutes=1)
_IN_ALL_MONTHS: Final = "28"
_DAY_LENGTH: Final = len("2026-03-04")
_USUAL: Final = re.compile(
    r"(?!0000)[0-2]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{3}(?:\d{3})?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)\Z",
    re.ASCII,
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_DATE_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    # Braze itself writes a colon before the milliseconds, its examples have offsets such as -5:00, and PostgreSQL
    # writes offsets from before time zones with seconds.
    r"(?:[T ](\d\d:\d\d(?::\d\d)?)(?:(?:[.,]|(?<=\d:\d\d:\d\d):)(\d+))?"
    r"\s*(Z|z|UTC|[+-]\d(?:\d(?:\d\d|:\d\d(?::\d\d)?)?|:\d\d)?)?)?\Z",
    re.ASCII,
)
# Times as numbers since 1970: the microseconds in one unit.
EPOCHS: Final[Mapping[str, int]] = {
    "epoch-seconds": 1_000_000,
    "epoch-milliseconds": 1_000,
    "epoch-microseconds": 1,
    "epoch-days": 86_400_000_000,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MIDNIGHT: Final = frozenset("0:")
_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?\Z", re.ASCII)
# Forms of text that Braze turns into a time.
_LOOKS_LIKE_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?.*)?"
    r"|\d{1,2}[/-]\d{1,2}[/-]\d{4}"
    r"|[A-Z][a-z]{2} \d\d \d\d \d\d:\d\d:\d\d.*)\Z",
    re.ASCII,
)


_T = TypeVar("_T", str, str | None)
# Number of texts that a column remembers with their times.
_REMEMBERED: Final = 1_000


def remembered(convert: Callable[[Any], _T]) -> Callable[[Any], _T]:
    """Return the converter with a memory for text, because sources often repeat a time, or a day without one."""
    known: dict[str, _T] = {}

    def convert_remembered(value: object) -> _T:
        # Numbers that are equal may have different types. ISO 8601 is converted as fast as it is remembered.
        if type(value) is not str or value[_DAY_LENGTH : _DAY_LENGTH + 1] == "T":
            return convert(value)
        if (found := known.get(value)) is None:
            found = convert(value)
            if len(known) >= _REMEMBERED:
                known.clear()
            known[value] = found
        return found

    return convert_remembered


def looks_like_time(text: str) -> bool:
    """Return whether Braze would store this text as a time."""
    return _LOOKS_LIKE_TIME.match(text) is not None


def to_moment(value: object, zone: tzinfo) -> datetime:
    """Return the moment of a date-time or date; `zone` applies to values without an offset.

    Raises:
        ValueError: The value is neither, or is outside the years that Braze stores as a time.
    """
    if not isinstance(value, str):
        raise ValueError(f"expected a date-time, got {show(value)}")
    text = value.strip()
    match = _DATE_TIME.match(text)
    try:
        day, clock, fraction, offset = match.groups() if match else ("", "", "", None)
        # Python 3.10 parses neither Z nor a fraction with other than three or six digits.
        micro = f".{fraction[:6]:0<6}" if fraction else ""
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{micro}{_offset(offset)}")
    except ValueError:
        raise ValueError(f"expected a date-time such as 2026-03-04T09:10:11Z, got {show(value)}") from None
    _check_year(moment, value)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def to_time(value: object, zone: tzinfo) -> str:
    """Return ISO 8601 with an offset, so that Braze never has to guess. Raises like `to_moment`."""
    if isinstance(value, str) and _USUAL.match(value):
        text = value[:-1] + "+00:00" if value[-1] == "Z" else value
        if value[8:10] <= _IN_ALL_MONTHS:
            return text
        with suppress(ValueError):  # to_moment reports the error
            datetime.fromisoformat(text)
            return text
    moment = to_moment(value, zone)
    offset = moment.utcoffset()
    if offset and offset % _MINUTE:
        # Clocks once followed the sun. Their offsets have seconds, which ISO 8601 does not support.
        try:
            moment = moment.astimezone(timezone.utc)
        except OverflowError:
            raise ValueError(f"expected a date-time of the year 1 or later, got {show(value)}") from None
    return moment.isoformat()


def to_date(value: object) -> str:
    """Return a calendar day, `YYYY-MM-DD`, from a date or from a date-time at midnight.

    Raises:
        ValueError: The value is neither.
    """
    if isinstance(value, str) and len(value) == _DAY_LENGTH and value[4] == value[7] == "-":
        with suppress(ValueError):
            if date.fromisoformat(value).year <= limits.LAST_YEAR:
                return value
    match = _DATE_TIME.match(value.strip()) if isinstance(value, str) else None
    day, clock, fraction, _ = match.groups() if match else ("", None, None, None)
    try:
        parsed = date.fromisoformat(day)
    except ValueError:
        parsed = None
    if parsed is None or not _MIDNIGHT.issuperset((clock or "") + (fraction or "")):
        raise ValueError(f"expected a date such as 2026-03-04, got {show(value)}")
    _check_year(parsed, value)
    return day


def from_epoch(value: object, unit: str) -> str | None:
    """Return ISO 8601 in UTC from a count of `unit` (a key of `EPOCHS`) since 1970, or None for blank text.

    Raises:
        ValueError: The value is not a number, or is outside the years that Braze stores as a time.
    """
    text = value.strip() if isinstance(value, str) else None if isinstance(value, bool) else str(value)
    if text == "":
        return None
    if isinstance(value, float):
        text = f"{Decimal(repr(value)):f}"
    if text is None or not _NUMBER.match(text):
        raise ValueError(f"expected a number of {unit.removeprefix('epoch-')} since 1970, got {show(value)}")
    try:
        moment = _EPOCH + timedelta(microseconds=int(Decimal(text) * EPOCHS[unit]))
    except OverflowError:
        raise ValueError(
            f"Braze keeps no time after the year {limits.LAST_YEAR}, and as {unit} this is one, got {show(value)}"
        ) from None
    _check_year(moment, value)
    return moment.date().isoformat() if unit == "epoch-days" else moment.isoformat()


def show(value: object) -> str:
    """Return a value as shown in a message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004


def _check_year(day: date, value: object) -> None:
    if not limits.FIRST_YEAR <= day.year <= limits.LAST_YEAR:
        raise ValueError(f"Braze keeps no time after the year {limits.LAST_YEAR}, got {show(value)}")


def _offset(text: str | None) -> str:
    if text is None:
        return ""
    if text in {"Z", "z", "UTC"}:
        return "+00:00"
    hours, *rest = text[1:].split(":")
    if len(hours) == len("0530"):
        hours, rest = hours[:2], [hours[2:]]
    return f"{text[0]}{':'.join([f'{hours:0>2}', *(rest or ['00'])])}"
