"""HTTP/1.1 of the flat mode: GET /campaigns/data_series answered past uvicorn and the application."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import h11

from braze_sandbox.endpoint import Call, Refusal
from braze_sandbox.recorder import Recorded
from braze_sandbox.server import Protocol

if TYPE_CHECKING:
    from braze_sandbox.flat import Flat
    from braze_sandbox.instance import Instance

_PATH = "/campaigns/data_series"
_START = re.compile(rb"GET /campaigns/data_series\?(\S*) HTTP/1\.1\r\n")
_KEY = re.compile(rb"\r\nauthorization: *bearer ([^\r]*)\r\n", re.IGNORECASE)
_SPECIAL = re.compile(rb"\r\n(?:expect|connection: *close|content-length|transfer-encoding)", re.IGNORECASE)


class FlatProtocol(Protocol):
    """HTTP/1.1 that answers a plain request for a series by itself and leaves everything else to uvicorn."""

    instance: Instance
    flat: Flat

    def data_received(self, data: bytes) -> None:  # type: ignore[explicit-override] # typing has no override on 3.10
        """Take a part of the stream."""
        if self.conn.their_state is not h11.IDLE or not self._answered(data):
            super().data_received(data)

    def _answered(self, data: bytes) -> bool:
        """Whether this was a whole request that could be answered, and now is or soon will be."""
        instance = self.instance
        start = _START.match(data)
        # Faults, hooks, other keys and whatever is unusual take the ordinary way.
        if start is None or instance.faults.rules or instance.hooks or data.find(b"\r\n\r\n") != len(data) - 4:
            return False
        key = _KEY.search(data)
        if key is None or key[1].decode("latin-1") != instance.options.api_key or _SPECIAL.search(data):
            return False
        started = time.monotonic()
        query = dict(parse_qsl(start[1].decode("latin-1"), keep_blank_values=True))
        try:
            body = self.flat.body(Call(instance, query))
        except Refusal:
            return False
        pool = instance.limits["b"]
        if not pool.take():
            return False
        head = b"".join(b"%s: %s\r\n" % header for header in pool.headers(instance.options.reset))
        raw = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n%s" % (
            head,
            len(body),
            body,
        )
        self._unset_keepalive_if_required()
        self.loop.call_later(instance.options.latency_ms / 1000, self._write, raw, query, started)
        return True

    def _write(self, raw: bytes, query: dict[str, str], started: float) -> None:
        if self.transport.is_closing():
            return
        self.instance.recorder.add(
            Recorded(
                method="GET",
                path=_PATH,
                query=query,
                status=200,
                started=started,
                finished=time.monotonic(),
                body_size=0,
                raw=None,
                raw_headers=[],
            )
        )
        self.transport.write(raw)


def protocol_of(instance: Instance, flat: Flat) -> type[FlatProtocol]:
    """The protocol of an instance."""
    members: dict[str, Any] = {"instance": instance, "flat": flat}
    return type("InstanceProtocol", (FlatProtocol,), members)
