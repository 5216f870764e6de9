"""Standard output and error as they really come: closed, full, or a pipe that nobody reads."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

_STANDARD_ERROR: Final = 2


def check() -> None:
    """Occupy closed descriptors, lest a file or a connection become standard input, output or error.

    Raises:
        OSError: standard output is closed.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(descriptor)
    if sys.stdout is None:
        raise OSError("standard output is closed, so no STATE could be written: send it to a file or a pipe")


def write_line(line: bytes) -> None:
    """Write one line to standard output, past all buffers, so that nothing is left to fail when the process ends.

    Raises:
        OSError: it cannot be written.
    """
    buffer: Any = sys.stdout.buffer
    raw = getattr(buffer, "raw", buffer)
    rest = memoryview(line + b"\n")
    try:
        while rest:
            written = raw.write(rest)
            if written is None:  # the other end made the pipe non-blocking, and it is full
                select.select([], [raw], [])
            else:
                rest = rest[written:]
    except OSError as error:
        raise OSError(f"STATE cannot be written to standard output: {error.strerror}") from None


def give_up_unwritable() -> None:
    """Let standard error go nowhere where it takes nothing more, lest that decide the exit code."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.flush()
    except OSError:
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stderr.fileno())
    except ValueError:  # closed
        pass
