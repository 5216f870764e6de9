"""Turn files into the lines of their RECORD messages; defines the task and the frames that workers exchange.

python -m tap_braze.currents.lines

runs a worker process. It reads a task and the bytes of a file, writes frames, and repeats until its input ends. It has
no access to buckets or credentials.
"""

from __future__ import annotations

import signal
import sys
from hashlib import blake2b
from struct import Struct
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tap_braze.currents.container import BrokenFileError
from tap_braze.currents.decode import AvroFile
from tap_braze.currents.schemas import COMMON, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_braze.currents.decode import Record

# Contents of a frame.
TASK: Final = b"T"
FILE: Final = b"F"
FIELDS: Final = b"D"  # the first one: the fields that the file declares
IDS: Final = b"I"  # of the lines that follow, eight bytes each, if the task wants them
LINES: Final = b"L"  # complete lines
BROKEN: Final = b"B"  # the last one: the reason as text
END: Final = b"E"  # the last one

_ID_BYTES: Final = 8
_HEAD: Final = Struct("<cII")
_ENOUGH_BYTES: Final = 262_144

_encoder: Final = msgspec.json.Encoder(enc_hook=str)


class Frame(NamedTuple):
    """A message between the two processes; `events` is the number of events in its lines."""

    kind: bytes
    content: bytes | bytearray
    events: int = 0


class Task(msgspec.Struct):
    """What to read from a file, and how to write it.

    `event_type` is set if the events share a stream with other types. `deselected` lists the columns to leave out,
    `extracted` is the `time_extracted` of the records, and `bare` asks for plain records instead of messages.
    """

    stream: str
    extracted: str
    event_type: str | None = None
    deselected: list[str] = []
    with_ids: bool = False
    bare: bool = False


def frames(task: Task, data: bytes) -> Iterator[Frame]:
    """Yield the fields of a file and the lines of its records, up to the end or to the first broken part."""
    try:
        file = AvroFile(data)
        yield Frame(FIELDS, _encoder.encode(file.fields))
        yield from _lines(task, file)
    except BrokenFileError as error:
        yield Frame(BROKEN, str(error).encode("utf-8", "replace"))
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        yield Frame(BROKEN, f"it has an event that cannot be written as JSON ({type(error).__name__})".encode())
    else:
        yield Frame(END, b"")


def _lines(task: Task, file: AvroFile) -> Iterator[Frame]:
    message: dict[str, Any] = {"type": "RECORD", "stream": task.stream, "record": None}
    message["time_extracted"] = task.extracted
    lines, ids, events = bytearray(), bytearray(), 0
    for event in _whole(file):
        events += 1
        if task.with_ids:
            ids += blake2b(str(event["id"]).encode(), digest_size=_ID_BYTES).digest()
        record = event if task.event_type is None else _packed(event, task.event_type)
        for name in task.deselected:
            record.pop(name, None)
        message["record"] = record
        _encoder.encode_into(record if task.bare else message, lines, -1)
        lines += b"\n"
        if len(lines) >= _ENOUGH_BYTES:
            yield from _chunk(lines, ids, events)
            lines, ids, events = bytearray(), bytearray(), 0
    if lines:
        yield from _chunk(lines, ids, events)


def _chunk(lines: bytearray, ids: bytearray, events: int) -> Iterator[Frame]:
    if ids:
        yield Frame(IDS, ids)
    yield Frame(LINES, lines, events)


def _whole(file: AvroFile) -> Iterator[Record]:
    """Yield the events, checking that each has the fields that every stream requires."""
    for number, event in enumerate(file.records(), 1):
        for name in REQUIRED:
            if event.get(name) in (None, ""):
                raise BrokenFileError(f"it has an event without {name!r}: number {number:,}")
        yield event


def _packed(event: Record, event_type: str) -> Record:
    """Return an event as a row of `currents_events`."""
    record: Record = {"event_type": event_type}
    for name in COMMON:
        record[name] = event.pop(name, None)
    record["payload"] = {name: value for name, value in event.items() if value is not None}
    return record


def write_frame(stream: IO[bytes], frame: Frame) -> None:
    """Write one frame."""
    stream.write(_HEAD.pack(frame.kind, frame.events, len(frame.content)))
    stream.write(frame.content)


def read_frames(stream: IO[bytes]) -> Iterator[Frame]:
    """Yield all frames up to the end of a stream.

    Raises:
        EOFError: The stream ends inside a frame.
    """
    while head := stream.read(_HEAD.size):
        if len(head) < _HEAD.size:
            raise EOFError
        kind, events, size = _HEAD.unpack(head)
        content = stream.read(size)
        if len(content) < size:
            raise EOFError
        yield Frame(kind, content, events)


def main() -> None:
    """Decode the files that arrive on standard input."""
    # The tap handles signals to the whole process group: it closes the input.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    received = read_frames(sys.stdin.buffer)
    for task, file in zip(received, received, strict=False):
        for frame in frames(msgspec.json.decode(task.content, type=Task), bytes(file.content)):
            write_frame(sys.stdout.buffer, frame)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
