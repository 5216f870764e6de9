"""Parses ISO 8601 moments and days, in the same way on every supported Python."""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, datetime, timezone, tzinfo
from typing import Any, Final


def moment(text: str, zone: tzinfo = timezone.utc) -> datetime:
    """Read a date (its midnight) or a date and time; one without an offset is in `zone`.

    Takes all forms that Braze writes, which not every Python reads: `2026-01-31T10:00:00.385Z`, `2026-01-31 10:00:00
    UTC`, and offsets such as `-5:00` and `+0000`.

    Raises:
        ValueError: the text is neither.
    """
    text = text.strip()
    found = _FORMS.fullmatch(text)
    if found is not None:
        day, clock, fraction, utc, sign, hours, minutes = found.groups()
        text = f"{day}T{clock}.{(fraction or '')[:6]:0<6}" + ("+00:00" if utc else _offset(sign, hours, minutes))
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=zone) if read.tzinfo is None else read


def moment_or_none(text: Any) -> datetime | None:  # noqa: ANN401
    """Read what may be a moment, in UTC if it does not say where.

    The first and the last year are none: they stand for no time at all, and leave no room for a lookback.
    """
    try:
        found = moment(text)
    except (AttributeError, TypeError, ValueError):
        return None
    return found if MINYEAR < found.year < MAXYEAR else None


def rfc3339(text: str) -> str:
    """A moment in one form, with its offset, whichever of Braze's forms it has; other text as it is.

    `2026-01-31T10:00:00.123456` and `2026-01-31 10:00:00 UTC` are in UTC, as `2026-01-31 10:00:00 +0000` says.
    """
    found = _FORMS.fullmatch(text)
    if found is None:
        return text
    day, clock, fraction, _, sign, hours, minutes = found.groups()
    return f"{day}T{clock}{'.' + fraction if fraction else ''}{_offset(sign, hours, minutes) or 'Z'}"


def _offset(sign: str | None, hours: str, minutes: str | None) -> str:
    return f"{sign}{hours:0>2}:{minutes or '00'}" if sign else ""


_FORMS: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))? ?(?:(Z|z|UTC|GMT)|([+-])(\d\d?)(?::?(\d\d))?)?", re.ASCII
)
