"""Rate-limit windows: which requests fit, for all threads, and all processes, that share a window.

https://www.braze.com/docs/api/api_limits/
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from ..rate_limits import RateLimit  # noqa: TID252 - the same text in both packages

# Resets in whole seconds, or relative to a `Date` in whole seconds, differ by this much from answer to answer.
_SAME_RESET: Final = 2.0
# In a new window, as many requests leave as may; seconds until the next one looks whether an answer has come, and after
# which none is expected any more.
_UNTIL_ANSWERED: Final = 0.05
_UNANSWERED: Final = 10.0


class Window(Protocol):
    """One of Braze's rate-limit windows, wherever it is counted. Safe to use from several threads.

    Attributes:
        limit: Requests per window; None if unknown.
    """

    limit: int | None

    def take(self) -> float:
        """Take a request's place and return 0, or return the seconds until there may be room."""

    def learn(self, seen: RateLimit, age: float) -> None:
        """Learn from an answer about the window. `age` is how many seconds ago its request left."""

    def close(self, seconds: float) -> None:
        """Admit no request for this many seconds, after a 429."""


class LocalWindow:
    """Admits requests while more than the reserve is left. Times are those of time.monotonic(), which nobody can set.

    Args:
        reserve: Share of the window to leave to other programs, from 0 to 1.
        share: Share of the rest that this program may use.
    """

    def __init__(self, reserve: float, share: float = 1.0) -> None:
        self.limit: int | None = None
        self.reserve = reserve
        self._share = share
        self._lock = threading.Lock()
        # Left in this window, and when it ends. Requests that left in it, some of them not answered yet.
        self._remaining = 0
        self._reset = 0.0
        self._taken = 0
        # When this window began, if no answer has said yet when it ends.
        self._began: float | None = time.monotonic()
        self._learned = 0.0
        self._closed_until = 0.0

    def take(self) -> float:
        """See `Window`."""
        with self._lock:
            now = time.monotonic()
            if now < self._closed_until:
                return self._closed_until - now
            if self.limit is not None:
                if now >= (self._reset if self._began is None else self._began + _UNANSWERED):
                    self._remaining, self._taken, self._began = self.limit, 0, now
                if self._is_full(self.limit):
                    return _UNTIL_ANSWERED if self._began is not None else self._reset - now
            self._remaining -= 1
            self._taken += 1
            return 0.0

    def learn(self, seen: RateLimit, age: float) -> None:
        """See `Window`.

        If answers name two limits, the lower one counts until its reset: either the endpoints of the pool do not share
        a limit after all, or Braze raised the limit.
        """
        if seen.limit is None or seen.remaining is None or seen.reset is None:
            return
        now = time.monotonic()
        reset, remaining = now + seen.reset, min(seen.remaining, seen.limit)
        with self._lock:
            if self._began is not None:
                if self.limit is not None and now - age < self._began:
                    return  # a late answer from an earlier window
                # Requests in flight may not be in its count yet.
                self._remaining, self._reset = min(remaining, seen.limit - self._taken), reset
            elif (now < self._reset and self.limit is not None and seen.limit > self.limit) or (
                reset < self._reset - _SAME_RESET and now - age < self._learned
            ):
                return
            elif now >= self._reset or abs(reset - self._reset) > _SAME_RESET:
                self._remaining, self._reset, self._taken = remaining, reset, 0
            else:
                # Answers arrive out of order, and this count already includes requests in flight that theirs does not.
                self._remaining, self._reset = min(self._remaining, remaining), max(self._reset, reset)
            self.limit, self._learned, self._began = seen.limit, now, None

    def close(self, seconds: float) -> None:
        """See `Window`."""
        with self._lock:
            self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def _is_full(self, limit: int) -> bool:
        reserved = limit * self.reserve
        mine = limit - reserved if self._share >= 1 else max(1, int((limit - reserved) * self._share))
        return self._remaining <= reserved or self._taken >= mine
