"""Dead letters: the records that did not get into Braze, as Singer messages that can be piped in again once mended."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING, Any, Final

from target_braze.encode import encode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from target_braze.records import Record

# Beside `record` in the message, where targets ignore what they do not know.
FIELD: Final = "dead_letter"


class DeadLetters:
    """A file of RECORD messages as they came, each with the reason, after the SCHEMA of its stream.

    The file is appended to, so that a second run never destroys what the first could not deliver.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: IO[bytes] | None = None
        self._schemas: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def write(self, record: Record, reason: str) -> None:
        """Append one record; it is in the file when this returns."""
        letter = {
            **record.message,
            FIELD: {"reason": reason, "at": datetime.now(timezone.utc).isoformat(timespec="seconds")},
        }
        with self._lock:
            if self._file is None:
                self._file = self.path.open("ab")
            stream = record.message["stream"]
            if self._schemas.get(stream) is not record.schema:
                self._schemas[stream] = record.schema
                self._file.write(encode(record.schema) + b"\n")
            self._file.write(encode(letter) + b"\n")
            self._file.flush()
            self.count += 1

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
