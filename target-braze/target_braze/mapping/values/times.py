"""Times and dates: from the texts that sources write to ISO 8601 with an offset, which Braze never has to guess.

https://www.braze.com/docs/user_guide/data/activation/custom_data/data_types/
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from target_braze.braze import limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

# The usual forms, too usual to take them to pieces.
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
    # A colon before the milliseconds is Braze's own form, offsets such as -5:00 are in its examples, and PostgreSQL
    # writes those from before time zones with seconds.
    r"(?:[T ](\d\d:\d\d(?::\d\d)?)(?:(?:[.,]|(?<=\d:\d\d:\d\d):)(\d+))?"
    r"\s*(Z|z|UTC|[+-]\d(?:\d(?:\d\d|:\d\d(?::\d\d)?)?|:\d\d)?)?)?\Z",
    re.ASCII,
)
# Numbers that are times, counted from 1970: how many microseconds one is worth.
EPOCHS: Final[Mapping[str, int]] = {
    "epoch-seconds": 1_000_000,
    "epoch-milliseconds": 1_000,
    "epoch-microseconds": 1,
    "epoch-days": 86_400_000_000,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MIDNIGHT: Final = frozenset("0:")
_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?\Z", re.ASCII)
# The forms that Braze turns into a time when they come as text.
_LOOKS_LIKE_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?.*)?"
    r"|\d{1,2}[/-]\d{1,2}[/-]\d{4}"
    r"|[A-Z][a-z]{2} \d\d \d\d \d\d:\d\d:\d\d.*)\Z",
    re.ASCII,
)


def looks_like_time(text: str) -> bool:
    """Whether Braze would store this text as a time."""
    return _LOOKS_LIKE_TIME.match(text) is not None


def to_moment(value: object, zone: tzinfo) -> datetime:
    """The moment that a date-time or date names; `zone` is for those that name none.

    Raises:
        ValueError: it is neither, or lies out of the years that Braze keeps as a time.
    """
    if not isinstance(value, str):
        raise ValueError(f"expected a date-time, got {show(value)}")
    text = value.strip()
    match = _DATE_TIME.match(text)
    try:
        day, clock, fraction, offset = match.groups() if match else ("", "", "", None)
        # Python 3.10 reads neither Z nor a fraction of other than three or six digits.
        micro = f".{fraction[:6]:0<6}" if fraction else ""
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{micro}{_offset(offset)}")
    except ValueError:
        raise ValueError(f"expected a date-time such as 2026-03-04T09:10:11Z, got {show(value)}") from None
    _check_year(moment, value)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def to_time(value: object, zone: tzinfo) -> str:
    """ISO 8601 with an offset, which Braze never has to guess; raises as `to_moment`."""
    if isinstance(value, str) and _USUAL.match(value):
        text = value[:-1] + "+00:00" if value[-1] == "Z" else value
        if value[8:10] <= _IN_ALL_MONTHS:
            return text
        with suppress(ValueError):  # to_moment says what is wrong with it
            datetime.fromisoformat(text)
            return text
    moment = to_moment(value, zone)
    offset = moment.utcoffset()
    if offset and offset % _MINUTE:
        # Clocks once went by the sun. Such an offset has seconds, which ISO 8601 does not know.
        try:
            moment = moment.astimezone(timezone.utc)
        except OverflowError:
            raise ValueError(f"expected a date-time of the year 1 or later, got {show(value)}") from None
    return moment.isoformat()


def to_date(value: object) -> str:
    """A calendar day, `YYYY-MM-DD`, from a date or from a date-time at midnight.

    Raises:
        ValueError: it is neither.
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
    """Return ISO 8601 in UTC from a count of `unit` since 1970, a key of `EPOCHS`; None from blank text.

    Raises:
        ValueError: it is no number, or lies out of the years that Braze keeps as a time.
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
    """A value as a message shows it."""
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
