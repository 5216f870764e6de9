"""Decode files on all cores, in processes that start once there is enough to decode.

Threads would not help because decoding holds the interpreter lock.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from queue import SimpleQueue
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from tap_braze.currents.container import BrokenFileError
from tap_braze.currents.lines import BROKEN, END, FILE, TASK, Frame, frames, read_frames, write_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self

    from tap_braze.currents.lines import Task

_MOST: Final = 4  # the writer keeps up with no more, and each takes 45 MB
_WORTH_IT: Final = 8_388_608  # bytes of files; one core decodes this much while a process starts
_IN_MEMORY: Final = 8_388_608  # bytes of a file's frames


class Workers:
    """Decodes files, each in a worker process or in this one. Thread-safe."""

    def __init__(self) -> None:
        self._idle: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
        for _ in range(min(_MOST, os.cpu_count() or 1)):
            self._idle.put(None)
        self._begun: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._received = 0
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the processes immediately; threads that wait for one get an error."""
        with self._lock:
            self._closed = True
            for process in self._begun:
                _end(process)

    def frames_of(self, task: Task, data: bytes) -> IO[bytes]:
        """Return all frames of a file but the last, spooled to disk if they are large.

        Raises:
            BrokenFileError: The file is broken somewhere, or could not be decoded.
        """
        found = _Spool(max_size=_IN_MEMORY)
        worker = self._idle.get()
        try:
            if worker is None:
                worker = self._begin(len(data))
            for frame in frames(task, data) if worker is None else _request_frames(worker, task, data):
                if frame.kind == BROKEN:
                    raise BrokenFileError(frame.content.decode())
                if frame.kind != END:
                    write_frame(found, frame)
        except (BrokenPipeError, EOFError):
            worker = None
            raise BrokenFileError("the process that decoded it died; the machine may be out of memory") from None
        except OSError as error:
            worker = None
            raise BrokenFileError(
                f"the process or the temporary file to decode it could not be created ({error})"
            ) from error
        finally:
            self._idle.put(worker)
        found.seek(0)
        return found

    def _begin(self, size: int) -> subprocess.Popen[bytes] | None:
        """Start a process if there is enough work to justify it."""
        with self._lock:
            self._received += size
            if self._received < _WORTH_IT:
                return None
            if self._closed:
                raise EOFError
            command = [sys.executable, "-m", "tap_braze.currents.lines"]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
            self._begun.append(process)
            return process


class _Spool(SpooledTemporaryFile[bytes]):
    """A spool that closes itself when dropped unread, as in a stopped run, without a ResourceWarning."""

    def __del__(self) -> None:
        self.close()


def _request_frames(process: subprocess.Popen[bytes], task: Task, data: bytes) -> Iterator[Frame]:
    stdin: Any = process.stdin
    stdout: Any = process.stdout
    write_frame(stdin, Frame(TASK, msgspec.json.encode(task)))
    write_frame(stdin, Frame(FILE, data))
    stdin.flush()
    for frame in read_frames(stdout):
        yield frame
        if frame.kind in {BROKEN, END}:
            return
    raise EOFError


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    process.wait()
