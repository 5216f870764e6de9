"""Dead letters: the records that did not get into Braze, as Singer messages that can be piped in again once mended."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from target_braze.damaged_json import UNDECODABLE, decode_damaged
from target_braze.delivery import RejectedError
from target_braze.encode import encode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from target_braze.records import Record, Rejection
    from target_braze.summary import Summary

_log = logging.getLogger("target-braze")

# A share is judged as if at least so many records had been read: one bad record among the first is no trend.
_SHARE_OF: Final = 100
# Beside `record` in the message, where targets ignore what they do not know.
FIELD: Final = "dead_letter"


class TooManyDeadLettersError(RejectedError):
    """More records were rejected than setting `max_dead_letters` allows."""


class DeadLetters:
    """A file of RECORD messages as they came, each with the reason, after the SCHEMA of its stream.

    The file is appended to, so that a second run never destroys what the first could not deliver. Where it is itself
    what comes in, it is `set_aside` under another name first: it would grow while it is read, and never end.

    `most` is how many there may be in this run: a number of records, or below 1 a share of those that were read. With
    `dry_run` they are only counted, for what they would have gone with has not been sent either.
    """

    def __init__(self, path: Path, most: float | None, *, dry_run: bool) -> None:
        self.path = path
        self._most = most
        self._dry_run = dry_run
        self.count = 0
        self.set_aside: Path | None = None
        self._file: IO[bytes] | None = None
        # Where in the file the letters of this run begin.
        self._begins = 0
        self._schemas: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def write(self, record: Record, why: Rejection) -> None:
        """Append one record; it is in the file when this returns.

        Raises:
            OSError: it cannot be written.
        """
        note = {
            "reason": why.reason,
            "braze": why.braze,
            "status": why.status,
            "attempt": _attempts(record.message) + 1,
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
        """Look whether a dead letter that comes in is one of this file, and set the file aside then.

        Raises:
            OSError: it cannot be renamed.
        """
        with self._lock:
            if self._dry_run or not self.path.is_file() or not _holds(self.path, message[FIELD]):
                return
            now = datetime.now(timezone.utc)
            self.set_aside = self.path.with_name(f"{self.path.name}.retried-{now:%Y%m%dT%H%M%S%f}")
            self.path.rename(self.set_aside)
            if self._file is not None:
                self._file.close()
                self._file = None
                self._schemas.clear()
                with self.set_aside.open("r+b") as old:
                    old.seek(self._begins)
                    self.path.touch(mode=0o600)
                    self.path.write_bytes(old.read())
                    old.truncate(self._begins)

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
        if self.set_aside is not None:
            _log.warning(
                "the dead letters that came in were those of %s; they are in %s, %s",
                self.path,
                self.set_aside,
                "which can be deleted" if completed else "which has to come in again, for the run did not end well",
            )

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def _append(self, lines: bytes) -> None:
        try:
            if self._file is None:
                if self.path.is_file():
                    _mend_end(self.path)
                    self._begins = self.path.stat().st_size
                self.path.touch(mode=0o600)
                # Without a buffer, nothing is left to be written when the run ends.
                self._file = self.path.open("ab", buffering=0)
            rest = memoryview(lines)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise OSError(f"dead letters cannot be written to {self.path}: {error.strerror}") from None


def _holds(path: Path, note: Any) -> bool:  # noqa: ANN401 - someone may have edited it
    """Whether there is a letter with the note in the file, in whatever way its JSON is written by now."""
    with path.open("rb") as lines:
        for line in lines:
            with suppress(*UNDECODABLE):
                message = decode_damaged(line)
                if isinstance(message, dict) and message.get(FIELD) == note:
                    return True
    return False


def _mend_end(path: Path) -> None:
    """Give the last line its end, or take away what a run that was killed has left of one."""
    with path.open("r+b") as file:
        last = deque(file, maxlen=1)
        if not last or last[0].endswith(b"\n"):
            return
        try:
            msgspec.json.decode(last[0])
        except msgspec.DecodeError:
            file.truncate(file.tell() - len(last[0]))
        else:
            file.write(b"\n")


def _attempts(message: Mapping[str, Any]) -> int:
    """How often the record of a message has become a dead letter."""
    note = message.get(FIELD)
    attempts = note.get("attempt") if isinstance(note, dict) else None
    return attempts if isinstance(attempts, int) else 0
