"""Run a sandbox with near-zero-cost campaign series, the same every day: `python -m bench.flat_server`.

It handles a plain GET /campaigns/data_series without uvicorn and the application. Everything else is the sandbox's.
"""

from __future__ import annotations

import argparse
import re
import time
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import h11
from braze_sandbox.endpoints.analytics.series import Line
from braze_sandbox.endpoints.analytics.series_responses import DAYS
from braze_sandbox.endpoints.messaging import campaigns
from braze_sandbox.request.endpoint import Call
from braze_sandbox.request.query import ending_at, integer, lookup
from braze_sandbox.server.app import create_server
from braze_sandbox.server.http import Protocol
from braze_sandbox.state.instance import Instance
from braze_sandbox.state.options import Options
from braze_sandbox.state.recorder import Recorded
from braze_sandbox.wire.answer import Refusal

from bench.serving import serve

if TYPE_CHECKING:
    from datetime import date

    from braze_sandbox.model.clock import Clock
    from braze_sandbox.model.workspace import Campaign

_PATH = "/campaigns/data_series"
_START = re.compile(rb"GET /campaigns/data_series\?(\S*) HTTP/1\.1\r\n")
_KEY = re.compile(rb"\r\nauthorization: *bearer ([^\r]*)\r\n", re.IGNORECASE)
_SPECIAL = re.compile(rb"\r\n(?:expect|connection: *close|content-length|transfer-encoding)", re.IGNORECASE)


_MARK = "\0"
_NOISE = bytes(range(64))


class Flat:
    """Bodies of /campaigns/data_series, assembled from one row per campaign.

    Days without activity and restated days look like all others. In-place changes to a campaign go unnoticed.
    """

    def __init__(self, clock: Clock, *, newest_first: bool) -> None:
        self._clock = clock
        self._rows: dict[str, tuple[Campaign, bytes, bytes]] = {}
        step = -1 if newest_first else 1

        # Today's date is part of the cache key in case the sandbox runs past midnight.
        @lru_cache(maxsize=256)
        def days(last: date, length: int, _today: date) -> list[bytes]:
            shown = list(clock.between(last - timedelta(days=length - 1), last))
            return [day.isoformat().encode() for day in shown[::step]]

        self._days = days

    def body(self, call: Call) -> bytes:
        """Return a response body; raise the same errors as the regular path."""
        campaign = lookup(call, "campaign_id", call.instance.workspace.campaigns, campaigns.UNKNOWN)
        length = integer(call, "length", None, 1, DAYS)
        last = self._clock.last_day(ending_at(call, self._clock))
        days = self._days(last, length, self._clock.today())
        before, after = self._row(campaign)
        if not days:
            return b'{"data":[],"message":"success"}'
        rows = (after + b"," + before).join(days)
        return b'{"data":[' + before + rows + after + b'],"message":"success"}'

    def _row(self, campaign: Campaign) -> tuple[bytes, bytes]:
        """Return the parts of the row before and after the day."""
        known = self._rows.get(campaign.id)
        if known is None or known[0] is not campaign:
            text = campaigns.shape(campaign, recorded=True).row(_MARK, Line(campaign.id).scale, _NOISE, 0)
            before, _, after = text.partition(_MARK)
            known = self._rows[campaign.id] = (campaign, before.encode(), after.encode())
        return known[1], known[2]


class FlatProtocol(Protocol):
    """HTTP/1.1 that handles plain series requests itself and leaves everything else to uvicorn."""

    instance: Instance
    flat: Flat

    def data_received(self, data: bytes) -> None:  # type: ignore[explicit-override] # typing has no override on 3.10
        """Receive a part of the stream."""
        if self.conn.their_state is not h11.IDLE or not self._answered(data):
            super().data_received(data)

    def _answered(self, data: bytes) -> bool:
        """Return whether this was a complete, supported request; its response is sent now or soon."""
        instance = self.instance
        start = _START.match(data)
        # Faults, hooks, other keys, and anything unusual take the regular path.
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
    """Return an instance's protocol."""
    members: dict[str, Any] = {"instance": instance, "flat": flat}
    return type("InstanceProtocol", (FlatProtocol,), members)


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-ms", type=float, default=0, help="of each answer")
    parser.add_argument("--seed", default="bench", help="the workspace")
    given = parser.parse_args()
    instance = Instance(Options(seed=given.seed, latency_ms=given.latency_ms))
    flat = Flat(instance.clock, newest_first=False)
    serve(create_server(instance, protocol_of(instance, flat)))


if __name__ == "__main__":
    main()
