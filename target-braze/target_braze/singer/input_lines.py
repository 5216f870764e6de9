"""Lines of standard input, read in a way that a signal handler or another thread can interrupt."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import weakref
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bytes to read at a time. After each chunk, all other threads get a turn.
_CHUNK: Final = 1_000_000
# On Windows, select() accepts only sockets, so an interruption takes effect at the next line.
_CAN_WAIT: Final = sys.platform != "win32"


class InputLines:
    """Read lines until the input ends or `interrupt` is called."""

    def __init__(self) -> None:
        self.interruption: BaseException | None = None
        self._descriptor: int | None = None
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        weakref.finalize(self, _close, self._woken, self._wake)

    def interrupt(self, reason: BaseException) -> None:
        """Stop reading for `reason`. Safe to call from signal handlers and threads. The first reason counts."""
        if self.interruption is None:
            self.interruption = reason
        with suppress(BlockingIOError):  # the pipe is full, so the reader is already awake
            os.write(self._wake, b"\0")

    def size(self) -> int | None:
        """Return the size of the input in bytes; None if it is no file. Safe to call from threads."""
        descriptor = self._descriptor
        if descriptor is not None:
            with suppress(OSError):
                status = os.fstat(descriptor)
                return status.st_size if stat.S_ISREG(status.st_mode) else None
        return None

    def share_read(self) -> float | None:
        """Return how much of the input has been read, from 0 to 1; None if it is no file. Safe to call from threads."""
        descriptor = self._descriptor
        if descriptor is None:
            return None
        with suppress(OSError):
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_size:
                return min(1.0, os.lseek(descriptor, 0, os.SEEK_CUR) / status.st_size)
        return None

    def read(self, source: IO[bytes] | IO[str]) -> Iterator[list[bytes]]:
        """Yield lines, without line feeds, as many at a time as are available. Stop early after an interruption."""
        try:
            descriptor = source.fileno() if _CAN_WAIT else None
        except (AttributeError, io.UnsupportedOperation):
            descriptor = None
        if descriptor is not None:
            self._descriptor = descriptor
            try:
                yield from self._of_descriptor(descriptor)
            finally:
                self._descriptor = None  # its number may soon be that of another file
            return
        while self.interruption is None and (line := source.readline()):
            yield [(line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line).removesuffix(b"\n")]

    def _of_descriptor(self, descriptor: int) -> Iterator[list[bytes]]:
        # Parts of a line longer than a chunk; joining them one by one would take quadratic time.
        parts: list[bytes] = []
        while self.interruption is None:
            if self._woken in select.select([descriptor, self._woken], [], [])[0]:
                return
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                if parts:
                    yield [b"".join(parts)]
                return
            first, *lines = chunk.split(b"\n")
            parts.append(first)
            if lines:
                lines.insert(0, b"".join(parts))
                parts = [lines.pop()]
                yield lines


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
