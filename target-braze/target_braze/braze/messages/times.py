"""When messages leave: the hours in which a run may send, and the time of a scheduled message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

if TYPE_CHECKING:
    from datetime import time, tzinfo

# A local time comes first 14 hours ahead of UTC, and last 12 hours behind. At an optimal time, Braze sends at any hour
# of the day.
_FIRST_ZONE: Final = timedelta(hours=14)
_LAST_ZONE: Final = timedelta(hours=12)
_DAY: Final = timedelta(days=1)


def now() -> datetime:
    """Return the current time."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class SendWindow:
    """Hours of the day in which messages may leave, from `start` until just before `end`, across midnight if later."""

    start: time
    end: time
    zone: tzinfo

    def includes(self, moment: datetime) -> bool:
        """Return whether messages may leave then; a moment without a zone is the clock time at its recipient."""
        local = moment.astimezone(self.zone) if moment.tzinfo else moment
        clock = local.time()
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    @override
    def __str__(self) -> str:
        """Return the hours for people."""
        return f"{self.start:%H:%M} to {self.end:%H:%M} ({self.zone})"


@dataclass(frozen=True)
class Schedule:
    """When Braze sends a message. See https://www.braze.com/docs/api/objects_filters/schedule_object/.

    Attributes:
        time: The time; without a zone if it is the clock time at each recipient.
        in_local_time: It is the clock time at each recipient.
        at_optimal_time: Braze chooses the hour of its day for each recipient.
    """

    time: datetime
    in_local_time: bool = False
    at_optimal_time: bool = False

    @property
    def first(self) -> datetime:
        """The earliest moment at which a message may leave."""
        if not self._is_local:
            return self.time
        return self._utc - _FIRST_ZONE

    @property
    def last(self) -> datetime:
        """The latest moment at which a message may leave."""
        if not self._is_local:
            return self.time
        return self._utc + _LAST_ZONE + (_DAY if self.at_optimal_time else timedelta())

    @property
    def _is_local(self) -> bool:
        return self.in_local_time or self.at_optimal_time

    @property
    def _utc(self) -> datetime:
        """The clock time, or the beginning of its day, in UTC."""
        day = self.time.replace(hour=0, minute=0, second=0, microsecond=0) if self.at_optimal_time else self.time
        return day.replace(tzinfo=timezone.utc)

    def as_json(self) -> dict[str, Any]:
        """Return the schedule object."""
        found: dict[str, Any] = {"time": self.time.isoformat()}
        return found | {name: True for name in ("in_local_time", "at_optimal_time") if getattr(self, name)}
