"""Find the number of requests in flight that Braze handles best, up to a maximum. No threads here."""

from __future__ import annotations

from typing import Final

# The limit at the start.
_FIRST: Final = 4
# An answer is slow if it takes longer than this multiple of the usual time, plus this many seconds.
_SLOWER: Final = 1.5
_SLACK: Final = 0.01
# Factor of the limit after a bad round.
_DECREASE: Final = 0.8
# Factor after the first bad round, which ends the doubling.
_HALF: Final = 0.5
# Weight of the newest round of answers in the usual time.
_NEWEST: Final = 0.1


class AdaptiveConcurrency:
    """A limit that grows by one after a good round of answers and shrinks by a fifth after a bad one.

    At the start, each good round doubles the limit, so that it reaches 128 after five rounds, not 124. That ends at the
    maximum, or at the first bad round, which halves the limit.

    A round has as many answers as the limit. It is bad if an answer needed a retry (after a 429, a 5xx, or no answer),
    or if most answers were slow. Modeled on https://vector.dev/docs/architecture/arc/.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(min(_FIRST, most))
        self._usual: float | None = None
        self._is_starting = True
        self._begin_round()

    @property
    def limit(self) -> int:
        """The number of requests that may be in flight now."""
        return int(self._limit)

    def answered(self, seconds: float, attempt: int, in_flight: int) -> None:
        """Learn from an answer.

        Args:
            seconds: Duration of the last attempt.
            attempt: Number of the attempt, from 1.
            in_flight: Requests in flight when the answer arrived, including this one.
        """
        self._answers += 1
        self._reached_limit |= in_flight >= self.limit
        self._had_retries |= attempt > 1
        if self._usual is None:
            self._usual = seconds
        self._slow += seconds > self._usual * _SLOWER + _SLACK
        self._usual += (seconds - self._usual) * _NEWEST / self.limit
        if self._answers < self.limit:
            return
        if self._had_retries or self._slow * 2 > self._answers:
            self._limit = max(1.0, self._limit * (_HALF if self._is_starting else _DECREASE))
            self._is_starting = False
        elif self._reached_limit:
            more = self._limit if self._is_starting else 1
            self._limit = min(float(self._most), self._limit + more)
            self._is_starting &= self._limit < self._most
        self._begin_round()

    def _begin_round(self) -> None:
        self._answers = self._slow = 0
        self._reached_limit = self._had_retries = False
