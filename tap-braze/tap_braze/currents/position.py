"""Position in the files of one event type, as kept in STATE.

A file can appear under an hour that is over: while Braze cannot write, it holds events back, for days if its
credentials are revoked. So no hour is ever complete. STATE holds the newest hour read, marks of the files read in the
lookback before it, and the paths of files to retry, however old they are.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from tap_braze.currents.hours import hour_of, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from tap_braze.currents.files import File

# STATE names the files to retry; more than this many point to another problem.
MOST_ASIDE: Final = 100


class Position:
    """Which files of an event type have been read, and which to retry."""

    def __init__(self, state: Mapping[str, Any], lookback: timedelta) -> None:
        """Parse the value that `state` returned in an earlier run.

        Raises:
            ValueError: The value was edited and has another form.
        """
        self._lookback = lookback
        self._hour: str | None = state.get("hour")
        self._pending: dict[str, None] = dict.fromkeys(state.get("pending", ()))
        self._before = frozenset(str(state.get("read", "")).split())
        self._read: dict[str, str] = {}
        if self._hour is not None:
            self._before_hour(self._hour)

    @property
    def since(self) -> str | None:
        """Return the first hour to list; None if nothing has been read yet."""
        return None if self._hour is None else self._before_hour(self._hour)

    @property
    def pending(self) -> list[str]:
        """Return the paths of the files to retry."""
        return list(self._pending)

    @property
    def marks(self) -> int:
        """Return the number of files that `state` marks as read."""
        return len(self._read)

    def plan(self, listed: Iterable[File], aside: Iterable[File]) -> list[File]:
        """Return the files to read: new ones among those listed, and those set aside that still exist."""
        listed = list(listed)
        # A mark without a file belongs to a file that was removed or is older than the lookback.
        self._read = {file.mark: file.hour for file in listed if file.mark in self._before}
        aside = list(aside)
        self._pending = {file.path: None for file in sorted({*aside})}
        return sorted({*(file for file in listed if file.mark not in self._read), *aside})

    def done(self, file: File) -> None:
        """Record that a file has been read."""
        self._pending.pop(file.path, None)
        self._read[file.mark] = file.hour
        self._hour = max(file.hour, self._hour or file.hour)

    def has_room(self, file: File) -> bool:
        """Return whether a file may be set aside."""
        return file.path in self._pending or len(self._pending) < MOST_ASIDE

    def set_aside(self, file: File) -> None:
        """Record that the next run must retry a file, while this run continues with the files after it."""
        self._pending[file.path] = None
        self._hour = max(file.hour, self._hour or file.hour)

    def state(self) -> dict[str, Any]:
        """Return the value to store in STATE."""
        if self._hour is None:
            return {}
        since = self._before_hour(self._hour)
        self._read = {mark: hour for mark, hour in self._read.items() if hour >= since}
        state = {"hour": self._hour, "read": " ".join(self._read)}
        return {**state, "pending": list(self._pending)} if self._pending else state

    def _before_hour(self, hour: str) -> str:
        # A folder for a future hour is a mistake; it must not hide the files before it.
        return hour_of(min(moment_of(hour), datetime.now(timezone.utc)) - self._lookback)
