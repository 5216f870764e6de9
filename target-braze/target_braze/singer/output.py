"""STATE messages on standard output."""

from __future__ import annotations

import select
import sys
from typing import Any


def write_line(line: bytes) -> None:
    """Write one line to standard output, bypassing all buffers, so that nothing can fail when the process ends.

    Raises:
        OSError: The line cannot be written.
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
