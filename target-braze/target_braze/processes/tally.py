"""What a child counts and logs: how it reaches the parent, and how the parent adds it up."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from target_braze.braze.rate_limits import Waiting
from target_braze.encode import encode
from target_braze.processes import frames
from target_braze.processes.frames import Letter, Log, Notice, Rows, Tally, Waited
from target_braze.reporting.delivery_log import DeliveryLog
from target_braze.reporting.rejections import Rejections
from target_braze.reporting.summary import Counts, Summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from target_braze.braze.client import Client
    from target_braze.delivery.dispatcher import Dispatcher
    from target_braze.records import Record, Rejection

# The parent counts the others itself: records that it reads, and those whose rejection reaches it.
_COUNTS: Final = tuple(one.name for one in fields(Counts) if one.name not in {"read", "rejected", "in_doubt"})


@dataclass(frozen=True)
class Place:
    """What tells a child from the others: its number, from 0, of how many.

    Attributes:
        run_id: The same for all.
        stretch: As in `Ledger`.
        logs_rows: Report rows of the delivery log.
        gc_threshold: Number of new objects before Python looks for cycles, as in the parent.
    """

    number: int
    of: int
    run_id: str
    stretch: int
    logs_rows: bool
    gc_threshold: int

    def request(self, number: int | None) -> int | None:
        """Return the number of a request among those of all children."""
        return None if number is None else (number - 1) * self.of + self.number + 1


# In a child.


class ToParent:
    """Sends messages to the parent from any thread. When the parent is gone, there is nobody to tell."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._is_muted = False

    def send(self, message: Any) -> None:  # noqa: ANN401
        """Send one message."""
        with self._lock, suppress(OSError):
            self._connection.send_bytes(frames.encode(message))

    @contextmanager
    def muted(self, is_muted: bool) -> Iterator[None]:  # noqa: FBT001
        """Give no notices in the block."""
        self._is_muted = is_muted
        try:
            yield
        finally:
            self._is_muted = False

    def notice(self, text: str) -> bool:
        """Give a notice for the first time, unless muted. Return whether it was given."""
        if not self._is_muted:
            self.send(Notice(text))
        return not self._is_muted

    def take_log(self) -> None:
        """Send warnings and errors from this process's log."""
        logger = logging.getLogger("target-braze")
        logger.handlers, logger.filters, logger.propagate = [_ToParentsLog(self)], [], False
        logger.setLevel(logging.WARNING)


class _ToParentsLog(logging.Handler):
    def __init__(self, parent: ToParent) -> None:
        super().__init__()
        self._parent = parent

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._parent.send(Log(record.levelno, record.getMessage()))


class ChildSummary(Summary):
    """The summary of a child."""

    def __init__(self, parent: ToParent, place: Place) -> None:
        log = _ChildsLog(parent, place) if place.logs_rows else None
        super().__init__(_ChildsRejections(parent, place), log)
        self._parent = parent

    @override
    def notice(self, text: str) -> None:
        if self.notices[text] or self._parent.notice(text):
            self.notices[text] += 1


class _ChildsRejections(Rejections):
    def __init__(self, parent: ToParent, place: Place) -> None:
        super().__init__()
        self._parent = parent
        self._place = place

    @override
    def add(self, record: Record, why: Rejection) -> None:
        if why.opted_out:  # the parent gets all others when they are set aside
            self._parent.send(letter(record, why, self._place))


def letter(record: Record, why: Rejection, place: Place) -> Letter:
    """Return the message about a record that is rejected or opted out."""
    return Letter(
        record.schema["stream"],
        record.number,
        record.position,
        record.size,
        record.sent if isinstance(record.sent, bytes) else encode(record.sent),
        why.reason,
        why.braze,
        why.status,
        why.in_doubt,
        why.opted_out,
        place.request(why.request),
    )


class _ChildsLog(DeliveryLog):
    def __init__(self, parent: ToParent, place: Place) -> None:
        super().__init__(Path(), place.run_id)
        self._parent = parent
        self._place = place

    @override
    def add(self, *given: Any, request: int | None = None, **more: Any) -> None:
        super().add(*given, request=self._place.request(request), **more)

    @override
    def flush(self) -> None:
        rows, self._lines = self._lines, []
        if rows:
            self._parent.send(Rows(rows))


def tally(summary: Summary, client: Client, delivery: Dispatcher | None) -> Tally:
    """Return a child's counts."""
    return Tally(
        {name: [getattr(counts, one) for one in _COUNTS] for name, counts in [*summary.streams.items()]},
        summary.requests,
        client.retries,
        0 if delivery is None else delivery.in_flight,
        _waited(client.limit_waits),
        _waited(client.retry_waits),
        Waited() if delivery is None else _waited(delivery.dependency_waits),
    )


def _waited(waiting: Waiting) -> Waited:
    return Waited(waiting.seconds, waiting.is_ongoing, waiting.name, max(0.0, waiting.until - time.monotonic()))


# In the parent.


class Totals:
    """Adds up what children report, and writes the sums where the parent's reports look for them."""

    def __init__(self, summary: Summary, client: Client) -> None:
        self.in_flight = 0
        self.dependency_waits = _ChildrensWaiting()
        self._summary = summary
        self._client = client
        client.limit_waits = self._limits = _ChildrensWaiting()
        client.retry_waits = self._attempts = _ChildrensWaiting()
        self._tallies: dict[int, Tally] = {}
        self._notices: Counter[str] = Counter()

    def receive(self, child: int, report: Tally) -> None:
        """Take the counts of a child, which replace its earlier ones."""
        self._tallies[child] = report
        every = [*self._tallies.values()]
        self.in_flight = sum(one.in_flight for one in every)
        self._client.retries = sum(one.retries for one in every)
        self._summary.requests = sum(one.requests for one in every)
        for stream in report.streams:
            counts = self._summary.streams[stream]
            of_children = [one.streams[stream] for one in every if stream in one.streams]
            for name, numbers in zip(_COUNTS, zip(*of_children, strict=True), strict=True):
                setattr(counts, name, sum(numbers))
        self._limits.receive(child, report.limits)
        self._attempts.receive(child, report.attempts)
        self.dependency_waits.receive(child, report.dependencies)

    def receive_notice(self, text: str) -> None:
        """Give a notice, unless another child has given it."""
        if not self._summary.notices[text]:
            self._summary.notice(text)

    def count_notices(self, notices: dict[str, int]) -> None:
        """Add the notices of a child that has ended. Those that each child gives once are one."""
        for text, count in notices.items():
            self._notices[text] += count if count > 1 or self._notices[text] != 1 else 0
            self._summary.notices[text] = self._notices[text]


class _ChildrensWaiting(Waiting):
    """Waiting as children report it. `seconds` is that of the child that has waited longest."""

    def __init__(self) -> None:
        super().__init__()
        self._reports: dict[int, Waited] = {}

    def receive(self, child: int, report: Waited) -> None:
        """Take a child's report."""
        self._reports[child] = report
        if report.is_ongoing:
            self.name, self.until = report.name, time.monotonic() + report.left

    @property
    @override
    def is_ongoing(self) -> bool:
        return any(report.is_ongoing for report in [*self._reports.values()])

    @property
    @override
    def seconds(self) -> float:
        return max((report.seconds for report in [*self._reports.values()]), default=0.0)
