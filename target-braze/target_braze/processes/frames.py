"""What a parent and its children send each other through pipes, as MessagePack."""

from __future__ import annotations

from typing import Final

import msgspec

CHECKPOINT: Final = 0xFFFF


class _Frame(msgspec.Struct, tag=True, array_like=True, gc=False):
    """A message between two processes of a run."""


# From the parent, through the pipe of records, in order.


class Open(_Frame):
    """Open a stream under this number. The schema is JSON."""

    stream: int
    name: str
    schema: bytes
    keys: tuple[str, ...]


class Lines(_Frame):
    """RECORD messages, one per line, that need nothing but their stream's decoder.

    The other fields are arrays of machine integers, with an item for each line: the stream's number, the number of the
    record in its stream, and its position among all records. An empty line of the stream `CHECKPOINT` asks the child to
    report when all records before it are settled; its number is that of the checkpoint, from 1.
    """

    streams: bytes
    numbers: bytes
    positions: bytes
    lines: bytes


class Single(_Frame):
    """A record that took the parent's full path.

    `message` is its RECORD message, and `record` what stream maps made of it, if they changed it, both as JSON. If
    `reason` is set, the record cannot be read, and is rejected for it.
    """

    stream: int
    number: int
    position: int
    size: int
    message: bytes
    record: bytes | None = None
    reason: str = ""


class Version(_Frame):
    """The source activates a version of the stream's table."""

    stream: int
    version: int


class Finish(_Frame):
    """The input has ended: deliver everything that is waiting, then end."""


# From the parent, at any time.


class Stop(_Frame):
    """Send nothing more, wait for the requests in flight, then end."""


class Wait(_Frame):
    """Answer to `Take`: seconds until there may be room, 0 if the request may leave now; and the window's limit."""

    number: int
    seconds: float
    limit: int | None


# From a child.


class Take(_Frame):
    """Ask for a place in a rate-limit window; `number` is repeated in the answer."""

    number: int
    pool: str


class Learn(_Frame):
    """An answer's rate-limit headers; `age` is how many seconds ago the request left."""

    pool: str
    limit: int | None
    remaining: int | None
    reset: float | None
    age: float


class Close(_Frame):
    """Admit no request to a window for this many seconds."""

    pool: str
    seconds: float


class Letter(_Frame):
    """A record with the reason why it is rejected, or why an opt-in of it is not sent."""

    stream: int
    number: int
    position: int
    size: int
    message: bytes
    reason: str
    braze: str | None
    status: int | None
    in_doubt: bool
    opted_out: bool
    request: int | None


class Rows(_Frame):
    """Rows of the delivery log, each a line."""

    rows: list[bytes]


class Log(_Frame):
    """A line for the log."""

    level: int
    text: str


class Notice(_Frame):
    """A notice that this child gives for the first time."""

    text: str


class Settled(_Frame):
    """All records up to this checkpoint are settled."""

    checkpoint: int


class Waited(_Frame):
    """A cause of waiting: seconds so far; and whether it lasts, what for, and how many seconds more."""

    seconds: float = 0.0
    is_ongoing: bool = False
    name: str = ""
    left: float = 0.0


class Tally(_Frame):
    """How far a child is. `streams` has the fields of `Counts` by stream, in their order."""

    streams: dict[str, list[int]]
    requests: int
    retries: int
    in_flight: int
    limits: Waited
    attempts: Waited
    dependencies: Waited


class Done(_Frame):
    """The last message of a child: its notices with their counts, and what ended it, if that was an error.

    `error` is the name of one of the errors that users can fix, or "" with the traceback of another one as `text`.
    """

    notices: dict[str, int]
    error: str | None = None
    text: str = ""


encode: Final = msgspec.msgpack.Encoder().encode
decode_dealt: Final = msgspec.msgpack.Decoder(list[Open | Lines | Single | Version | Finish]).decode
decode_order: Final = msgspec.msgpack.Decoder(Stop | Wait).decode
decode_report: Final = msgspec.msgpack.Decoder(
    Take | Learn | Close | Letter | Rows | Log | Notice | Settled | Tally | Done
).decode
