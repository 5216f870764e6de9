"""Moments and days out of ISO 8601 text, the same on every supported Python; nothing of Braze."""

from __future__ import annotations

from datetime import datetime, timezone, tzinfo


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
