"""Track settled records to find the STATE that may be emitted: the last one with no open record before it."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_braze.braze.changes import Change
    from target_braze.records import Record

# Opaque value that covers the records before it.
State = Any

# Precision of the arrival times, in seconds.
_GRAIN: Final = 1.0


class StateTracker:
    """Records and states in input order; a record is settled once all its changes are."""

    def __init__(self) -> None:
        # The number of open changes of each open record, by its position, oldest first.
        self._open: OrderedDict[int, int] = OrderedDict()
        # Positions of records with their arrival times, at least _GRAIN apart.
        self._times: deque[tuple[int, float]] = deque()
        # Each STATE with the position of the last record before it.
        self._states: deque[tuple[int, State]] = deque()
        self._settled: tuple[int, State] | None = None

    def __len__(self) -> int:
        """Return the number of open records."""
        return len(self._open)

    @property
    def has_settled(self) -> bool:
        """Whether a STATE is ready to be emitted."""
        return self._settled is not None

    @property
    def oldest(self) -> float:
        """The position of the oldest open record, or infinity."""
        return next(iter(self._open), math.inf)

    @property
    def since(self) -> float:
        """Arrival time of the oldest open record, up to _GRAIN seconds too early, or infinity."""
        oldest, times = self.oldest, self._times
        while len(times) > 1 and times[1][0] <= oldest:
            times.popleft()
        return times[0][1] if self._open else math.inf

    def track(self, record: Record, changes: int, now: float) -> None:
        """Add the next record, with its number of changes."""
        position = record.position
        if not self._times or now >= self._times[-1][1] + _GRAIN:
            self._times.append((position, now))
        self._open[position] = changes

    def add(self, state: State, position: int) -> None:
        """Add a STATE after the record at the position. It replaces a STATE directly before it."""
        if self._states and self._states[-1][0] == position:
            self._states.pop()
        self._states.append((position, state))
        self._advance()

    def settle(self, changes: Iterable[Change]) -> list[Record]:
        """Mark changes as accepted, rejected, or in doubt. Return the records that this settles."""
        settled = []
        for change in changes:
            for record in change.records:
                left = self._open[record.position] - 1
                if left:
                    self._open[record.position] = left
                else:
                    del self._open[record.position]
                    settled.append(record)
        self._advance()
        return settled

    def take(self) -> tuple[int, State] | None:
        """Return the newest STATE that is ready, once, with the position of the last record that it covers."""
        state, self._settled = self._settled, None
        return state

    def _advance(self) -> None:
        if self._states:
            oldest = self.oldest
            while self._states and self._states[0][0] < oldest:
                self._settled = self._states.popleft()
