"""Progress of a run: records read and settled, their rate, what the run waits for, and about how long it takes."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from target_braze.process.terminal import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.braze.client import Client
    from target_braze.delivery.dispatcher import Dispatcher
    from target_braze.reporting.summary import Summary

_log = logging.getLogger("target-braze")

# Fields of a progress line in structured logs, for the reference in docs/.
FIELDS: Final = {
    "records": "records read so far",
    "settled": "records read so far whose outcome is known",
    "records_per_second": "records settled since the last progress line",
    "waits_for": "input, Braze's answers, a rate limit, a dependency delay, or the next attempt of a failed request",
    "seconds_left": "estimated time until the end; absent if unknown",
}

# Seconds over which to measure the rate.
_PACE_SECONDS: Final = 2.0
# An estimate from a smaller share of the input would be far off.
_LEAST_SHARE: Final = 0.01


@dataclass(frozen=True)
class _Moment:
    """How far the run is. `share` of it is done and `left` seconds remain, None where that cannot be known."""

    read: int
    settled: int
    pace: float
    seconds: float
    waits_for: str
    share: float | None
    left: float | None


class Progress:
    """One run's progress. One thread may call `log` or `look`; any thread may call the other methods.

    Args:
        summary: Counts records.
        client: Counts waits.
        share_read: Returns how much of the input has been read, from 0 to 1; None if that cannot be known.
    """

    def __init__(self, summary: Summary, client: Client, share_read: Callable[[], float | None] = lambda: None) -> None:
        self._summary = summary
        self._client = client
        self._share_read = share_read
        self._delivery: Dispatcher | None = None
        self._has_ended = False
        self._started = self._measured = time.monotonic()
        self._settled_measured = 0
        self._pace = 0.0

    def deliver(self, delivery: Dispatcher) -> None:
        """Start with this dispatcher: the ledger is open, and records may arrive."""
        self._delivery = delivery

    def input_ended(self) -> None:
        """Record that the input has ended."""
        self._has_ended = True

    def log(self) -> None:
        """Log one line."""
        moment = self._moment(measure_over=0.0)
        facts: dict[str, object] = {
            "records": moment.read,
            "settled": moment.settled,
            "records_per_second": round(moment.pace, 1),
            "waits_for": moment.waits_for,
        }
        left = ""
        if moment.left is not None:
            facts["seconds_left"] = round(moment.left)
            left = f"; about {moment.left:,.0f} s left"
        _log.info("%s%s", self._text(moment), left, extra=facts)

    def look(self) -> View:
        """Return a picture of the run."""
        moment = self._moment(measure_over=_PACE_SECONDS)
        return View(
            self._text(moment),
            share=moment.share,
            left=moment.left,
            columns=("stream", "read", "sent", "unchanged", "rejected"),
            rows=[
                (
                    stream,
                    f"{counts.read:,}",
                    f"{counts.sent + counts.coalesced:,}",
                    f"{counts.unchanged:,}",
                    f"{counts.rejected + counts.in_doubt:,}",
                )
                for stream, counts in [*self._summary.streams.items()]
            ],
        )

    def _text(self, moment: _Moment) -> str:
        return (
            f"{moment.read:,} records read, {moment.settled:,} settled, {moment.pace:.0f} records/s, "
            f"{self._summary.requests:,} requests in {moment.seconds:.0f} s; waiting for {moment.waits_for}"
        )

    def _moment(self, measure_over: float) -> _Moment:
        now = time.monotonic()
        read, settled = self._summary.records_read, self._summary.records_settled
        if (span := now - self._measured) >= measure_over or not self._pace:
            self._pace = (settled - self._settled_measured) / max(span, 1e-9)
            self._measured, self._settled_measured = now, settled
        waits_for, delay = self._waits_for(now)
        share = self._share(read, settled)
        left: float | None = None
        if self._has_ended and delay:
            left = delay
        elif share is not None and share >= _LEAST_SHARE:
            left = max((now - self._started) * (1 - share) / share, delay)
        return _Moment(read, settled, self._pace, now - self._started, waits_for, share, left)

    def _share(self, read: int, settled: int) -> float | None:
        """Return how much of all records is settled, as far as the size of the input tells."""
        share = 1.0 if self._has_ended else self._share_read()
        return share * settled / read if share is not None and read else None

    def _waits_for(self, now: float) -> tuple[str, float]:
        """Return what the run waits for, and the minimum number of seconds until it is done."""
        limits, delivery = self._client.limit_waits, self._delivery
        if limits.is_ongoing:
            seconds = max(0.0, limits.until - now)
            return f"rate limit '{limits.name}', {seconds:.0f} s until its reset", seconds
        if self._client.retry_waits.is_ongoing:
            return "the next attempt of a failed request", 0.0
        if delivery is None:
            return "the ledger", 0.0
        if delivery.dependency_waits.is_ongoing:
            seconds = max(0.0, delivery.dependency_waits.until - now)
            return f"a dependency delay, {seconds:.0f} s until the next change may be sent", seconds
        if in_flight := delivery.in_flight:
            return f"Braze's answers to {in_flight} requests", 0.0
        return ("the last requests" if self._has_ended else "input"), 0.0
