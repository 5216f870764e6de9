"""Write messages to standard output: records in batches, and only whole lines. Knows nothing about Braze."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from tap_braze.process.standard_streams import OutputError, discard_if_unwritable

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.helpers.types import Record
    from singer_sdk.singerlib.encoding.simple import Message

_BUFFER_BYTES: Final = 65_536
_FLUSH_SECONDS: Final = 1.0


class Writer(MsgSpecWriter):
    """Holds records back until they fill a buffer, another kind of message arrives, or a second has passed.

    Each write releases the interpreter lock; with many requests in flight, getting it back takes a while.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = bytearray()
        self._flushed = 0.0
        # Called before each batch of lines: a run may end here because no message is half written.
        self.check_stop: Callable[[], None] = _nothing

    @override
    def write_message(self, message: Message) -> None:
        ends_batch = not isinstance(message, RecordMessage) or self._is_due
        if ends_batch:
            self.check_stop()
        self._lines += self.format_message(message)
        if ends_batch:
            self.flush()

    def write_record(self, head: bytes, record: Record, tail: bytes) -> None:
        """Write a RECORD message: the encoded record between the two parts, which end the line."""
        lines = self._lines
        start = len(lines)
        try:
            lines += head
            encoder.encode_into(record, lines, -1)
            lines += tail
        except BaseException:
            del lines[start:]
            raise
        if self._is_due:
            self.check_stop()
            self.flush()

    def write_lines(self, lines: bytes) -> None:
        """Write RECORD messages that are already encoded, each on its own line."""
        self.check_stop()
        self._lines += lines
        if self._is_due:
            self.flush()

    def write_last(self, message: Message) -> None:
        """Write the last message of a stopped run, after everything held back."""
        self._lines += self.format_message(message)
        self.flush()

    @property
    def _is_due(self) -> bool:
        return len(self._lines) >= _BUFFER_BYTES or time.monotonic() - self._flushed > _FLUSH_SECONDS

    def flush(self) -> None:
        """Write everything held back.

        Raises:
            OutputError: Standard output is not writable.
        """
        try:
            while self._lines:
                # Under PYTHONUNBUFFERED, a write that a signal interrupts may be partial.
                del self._lines[: sys.stdout.buffer.write(self._lines)]
            sys.stdout.flush()
        except OSError as error:
            # Bytes left in a buffer would fail again at process exit and change the exit code.
            discard_if_unwritable(sys.stdout)
            raise OutputError(f"standard output cannot be written: {error.strerror}") from None
        self._flushed = time.monotonic()


def _nothing() -> None:
    pass
