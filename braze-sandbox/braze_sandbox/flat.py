"""The flat mode, for benchmarks of clients: series of campaigns at hardly any cost, all days alike."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from braze_sandbox import campaigns
from braze_sandbox.query import ending_at, integer, lookup
from braze_sandbox.replies import DAYS
from braze_sandbox.series import Line

if TYPE_CHECKING:
    from datetime import date

    from braze_sandbox.clock import Clock
    from braze_sandbox.endpoint import Call
    from braze_sandbox.workspace import Campaign

_MARK = "\0"
_NOISE = bytes(range(64))


class Flat:
    """Bodies of /campaigns/data_series, put together from one row per campaign.

    Days without activity and restated days are as all others. What changes a campaign in place goes unnoticed.
    """

    def __init__(self, clock: Clock, *, newest_first: bool) -> None:
        self._clock = clock
        self._rows: dict[str, tuple[Campaign, bytes, bytes]] = {}
        step = -1 if newest_first else 1

        # The day of today is a key of the cache for a sandbox that runs past midnight.
        @lru_cache(maxsize=256)
        def days(last: date, length: int, _today: date) -> list[bytes]:
            shown = list(clock.between(last - timedelta(days=length - 1), last))
            return [day.isoformat().encode() for day in shown[::step]]

        self._days = days

    def body(self, call: Call) -> bytes:
        """The body of an answer; raises what the ordinary way raises."""
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
        """What stands before the day and what stands after it."""
        known = self._rows.get(campaign.id)
        if known is None or known[0] is not campaign:
            text = campaigns.shape(campaign).row(_MARK, Line(campaign.id).scale, _NOISE, 0)
            before, _, after = text.partition(_MARK)
            known = self._rows[campaign.id] = (campaign, before.encode(), after.encode())
        return known[1], known[2]
