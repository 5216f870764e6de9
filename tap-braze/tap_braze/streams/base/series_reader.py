"""One run through a series, for all the streams that are made of its answers; what is asked for is in `series`."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

from tap_braze.braze.client import BrazeError, RefusedError, UnavailableError
from tap_braze.fetching.fetch import fetch_in_order
from tap_braze.fetching.gaps import Gaps
from tap_braze.fetching.windows import DAY
from tap_braze.times import moment
from tap_braze.untrusted import MalformedError, expected_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Record

    from tap_braze.fetching.fetch import Document, Request
    from tap_braze.fetching.windows import Window
    from tap_braze.streams.base.series import SeriesStream


class Cover:
    """Which days of which parents one stream wants."""

    def __init__(self, stream: SeriesStream) -> None:
        self.stream = stream
        self.first = stream.first_day
        self.gaps = stream.gaps

    def wants(self, tags: Mapping[str, str], stamp: str) -> bool:
        """Whether the stream wants the row of this `time`."""
        day = date.fromisoformat(stamp[:10])
        if self.stream.by_hour:
            zone = self.stream.run.settings.zone
            day = moment(stamp, zone).astimezone(zone).date()
        return day >= self.first or self.gaps.has(tags, day)

    def lacks(self, tags: Mapping[str, str], window: Window) -> None:
        """Note that the window was not to be had."""
        if self.first <= window.last:
            self.gaps.add(tags, max(window.first, self.first), window.last)


class Reading:
    """The windows since the earliest day that one of the streams wants; then the days that single parents lack."""

    def __init__(self, reader: SeriesStream, streams: Sequence[SeriesStream]) -> None:
        """`reader` is the stream whose turn it is."""
        self._reader = reader
        self._run = reader.run
        self._covers = [Cover(stream) for stream in streams]
        self._first = min(cover.first for cover in self._covers)
        self._newest = reader.newest
        self._first_days: Mapping[str, date] = {}
        self._refused: set[str] = set()
        self._failed: set[str] = set()
        self._held = False  # whether a failure keeps the bookmarks from going on

    def records(self) -> Iterator[tuple[SeriesStream, Record]]:
        """The records of all streams, each window's before the next one's."""
        targets = self._reader.targets()
        spans = list(self._reader.windows(self._first, self._run.settings.last_day))
        self._run.progress.plan(len(targets) * len(spans), len(spans))
        self._first_days = self._known_first_days()
        under_way: Window | None = None
        for request, answer in self._answers(self._plan(spans, targets)):
            # What stands after a record's `yield` happens after the record was written.
            if request.window != under_way:
                self._finish(under_way)
                under_way = request.window
            yield from self._take(request, answer)
        # Windows after the last request were not asked for, because no parent has anything in them.
        self._finish(spans[-1] if spans else None)
        if any(cover.gaps for cover in self._covers):
            for request, answer in self._answers(self._plan_of_gaps(targets)):
                yield from self._take(request, answer)
            self._finish(None, gaps=True)
        for cover in self._covers:
            cover.stream.was_read = True

    def _answers(self, plan: Iterable[Request]) -> Iterator[tuple[Request, Document | BrazeError]]:
        run = self._run
        with closing(fetch_in_order(plan, run.client, run.settings.concurrency, run.progress.tick)) as answers:
            yield from answers

    def _plan(self, spans: Iterable[Window], targets: Sequence[Mapping[str, str]]) -> Iterator[Request]:
        for window in spans:
            for tags in targets:
                if self._is_silent(tags, window):
                    for cover in self._covers:
                        cover.gaps.remove(tags, window.first, window.last)
                elif _named(tags) in self._failed:
                    for cover in self._covers:
                        cover.lacks(tags, window)
                else:
                    yield self._reader.request(tags, window)

    def _plan_of_gaps(self, targets: Sequence[Mapping[str, str]]) -> Iterator[Request]:
        """What is missing from before the windows, of those parents that answer again."""
        missing = Gaps()
        for cover in self._covers:
            for tags, (first, last) in cover.gaps:
                if first < self._first:
                    missing.add(tags, first, min(last, self._first - DAY))
        listed = {_named(tags) for tags in targets}
        for tags, (first, last) in missing:
            for window in self._reader.windows(first, last):
                name = _named(tags)
                if name not in listed or name in self._refused or name in self._failed:
                    continue
                if self._is_silent(tags, window):
                    for cover in self._covers:
                        cover.gaps.remove(tags, window.first, window.last)
                else:
                    yield self._reader.request(tags, window)

    def _take(self, request: Request, answer: Document | BrazeError) -> Iterator[tuple[SeriesStream, Record]]:
        window, tags = request.window, request.tags
        assert window is not None  # noqa: S101 - for the type checker; each request of a series has one
        if isinstance(answer, BrazeError):
            self._pass_over(tags, window, answer)
            return
        zone = self._run.settings.zone
        try:
            with expected_shape(f"GET {request.path}"):
                by_time = {row["time"]: row for row in self._reader.rows(answer, window)}
                rows = [{**tags, **row, **tags} for stamp, row in by_time.items() if window.wants(stamp, zone)]
        except MalformedError as error:
            self._pass_over(tags, window, error)
            return
        self._run.report.record_answer()
        if self._first_days and self._reader.trimmed:
            rows = [row for row in rows if not self._is_nothing(row, tags)]
        self._run.progress.record_answer(window, len(rows))
        # Whether a stream wants all of the window is the same for all rows.
        covers = [(cover, cover.first <= window.first) for cover in self._covers]
        for row in rows:
            for cover, whole in covers:
                if whole or cover.wants(tags, row["time"]):
                    for record in cover.stream.unfold(row):
                        yield cover.stream, record
        for cover in self._covers:
            cover.gaps.remove(tags, window.first, window.last)
        self._refused.discard(_named(tags))

    def _pass_over(self, tags: Mapping[str, str], window: Window, error: BrazeError) -> None:
        """Go on without a parent that Braze refuses, archived since it was listed, say; or that keeps failing."""
        reader, report, named = self._reader, self._run.report, _named(tags)
        about = f", {named}" if named else ""
        if not reader.parent_fields or not isinstance(error, (RefusedError, UnavailableError)):
            reader.fail(error, about=about)
        if isinstance(error, RefusedError):
            self._run.progress.record_answer(window)
            report.record_refusal(reader.name, named, error)
            self._refused.add(named)
        else:
            reader.set_aside(named, error)
            self._failed.add(named)
            self._held = True
        for cover in self._covers:
            cover.lacks(tags, window)

    def _finish(self, window: Window | None, *, gaps: bool = False) -> None:
        """All records of the window are written."""
        if window is None and not gaps:
            return
        for cover in self._covers:
            reached = window is not None and cover.first <= window.last and not self._held
            cover.stream.note(window.last if reached and window is not None else None, cover.gaps)
        self._reader.write_state()

    def _known_first_days(self) -> Mapping[str, date]:
        """When each parent began, where days before the newest are to be read."""
        reader = self._reader
        if reader.details is None or reader.ABORT_AT_RECORD_COUNT is not None:
            return {}
        gaps = [first for cover in self._covers for _, (first, _) in cover.gaps]
        if min([self._first, *gaps]) >= self._newest:
            return {}
        return self._run.stream(reader.details).first_days(reader.name)

    def _is_nothing(self, row: Record, tags: Mapping[str, str]) -> bool:
        """Whether the row says that nothing happened, on a day on which nothing can have.

        Such rows do not come out, for whether they are asked for depends on where the windows begin and end.
        """
        return self._is_before(tags, date.fromisoformat(row["time"][:10])) and not _counts(row)

    def _is_silent(self, tags: Mapping[str, str], window: Window) -> bool:
        return self._is_before(tags, window.last)

    def _is_before(self, tags: Mapping[str, str], day: date) -> bool:
        """Whether the day is before all that the parent can have, and not one of the newest."""
        if day >= self._newest or not self._first_days:
            return False
        return day < self._first_days.get(tags.get(self._reader.parent_key, ""), date.min)


def _named(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{field} {value!r}" for field, value in tags.items())


def _counts(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether there is a number in it that is not 0."""
    if isinstance(value, dict):
        return any(map(_counts, value.values()))
    if isinstance(value, list):
        return any(map(_counts, value))
    return isinstance(value, (int, float)) and value != 0
