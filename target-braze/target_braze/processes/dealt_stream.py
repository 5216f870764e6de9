"""A stream of a child: receives records that the parent has dealt, under the parent's numbers."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from target_braze.damaged_json import UNDECODABLE, decode_damaged
from target_braze.encode import decode
from target_braze.loader.lines import JsonLines, record_decoder
from target_braze.loader.stream import LoaderStream
from target_braze.processes.frames import CHECKPOINT
from target_braze.records import MappingError, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_braze.loader.context import Context
    from target_braze.processes.frames import Lines, Single


class DealtStream(LoaderStream):
    """A stream whose records the parent numbers. `token` stands for the SCHEMA message, which the parent keeps."""

    def __init__(self, context: Context, name: str, schema: Mapping[str, Any], keys: Sequence[str]) -> None:
        super().__init__(context, name, schema, keys)
        self.token: dict[str, Any] = {}
        fast = self.fast_record
        self._decode = None if fast is None else record_decoder(name, fast)
        self._json = JsonLines(name, None)
        self._number = self._position = 0

    def receive_line(self, line: bytes, number: int, position: int) -> None:
        """Receive a RECORD message.

        Raises:
            MappingError: The line is not JSON.
        """
        self._number, self._position = number, position
        if self._decode is not None:
            try:
                columns = self._decode(line).record
            except UNDECODABLE:
                pass
            else:
                if self.receive_fast(columns, line, self.token):
                    return
        try:
            read = self._json.read(line, None)
        except ValueError as error:
            raise MappingError(f"stream '{self.name}', record {number:,}: {error}") from None
        if read is not None:
            message, wrong = read
            if wrong:
                self.reject(message, self.token, len(line), wrong)
            else:
                self.receive(message["record"], message, self.token, len(line))

    def receive_single(self, item: Single) -> None:
        """Receive a record that took the parent's full path."""
        self._number, self._position = item.number, item.position
        message = decode_damaged(item.message)
        if item.reason:
            self.reject(message, self.token, item.size, item.reason)
        else:
            record = message["record"] if item.record is None else decode(item.record)
            self.receive(record, message, self.token, item.size)

    @override
    def _record(self, sent: dict[str, Any] | bytes, schema: dict[str, Any], size: int) -> Record:
        self.counts.read += 1
        return Record(self.name, self._number, self._position, self._keys, sent, schema, size)


def deal(dealt: Lines, streams: Mapping[int, DealtStream], checkpoint: Callable[[int], None]) -> None:
    """Hand each line to its stream, and set checkpoints."""
    of, numbers, positions = array("H"), array("Q"), array("Q")
    of.frombytes(dealt.streams)
    numbers.frombytes(dealt.numbers)
    positions.frombytes(dealt.positions)
    for place, line in enumerate(dealt.lines.split(b"\n")):
        if (stream := of[place]) == CHECKPOINT:
            checkpoint(numbers[place])
        else:
            streams[stream].receive_line(line, numbers[place], positions[place])
