"""Dead letters: the records that did not get into Braze, as Singer messages that can be piped in again once mended."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING, Any, Final

from target_braze.delivery.dispatcher import RejectedError
from target_braze.encode import encode
from target_braze.reporting.dead_letter_file import FIELD, Retry, attempts, holds, mend_end

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from target_braze.records import Record, Rejection
    from target_braze.reporting.summary import Summary

_log = logging.getLogger("target-braze")

# A share is judged as if at least so many records had been read: one bad record among the first is no trend.
_SHARE_OF: Final = 100


class TooManyDeadLettersError(RejectedError):
    """More records were rejected than setting `max_dead_letters` allows."""


class DeadLetters:
    """A file of RECORD messages as they came, each with the reason, after the SCHEMA of its stream.

    The file is appended to, so that a second run never destroys what the first could not deliver. Where it is itself
    what comes in, it gets another name first: it would grow while it is read, and never end. If the run is killed then,
    the next one that ends puts the letters back into the file.

    `most` is how many there may be in this run: a number of records, or below 1 a share of those that were read. With
    `dry_run` they are only counted, for what they would have gone with has not been sent either.
    """

    def __init__(self, path: Path, most: float | None, *, dry_run: bool) -> None:
        # Renaming a link would leave the letters to come in another folder.
        self.path = path.resolve() if path.is_symlink() else path
        self._most = most
        self._dry_run = dry_run
        self.count = 0
        # What comes in, and what came into runs that did not end well.
        self._retries: list[Retry] = []
        self._unfinished: list[Retry] = []
        self._file: IO[bytes] | None = None
        # Where in the file the letters of this run begin.
        self._begins = 0
        self._schemas: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Look for retries that were not finished, and say so."""
        if self._dry_run:
            return
        self._unfinished = [*Retry.unfinished(self.path)]
        for retry in self._unfinished:
            _log.warning(
                "a run in which the dead letters of %s came in again did not end well. They are in %s, and go back to "
                "%s at the end of this run, unless they come in themselves",
                self.path,
                retry.path,
                self.path,
            )

    def write(self, record: Record, why: Rejection) -> None:
        """Append one record; it is in the file when this returns.

        Raises:
            OSError: it cannot be written.
        """
        note = {
            "reason": why.reason,
            "braze": why.braze,
            "status": why.status,
            "attempt": attempts(record.message) + 1,
            "at": datetime.now(timezone.utc).isoformat(),
        }
        note = {key: value for key, value in note.items() if value is not None}
        letter = encode({**record.message, FIELD: note}) + b"\n"
        with self._lock:
            if not self._dry_run:
                stream = record.message["stream"]
                if self._schemas.get(stream) is not record.schema:
                    letter = encode(record.schema) + b"\n" + letter
                self._append(letter)
                self._schemas[stream] = record.schema
            self.count += 1

    def check(self, summary: Summary) -> None:
        """Hold the number of dead letters against what is allowed.

        Raises:
            TooManyDeadLettersError: there are more.
        """
        most, read = self._most, summary.records_read
        if most is None or self.count <= (most * max(read, _SHARE_OF) if 0 < most < 1 else most):
            return
        raise TooManyDeadLettersError(
            f"setting 'max_dead_letters' is {float(most):g}, and {self.count:,} of the {read:,} records read so far "
            f"are dead letters, in {self.path}. Most frequent: {summary.most_frequent_reasons()}. What Braze has "
            "accepted stays settled; the next run begins after the last STATE"
        )

    def take_back(self, message: Mapping[str, Any]) -> None:
        """Look whether a dead letter that comes in is one of this file, and rename the file then.

        Raises:
            OSError: it cannot be renamed.
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
                    "the dead letters of %s come in again, so that the file is called %s until this run ends; if the "
                    "run is killed, the next one puts them back",
                    self.path,
                    retry.path,
                )
            for retry in self._unfinished:
                if holds(retry.path, note):
                    self._unfinished.remove(retry)
                    self._retries.append(retry)
                    break

    def report(self, summary: Summary, *, completed: bool) -> None:
        """Say at the end of the run where dead letters are, and what to do with them."""
        if self.count and self._dry_run:
            _log.warning(
                "%s records would be rejected and go to %s. Most frequent: %s",
                f"{self.count:,}",
                self.path,
                summary.most_frequent_reasons(),
            )
        elif self.count:
            _log.warning(
                "%s records were rejected and are in %s, each with the reason: mend them and pipe the file in again. "
                "Most frequent: %s",
                f"{self.count:,}",
                self.path,
                summary.most_frequent_reasons(),
            )
        try:
            self._settle_retries(completed=completed)
        except OSError as error:
            _log.error("dead letters that came in again cannot be put where they belong: %s", error)

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def _settle_retries(self, *, completed: bool) -> None:
        for retry in self._retries:
            if completed:
                done = retry.finish()
                _log.warning(
                    "the dead letters that came in were those of %s; they are in %s, which can be deleted",
                    self.path,
                    done,
                )
            else:
                retry.close()
                _log.warning(
                    "the dead letters that came in were those of %s; they are in %s, which has to come in again, for "
                    "the run did not end well. Otherwise the next run puts them back",
                    self.path,
                    retry.path,
                )
        for retry in self._unfinished:
            retry.put_back(self.path)
            _log.warning("the dead letters of %s are in %s again: pipe it in", retry.path, self.path)

    def _begin_anew(self, aside: Path) -> None:
        """Move the letters of this run from the renamed file to one of their own."""
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
                    mend_end(self.path)
                    self._begins = self.path.stat().st_size
                self.path.touch(mode=0o600)
                # Without a buffer, nothing is left to be written when the run ends.
                self._file = self.path.open("ab", buffering=0)
            rest = memoryview(lines)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise OSError(f"dead letters cannot be written to {self.path}: {error.strerror}") from None
