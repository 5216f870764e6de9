"""How far the files of one event type are read; what STATE keeps of that.

A file can appear under an hour that is over: Braze holds events back while it cannot write, for days if the credentials
are dead. So no hour is ever finished. STATE has the newest hour that files were read of, marks of the files read in the
look-back before it, and the paths of files that are to be tried again, however old they are.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_braze.currents.files import File

_FORM: Final = "%Y-%m-%d-%H"


def hour_of(moment: datetime) -> str:
    """The hour of a moment, as folders are named."""
    return moment.astimezone(timezone.utc).strftime(_FORM)


def moment_of(hour: str) -> datetime:
    """The begin of an hour.

    Raises:
        ValueError: there is no such hour.
    """
    return datetime.strptime(hour, _FORM).replace(tzinfo=timezone.utc)


class Position:
    """What of an event type is read."""

    def __init__(self, state: Mapping[str, Any], lookback: timedelta) -> None:
        """Read what `state` answered once.

        Raises:
            ValueError: somebody has edited it since.
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
        """The first hour that is to be listed, None if nothing was read yet."""
        return None if self._hour is None else self._before_hour(self._hour)

    @property
    def pending(self) -> list[str]:
        """Paths of the files that were set aside."""
        return list(self._pending)

    def plan(self, listed: Iterable[File], aside: Iterable[File]) -> list[File]:
        """What is to be read of the files that were listed, and of those that were set aside and are still there."""
        listed = list(listed)
        # A mark that no file has any more is of one that was removed, or is older than the look-back.
        self._read = {file.mark: file.hour for file in listed if file.mark in self._before}
        aside = list(aside)
        self._pending = {file.path: None for file in sorted({*aside})}
        return sorted({*(file for file in listed if file.mark not in self._read), *aside})

    def done(self, file: File) -> None:
        """Note that a file is read."""
        self._pending.pop(file.path, None)
        self._read[file.mark] = file.hour
        self._hour = max(file.hour, self._hour or file.hour)

    def set_aside(self, file: File) -> None:
        """Note that a file is to be read again in the next run, and the next files all the same."""
        self._pending[file.path] = None
        self._hour = max(file.hour, self._hour or file.hour)

    def state(self) -> dict[str, Any]:
        """What to write into STATE."""
        if self._hour is None:
            return {}
        since = self._before_hour(self._hour)
        self._read = {mark: hour for mark, hour in self._read.items() if hour >= since}
        state = {"hour": self._hour, "read": " ".join(self._read)}
        return {**state, "pending": list(self._pending)} if self._pending else state

    def _before_hour(self, hour: str) -> str:
        # A folder of an hour that is still to come is a mistake, which must keep no file before it from being read.
        return hour_of(min(moment_of(hour), datetime.now(timezone.utc)) - self._lookback)
