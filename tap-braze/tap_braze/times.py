"""Moments and days out of ISO 8601 text, the same on every supported Python; nothing of Braze."""

from __future__ import annotations

import re
from datetime import datetime, timezone, tzinfo
from typing import Any, Final


def moment(text: str, zone: tzinfo = timezone.utc) -> datetime:
    """Read a date (its midnight) or a date and time; one without an offset is in `zone`.

    Raises:
        ValueError: the text is neither.
    """
    text = text.strip()
    if text[-1:] in {"Z", "z"}:  # Python 3.10 does not read it
        text = f"{text[:-1]}+00:00"
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=zone) if read.tzinfo is None else read


def moment_or_none(text: Any) -> datetime | None:  # noqa: ANN401
    """Read what may be a moment, in UTC if it does not say where."""
    try:
        return moment(text)
    except (AttributeError, ValueError):
        return None


def rfc3339(text: str) -> str:
    """A moment in one form, with its offset, whichever of Braze's forms it has; other text as it is.

    `2026-01-31T10:00:00.123456` and `2026-01-31 10:00:00 UTC` are in UTC, as `2026-01-31 10:00:00 +0000` says.
    """
    found = _FORMS.fullmatch(text)
    if found is None:
        return text
    day, clock, sign, hours, minutes = found.groups()
    return f"{day}T{clock}{sign}{hours}:{minutes}" if sign else f"{day}T{clock}Z"


_FORMS: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?) ?(?:Z|UTC|([+-])(\d\d):?(\d\d))?", re.ASCII
)
