"""Track settled records to find the STATE that may be emitted: the last one with no open record before it."""

from __future__ import annotations

import math
from array import array
from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_braze.records import Record

# Opaque value that covers the records before it.
State = Any

# Maximum states that wait for earlier records; beyond it, every other one is dropped.
_MOST_STATES: Final = 10_000
# Number of settled records at the front that are worth removing.
_WORTH_REMOVING: Final = 10_000
# Precision of the arrival times, in seconds.
_GRAIN: Final = 1.0


class StateTracker:
    """Records and states in input order; a record is settled once all its changes are."""

    def __init__(self) -> None:
        # The number of open changes of each record from the first position on, and the place of the oldest open record.
        # An array, because millions of records may be open while their changes wait for a dependency delay.
        self._first = 0
        self._open = array("I")
        self._oldest = 0
        self._count = 0
        # Positions of records with their arrival times, at least _GRAIN apart.
        self._times: deque[tuple[int, float]] = deque()
        # Each STATE with the position of the last record before it.
        self._states: deque[tuple[int, State]] = deque()
        self._settled: tuple[int, State] | None = None

    def __len__(self) -> int:
        """Return the number of open records."""
        return self._count

    @property
    def has_settled(self) -> bool:
        """Whether a STATE is ready to be emitted."""
        return self._settled is not None

    @property
    def oldest(self) -> float:
        """The position of the oldest open record, or infinity."""
        return self._first + self._oldest if self._count else math.inf

    @property
    def since(self) -> float:
        """Arrival time of the oldest open record, up to _GRAIN seconds too early, or infinity."""
        oldest, times = self.oldest, self._times
        while len(times) > 1 and times[1][0] <= oldest:
            times.popleft()
        return times[0][1] if self._count else math.inf

    def track(self, record: Record, changes: int, now: float) -> None:
        """Add the next record, with its number of changes."""
        position = record.position
        if not self._times or now >= self._times[-1][1] + _GRAIN:
            self._times.append((position, now))
        if not self._count:
            self._first, self._oldest = position, 0
            del self._open[:]
        # Records without changes are settled already.
        self._open.extend([0] * (position - self._first - len(self._open)))
        self._open.append(changes)
        self._count += 1

    def add(self, state: State, position: int) -> None:
        """Add a STATE after the record at the position. It replaces a STATE directly before it."""
        if self._states and self._states[-1][0] == position:
            self._states.pop()
        self._states.append((position, state))
        if len(self._states) > _MOST_STATES:
            self._states = deque([*self._states][::-2][::-1])  # with the newest
        self._advance()

    def settle(self, records: Iterable[Record]) -> None:
        """Mark a change of each record as accepted, rejected, or in doubt."""
        first, left = self._first, self._open
        for record in records:
            place = record.position - first
            left[place] -= 1
            self._count -= not left[place]
        while self._oldest < len(left) and not left[self._oldest]:
            self._oldest += 1
        if self._oldest >= _WORTH_REMOVING and self._oldest * 2 >= len(left):
            del left[: self._oldest]
            self._first += self._oldest
            self._oldest = 0
        self._advance()

    def take(self) -> tuple[int, State] | None:
        """Return the newest STATE that is ready, once, with the position of the last record that it covers."""
        state, self._settled = self._settled, None
        return state

    def _advance(self) -> None:
        if self._states:
            oldest = self.oldest
            while self._states and self._states[0][0] < oldest:
                self._settled = self._states.popleft()
