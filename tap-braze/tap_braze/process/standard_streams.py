"""Standard output and error as they may be: closed, full, or a pipe that nobody reads."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

_STANDARD_ERROR: Final = 2


class OutputError(Exception):
    """Standard output takes no messages."""


def check() -> None:
    """Open the null device for closed descriptors, so that no file or connection becomes a standard stream.

    Raises:
        OutputError: Standard output is closed.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(descriptor)
    if sys.stdout is None:
        raise OutputError("standard output is closed, so no message could be written: send it to a file or a pipe")


def discard_if_unwritable(stream: TextIO | None) -> None:
    """Send what a stream still buffers to the null device if it cannot be written.

    Python would try again when the process ends, and change the exit code.
    """
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
    except ValueError:  # closed
        pass
