"""Run a sandbox that acknowledges changes of users without reading the body: `python -m bench.null_server`.

GET /bench/null returns the number of requests handled this way and the bytes in their bodies. Keys, limits, and faults
do not apply to them; all other requests go to the sandbox.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any

import h11
from braze_sandbox.server.app import create_server
from braze_sandbox.server.http import Protocol
from braze_sandbox.state.instance import Instance
from braze_sandbox.state.options import Options
from braze_sandbox.wire.answer import Answer, encode, send_answer

from bench.serving import serve

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

BODY = b'{"message":"success"}'
_RAW = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)

_START = re.compile(rb"POST /users/(?:track(?:/bulk)?|identify|alias/new) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_SPECIAL = re.compile(rb"\r\n(?:expect|connection: *close|transfer-encoding)", re.IGNORECASE)
_HEAD_BYTES = 16_384


class Null:
    """Counts of handled requests and bytes of their bodies."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.requests = 0
        self.bytes = 0

    def count(self, size: int) -> None:
        """Count a request, given the size of its body."""
        self.requests += 1
        self.bytes += size

    def shown_by(self, app: ASGIApp) -> ASGIApp:
        """Return an application that also serves the counts."""

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope.get("path") == "/bench/null":
                await send_answer(send, Answer(encode({"requests": self.requests, "bytes": self.bytes})))
            else:
                await app(scope, receive, send)

        return wrapped


class NullProtocol(Protocol):
    """HTTP/1.1 that reads only the length of a change of users and passes all else to uvicorn's protocol."""

    null: Null

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's business
        super().__init__(*given, **named)
        self._head = b""
        self._left = 0
        """Remaining bytes of the body."""
        self._size = 0

    def data_received(self, data: bytes) -> None:  # type: ignore[explicit-override] # typing has no override on 3.10
        """Receive a part of the stream."""
        if not self._left:
            if self.conn.their_state is not h11.IDLE:
                super().data_received(data)
                return
            body = self._body(self._head + data)
            if body is None:
                return
            data = body
        self._left -= len(data)
        if self._left > 0:
            return
        rest = data[len(data) + self._left :]
        self._left = 0
        self._done()
        if rest:
            self.data_received(rest)

    def _body(self, data: bytes) -> bytes | None:
        """Return the data after a head; None if the head is incomplete or it asks for something else."""
        self._head = b""
        end = data.find(b"\r\n\r\n")
        if end < 0 and len(data) < _HEAD_BYTES and data.startswith(b"POST "[: len(data)]):
            self._head = data
            return None
        head = data[: end + 2]
        length = _LENGTH.search(head) if _START.match(head) and not _SPECIAL.search(head) else None
        size = int(length[1]) if length else 0
        if not size:
            super().data_received(data)
            return None
        self._unset_keepalive_if_required()
        self._size = self._left = size
        return data[end + 4 :]

    def _done(self) -> None:
        self.null.count(self._size)
        if self.null.latency:
            self.loop.call_later(self.null.latency, self.transport.write, _RAW)
        else:
            self.transport.write(_RAW)


def protocol_of(null: Null) -> type[NullProtocol]:
    """Return the protocol that updates these counts."""
    return type("CountingProtocol", (NullProtocol,), {"null": null})


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-ms", type=float, default=0, help="of each answer")
    latency = parser.parse_args().latency_ms
    null = Null(latency / 1000)
    instance = Instance(Options(seed="empty", latency_ms=latency))
    serve(create_server(instance, protocol_of(null), null.shown_by))


if __name__ == "__main__":
    main()
