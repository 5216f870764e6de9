"""Read Braze's rate-limit headers, and hold requests back until their window has room.

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

    from .windows.window import Window

_log = logging.getLogger((__package__ or "").partition(".")[0].replace("_", "-"))

# The reset header is a time (UTC epoch seconds) on most contracts and a number of seconds on some. No current epoch
# time is this small, and no window is this long.
_SMALLEST_EPOCH: Final = 100_000_000
# Seconds of the longest window of any endpoint in use. A reset further away comes from a wrong clock.
LONGEST_WINDOW: Final = 3_600.0
# Stricter than float(), which also accepts nan, inf, signs, exponents, underscores, and non-ASCII digits. Does not
# match a time in milliseconds.
_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")

# Seconds between two log messages about a wait.
_PROGRESS_EVERY: Final = 30.0


@dataclass(frozen=True)
class RateLimit:
    """The rate-limit window that an answer's headers describe. Missing or malformed values are None.

    Attributes:
        limit: Requests per window.
        remaining: Requests left in this window.
        reset: Seconds until the window resets.
    """

    limit: int | None
    remaining: int | None
    reset: float | None

    @classmethod
    def of(cls, headers: Mapping[str, str], now: float) -> RateLimit:
        """Read the headers of https://www.braze.com/docs/api/api_limits/ in any of their forms.

        `now` is the server's time in UTC epoch seconds, see `ServerClock`.
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
            limit=int(limit) if limit and limit >= 1 else None,  # a limit of 0 would answer no request
            remaining=None if remaining is None else int(remaining),
            reset=None if reset is None else min(reset, LONGEST_WINDOW),
        )


class ServerClock:
    """The server's time, from the Date headers of its answers, or the local time where these do not contradict it.

    A Date has whole seconds, and many servers update it only once a second. Each answer therefore only gives bounds for
    the difference between the two clocks; several answers together narrow the bounds.
    https://www.rfc-editor.org/rfc/rfc9110#name-date
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Bounds of the server's time minus time.monotonic().
        self._least, self._most = -math.inf, math.inf

    def learn(self, headers: Mapping[str, str], sent: float) -> None:
        """Learn from the Date of an answer that just arrived. `sent` is when its request left (time.monotonic())."""
        date = _date(headers.get("date", ""))
        if date is None:
            return
        least, most = date - time.monotonic(), date + 2 - sent
        with self._lock:
            self._least, self._most = max(self._least, least), min(self._most, most)
            if self._least > self._most:  # somebody set one of the clocks
                self._least, self._most = least, most

    def now(self) -> float:
        """Return the server's time in UTC epoch seconds."""
        monotonic = time.monotonic()
        with self._lock:
            return monotonic + max(self._least, min(self._most, time.time() - monotonic))

    def offset(self) -> float | None:
        """Return the server's time minus the local time in seconds, or None before the first Date."""
        return None if self._most == math.inf else self.now() - time.time()


class Waiting:
    """Context manager that measures waiting: `seconds` counts the time during which at least one thread waited.

    Attributes:
        name: What the latest thread to begin waits for, where there is a choice.
        until: When its wait should end (time.monotonic()), 0 if unknown.
    """

    def __init__(self) -> None:
        self.name = ""
        self.until = 0.0
        self._seconds = 0.0
        self._threads = 0
        self._since = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Start waiting."""
        with self._lock:
            if not self._threads:
                self._since = time.monotonic()
            self._threads += 1

    def __exit__(self, *_: object) -> None:
        """Stop waiting."""
        with self._lock:
            self._threads -= 1
            if not self._threads:
                self._seconds += time.monotonic() - self._since

    @property
    def is_ongoing(self) -> bool:
        """Whether a thread waits now."""
        return self._threads > 0

    @property
    def seconds(self) -> float:
        """Seconds of waiting so far, including the wait under way."""
        with self._lock:
            return self._seconds + (time.monotonic() - self._since if self._threads else 0.0)


class Pool:
    """Holds the requests of one rate-limit window back until there is room.

    Args:
        name: Name of the window.
        window: Counts its requests, here or elsewhere.
        stop: Ends all waiting.
        waiting: Measures it.
    """

    def __init__(self, name: str, window: Window, stop: threading.Event, waiting: Waiting | None = None) -> None:
        self.name = name
        self.window = window
        self._waiting = waiting or Waiting()
        self._stop = stop
        self._lock = threading.Lock()
        self._next_log = 0.0

    def enter(self) -> bool:
        """Wait for room in the window. Return False if stopped."""
        while wait := self.window.take():
            self._log_wait(wait)
            self._waiting.name, self._waiting.until = self.name, time.monotonic() + wait
            with self._waiting:
                stopped = self._stop.wait(min(wait, _PROGRESS_EVERY))
            if stopped:
                break
        return not self._stop.is_set()

    def _log_wait(self, wait: float) -> None:
        now = time.monotonic()
        with self._lock:
            if wait < 1.0 or now < self._next_log:
                return
            self._next_log = now + _PROGRESS_EVERY
        _log.info(
            "rate limit: pool '%s' has no room left for this program (%s requests per window, less what others may "
            "use); waiting %.0f s for the reset",
            self.name,
            self.window.limit or "unknown",
            wait,
        )


def _number(headers: Mapping[str, str], name: str) -> float | None:
    text = headers.get(name, "").strip()
    return float(text) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=8)  # all answers within a second have the same Date
def _date(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
