"""The signal that ends a run: its handler only posts, so it never interrupts work halfway."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tap_braze.process.signals import Stopped, handle

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator


class StopSignal:
    """The signal that ends the run, if one has arrived. The first one counts."""

    def __init__(self) -> None:
        self.reason: Stopped | None = None
        # put() is the one call that a handler may make at any instruction: it takes no Python lock.
        self._posted: SimpleQueue[Stopped | None] = SimpleQueue()

    def check(self) -> None:
        """Raise the exception that ends the run. The main thread calls this only between complete steps.

        Raises:
            Stopped: A signal has arrived.
        """
        if self.reason is not None:
            raise self.reason

    @contextmanager
    def handled(self, on_stop: Callable[[], None]) -> Iterator[None]:
        """Post these signals from now on, and call `on_stop` once when the first one arrives during the block.

        `on_stop` runs in its own thread, because it may take a lock that the interrupted instruction holds. The
        handlers outlive the block: a signal after the run does not change how it ended.
        """
        threading.Thread(target=self._wait, args=(on_stop,), daemon=True, name="stop-signal").start()
        handle(self._post)
        try:
            yield
        finally:
            self._posted.put(None)

    def _post(self, signum: signal.Signals) -> None:
        self.reason = self.reason or Stopped(signum)
        self._posted.put(self.reason)

    def _wait(self, on_stop: Callable[[], None]) -> None:
        if self._posted.get():
            on_stop()
