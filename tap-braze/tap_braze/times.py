"""Parse ISO 8601 moments and days the same way on every supported Python."""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, datetime, timezone, tzinfo
from typing import Any, Final


def moment(text: str, zone: tzinfo = timezone.utc) -> datetime:
    """Parse a date (as its midnight) or a date and time; without an offset it is in `zone`.

    Accept every form that Braze writes, including those that some Python versions cannot parse:
    `2026-01-31T10:00:00.385Z`, `2026-01-31 10:00:00 UTC`, and offsets such as `-5:00` and `+0000`.

    Raises:
        ValueError: The text is neither.
    """
    text = text.strip()
    found = _FORMS.fullmatch(text)
    if found is not None:
        day, clock, fraction, utc, sign, hours, minutes = found.groups()
        text = f"{day}T{clock}.{(fraction or '')[:6]:0<6}" + ("+00:00" if utc else _offset(sign, hours, minutes))
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=zone) if read.tzinfo is None else read


def moment_or_none(text: Any) -> datetime | None:  # noqa: ANN401
    """Parse a value that may be a moment; without an offset it is in UTC. Return None for anything else.

    Also return None in the first and the last year: they are placeholders and leave no room for a lookback.
    """
    try:
        found = moment(text)
    except (AttributeError, TypeError, ValueError):
        return None
    return found if MINYEAR < found.year < MAXYEAR else None


def rfc3339(text: str) -> str:
    """Return a moment in RFC 3339 form in UTC, whichever of Braze's forms it has; return other text unchanged.

    `2026-01-31T10:00:00.123456` and `2026-01-31 10:00:00 UTC` are in UTC, the same as `2026-01-31 10:00:00 +0000`.
    Other offsets are converted, because some loaders drop them: pipelinewise-target-postgres would load another moment.
    """
    found = _FORMS.fullmatch(text)
    if found is None:
        return text
    day, clock, fraction, _, sign, hours, minutes = found.groups()
    offset = _offset(sign, hours, minutes)
    if offset.strip("+-0:"):
        try:
            utc = datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(timezone.utc)
        except (ValueError, OverflowError):  # no such day, or the first or the last one there is
            pass
        else:
            day, _, clock = utc.replace(tzinfo=None).isoformat().partition("T")
            offset = ""
    return f"{day}T{clock}{'.' + fraction if fraction else ''}{offset or 'Z'}"


def _offset(sign: str | None, hours: str, minutes: str | None) -> str:
    return f"{sign}{hours:0>2}:{minutes or '00'}" if sign else ""


_FORMS: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))? ?(?:(Z|z|UTC|GMT)|([+-])(\d\d?)(?::?(\d\d))?)?", re.ASCII
)
