"""An attempt at one partition of a run: claims it, knows what earlier attempts sent, and logs what it sends itself.

Two attempts may run at the same time, for example if a cluster gave up on a machine that is only slow. Each writes
before it looks: an attempt logs its request as under way and then looks for newer claims before it sends; a newer
attempt claims and then reads. So either the older one sees the claim and stops, or the newer one sees the request.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from target_braze.encode import encode
from target_braze.outcome_log.entries import ATTEMPTS, EarlierOutcomes, Entry, identity, newest_claim, split
from target_braze.outcome_log.grouped_sync import FencedError, GroupedSync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_braze.braze.changes import Change, Receipt
    from target_braze.outcome_log.entries import Earlier
    from target_braze.outcome_log.storage import Folder

_log = logging.getLogger("target-braze")

# Seconds between two looks for newer claims while nothing is logged, and between two summaries in the log.
_LOOK_EVERY: Final = 1.0
# Dead letters that wait for the next write to a bucket, in bytes.
_MOST_LETTERS: Final = 1_000_000


class Attempt:
    """An attempt that has claimed its partition. Safe to use from several threads, except `earlier`.

    Args:
        folder: Folder of the run.
        path: Folder of the partition in it.
        name: Name of the attempt; the last one in alphabetical order is the newest.
        earlier: Log entries of earlier attempts.
        summary: Returns the summary of the attempt so far.
        is_whole: The run has no other partition.
    """

    # The input of a task has no STATE, so nothing is read again that must be held back.
    stretch = 0

    def __init__(
        self,
        folder: Folder,
        path: str,
        name: str,
        earlier: Iterable[Entry],
        summary: Callable[[], Mapping[str, Any]],
        *,
        is_whole: bool,
    ) -> None:
        self.is_whole = is_whole
        self._folder = folder
        self._path = path
        self._name = name
        self._summary = summary
        self._earlier = EarlierOutcomes(earlier)
        if known := self._earlier.accepted.total() + self._earlier.in_doubt.total():
            _log.info(
                "outcome log: earlier attempts sent %s changes of this partition, and %s of them got no answer",
                f"{known:,}",
                f"{self._earlier.in_doubt.total():,}",
            )
        self._file = GroupedSync(folder.open(f"{path}/{ATTEMPTS}/{name}"), self._look)
        self._lock = threading.Lock()
        # Bytes of identities that the log has under way, and identities that an earlier attempt left in doubt and this
        # one sends again.
        self._open = 0
        self._doubted: set[bytes] = set()
        self._schemas: dict[str, Mapping[str, Any]] = {}
        self._letters = 0
        self._next_look = self._next_summary = time.monotonic() + _LOOK_EVERY

    def earlier(self, change: Change, key: Sequence[Any], place: int) -> Earlier:
        """Return what earlier attempts did with a change, and log its outcome from now on.

        Args:
            change: See above.
            key: Values of the stream's key.
            place: Index of the change among those of its record.
        """
        change.unlogged = identity(change, key, place)
        return self._earlier.take(change.unlogged)

    def send_again(self, change: Change) -> None:
        """Record that a change is sent again that an earlier attempt left in doubt, so the log has it under way."""
        self._doubted.add(change.unlogged)
        self._reopen(change, logged=change.unlogged, unlogged=b"")

    # What delivery reports.

    def under_way(self, changes: Sequence[Change]) -> None:
        """Log changes before they are sent.

        Raises:
            FencedError: A newer attempt has claimed the partition.
            OutcomeLogError: The log cannot be written.
        """
        now = time.monotonic()
        if now >= self._next_summary:
            self._next_summary = now + _LOOK_EVERY
            self._file.add(Entry(summary=msgspec.Raw(encode(self._summary()))).line())
        new = [one for one in changes if one.unlogged]
        if new:
            self._file.add(Entry(under_way=b"".join(one.unlogged for one in new)).line())
            for one in new:
                self._reopen(one, logged=one.logged + one.unlogged, unlogged=b"")
            try:
                self._file.sync()
            except FencedError:
                self.withdraw(new)
                raise
        elif now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            self._look()

    def withdraw(self, changes: Sequence[Change]) -> None:
        """Log that changes under way did not reach Braze."""
        free = b""
        for change in changes:
            if change.logged:
                ours = [one for one in split(change.logged) if one not in self._doubted]
                kept = [one for one in split(change.logged) if one in self._doubted]
                free += b"".join(ours)
                self._reopen(change, logged=b"".join(kept), unlogged=b"".join(ours) + change.unlogged)
        if free:
            self._file.add(Entry(free=free).line())

    def doubt(self, changes: Iterable[Change]) -> None:
        """Do nothing: changes whose outcome is unknown stay under way in the log."""

    def settle(
        self,
        changes: Sequence[Change],
        outcome: Literal["accepted", "rejected", "in doubt"],
        receipt: Receipt | None = None,
    ) -> None:
        """Log the outcome of changes."""
        del receipt
        settled = b"".join(change.logged for change in changes)
        if not settled:
            return
        if outcome != "in doubt":
            entry = Entry(accepted=settled) if outcome == "accepted" else Entry(free=settled)
            self._file.add(entry.line())
        for change in changes:
            self._reopen(change, logged=b"", unlogged=b"")
        if not self._open:
            # The next request may come late, and until then a kill would leave these in doubt.
            self._file.flush()

    def covered(self, position: int) -> None:
        """Do nothing: a run resumes from its outcomes, not from a position."""

    # Dead letters, and the end.

    def add_letter(self, letter: bytes, schema: Mapping[str, Any], stream: str, number: int) -> None:
        """Add a dead letter; `flush` stores it.

        Args:
            letter: Singer message.
            schema: SCHEMA message of its stream.
            stream: Name of the stream.
            number: Number of the record in the stream.
        """
        line = Entry(letter=letter, number=number).line()
        with self._lock:
            if self._schemas.get(stream) is not schema:
                self._schemas[stream] = schema
                line = Entry(schema=msgspec.Raw(encode(schema))).line() + line
            self._letters += len(line)
            is_full = self._letters >= _MOST_LETTERS
            self._letters = 0 if is_full else self._letters
            self._file.add(line)
        if is_full:
            self._file.flush()

    def flush(self) -> None:
        """Store everything that has been added.

        Raises:
            OutcomeLogError: The log cannot be written.
        """
        self._file.flush()

    def close(self) -> None:
        """Store everything, with the summary, and close the log.

        Raises:
            OutcomeLogError: The log cannot be written.
        """
        try:
            self._file.add(Entry(summary=msgspec.Raw(encode(self._summary()))).line())
        finally:
            self._file.close()

    def _reopen(self, change: Change, *, logged: bytes, unlogged: bytes) -> None:
        with self._lock:
            self._open += len(logged) - len(change.logged)
        change.logged, change.unlogged = logged, unlogged

    def _look(self) -> None:
        newest = newest_claim(self._folder, self._path)
        if newest != self._name:
            raise FencedError(
                f"outcome log: a newer attempt has claimed {self._path}, so this one stops. What it has sent is in the "
                "log, and the newer attempt does not send it again"
            )
