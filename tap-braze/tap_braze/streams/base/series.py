"""Time series by day or hour, read window by window for all streams that use the same responses."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import override

from tap_braze.braze.client import BrazeError, RefusedError, UnavailableError
from tap_braze.fetching import spans
from tap_braze.fetching.fetch import fetch_in_order
from tap_braze.fetching.windows import DAY
from tap_braze.streams.base.days_read import days_read
from tap_braze.streams.base.series_plan import SeriesPlan
from tap_braze.times import moment
from tap_braze.untrusted import MalformedError, expected_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Record

    from tap_braze.fetching.fetch import Document, Request
    from tap_braze.fetching.spans import Spans
    from tap_braze.fetching.windows import Window


class StreamRange:
    """The days and targets that one stream wants."""

    def __init__(self, stream: SeriesPlan, targets: Sequence[Mapping[str, str]]) -> None:
        self.stream = stream
        self.first = stream.first_day
        self.gaps = stream.gaps(targets)
        self.coverage = days_read(stream, targets, stream.start_day)

    def wants(self, tags: Mapping[str, str], stamp: str) -> bool:
        """Return whether the stream wants the row with this `time`."""
        day = date.fromisoformat(stamp[:10])
        if self.stream.by_hour:
            zone = self.stream.run.settings.zone
            day = moment(stamp, zone).astimezone(zone).date()
        return day >= self.first or spans.has(self.wanted(tags, day), day)

    def wanted(self, tags: Mapping[str, str], last: date) -> Spans:
        """Return the wanted days of a target, through `last`."""
        wanted = self.coverage.unread(tags, last)
        for span in spans.within(self.gaps.of(tags), date.min, last):
            wanted = spans.joined(wanted, *span)
        return spans.joined(wanted, self.first, last) if self.first <= last else wanted

    def lacks(self, tags: Mapping[str, str], window: Window) -> None:
        """Record that the window could not be read."""
        for first, last in spans.within(self.wanted(tags, window.last), window.first, window.last):
            self.gaps.add(tags, first, last)


class SeriesReader:
    """Reads the windows from the bookmarks on, then the earlier days that single targets lack.

    The newest days come first, because a target that comes into scope late may have years to read.
    """

    def __init__(self, reader: SeriesPlan, streams: Sequence[SeriesPlan]) -> None:
        """Prepare to read; `reader` is the stream whose turn it is."""
        self._reader = reader
        self._run = reader.run
        self._targets = reader.targets()
        self._ranges = [StreamRange(stream, self._targets) for stream in streams]
        self._first = min(each.first for each in self._ranges)
        self._newest = reader.newest
        self._first_days: Mapping[str, date] = {}
        self._refused: set[str] = set()
        self._failed: set[str] = set()
        self._held = False  # whether a failure holds the bookmarks back
        encoded = reader.encoded_rows() if reader.is_plain and list(streams) == [reader] else None
        self._read_rows = None if encoded is None else encoded.read

    def records(self) -> Iterator[tuple[SeriesPlan, Record | list[bytes]]]:
        """Yield the records of all streams, window by window; encoded ones as a list."""
        last = self._run.settings.last_day
        late = self._lacking(min(self._first - DAY, last))
        recent = list(self._reader.windows(self._first, last))
        start = min((wanted[0][0] for _, wanted in late), default=self._first)
        earlier = list(self._reader.windows(start, min(self._first - DAY, last)))
        requests = len(self._targets) * len(recent) + len(late) * len(earlier)
        self._run.progress.plan(requests, len(recent) + len(earlier))
        self._first_days = self._known_first_days(late)
        yield from self._read(self._plan(recent), recent, self._finish)
        yield from self._read(self._plan_of_late(late, earlier), earlier, self._finish_earlier)

    def _read(
        self, plan: Iterable[Request], windows: Sequence[Window], finish: Callable[[Window], None]
    ) -> Iterator[tuple[SeriesPlan, Record | list[bytes]]]:
        under_way: Window | None = None
        for request, answer in self._answers(plan):
            # Code after a record's `yield` runs after the record was written.
            if under_way is not None and request.window != under_way:
                finish(under_way)
            under_way = request.window
            yield from self._take(request, answer)
        # Windows after the last request were skipped because no parent has data in them.
        if windows:
            finish(windows[-1])

    def _lacking(self, last: date) -> list[tuple[Mapping[str, str], Spans]]:
        """Return the targets that lack days before the windows, with these days."""
        found = []
        for tags in self._targets:
            wanted: Spans = ()
            for each in self._ranges:
                for span in each.wanted(tags, last):
                    wanted = spans.joined(wanted, *span)
            if wanted:
                found.append((tags, wanted))
        return found

    def _answers(self, plan: Iterable[Request]) -> Iterator[tuple[Request, Document | BrazeError]]:
        run = self._run
        fetched = fetch_in_order(plan, run.client, run.settings.concurrency, run.progress.tick, self._read_rows)
        with closing(fetched) as answers:
            yield from answers

    def _plan(self, windows: Iterable[Window]) -> Iterator[Request]:
        for window in windows:
            for tags in self._targets:
                yield from self._request(tags, window, (self._failed,))

    def _plan_of_late(
        self, late: Sequence[tuple[Mapping[str, str], Spans]], windows: Iterable[Window]
    ) -> Iterator[Request]:
        for window in windows:
            for tags, wanted in late:
                if spans.within(wanted, window.first, window.last):
                    yield from self._request(tags, window, (self._failed, self._refused))

    def _request(self, tags: Mapping[str, str], window: Window, without: Iterable[Container[str]]) -> Iterator[Request]:
        """Yield the request for a window of a target, unless it has no data in it or does not answer."""
        if self._is_silent(tags, window):
            for each in self._ranges:
                each.gaps.remove(tags, window.first, window.last)
        elif any(_named(tags) in each for each in without):
            for each in self._ranges:
                each.lacks(tags, window)
        else:
            yield self._reader.request(tags, window)

    def _take(
        self, request: Request, answer: Document | BrazeError
    ) -> Iterator[tuple[SeriesPlan, Record | list[bytes]]]:
        window, tags = request.window, request.tags
        assert window is not None  # noqa: S101 - for the type checker; each request of a series has one
        if isinstance(answer, BrazeError):
            self._pass_over(tags, window, answer)
            return
        try:
            with expected_shape(f"GET {request.path}"):
                take = self._records if answer.encoded is None else self._encoded
                rows, records = take(answer, tags, window)
        except MalformedError as error:
            self._pass_over(tags, window, error)
            return
        self._run.refusals.record_answer()
        self._run.progress.record_answer(window, rows)
        yield from records
        for each in self._ranges:
            each.gaps.remove(tags, window.first, window.last)
        self._refused.discard(_named(tags))

    def _records(
        self, answer: Document, tags: Mapping[str, str], window: Window
    ) -> tuple[int, list[tuple[SeriesPlan, Record | list[bytes]]]]:
        """Return the number of wanted rows in a response, and the checked records of all streams."""
        zone = self._run.settings.zone
        by_time = {row["time"]: row for row in self._reader.rows(answer, window)}
        rows = [{**tags, **row, **tags} for stamp, row in by_time.items() if window.wants(stamp, zone)]
        if self._first_days and self._reader.trimmed:
            rows = [row for row in rows if not self._is_nothing(row, tags)]
        # Decide once for all rows whether a stream wants the whole window.
        ranges = [(each, each.first <= window.first) for each in self._ranges]
        records: list[tuple[SeriesPlan, Record | list[bytes]]] = []
        for row in rows:
            for each, whole in ranges:
                if whole or each.wants(tags, row["time"]):
                    for record in each.stream.unfold(row):
                        each.stream.conform(record)
                        records.append((each.stream, record))
        return len(rows), records

    def _encoded(
        self, answer: Document, tags: Mapping[str, str], window: Window
    ) -> tuple[int, list[tuple[SeriesPlan, Record | list[bytes]]]]:
        """Return the same as `_records`, for the encoded rows of a response."""
        zone = self._run.settings.zone
        rows = [(stamp, row) for stamp, row in (answer.encoded or {}).items() if window.wants(stamp, zone)]
        if self._first_days and self._reader.trimmed:
            rows = [(stamp, row) for stamp, row in rows if not self._is_nothing(msgspec.json.decode(row), tags)]
        (only,) = self._ranges
        whole = only.first <= window.first
        return len(rows), [(only.stream, [row for stamp, row in rows if whole or only.wants(tags, stamp)])]

    def _pass_over(self, tags: Mapping[str, str], window: Window, error: BrazeError) -> None:
        """Continue without a parent that keeps failing or that Braze refuses (archived since it was listed, say)."""
        reader, refusals, named = self._reader, self._run.refusals, _named(tags)
        about = f", {named}" if named else ""
        if not reader.parent_fields or not isinstance(error, (RefusedError, UnavailableError)):
            reader.fail(error, about=about)
        if isinstance(error, RefusedError):
            self._run.progress.record_answer(window)
            refusals.record_refusal(reader.name, named, error)
            self._refused.add(named)
        else:
            reader.set_aside(named, error)
            self._failed.add(named)
            self._held = True
        for each in self._ranges:
            each.lacks(tags, window)

    def _finish(self, window: Window) -> None:
        """Save the progress once all records of the window are written."""
        for each in self._ranges:
            if not self._held:
                each.coverage.add(self._first, window.last)
            reached = each.first <= window.last and not self._held
            each.stream.note(window.last if reached else None, each.gaps, each.coverage)
        self._reader.write_state()

    def _finish_earlier(self, window: Window) -> None:
        """Save the progress after a window of earlier days; the gaps have what could not be read."""
        for each in self._ranges:
            each.coverage.add(date.min, window.last)
            each.stream.note(None, each.gaps, each.coverage)
        self._reader.write_state()

    def _known_first_days(self, late: Sequence[tuple[Mapping[str, str], Spans]]) -> Mapping[str, date]:
        """Return the first day of each parent that days before the newest are to be read of."""
        reader = self._reader
        if reader.details is None or reader.ABORT_AT_RECORD_COUNT is not None:
            return {}
        targets = self._targets
        if self._first >= self._newest:
            targets = [tags for tags, ((first, _), *_) in late if first < self._newest]
        if not targets:
            return {}
        parents = dict.fromkeys(tags[reader.parent_key] for tags in targets)
        return self._run.stream(reader.details).first_days(reader.name, parents)

    def _is_nothing(self, row: Record, tags: Mapping[str, str]) -> bool:
        """Return whether the row reports no activity, on a day that cannot have any.

        Such rows are dropped, because only the position of the windows decides whether they are requested.
        """
        return self._is_before(tags, date.fromisoformat(row["time"][:10])) and not _counts(row)

    def _is_silent(self, tags: Mapping[str, str], window: Window) -> bool:
        return self._is_before(tags, window.last)

    def _is_before(self, tags: Mapping[str, str], day: date) -> bool:
        """Return whether the day precedes all of the parent's possible data and is not one of the newest."""
        if day >= self._newest or not self._first_days:
            return False
        return day < self._first_days.get(tags.get(self._reader.parent_key, ""), date.min)


class SeriesStream(SeriesPlan):
    """A time series, read window by window, oldest first; each window covers every parent, app, segment and product.

    So one bookmark covers all parents, and a run that was cut off resumes at the first unfinished window.
    """

    @override
    def read_for(self, streams: list[Any]) -> Iterator[tuple[SeriesPlan, Record | list[bytes]]]:
        return SeriesReader(self, streams).records()


def _named(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{field} {value!r}" for field, value in tags.items())


def _counts(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Return whether a value contains a nonzero number."""
    if isinstance(value, dict):
        return any(map(_counts, value.values()))
    if isinstance(value, list):
        return any(map(_counts, value))
    return isinstance(value, (int, float)) and value != 0
