"""Hours in the names of event folders, such as `2026-03-01-17`, in UTC."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Final

_FORM: Final = "%Y-%m-%d-%H"


def hour_of(moment: datetime) -> str:
    """Return the hour of a moment, as folder names write it."""
    return moment.astimezone(timezone.utc).strftime(_FORM)


def moment_of(hour: str) -> datetime:
    """Return the moment at which an hour starts.

    Raises:
        ValueError: The hour does not exist.
    """
    return datetime.strptime(hour, _FORM).replace(tzinfo=timezone.utc)
