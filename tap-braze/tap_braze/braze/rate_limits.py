"""Braze's rate limits: what the headers of an answer say of them, and windows that requests have to pass.

This file, like `braze_api.py`, is the same byte for byte in tap-braze and target-braze (a test holds them equal).
https://www.braze.com/docs/api/api_limits/
"""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger((__package__ or "").partition(".")[0].replace("_", "-"))

# The reset header is a moment (UTC epoch seconds) on most contracts and
# a number of seconds on some. No epoch is this small and no window this long.
_SMALLEST_EPOCH: Final = 100_000_000
# Seconds of the longest window of an endpoint that is used here. A reset further away is a mistake of somebody's clock.
LONGEST_WINDOW: Final = 3_600.0
# Resets given as a number of whole seconds, or read by a `Date` of whole seconds, differ by this much from answer to
# answer.
_SAME_RESET: Final = 2.0
# Stricter than float(), which also takes nan, inf, signs, exponents, underscores and digits of other scripts; and
# no moment in milliseconds.
_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")

# Seconds between two words on a wait.
_PROGRESS_EVERY: Final = 30.0


@dataclass(frozen=True)
class RateLimit:
    """What an answer's headers say of its rate-limit window; `reset` is in seconds from now.

    What is not said, or not in the form of a number, is None.
    """

    limit: int | None
    remaining: int | None
    reset: float | None

    @classmethod
    def of(cls, headers: Mapping[str, str], now: float) -> RateLimit:
        """Read the headers of https://www.braze.com/docs/api/api_limits/, in whichever of their forms.

        `now` is the time at the server in UTC epoch seconds, see `ServerClock`.
        """
        reset = _number(headers, "x-ratelimit-retry-after")
        if reset is None:
            reset = _number(headers, "retry-after")
        if reset is None:
            reset = _number(headers, "x-ratelimit-reset")
            if reset is not None and reset >= _SMALLEST_EPOCH:
                reset -= now
        limit, remaining = _number(headers, "x-ratelimit-limit"), _number(headers, "x-ratelimit-remaining")
        return cls(
            limit=int(limit) if limit and limit >= 1 else None,  # under none at all nothing would be answered
            remaining=None if remaining is None else int(remaining),
            reset=None if reset is None else min(reset, LONGEST_WINDOW),
        )


class ServerClock:
    """The time at the server, by the Date headers of its answers; our own as far as these do not contradict it.

    A Date has whole seconds, and many servers renew it only once a second. So each answer says only between which
    bounds the server's clock differs from ours, and several together say it more exactly.
    https://www.rfc-editor.org/rfc/rfc9110#name-date
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Bounds of the server's time less that of time.monotonic().
        self._least, self._most = -math.inf, math.inf

    def learn(self, headers: Mapping[str, str], sent: float) -> None:
        """Note the Date of an answer that has just come, to a request `sent` then (time.monotonic())."""
        date = _date(headers.get("date", ""))
        if date is None:
            return
        least, most = date - time.monotonic(), date + 2 - sent
        with self._lock:
            self._least, self._most = max(self._least, least), min(self._most, most)
            if self._least > self._most:  # one of the clocks was set
                self._least, self._most = least, most

    def now(self) -> float:
        """UTC epoch seconds."""
        monotonic = time.monotonic()
        with self._lock:
            return monotonic + max(self._least, min(self._most, time.time() - monotonic))


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
    """One of Braze's rate-limit windows: lets requests through as long as more than the reserve is left of it.

    Times are those of time.monotonic(), which nobody sets.
    """

    def __init__(self, name: str, reserve: float, stop: threading.Event, waiting: Waiting | None = None) -> None:
        self.name = name
        self._waiting = waiting or Waiting()
        self._reserve = reserve
        self._stop = stop
        self._lock = threading.Lock()
        self._limit: int | None = None
        self._remaining: int | None = None
        self._reset = 0.0
        self._learned = 0.0
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

    def learn(self, seen: RateLimit, sent: float) -> None:
        """Note what the answer to a request `sent` then (time.monotonic()) says of the window.

        Of two limits the lower one counts until its reset: either the endpoints of the pool do not share one after all,
        or the limit was raised.
        """
        if seen.limit is None or seen.remaining is None or seen.reset is None:
            return
        now = time.monotonic()
        reset, remaining = now + seen.reset, min(seen.remaining, seen.limit)
        with self._lock:
            if now < self._reset and self._limit is not None and seen.limit > self._limit:
                return
            if reset < self._reset - _SAME_RESET and sent < self._learned:
                return  # a late answer of a window that is over
            if self._remaining is None or now >= self._reset or abs(reset - self._reset) > _SAME_RESET:
                self._remaining, self._reset = remaining, reset
            else:
                # Answers arrive out of order, and what is in flight is already counted here but not yet there.
                self._remaining, self._reset = min(self._remaining, remaining), max(self._reset, reset)
            self._limit, self._learned = seen.limit, now

    def close(self, seconds: float) -> None:
        """Let nothing through for so long: Braze said 429."""
        with self._lock:
            self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def _take(self) -> float:
        """Take a place and answer 0, or answer the seconds until there may be one."""
        with self._lock:
            now = time.monotonic()
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
    text = headers.get(name, "").strip()
    return float(text) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=8)  # all answers of a second have the same
def _date(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
