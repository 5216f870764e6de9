"""Braze's rate limits: what the headers of an answer say of them, and windows that requests have to pass.

This file, as `braze_api.py`, stands in tap-braze and in target-braze, byte for byte the same (a test holds them equal).
https://www.braze.com/docs/api/api_limits/
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger((__package__ or "").replace("_", "-"))

# The reset header is a moment (UTC epoch seconds) on most contracts and
# a number of seconds on some. No epoch is this small and no window this long.
_SMALLEST_EPOCH: Final = 100_000_000
# Resets given as a number of whole seconds differ by this much from answer to answer.
_SAME_RESET: Final = 2.0

# Seconds between two words on a wait.
_PROGRESS_EVERY: Final = 30.0


@dataclass(frozen=True)
class RateLimit:
    """What an answer's headers say of its rate-limit window; `reset` is in UTC epoch seconds."""

    limit: int | None
    remaining: int | None
    reset: float | None

    @classmethod
    def of(cls, headers: Mapping[str, str], now: float) -> RateLimit:
        """Read the headers of https://www.braze.com/docs/api/api_limits/, in whichever of their forms."""
        retry_after = _number(headers, "x-ratelimit-retry-after") or _number(headers, "retry-after")
        reset = _number(headers, "x-ratelimit-reset")
        if retry_after is not None:
            reset = now + retry_after
        elif reset is not None and reset < _SMALLEST_EPOCH:
            reset += now
        limit, remaining = _number(headers, "x-ratelimit-limit"), _number(headers, "x-ratelimit-remaining")
        return cls(
            limit=None if limit is None else int(limit),
            remaining=None if remaining is None else int(remaining),
            reset=reset,
        )


class Waiting:
    """A context for waits of one kind: `seconds` are those in which at least one thread was in it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._threads = 0
        self._since = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Begin to wait."""
        with self._lock:
            if not self._threads:
                self._since = time.monotonic()
            self._threads += 1

    def __exit__(self, *_: object) -> None:
        """Wait no longer."""
        with self._lock:
            self._threads -= 1
            if not self._threads:
                self.seconds += time.monotonic() - self._since


class Pool:
    """One of Braze's rate-limit windows: lets requests through as long as more than the reserve is left of it."""

    def __init__(self, name: str, reserve: float, stop: threading.Event, waiting: Waiting | None = None) -> None:
        self.name = name
        self._waiting = waiting or Waiting()
        self._reserve = reserve
        self._stop = stop
        self._lock = threading.Lock()
        self._limit: int | None = None
        self._remaining: int | None = None
        self._reset = 0.0
        self._closed_until = 0.0
        self._next_word = 0.0

    def enter(self) -> bool:
        """Wait for a place in the window; answer False if there is an end of all waiting first."""
        while wait := self._take():
            self._tell(wait)
            with self._waiting:
                stopped = self._stop.wait(min(wait, _PROGRESS_EVERY))
            if stopped:
                break
        return not self._stop.is_set()

    def learn(self, headers: Mapping[str, str]) -> None:
        """Note what an answer says of the window."""
        now = time.time()
        seen = RateLimit.of(headers, now)
        if seen.limit is None or seen.remaining is None or seen.reset is None:
            return
        with self._lock:
            if seen.reset < self._reset - _SAME_RESET:
                return  # a late answer of a window that is over
            if self._remaining is None or now >= self._reset or seen.reset > self._reset + _SAME_RESET:
                self._remaining = seen.remaining
            else:
                # Answers arrive out of order, and what is in flight is already counted here but not yet there.
                self._remaining = min(self._remaining, seen.remaining)
            self._limit = seen.limit
            self._reset = max(self._reset, seen.reset)

    def close(self, until: float) -> None:
        """Let nothing through before `until` (UTC epoch seconds): Braze said 429."""
        with self._lock:
            self._closed_until = max(self._closed_until, until)

    def _take(self) -> float:
        """Take a place and answer 0, or answer the seconds until there may be one."""
        with self._lock:
            now = time.time()
            if now < self._closed_until:
                return self._closed_until - now
            if self._limit is None or self._remaining is None:
                return 0.0
            if now >= self._reset:
                self._remaining = self._limit
            if self._remaining <= self._limit * self._reserve and now < self._reset:
                return self._reset - now
            self._remaining -= 1
            return 0.0

    def _tell(self, wait: float) -> None:
        now = time.monotonic()
        with self._lock:
            if wait < 1.0 or now < self._next_word:
                return
            self._next_word = now + _PROGRESS_EVERY
        _log.info(
            "rate limit: pool '%s' is used up to its reserve (%s requests a window, %.0f %% left to others); "
            "waiting %.0f s for its reset",
            self.name,
            self._limit if self._limit is not None else "unknown",
            self._reserve * 100,
            wait,
        )


def _number(headers: Mapping[str, str], name: str) -> float | None:
    try:
        return float(headers[name])
    except (KeyError, ValueError):
        return None
