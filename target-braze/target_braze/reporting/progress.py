"""Progress of a run, logged every few seconds: records read and settled, their rate, and what the run waits for."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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
    "seconds_left": "estimated time until the end; absent where it cannot be known",
}


class Progress:
    """One run's progress. `log` may be called from any thread."""

    def __init__(self, summary: Summary, client: Client) -> None:
        self._summary = summary
        self._client = client
        self._delivery: Dispatcher | None = None
        self._has_ended = False
        self._started = self._logged = time.monotonic()
        self._settled_logged = 0

    def deliver(self, delivery: Dispatcher) -> None:
        """Start with this dispatcher: the ledger is open, and records may arrive."""
        self._delivery = delivery

    def input_ended(self) -> None:
        """Record that the input has ended, which makes the remaining time predictable."""
        self._has_ended = True

    def log(self) -> None:
        """Log one line."""
        now = time.monotonic()
        read, settled = self._summary.records_read, self._summary.records_settled
        pace = (settled - self._settled_logged) / max(now - self._logged, 1e-9)
        average = settled / max(now - self._started, 1e-9)
        self._logged, self._settled_logged = now, settled
        waits_for, delay = self._waits_for(now)
        facts: dict[str, object] = {
            "records": read,
            "settled": settled,
            "records_per_second": round(pace, 1),
            "waits_for": waits_for,
        }
        left = ""
        if self._has_ended and (average or delay):
            seconds = max((read - settled) / average if average and not delay else 0.0, delay)
            facts["seconds_left"] = round(seconds)
            left = f"; about {seconds:,.0f} s left"
        _log.info(
            "%s records read, %s settled, %.0f records/s, %s requests in %.0f s; waiting for %s%s",
            f"{read:,}",
            f"{settled:,}",
            pace,
            f"{self._summary.requests:,}",
            now - self._started,
            waits_for,
            left,
            extra=facts,
        )

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
