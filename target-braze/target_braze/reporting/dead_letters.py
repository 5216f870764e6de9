"""Dead letters: rejected records, as Singer messages that can be corrected and piped in again."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING, Any, Final

from target_braze.delivery.dispatcher import RejectedError
from target_braze.encode import encode
from target_braze.reporting.dead_letter_file import FIELD, Retry, attempts, holds, repair_end

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from target_braze.records import Record, Rejection
    from target_braze.reporting.summary import Summary

_log = logging.getLogger("target-braze")

# Compute a share from at least this many records: one bad record among the first few is not a trend.
_SHARE_OF: Final = 100


class TooManyDeadLettersError(RejectedError):
    """More records were rejected than setting `max_dead_letters` allows."""


def letter(record: Record, why: Rejection) -> bytes:
    """Return the message of a rejected record, with the reason."""
    note = {
        "reason": why.reason,
        "braze": why.braze,
        "status": why.status,
        "attempt": attempts(record.message) + 1,
        "at": datetime.now(timezone.utc).isoformat(),
    }
    return encode({**record.message, FIELD: {key: value for key, value in note.items() if value is not None}})


class Letters:
    """Counts the dead letters of one run, and limits them.

    Args:
        place: Where they are, for messages.
        most: Maximum number of records, or if below 1, maximum share of the records read; None for any number.
    """

    def __init__(self, place: str, most: float | None) -> None:
        self.place = place
        self._most = most
        self.count = 0

    def check(self, summary: Summary) -> None:
        """Compare the number of dead letters with the limit.

        Raises:
            TooManyDeadLettersError: There are more than the limit.
        """
        most, read = self._most, summary.records_read
        if most is None or self.count <= (most * max(read, _SHARE_OF) if 0 < most < 1 else most):
            return
        raise TooManyDeadLettersError(
            f"setting 'max_dead_letters' is {float(most):g}, and {self.count:,} of the {read:,} records read so far "
            f"are dead letters, in {self.place}. Most frequent: {summary.most_frequent_reasons()}. What Braze has "
            "accepted stays settled. The next run continues from the last STATE"
        )


class DeadLetters(Letters):
    """A file of RECORD messages as received, each with the reason, after the SCHEMA of its stream.

    A run appends to the file, so it never destroys what an earlier run could not deliver. If the file is also the
    input, it is renamed first; otherwise, it would grow while being read and never end. If that run is killed, the next
    run that ends puts the letters back.

    A `dry_run` counts dead letters without writing them.
    """

    def __init__(self, path: Path, most: float | None, *, dry_run: bool) -> None:
        # Renaming a link would leave the file in another folder.
        self.path = path.resolve() if path.is_symlink() else path
        super().__init__(str(self.path), most)
        self._dry_run = dry_run
        # Retries of the letters that are this run's input, and those of failed runs.
        self._retries: list[Retry] = []
        self._unfinished: list[Retry] = []
        self._file: IO[bytes] | None = None
        # Offset in the file where the letters of this run begin.
        self._begins = 0
        self._schemas: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Look for retries that did not finish, and log them."""
        if self._dry_run:
            return
        self._unfinished = [*Retry.unfinished(self.path)]
        for retry in self._unfinished:
            _log.warning(
                "a run that retried the dead letters of %s failed. They are in %s. At the end of this run they go back "
                "to %s, unless this run retries them",
                self.path,
                retry.path,
                self.path,
            )

    def write(self, record: Record, why: Rejection) -> None:
        """Append one record, without buffering, so it is in the file when this returns.

        Raises:
            OSError: The record cannot be written.
        """
        line = letter(record, why) + b"\n"
        with self._lock:
            if not self._dry_run:
                stream = record.message["stream"]
                if self._schemas.get(stream) is not record.schema:
                    line = encode(record.schema) + b"\n" + line
                self._append(line)
                self._schemas[stream] = record.schema
            self.count += 1

    def take_back(self, message: Mapping[str, Any]) -> None:
        """Rename the file if an incoming dead letter came from it.

        Raises:
            OSError: The file cannot be renamed.
        """
        if self._dry_run:
            return
        with self._lock:
            note = message[FIELD]
            if self.path.is_file() and holds(self.path, note):
                retry = Retry.begin(self.path)
                self._retries.append(retry)
                self._begin_anew(retry.path)
                _log.warning(
                    "this run retries the dead letters of %s, so the file is named %s until the run ends. If the run "
                    "is killed, the next one puts them back",
                    self.path,
                    retry.path,
                )
            for retry in self._unfinished:
                if holds(retry.path, note):
                    self._unfinished.remove(retry)
                    self._retries.append(retry)
                    break

    def report(self, summary: Summary, *, completed: bool) -> None:
        """Log where the dead letters are and what to do with them."""
        if self.count and self._dry_run:
            _log.warning(
                "records that would be rejected: %s, into %s. Most frequent: %s",
                f"{self.count:,}",
                self.path,
                summary.most_frequent_reasons(),
            )
        elif self.count:
            _log.warning(
                "records rejected: %s. They are in %s, each with the reason. Correct them and pipe the file in again. "
                "Most frequent: %s",
                f"{self.count:,}",
                self.path,
                summary.most_frequent_reasons(),
            )
        try:
            self._settle_retries(completed=completed)
        except OSError as error:
            _log.error("the file of retried dead letters cannot be renamed: %s", error)

    def close(self) -> None:
        """Close the file, if one is open."""
        if self._file is not None:
            self._file.close()

    def _settle_retries(self, *, completed: bool) -> None:
        for retry in self._retries:
            if completed:
                done = retry.finish()
                _log.warning(
                    "the dead letters of %s were retried. They are in %s, which can be deleted",
                    self.path,
                    done,
                )
            else:
                retry.close()
                _log.warning(
                    "the dead letters of %s are in %s, which must be replayed because the run failed. Otherwise the "
                    "next run puts them back",
                    self.path,
                    retry.path,
                )
        for retry in self._unfinished:
            retry.put_back(self.path)
            _log.warning("the dead letters of %s are back in %s. Pipe it in to retry them", retry.path, self.path)

    def _begin_anew(self, aside: Path) -> None:
        """Move the letters of this run from the renamed file to a new file."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        self._schemas.clear()
        with aside.open("r+b") as old:
            old.seek(self._begins)
            self.path.touch(mode=0o600)
            self.path.write_bytes(old.read())
            old.truncate(self._begins)

    def _append(self, lines: bytes) -> None:
        try:
            if self._file is None:
                if self.path.is_file():
                    repair_end(self.path)
                    self._begins = self.path.stat().st_size
                self.path.touch(mode=0o600)
                # Without a buffer, nothing remains to be written when the run ends.
                self._file = self.path.open("ab", buffering=0)
            rest = memoryview(lines)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise OSError(f"dead letters cannot be written to {self.path}: {error.strerror}") from None
