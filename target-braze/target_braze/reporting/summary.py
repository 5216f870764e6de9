"""The summary of a run: the outcomes of each stream's records, in the log and as one document."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from target_braze.mapping.identifiers import CHOSEN
from target_braze.reporting.rejections import Rejections

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_braze.braze.changes import Change, Request
    from target_braze.mapping.identifiers import IdentifierRule
    from target_braze.records import Record, Rejection, User
    from target_braze.reporting.delivery_log import DeliveryLog

_log = logging.getLogger("target-braze")

# Possible outcomes of a record, which is open until it has one.
_OUTCOMES: Final = ("sent", "coalesced", "unchanged", "left_out", "opted_out", "rejected", "in_doubt")
_FAILED: Final = frozenset({"rejected", "in_doubt"})
_COLUMNS: Final = ("coalesced", "unchanged", "rejected")
_WIDEST_NAME: Final = 28
_REASONS: Final = 5

# Fields of the document, for the reference in docs/; those of the run itself are in `history.RUN_FIELDS`.
FIELDS: Final = {
    "dry_run": "whether nothing was sent",
    "streams": "the counts below for each stream",
    "total": "the counts of all streams together; streams can share a request",
    "reasons": "the five most frequent reasons for rejected records and consent conflicts, with their counts",
    "retries": "how often a request was sent again",
    "seconds_waited": "time in which at least one request waited: `rate_limits`, `retries`, `dependency_delays`",
}
# Every record that was `read` is in exactly one of the others.
RECORD_COUNTS: Final = {
    "read": "all",
    "sent": "accepted by Braze",
    "coalesced": "merged into an object of another record of the same user",
    "unchanged": "already in Braze according to the ledger or the outcome log",
    "left_out": "nothing to send according to the mapping",
    "opted_out": "not sent because it would undo an opt-out in Braze; see setting `consent`",
    "rejected": "refused by a check or by Braze",
    "in_doubt": "sent without an answer, and not repeated: messages, or with `on_unknown_outcome: hold`",
    "open": "not settled when the run ended; 0 in a completed run",
}
OTHER_COUNTS: Final = {
    "objects": "objects that Braze accepted",
    "requests": "requests that contained a record of the stream",
    "consent_conflicts": "objects sent without an opt-in, or not sent, because Braze has an opt-out that may be later",
    "data_points": "data points of the accepted objects; in a dry run, the maximum that a run can spend",
    "saved_by_ledger": "data points that `unchanged` records and values would have cost",
    "saved_by_coalescing": "data points that records sent one by one would have cost",
}


@dataclass(slots=True)
class Counts:
    """Counts of one stream: records read and their outcomes, objects that Braze accepted, requests and data points.

    `coalesced` records were merged into the object of another record of the same user, `unchanged` records were in
    Braze already according to the ledger, `left_out` records have nothing for Braze according to the mapping, and
    `opted_out` records would have undone an opt-out. The reader's thread writes `saved_by_ledger`, and the sending
    threads write `saved_by_coalescing`.
    """

    read: int = 0
    sent: int = 0
    coalesced: int = 0
    unchanged: int = 0
    left_out: int = 0
    opted_out: int = 0
    rejected: int = 0
    in_doubt: int = 0
    objects: int = 0
    requests: int = 0
    consent_conflicts: int = 0
    data_points: int = 0
    saved_by_ledger: int = 0
    saved_by_coalescing: int = 0

    @property
    def open(self) -> int:
        """Number of records without an outcome yet."""
        settled: int = sum(getattr(self, outcome) for outcome in _OUTCOMES)
        return self.read - settled

    def as_json(self) -> dict[str, int]:
        """Return all counts by name."""
        return {**asdict(self), "open": self.open}


@dataclass(slots=True)
class _Divided:
    """A record with several changes; only the delivery log needs the record itself."""

    left: int
    record: Record | None
    sent: bool = False
    failed: bool = False
    points: int = 0
    user: User | None = None
    request: int | None = None
    why: Rejection | None = None


class Summary:
    """Collects counts from any thread; `log` is for people, `document` for machines.

    `delivery_log` gets a row for each record as soon as its outcome is known.
    """

    def __init__(self, rejections: Rejections | None = None, delivery_log: DeliveryLog | None = None) -> None:
        self.rejections = rejections or Rejections()
        self._delivery_log = delivery_log
        self.streams: defaultdict[str, Counts] = defaultdict(Counts)
        self.kinds: dict[str, str] = {}
        self.requests = 0
        self.identifier_rules: defaultdict[str, list[IdentifierRule]] = defaultdict(list)
        # Records with unsettled changes, by position.
        self._divided: dict[int, _Divided] = {}
        self.notices: Counter[str] = Counter()
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def divide(self, record: Record, changes: int) -> None:
        """Record that a record has several changes. Call this before any of them is settled."""
        with self._lock:
            self._divided[record.position] = _Divided(changes, record if self._delivery_log is not None else None)

    def sending(self, request: Request) -> None:
        """Count a request that is about to be sent."""
        streams = {change.records[0].stream for change in request}
        with self._lock:
            self.requests += 1
            for stream in streams:
                self.streams[stream].requests += 1

    def accepted(self, changes: Iterable[Change], request: int) -> None:
        """Count changes that Braze accepted, or would have accepted in a dry run.

        Raises:
            OSError: The delivery log cannot be written.
        """
        log = self._delivery_log
        with self._lock:
            for change in changes:
                records = change.records
                counts = self.streams[records[0].stream]
                points = change.data_points
                counts.objects += 1
                counts.data_points += points
                if (why := change.withheld) is not None:
                    self._count_conflict(change, why)
                elif len(records) == 1 and not self._divided and log is None:
                    counts.sent += 1  # the usual case
                    continue
                self._count(records[0], "sent", change.user, points, request=request, why=why)
                if len(records) > 1:
                    counts.saved_by_coalescing += change.apart_points - points
                    for record in records[1:]:
                        self._count(record, "coalesced", change.user, request=request, why=why)
            if log is not None:
                log.flush()

    def refused(self, record: Record, why: Rejection, user: User | None = None) -> bool:
        """Count a rejected record, or one of its changes. Return False if an earlier change was rejected already.

        Raises:
            OSError: The delivery log cannot be written.
        """
        with self._lock:
            first = self._count(record, _outcome(why), user, request=why.request, why=why)
            if first:
                self.rejections.add(record, why)
            if self._delivery_log is not None:
                self._delivery_log.flush()
        return first

    def without_changes(self, record: Record, outcome: Literal["unchanged", "left_out"]) -> None:
        """Count a record of which nothing is sent: Braze already has it, or the mapping has nothing for Braze.

        Raises:
            OSError: The delivery log cannot be written.
        """
        with self._lock:
            self._count(record, outcome)
            if self._delivery_log is not None:
                self._delivery_log.flush()

    def opted_out(self, change: Change, why: Rejection) -> None:
        """Count a change that is not sent because it would undo an opt-out.

        Raises:
            OSError: The delivery log cannot be written.
        """
        with self._lock:
            self._count_conflict(change, why)
            for record in change.records:
                self._count(record, "opted_out", change.user, why=why)
            if self._delivery_log is not None:
                self._delivery_log.flush()

    def add_rows(self, rows: list[bytes]) -> None:
        """Write rows that another process of the run has made for the delivery log.

        Raises:
            OSError: They cannot be written.
        """
        if self._delivery_log is not None:
            with self._lock:
                self._delivery_log.extend(rows)
                self._delivery_log.flush()

    def close_delivery_log(self) -> None:
        """Write the rows of records that were sent in part when the run ended, and close the log.

        Raises:
            OSError: They cannot be written.
        """
        log = self._delivery_log
        if log is not None:
            with self._lock:
                for divided in self._divided.values():
                    outcome = _outcome(divided.why) if divided.failed and divided.why is not None else "open"
                    self._add_row(divided, outcome)
                log.flush()
                log.close()

    def notice(self, text: str) -> None:
        """Log a warning the first time, and count repetitions."""
        self.notices[text] += 1
        if self.notices[text] == 1:
            _log.warning("%s", text)

    @property
    def records_read(self) -> int:
        """Number of records read, in all streams."""
        return sum(counts.read for counts in [*self.streams.values()])

    @property
    def records_settled(self) -> int:
        """Number of records with an outcome, in all streams."""
        return sum(counts.read - counts.open for counts in [*self.streams.values()])

    def most_frequent_reasons(self) -> str:
        """Return the most frequent reasons for rejection, as text."""
        return "; ".join(f"{reason} ({count:,})" for reason, count in self.rejections.most_frequent(_REASONS).items())

    def log(self, *, dry_run: bool) -> None:
        """Log a table of each stream's outcomes, other counts that are not zero, and repeated warnings."""
        _log_row("stream", "read", "would send" if dry_run else "sent", *_COLUMNS, "requests", "data points")
        for stream, counts in self.streams.items():
            _log_counts(stream, counts, counts.requests)
        if len(self.streams) > 1:
            total = Counts()
            for counts in self.streams.values():
                for name, count in asdict(counts).items():
                    setattr(total, name, getattr(total, name) + count)
            _log_counts("total", total, self.requests)  # several streams may share a request
        for stream, counts in self.streams.items():
            if more := [f"{count:,} {what}" for what, count in _rest(counts) if count]:
                _log.info("stream '%s': %s", stream, ", ".join(more))
            for text in self._identifications(stream):
                _log.info("stream '%s': %s", stream, text)
        _log.info(
            "%s requests to Braze%s in %.1f s",
            f"{self.requests:,}",
            " would be made: this was a dry run," if dry_run else "",
            time.monotonic() - self._started,
        )
        for text, count in self.notices.items():
            if count > 1:
                _log.warning("%s (%s times)", text, f"{count:,}")

    def document(self) -> dict[str, Any]:
        """Return the counts by stream and in total, and the most frequent reasons for rejection."""
        streams = {stream: counts.as_json() for stream, counts in [*self.streams.items()]}
        total: Counter[str] = Counter()
        for counts in streams.values():
            total.update(counts)
        return {
            "streams": streams,
            # Several streams may share a request.
            "total": {**{name: total[name] for name in Counts().as_json()}, "requests": self.requests},
            "reasons": self.rejections.most_frequent(_REASONS),
        }

    def _count(
        self,
        record: Record,
        outcome: str,
        user: User | None = None,
        points: int = 0,
        *,
        request: int | None = None,
        why: Rejection | None = None,
    ) -> bool:
        """Count the outcome of a record or of one of its changes. Return whether this counted the record."""
        divided = self._divided.get(record.position)
        if divided is None:
            if self._delivery_log is not None:
                self._add_row(_Divided(0, record, points=points, user=user, request=request, why=why), outcome)
        else:
            divided.left -= 1
            divided.points += points
            divided.user, divided.request = user or divided.user, request or divided.request
            has_failed = divided.failed
            if divided.why is None or (divided.why.opted_out and why is not None):
                divided.why = why or divided.why
            divided.failed |= outcome in _FAILED
            divided.sent |= outcome == "sent"
            if divided.sent and not divided.failed:
                outcome = "sent"
            if not divided.left:
                del self._divided[record.position]
                self._add_row(divided, _outcome(divided.why) if divided.failed and divided.why else outcome)
            if has_failed or (divided.left and not divided.failed):
                return False
        counts = self.streams[record.stream]
        setattr(counts, outcome, getattr(counts, outcome) + 1)
        return True

    def _count_conflict(self, change: Change, why: Rejection) -> None:
        self.streams[change.records[0].stream].consent_conflicts += 1
        self.rejections.add(change.records[-1], why)

    def _add_row(self, settled: _Divided, outcome: str) -> None:
        record = settled.record
        if self._delivery_log is not None and record is not None:
            self._delivery_log.add(
                record,
                self.kinds.get(record.stream, ""),
                outcome,
                user=settled.user,
                points=settled.points,
                request=settled.request,
                why=settled.why,
            )

    def _identifications(self, stream: str) -> Iterator[str]:
        """Yield how users were identified, where there was a choice or a problem."""
        # Each change of the SCHEMA creates new rules, so add them up.
        outcomes: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for rule in self.identifier_rules[stream]:
            outcomes[rule.identifier_type, rule.column] += rule.outcomes
        for (kind, column), counts in outcomes.items():
            caught = counts - Counter({CHOSEN: counts[CHOSEN]})
            if caught or len(outcomes) > 1:
                yield (
                    f"{kind} of column '{column}' named the user of {counts[CHOSEN]:,} records"
                    + "".join(f", {count:,} {rule}" for rule, count in caught.most_common())
                )


def _outcome(why: Rejection) -> str:
    return "in_doubt" if why.in_doubt else "rejected"


def _log_counts(name: str, counts: Counts, requests: int) -> None:
    outcomes = (getattr(counts, column) for column in _COLUMNS)
    numbers = (counts.read, counts.sent, *outcomes, requests, counts.data_points)
    _log_row(name, *(f"{number:,}" for number in numbers))


def _log_row(name: str, *cells: str) -> None:
    _log.info("%s%s", name.ljust(_WIDEST_NAME), "".join(cell.rjust(13) for cell in cells))


def _rest(counts: Counts) -> Iterator[tuple[str, int]]:
    """Yield the counts to log only if they are not zero."""
    yield "data points saved by the ledger", counts.saved_by_ledger
    yield "data points saved by coalescing", counts.saved_by_coalescing
    yield "records in doubt", counts.in_doubt
    yield "objects without an opt-in, because Braze has a later opt-out", counts.consent_conflicts
    yield "records with nothing for Braze", counts.left_out
    yield "records not settled", counts.open
