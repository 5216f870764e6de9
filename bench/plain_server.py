"""Serve campaigns of any number and width at almost no cost: `python -m bench.plain_server --campaigns 100`.

It knows the list, details and series of campaigns, checks nothing, and counts the answers of the series.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGE: Final = 100
_REQUEST: Final = re.compile(rb"GET ([^ ?]+)\??(\S*) HTTP/1\.1\r\n")
_DETAILS: Final = {"message": "success", "created_at": "2001-01-01T00:00:00Z", "first_sent": "2001-01-01T00:00:00Z"}


class Campaigns:
    """The answers about a number of campaigns, each with one channel of so many metrics."""

    def __init__(self, campaigns: int, metrics: int) -> None:
        self._campaigns = campaigns
        statistics = {f"metric_{number}": number for number in range(metrics)}
        row = {"time": "\0", "unique_recipients": 7, "revenue": 1.25, "messages": {"email": [statistics]}}
        self._row = json.dumps(row, separators=(",", ":")).encode()

    def body(self, path: str, query: Mapping[str, list[str]]) -> bytes:
        """Return the body of an answer."""
        if path == "/campaigns/list":
            first = int(query.get("page", ["0"])[0]) * _PAGE
            numbers = range(first, min(first + _PAGE, self._campaigns))
            found = [{"id": f"campaign-{number}", "last_edited": "2001-01-01T00:00:00Z"} for number in numbers]
            return json.dumps({"message": "success", "campaigns": found}).encode()
        if path == "/campaigns/data_series":
            return self._series(query["ending_at"][0][:10], int(query["length"][0]))
        return json.dumps(_DETAILS).encode()

    @lru_cache(maxsize=64)  # noqa: B019 - one object for the life of the process
    def _series(self, end: str, length: int) -> bytes:
        last = date.fromisoformat(end)
        days = [(last - timedelta(days=ago)).isoformat().encode() for ago in reversed(range(length))]
        before, after = self._row.split(b"\\u0000")
        rows = b",".join(before + day + after for day in days)
        return b'{"data":[' + rows + b'],"message":"success"}'


class _Connection(asyncio.Protocol):
    def __init__(self, campaigns: Campaigns, latency: float) -> None:
        self._campaigns, self._latency, self._received = campaigns, latency, b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        start = _REQUEST.match(self._received)
        self._received = b""
        if start is None:
            self._transport.close()
            return
        body = self._campaigns.body(start[1].decode(), parse_qs(start[2].decode()))
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        asyncio.get_running_loop().call_later(self._latency, self._send, head + body)

    def _send(self, answer: bytes) -> None:
        if isinstance(self._transport, asyncio.WriteTransport) and not self._transport.is_closing():
            self._transport.write(answer)


async def _serve(campaigns: Campaigns, latency: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(campaigns, latency), "127.0.0.1", 0)
    sys.stdout.write(f"serving on http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=100)
    parser.add_argument("--metrics", type=int, default=20, help="of each day")
    parser.add_argument("--latency-ms", type=float, default=0, help="of each answer")
    given = parser.parse_args()
    asyncio.run(_serve(Campaigns(given.campaigns, given.metrics), given.latency_ms / 1000))


if __name__ == "__main__":
    main()
