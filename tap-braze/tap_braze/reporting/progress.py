"""Logs the progress of a run every few seconds, and feeds the SDK's metrics of requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from singer_sdk import metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger, LoggerAdapter

    from tap_braze.fetching.windows import Window

_EVERY: Final = 5.0


class Progress:
    """Counts responses and records, and logs them as the run proceeds; for one thread.

    Everything that waits calls `tick` about once a second, so `check_stop` may end the run there by an exception.
    """

    def __init__(self, logger: Logger | LoggerAdapter[Logger], check_stop: Callable[[], None] = lambda: None) -> None:
        self._logger = logger
        self._check_stop = check_stop
        self._started = self._logged = time.monotonic()
        self._streams = 0
        self._requests = self._requests_logged = 0
        self._records = 0
        self._stream = ""
        self._planned: int | None = None
        self._of_stream = 0
        self._windows: tuple[int, int] | None = None
        self._window: Window | None = None
        self._counter: metrics.Counter | None = None

    @property
    def requests(self) -> int:
        """The number of requests answered in this run."""
        return self._requests

    def begin(self, stream: str, endpoint: str) -> None:
        """Begin a stream."""
        self.end()
        self._streams += 1
        self._stream, self._planned, self._of_stream = stream, None, 0
        self._windows = self._window = None
        self._counter = metrics.Counter(
            metrics.Metric.HTTP_REQUEST_COUNT, {metrics.Tag.STREAM: stream, metrics.Tag.ENDPOINT: endpoint}
        )

    def plan(self, requests: int, windows: int) -> None:
        """Set the largest number of requests and windows that the stream may need."""
        self._planned, self._windows = self._of_stream + requests, (0, windows)

    def end(self) -> None:
        """End the stream."""
        if self._counter is not None:
            self._counter.exit()
            self._counter = None

    def record_answer(self, window: Window | None = None, records: int = 0) -> None:
        """Count an answered request and its records."""
        self._requests += 1
        self._of_stream += 1
        self._records += records
        if window is not None and window != self._window and self._windows is not None:
            self._window, self._windows = window, (self._windows[0] + 1, self._windows[1])
        if self._counter is not None:
            self._counter.increment()
        self.tick()

    def read(self, records: int) -> None:
        """Count records read from a file."""
        self._records += records
        self.tick()

    def tick(self) -> None:
        """Log the progress, if it is time for that.

        Raises:
            SystemExit: The run is to end.
        """
        self._check_stop()
        now = time.monotonic()
        if now - self._logged < _EVERY or not self._stream:
            return
        pace = (self._requests - self._requests_logged) / (now - self._logged)
        self._logged, self._requests_logged = now, self._requests
        facts = {
            "stream": self._stream,
            "requests": self._requests,
            "records": self._records,
            "requests_per_second": round(pace, 1),
        }
        parts = [f"{self._of_stream:,}{'' if self._planned is None else f' of {self._planned:,}'} requests"]
        if self._windows is not None and self._window is not None:
            facts |= {"window": self._windows[0], "windows": self._windows[1]}
            parts.insert(0, f"window {self._windows[0]} of {self._windows[1]} (to {self._window.last})")
        self._logger.info(
            "stream '%s': %s; %.0f requests/s; run: stream %d, %s requests, %s records in %.0f s",
            self._stream,
            ", ".join(parts),
            pace,
            self._streams,
            f"{self._requests:,}",
            f"{self._records:,}",
            now - self._started,
            extra=facts,
        )
