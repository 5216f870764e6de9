"""How messages get to stdout: records some at a time, and never a part of a line; nothing of Braze."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.singerlib.encoding.simple import Message

_ENOUGH_BYTES: Final = 65_536
_LONG_ENOUGH: Final = 1.0
_STANDARD_ERROR: Final = 2


class OutputError(Exception):
    """Standard output takes no more messages."""


def check_standard_streams() -> None:
    """Occupy closed descriptors, lest a file or a connection become standard input, output or error.

    Raises:
        OutputError: standard output is closed.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(descriptor)
    if sys.stdout is None:
        raise OutputError("standard output is closed: pipe the tap into a target, or send it to a file")


class Writer(MsgSpecWriter):
    """Keeps records back until there are some, or another message comes, or a second is over.

    Each write lets go of the interpreter, and with many requests under way it takes a while to get it back.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = bytearray()
        self._flushed = 0.0
        self._writing = False
        self._afterwards: Callable[[], None] | None = None

    @override
    def write_message(self, message: Message) -> None:
        self._lines += self.format_message(message)
        if not isinstance(message, RecordMessage) or self._are_enough:
            self.flush()

    def write_lines(self, lines: bytes) -> None:
        """Write RECORD messages that are encoded already, each in a whole line."""
        self._lines += lines
        if self._are_enough:
            self.flush()

    @property
    def _are_enough(self) -> bool:
        return len(self._lines) >= _ENOUGH_BYTES or time.monotonic() - self._flushed > _LONG_ENOUGH

    def flush(self) -> None:
        """Write what is kept back.

        Raises:
            OutputError: it cannot be written.
        """
        self._writing = True
        try:
            while self._lines:
                # Under PYTHONUNBUFFERED a write that a signal interrupts is a part of what it should be.
                del self._lines[: sys.stdout.buffer.write(self._lines)]
            sys.stdout.flush()
        except OSError as error:
            # Whatever a buffer still holds would fail again when the process ends, and decide its exit code.
            with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            raise OutputError(f"standard output cannot be written: {error.strerror}") from None
        finally:
            self._writing = False
        self._flushed = time.monotonic()
        if (action := self._afterwards) is not None:
            self._afterwards = None
            action()

    def between_lines(self, action: Callable[[], None]) -> None:
        """Do it now, or as soon as what is being written is written."""
        if self._writing:
            self._afterwards = action
        else:
            action()
