"""Files to the lines of their RECORD messages: what is wanted of a file, and what a process that does it says.

    python -m tap_braze.currents.lines

is that process. It reads a task and the bytes of a file, writes frames, and so on until its input ends. It knows
neither buckets nor credentials.
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

# What a frame holds.
TASK: Final = b"T"
FILE: Final = b"F"
FIELDS: Final = b"D"  # the first one: the fields that the file declares
IDS: Final = b"I"  # of the lines that follow, eight bytes each, if they are asked for
LINES: Final = b"L"  # whole ones
BROKEN: Final = b"B"  # the last one: in words
END: Final = b"E"  # the last one

_ID_BYTES: Final = 8
_HEAD: Final = Struct("<cII")
_ENOUGH_BYTES: Final = 262_144

_encoder: Final = msgspec.json.Encoder(enc_hook=str)


class Frame(NamedTuple):
    """A piece of what the two processes say to each other; `events` is how many events its lines are of."""

    kind: bytes
    content: bytes | bytearray
    events: int = 0


class Task(msgspec.Struct):
    """What is wanted of a file.

    `event_type` is set where its events go into one stream with those of others; `deselected` are columns left out;
    `extracted` is the `time_extracted` of its records; `bare` are records alone instead of messages.
    """

    stream: str
    extracted: str
    event_type: str | None = None
    deselected: list[str] = []
    with_ids: bool = False
    bare: bool = False


def frames(task: Task, data: bytes) -> Iterator[Frame]:
    """The fields of a file and the lines of its records, up to the end, or to where it proves broken."""
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
    """The events, all of which have what no stream can do without."""
    for number, event in enumerate(file.records(), 1):
        for name in REQUIRED:
            if event.get(name) in (None, ""):
                raise BrokenFileError(f"it has an event without {name!r}: number {number:,}")
        yield event


def _packed(event: Record, event_type: str) -> Record:
    """An event as a row of `currents_events`."""
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
    """All frames up to the end of a stream.

    Raises:
        EOFError: it ends within one.
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
    """Decode what comes in on standard input."""
    # A signal to the whole process group is the tap's to handle: it closes the input.
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
