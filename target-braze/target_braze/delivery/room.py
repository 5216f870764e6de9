"""Room: how many records may be in memory, and waiting until there is space for the next one."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.delivery.user_queues import UserQueues
    from target_braze.records import Record

# Maximum bytes of input lines in memory; as Python objects they take five times as much.
_MOST_BYTES: Final = 32_000_000
# Stop holding back when this many bytes of input lines are in memory.
_MOST_HELD_BYTES: Final = 64_000_000
# Maximum changes that wait for a delay in a run with a ledger, which keeps about a kilobyte in memory for each.
_MOST_DELAYED_WITH_LEDGER: Final = 200_000


class Room:
    """Counts records in memory, once for each of their changes, and their bytes.

    Args:
        queues: The queues of these changes; the delayed ones are not in memory.
        for_requests: Number of records that fill all requests in flight.
        has_ledger: Whether a ledger keeps the users of all changes in memory.
    """

    def __init__(self, queues: UserQueues, for_requests: int, *, has_ledger: bool) -> None:
        # Enough to fill every request in flight and the next one, with users not already in flight.
        self.size = 3 * for_requests
        # As much again for what comes out of a delay, so that the reader does not keep it waiting.
        self.size_for_delayed = self.size + for_requests
        # The first position that is too far ahead of the oldest open record to read.
        self.end_of_span = math.inf
        self._queues = queues
        self._most_delayed = _MOST_DELAYED_WITH_LEDGER if has_ledger else math.inf
        # Only the reader's thread writes the first two, and only the dispatcher's thread the other two.
        self._added = self._added_bytes = 0
        self._settled = self._settled_bytes = 0
        self._made = threading.Condition()
        self._is_awaited = False

    @property
    def records(self) -> int:
        """Number of records in memory."""
        return self._added - self._settled - self._queues.delayed.records

    @property
    def bytes(self) -> int:
        """Bytes of their input lines."""
        return self._added_bytes - self._settled_bytes - self._queues.delayed.size

    @property
    def is_too_full_to_hold_back(self) -> bool:
        """Whether changes that are held back take too much memory."""
        return self.bytes >= _MOST_HELD_BYTES

    def is_free(self, position: int) -> bool:
        """Return whether the reader may add the record at a position."""
        queues = self._queues
        if queues.holds_back:
            return not self.is_too_full_to_hold_back
        # Changes that wait for the end of the input must not block the input.
        if queues.held and self.records < self.size + queues.held:
            return True
        return (
            self.records < self.size
            and self.bytes < _MOST_BYTES
            and not queues.delayed.is_full
            and queues.delayed.changes < self._most_delayed
            and position < self.end_of_span
        )

    @property
    def is_free_for_delayed(self) -> bool:
        """Whether a delayed queue may return to memory."""
        queues = self._queues
        if queues.holds_back:
            return not self.is_too_full_to_hold_back
        return self.records < self.size_for_delayed + queues.held and self.bytes < _MOST_BYTES

    def wait(self, position: int, has_failed: Callable[[], object]) -> None:
        """Wait until the reader may add the record at a position, or the run has failed."""
        if not self.is_free(position):
            self._await(lambda: self.is_free(position) or has_failed())

    def drain(self, seconds: float, has_failed: Callable[[], object]) -> None:
        """Wait until only changes for the end of the input are left, and then `seconds` more; less if the run fails."""
        self._await(lambda: self._added - self._settled <= self._queues.held or has_failed())
        if seconds:
            self._await(has_failed, seconds)

    def _await(self, done: Callable[[], object], seconds: float | None = None) -> None:
        with self._made:
            self._is_awaited = True
            self._made.wait_for(done, seconds)
            self._is_awaited = False

    def notify(self) -> None:
        """Make the reader look again whether it may go on. Call this after each change that frees space."""
        if self._is_awaited:  # if not yet, the reader has not looked yet either
            with self._made:
                self._made.notify()

    def add(self, record: Record, changes: int) -> None:
        """Count a record with its number of changes."""
        self._added += changes
        self._added_bytes += changes * record.size

    def settle(self, records: list[Record]) -> None:
        """Count the records of settled changes."""
        self._settled += len(records)
        self._settled_bytes += sum(record.size for record in records)
