"""The hours that folders of event files are named after, such as `2026-03-01-17`, in UTC."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Final

_FORM: Final = "%Y-%m-%d-%H"


def hour_of(moment: datetime) -> str:
    """Return the hour of a moment, in the form of folder names."""
    return moment.astimezone(timezone.utc).strftime(_FORM)


def moment_of(hour: str) -> datetime:
    """Return the moment at which an hour begins.

    Raises:
        ValueError: There is no such hour.
    """
    return datetime.strptime(hour, _FORM).replace(tzinfo=timezone.utc)
