"""Count what a run reads, and log it every few seconds and at the end; feed the SDK's request metrics."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from singer_sdk import metrics

from tap_braze.process.terminal import View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from logging import Logger, LoggerAdapter

    from tap_braze.fetching.windows import Window

_WIDEST_NAME: Final = 36

# Fields of a progress line in structured logs, for the reference in docs/.
FIELDS: Final = {
    "stream": "stream that is being read",
    "stream_number": "place of the stream in the run",
    "stream_count": "number of selected streams",
    "requests": "requests of the run so far",
    "records": "records of the run so far",
    "requests_per_second": "requests since the last progress line",
    "records_per_second": "records since the last progress line",
    "waits_for": "a rate limit, or the next attempt of a failed request; absent otherwise",
    "window": "number of the current window of days; only for series",
    "windows": "number of windows; only for series",
    "seconds_left": "maximum time until the end of the stream, at its pace so far; only if its requests are known",
}

# Seconds over which a live display measures rates.
_PACE_SECONDS: Final = 2.0


@dataclass
class StreamCounts:
    """Counts for one stream: records written, requests completed, seconds spent waiting for rate limits or retries."""

    records: int = 0
    requests: int = 0
    waited: float = 0.0


@dataclass(frozen=True)
class _Moment:
    """How far the run is. `share` of the stream is done and `left` seconds remain, None where that cannot be known."""

    requests_per_second: float
    records_per_second: float
    seconds: float
    waits_for: str
    share: float | None
    left: float | None


class Progress:
    """Progress of a run. Only one thread may count; others may read the counts.

    Every wait calls `tick` about once a second, so `check_stop` can end the run there by raising an exception.

    Args:
        logger: Receives the progress lines.
        check_stop: Raises the exception that ends the run.
        waited: Returns the seconds of waiting in the run so far.
        waits_for: Returns what requests are waiting for at the moment; empty for nothing.
    """

    def __init__(
        self,
        logger: Logger | LoggerAdapter[Logger],
        check_stop: Callable[[], None] = lambda: None,
        waited: Callable[[], float] = lambda: 0.0,
        waits_for: Callable[[], str] = lambda: "",
    ) -> None:
        self.tick = check_stop
        self.streams: dict[str, StreamCounts] = {}
        self.selected = 0
        self._logger = logger
        self._waited = waited
        self._waits_for = waits_for
        self._started = self._measured = time.monotonic()
        self._begun = 0
        self._requests = self._measured_requests = 0
        self._records = self._measured_records = 0
        self._pace = self._record_pace = 0.0
        self._stream = ""
        self._stream_began = 0.0
        self._waited_before = 0.0
        self._planned: int | None = None
        self._of_stream = 0
        self._unit = "requests"
        self._windows: tuple[int, int] | None = None
        self._window: Window | None = None
        self._counter: metrics.Counter | None = None

    @property
    def requests(self) -> int:
        """Return the number of requests completed in this run."""
        return self._requests

    @property
    def records_written(self) -> int:
        """Return the number of records written in this run."""
        return sum(counts.records for counts in [*self.streams.values()])

    @property
    def seconds(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self._started

    def begin(self, stream: str, endpoint: str) -> None:
        """Begin a stream."""
        self.end()
        self._begun += 1
        self.streams.setdefault(stream, StreamCounts())
        self._stream, self._planned, self._of_stream, self._unit = stream, None, 0, "requests"
        self._stream_began, self._waited_before = time.monotonic(), self._waited()
        self._windows = self._window = None
        self._counter = metrics.Counter(
            metrics.Metric.HTTP_REQUEST_COUNT, {metrics.Tag.STREAM: stream, metrics.Tag.ENDPOINT: endpoint}
        )

    def plan(self, requests: int, windows: int = 0) -> None:
        """Set the largest number of further requests and windows that the stream may need."""
        self._planned, self._windows = self._of_stream + requests, (0, windows)

    def plan_files(self, files: int | None) -> None:
        """Count files in place of requests; None if it is unknown how many there are."""
        self._unit, self._planned = "files", None if files is None else self._of_stream + files

    def end(self) -> None:
        """End the stream."""
        if self._counter is not None:
            self._counter.exit()
            self._counter = None
            self.streams[self._stream].waited += self._waited() - self._waited_before

    def record_answer(self, window: Window | None = None, records: int = 0) -> None:
        """Count a completed request and the records read from it."""
        self._requests += 1
        self._of_stream += 1
        self._records += records
        if self._stream:
            self.streams[self._stream].requests += 1
        if window is not None and window != self._window and self._windows is not None:
            self._window, self._windows = window, (self._windows[0] + 1, self._windows[1])
        if self._counter is not None:
            self._counter.increment()
        self.tick()

    def record_file(self) -> None:
        """Count a file that has been read."""
        self._of_stream += 1

    def read(self, records: int) -> None:
        """Count records read from a file."""
        self._records += records
        self.tick()

    def wrote(self, stream: str, records: int = 1) -> None:
        """Count records written to standard output, including those of a stream whose turn has not come."""
        self.streams.setdefault(stream, StreamCounts()).records += records

    def log(self) -> None:
        """Log the progress of the run."""
        moment = self._moment(measure_over=0.0)
        facts: dict[str, object] = {}
        if self._stream:
            facts = {
                "stream": self._stream,
                "stream_number": self._begun,
                "stream_count": self.selected,
                "requests": self._requests,
                "records": self._records,
                "requests_per_second": round(moment.requests_per_second, 1),
                "records_per_second": round(moment.records_per_second, 1),
            }
            if self._windows is not None and self._window is not None:
                facts |= {"window": self._windows[0], "windows": self._windows[1]}
        if moment.waits_for:
            facts["waits_for"] = moment.waits_for
        left = ""
        if moment.left is not None:
            facts["seconds_left"] = round(moment.left)
            left = f"; at most {moment.left:,.0f} s left of this stream"
        self._logger.info("%s%s", self._text(moment), left, extra=facts)

    def look(self) -> View:
        """Return a picture of the run."""
        moment = self._moment(measure_over=_PACE_SECONDS)
        return View(
            self._text(moment),
            part="this stream",
            share=moment.share,
            left=moment.left,
            columns=("stream", "records", "requests", "waited"),
            rows=[
                (name, f"{counts.records:,}", f"{counts.requests:,}", f"{counts.waited:.1f} s")
                for name, counts in [*self.streams.items()]
            ],
        )

    def _moment(self, measure_over: float) -> _Moment:
        now = time.monotonic()
        if (span := now - self._measured) >= measure_over or not self._pace:
            self._pace = (self._requests - self._measured_requests) / max(span, 1e-9)
            self._record_pace = (self._records - self._measured_records) / max(span, 1e-9)
            self._measured, self._measured_requests, self._measured_records = now, self._requests, self._records
        planned, of_stream = self._planned, self._of_stream
        share = left = None
        if planned and of_stream:
            share = min(1.0, of_stream / planned)
            left = max(0.0, planned - of_stream) * (now - self._stream_began) / of_stream
        return _Moment(self._pace, self._record_pace, now - self._started, self._waits_for(), share, left)

    def _text(self, moment: _Moment) -> str:
        waiting = f"; waiting for {moment.waits_for}" if moment.waits_for else ""
        if not self._stream:
            return f"finding out what to read, for {moment.seconds:.0f} s so far{waiting}"
        planned, windows, window = self._planned, self._windows, self._window
        parts = [f"{self._of_stream:,}{'' if planned is None else f' of {planned:,}'} {self._unit}"]
        if windows is not None and window is not None:
            parts.insert(0, f"window {windows[0]} of {windows[1]} (to {window.last})")
        return (
            f"stream {self._begun} of {self.selected} '{self._stream}': {', '.join(parts)}; "
            f"{moment.requests_per_second:.0f} requests/s, {moment.records_per_second:.0f} records/s; "
            f"run: {self._requests:,} requests, {self._records:,} records in {moment.seconds:.0f} s{waiting}"
        )

    def log_table(self, refused: Mapping[str, int]) -> None:
        """Log the totals of each stream and of the run.

        Args:
            refused: Number of parents that were refused or failed, by stream.
        """
        self.end()
        if not self.streams:
            return
        self._log_row("stream", "records", "requests", "waited", "refused")
        empty = []
        for name, counts in self.streams.items():
            if counts.records or counts.requests or refused.get(name):
                self._log_row(
                    name,
                    f"{counts.records:,}",
                    f"{counts.requests:,}",
                    f"{counts.waited:.1f} s",
                    f"{refused.get(name, 0):,}",
                )
            else:
                empty.append(name)
        self._log_row(
            f"total in {self.seconds:.1f} s",
            f"{self.records_written:,}",
            f"{self._requests:,}",
            f"{self._waited():.1f} s",
            f"{sum(refused.values()):,}",
        )
        if empty:
            self._logger.info("without records: %s", ", ".join(empty))

    def _log_row(self, name: str, *cells: str) -> None:
        self._logger.info("%s%s", name.ljust(_WIDEST_NAME), "".join(cell.rjust(12) for cell in cells))
