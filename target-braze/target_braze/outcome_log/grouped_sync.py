"""Store a log for several threads at once, and stop them all when storing fails or a newer attempt is found."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from target_braze.outcome_log.storage import OutcomeLogError

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.outcome_log.storage import LogFile


class FencedError(OutcomeLogError):
    """A newer attempt has claimed the partition, so this one must not send anything more."""


class GroupedSync:
    """Serves threads that wait for the log to be stored: one stores for all, in about the time of one.

    Args:
        file: The file.
        check: Called after lines have been stored; raises if nothing may be sent any more.
    """

    def __init__(self, file: LogFile, check: Callable[[], None]) -> None:
        self._file = file
        self._check = check
        self._adding = threading.Lock()
        self._syncing = threading.Lock()
        self._added = self._synced = 0
        self._failure: OutcomeLogError | None = None

    def add(self, line: bytes) -> None:
        """Add a line."""
        with self._adding:
            if self._failure is not None and not isinstance(self._failure, FencedError):
                # A line after one that was written in part would be unreadable.
                raise self._failure
            try:
                self._file.add(line)
            except OutcomeLogError as failure:
                self._failure = failure
                raise
            self._added += 1

    def sync(self) -> None:
        """Store what was added, and check."""
        self._sync(check=True)

    def flush(self) -> None:
        """Store what was added."""
        self._sync(check=False)

    def _sync(self, *, check: bool) -> None:
        needed = self._added
        with self._syncing:
            if self._failure is not None and check:
                raise self._failure
            # A thread that waited for another one's sync with a check needs none of its own.
            if self._synced >= needed:
                return
            added = self._added
            try:
                self._file.sync()
                if check:
                    self._check()
                    self._synced = added
            except OutcomeLogError as failure:
                self._failure = failure
                raise

    def close(self) -> None:
        """Store what was added, and close the file."""
        self._file.close()
