"""One budget: the children of a run count their requests in the parent's rate-limit windows."""

from __future__ import annotations

import threading
from itertools import count
from queue import SimpleQueue
from typing import TYPE_CHECKING

from target_braze.processes.frames import Close, Learn, Take, Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.braze.rate_limits import RateLimit
    from target_braze.braze.windows.window import Window


class ParentsWindows:
    """A child's way to the windows of its parent.

    Args:
        send: Sends a message to the parent.
    """

    def __init__(self, send: Callable[[Take | Learn | Close], None]) -> None:
        self._send = send
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._asked: dict[int, SimpleQueue[Wait]] = {}

    def window(self, pool: str) -> Window:
        """Return the window of a pool."""
        return _ParentsWindow(self, pool)

    def ask(self, pool: str) -> Wait:
        """Ask for a place in a window, and wait for the answer."""
        asked: SimpleQueue[Wait] = SimpleQueue()
        with self._lock:
            number = next(self._numbers)
            self._asked[number] = asked
        self._send(Take(number, pool))
        return asked.get()

    def receive(self, answer: Wait) -> None:
        """Hand an answer to the thread that waits for it."""
        with self._lock:
            asked = self._asked.pop(answer.number)
        asked.put(answer)

    def report(self, report: Learn | Close) -> None:
        """Send the parent what an answer says about a window."""
        self._send(report)


class _ParentsWindow:
    """A window that the parent counts; see `Window` for the methods."""

    def __init__(self, windows: ParentsWindows, pool: str) -> None:
        self.limit: int | None = None
        self._windows = windows
        self._pool = pool

    def take(self) -> float:
        answer = self._windows.ask(self._pool)
        self.limit = answer.limit
        return answer.seconds

    def learn(self, seen: RateLimit, age: float) -> None:
        self._windows.report(Learn(self._pool, seen.limit, seen.remaining, seen.reset, age))

    def close(self, seconds: float) -> None:
        self._windows.report(Close(self._pool, seconds))
