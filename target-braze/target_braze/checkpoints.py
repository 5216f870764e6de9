"""Which records are settled, and so which STATE may leave: the last one before which nothing is open."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_braze.records import Change, Record

# The value of a STATE message, byte for byte.
State = bytes


class Checkpoints:
    """Records and states in the order of the stream; a record is settled when all its changes are."""

    def __init__(self) -> None:
        # How many changes of a record are not settled, by its position, oldest first.
        self._open: OrderedDict[int, int] = OrderedDict()
        self._last = 0
        # Each with the position of the last record before it.
        self._states: deque[tuple[int, State]] = deque()
        self._settled: State | None = None

    def __len__(self) -> int:
        """How many records are open."""
        return len(self._open)

    @property
    def has_settled(self) -> bool:
        """Whether there is a STATE that may leave and has not."""
        return self._settled is not None

    def open(self, record: Record, changes: int) -> None:
        """The record comes next, with so many changes."""
        self._last = record.position
        self._open[record.position] = changes

    def add(self, state: State) -> None:
        """The STATE comes next; it takes the place of one directly before it."""
        if self._states and self._states[-1][0] == self._last:
            self._states.pop()
        self._states.append((self._last, state))
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

    def take(self) -> State | None:
        """The last STATE that may leave, once."""
        state, self._settled = self._settled, None
        return state

    def _advance(self) -> None:
        if self._states:
            oldest = next(iter(self._open), self._last + 1)
            while self._states and self._states[0][0] < oldest:
                self._settled = self._states.popleft()[1]
