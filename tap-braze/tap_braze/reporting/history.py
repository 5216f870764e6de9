"""The identity of a run, and the file with one line of JSON for each run."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from typing import IO, TYPE_CHECKING, Any, Final
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

if sys.platform != "win32":
    import fcntl

# Fields that the lines of both programs begin with, for the reference in docs/.
RUN_FIELDS: Final = {
    "run_id": "random ID of the run",
    "program": "`tap-braze` or `target-braze`",
    "version": "version of the program",
    "started_at": "when the run began, in UTC",
    "ended_at": "when it ended, in UTC",
    "ended": "`completed`, `failed`, or `stopped` by a signal",
    "error": "what ended the run, without personal data; null if it completed",
    "seconds": "duration of the run",
}

_TAIL: Final = 65_536


class Run:
    """One run: its id, and when and how it began and ended."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.run_id = uuid4().hex
        self.ended = "running"
        self.error: str | None = None
        self.seconds = 0.0
        self.started_at = datetime.now(timezone.utc)
        self._ended_at: datetime | None = None
        self._started = time.monotonic()

    def end(self, ended: str, error: str | None = None) -> None:
        """End the run. `ended` and `error` are as in `RUN_FIELDS`."""
        self.ended, self.error = ended, error
        self.seconds = time.monotonic() - self._started
        self._ended_at = datetime.now(timezone.utc)

    def document(self) -> dict[str, Any]:
        """Return the `RUN_FIELDS`."""
        return {
            "run_id": self.run_id,
            "program": self.program,
            "version": _version(self.program),
            "started_at": _text(self.started_at),
            "ended_at": None if self._ended_at is None else _text(self._ended_at),
            "ended": self.ended,
            "error": self.error,
            "seconds": round(self.seconds if self._ended_at else time.monotonic() - self._started, 3),
        }


def path_beside(report: Path) -> Path:
    """Return the path of the history beside a report."""
    return report.with_suffix(".jsonl")


def append(path: Path, document: Mapping[str, Any]) -> None:
    """Append a document as one line, whole or not at all, even if other runs append at the same time.

    Raises:
        OSError: The file cannot be written.
    """
    line = json.dumps(document, ensure_ascii=False).encode() + b"\n"
    with open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b", buffering=0) as file:  # noqa: PTH123
        _lock(file)
        size = _repaired_size(file)
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            raise


def _lock(file: IO[bytes]) -> None:
    """Lock the file until it is closed, where the file system has locks. Each write appends in any case."""
    if sys.platform != "win32":
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)


def _repaired_size(file: IO[bytes]) -> int:
    """Terminate the last line, or remove it if a crash of the machine left only part of it; return the file's size."""
    size = begin = file.seek(0, os.SEEK_END)
    tail = b""
    while begin and b"\n" not in tail:
        length = min(_TAIL, begin)
        begin = file.seek(begin - length)
        tail = file.read(length) + tail
    last = tail.rpartition(b"\n")[2]
    if not last:
        return size
    try:
        json.loads(last)
    except ValueError:
        file.truncate(size - len(last))
        return size - len(last)
    file.write(b"\n")
    return size + 1


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _version(program: str) -> str:
    try:
        return metadata.version(program)
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
