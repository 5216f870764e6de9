"""Which records are settled, and so which STATE may leave: the last one before which nothing is open."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_braze.braze.changes import Change
    from target_braze.records import Record

# Whatever stands for the records before it; nothing here looks inside.
State = Any

# Seconds to within which it is known when a record was taken in.
_GRAIN: Final = 1.0


class Checkpoints:
    """Records and states in the order of the stream; a record is settled when all its changes are."""

    def __init__(self) -> None:
        # How many changes of a record are not settled, by its position, oldest first.
        self._open: OrderedDict[int, int] = OrderedDict()
        # When records were taken in: positions, each some time after the one before it.
        self._moments: deque[tuple[int, float]] = deque()
        # Each with the position of the last record read before it.
        self._states: deque[tuple[int, State]] = deque()
        self._settled: tuple[int, State] | None = None

    def __len__(self) -> int:
        """How many records are open."""
        return len(self._open)

    @property
    def has_settled(self) -> bool:
        """Whether there is a STATE that may leave and has not."""
        return self._settled is not None

    @property
    def oldest(self) -> float:
        """The position of the first record that is open; infinite if none is."""
        return next(iter(self._open), math.inf)

    @property
    def since(self) -> float:
        """Since when at least, to within _GRAIN seconds, the first open record has been open; infinite if none is."""
        oldest, moments = self.oldest, self._moments
        while len(moments) > 1 and moments[1][0] <= oldest:
            moments.popleft()
        return moments[0][1] if self._open else math.inf

    def open(self, record: Record, changes: int, now: float) -> None:
        """The record comes next, with so many changes."""
        position = record.position
        if not self._moments or now >= self._moments[-1][1] + _GRAIN:
            self._moments.append((position, now))
        self._open[position] = changes

    def add(self, state: State, position: int) -> None:
        """The STATE comes next, after the record of that position; it takes the place of one directly before it."""
        if self._states and self._states[-1][0] == position:
            self._states.pop()
        self._states.append((position, state))
        self._advance()

    def settle(self, changes: Iterable[Change]) -> list[Record]:
        """The changes are accepted, rejected or in doubt; answers the records that are settled with them."""
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
        """The last STATE that may leave, once, with the position of the last record that it covers."""
        state, self._settled = self._settled, None
        return state

    def _advance(self) -> None:
        if self._states:
            oldest = self.oldest
            while self._states and self._states[0][0] < oldest:
                self._settled = self._states.popleft()
