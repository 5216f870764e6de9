"""Streams that are lists: all rows, the rows changed since the last run, or the rows of each day."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, time, timedelta, timezone
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_braze.braze.client import BrazeError, RefusedError
from tap_braze.fetching.fetch import Request, fetch_in_order, get
from tap_braze.fetching.windows import DAY, Window, first_day
from tap_braze.streams.base.days_read import days_read, last_day_read
from tap_braze.streams.base.paginators import LinkCursor
from tap_braze.streams.base.stream import COVERED, EDIT_OVERLAP, BrazeStream
from tap_braze.times import moment_or_none
from tap_braze.untrusted import MalformedError, expected_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.fetching.coverage import Coverage
    from tap_braze.fetching.fetch import Document
    from tap_braze.streams.base.context import RunContext
    from tap_braze.streams.base.paginators import Paginator

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class ListStream(BrazeStream):
    """All rows of a list, or of one list for each row of the parent, page by page.

    Declare `path`, `permission`, `payload`, `primary_keys` and `schema`; also `paginator`, unless the list is a single
    response or its Link header names the next page; and `parent` and `parent_key` for one list per parent row.
    """

    paginator: ClassVar[Paginator] = LinkCursor()
    parent: ClassVar[type[ListStream] | None] = None
    parent_key: ClassVar[str] = ""  # field with the parent row's key; also the parameter or part of the path
    params: ClassVar[Mapping[str, str]] = NOTHING
    parameter_names: ClassVar[Mapping[str, str]] = NOTHING  # by field, where they differ; empty: not sent
    without_setting: ClassVar[str] = ""  # what to log if the setting that names what to request names nothing
    is_snapshot = True
    personal: ClassVar[bool] = False  # whether the keys identify people; logs and errors never show them
    archivable: ClassVar[bool] = False  # whether `include_archived` adds the archived rows
    shrinks: ClassVar[bool] = False  # whether rows leave it, as archived rows do if they are excluded

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self.held = False  # whether a missing parent holds the bookmark back
        self._rows: list[Record] | None = None

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        if self.parent is None:
            return (dict(row) for row in self.everything(self.name))
        return self._read(self.plan(None), self.name)

    def everything(self, reader: str) -> list[Record]:
        """Return all rows, read once per run, for the stream `reader`."""
        if self._rows is None:
            self._rows = list(self._read(self.plan(None), reader))
        return self._rows

    def ids(self, reader: str) -> list[str]:
        """Return the keys of all rows, for the stream `reader`, which requests data for each.

        The edit filter does not apply here: statistics change without an edit.
        """
        key = type(self).primary_keys[0]
        return list(dict.fromkeys(row[key] for row in self.everything(reader)))

    def changed_since(self, moment: datetime | None, reader: str) -> Iterable[Record]:  # noqa: ARG002 - for subclasses
        """Return the rows changed at `moment` or later, for the stream `reader`; here all, as no field shows it."""
        return self.everything(reader)

    def changed(self, row: Record) -> datetime | None:  # noqa: ARG002 - for subclasses
        """Return when the row changed; None if unknown."""
        return None

    def versions(self, since: datetime | None, reader: str) -> dict[str, tuple[str, ...]]:
        """Return what identifies the version of each row changed at `since` or later: its key, and when it changed.

        A change of the last hour has another version than the same change later, because other responses may not show
        it yet. A row that does not tell when it changed has only its key.
        """
        key, settled = type(self).primary_keys[0], datetime.now(timezone.utc) - EDIT_OVERLAP
        versions: dict[str, tuple[str, ...]] = {}
        for row in self.changed_since(since, reader):
            at = self.changed(row)
            versions[row[key]] = (row[key],) if at is None else (row[key], at.isoformat(), str(at > settled))
        return versions

    @override
    def assume_rows(self, rows: Iterable[Any]) -> None:
        key = type(self).primary_keys[0]
        self._rows = [row if isinstance(row, dict) else {key: row} for row in rows]

    @override
    def probe(self) -> Request | None:
        return next(self.plan(None), None)

    def plan(self, since: datetime | None) -> Iterator[Request]:
        """Yield the requests for first pages of the lists that changed at `since` or later."""
        if self.parent is None:
            yield self.request()
            return
        key = self.parent.primary_keys[0]
        for row in self.run.stream(self.parent).changed_since(since, self.name):
            yield self.request(tags={self.parent_key: row[key]})

    def request(self, params: Mapping[str, str | list[str]] = NOTHING, tags: Mapping[str, str] = NOTHING) -> Request:
        """Return the request for the first page of the list that the tags identify."""
        path = self.path.format_map({name: quote(value, safe="") for name, value in tags.items()})
        names = {name: self.parameter_names.get(name, name) for name in tags if f"{{{name}}}" not in self.path}
        query: dict[str, str | list[str]] = {param: tags[name] for name, param in names.items() if param}
        if self.archivable and self.run.settings.include_archived:
            query["include_archived"] = "true"
        query = {**query, **self.paginator.first(), **self.params, **params}
        return Request(path, query, self.pool, self.payload, tags=tags)

    def rows(self, request: Request, document: Document) -> list[Record]:
        """Return the rows of a response; an item that is not an object has no key, so it is reported and left out."""
        rows = document[self.payload] or []
        if not isinstance(rows, list):
            raise TypeError(self.payload)
        return [{**request.tags, **row} if isinstance(row, dict) else {} for row in rows]

    def finish(self, request: Request) -> None:
        """Handle the completion of a planned request: all its records are written."""

    def pass_over(self, request: Request, error: BrazeError) -> None:
        """Continue without a parent that Braze refuses (deleted since it was listed, say), or raise the error."""
        self.lacks_rows = True
        error = self.discreet(error)
        named = named_by(request)
        if named and isinstance(error, MalformedError):
            self.set_aside(named, error)
            self.held = True
        elif named and isinstance(error, RefusedError):
            self.run.refusals.record_refusal(self.name, named, error)
        else:
            self.fail(error, about=f", {named}" if named else "")

    def _read(self, plan: Iterable[Request], reader: str) -> Iterator[Record]:
        """Yield the rows of a plan in order."""
        run, asked = self.run, False
        with closing(fetch_in_order(plan, run.client, run.settings.concurrency, run.progress.tick)) as answers:
            for request, answer in answers:
                asked = True
                yield from self._list(request, answer, reader)
                # Code after a record's `yield` runs after the record was written.
                self.finish(request)
        if self.without_setting and not asked:
            self.lacks_rows = True  # an emptied setting does not mean that Braze has no rows
            self.logger.warning("stream '%s' reads nothing: %s", self.name, self.without_setting)

    def _list(self, request: Request, answer: Document | BrazeError, reader: str) -> Iterator[Record]:
        """Yield each row once, even if rows move to another page during reading.

        A row that leaves the list moves all later rows up, and one of them onto a page that was already read. So a list
        of several pages that rows can leave is read again until it returns nothing new.
        """
        seen: set[tuple[Any, ...]] = set()
        shrinks = self.shrinks or (self.archivable and not self.run.settings.include_archived)
        again = False
        while True:
            before, pages = len(seen), 0
            page: Request | None = request
            while page is not None:
                understood = self._understood(request, answer)
                if isinstance(understood, BrazeError):
                    if reader != self.name:
                        self.fail(self.discreet(understood), about=f" (read for '{reader}')")
                    self.pass_over(request, understood)
                    return
                rows, cursor = understood
                known = len(seen)
                yield from self._fresh(rows, seen)
                pages += 1
                page = self.paginator.after(page, cursor, len(rows), len(rows) if again else len(seen) - known)
                if page is not None:
                    answer = self._get(page)
            if not shrinks or pages == 1 or (again and len(seen) == before):
                return
            again = True
            answer = self._get(request)

    def _fresh(self, rows: list[Record], seen: set[tuple[Any, ...]]) -> Iterator[Record]:
        self.run.refusals.record_answer()
        self.run.progress.record_answer(records=len(rows))
        keys = type(self).primary_keys
        identity = [*keys, *([self.replication_key] if self.replication_key else [])]
        for row in rows:
            which = tuple(repr(row.get(name)) for name in identity)
            if which not in seen:
                seen.add(which)
                if self.is_identified(row, keys) and self._has_types(row, keys):
                    yield row

    def _has_types(self, row: Record, keys: Iterable[str]) -> bool:
        """Return whether the values of a row have the types of their columns; report it if not."""
        try:
            with expected_shape(self.path):
                self.conform(row)
        except MalformedError as error:
            named = "a row" if self.personal else f"the row with {', '.join(f'{name} {row[name]!r}' for name in keys)}"
            self.run.refusals.record_missing(self.name, named, error)
            self.held = self.lacks_rows = True
            return False
        return True

    def _get(self, page: Request) -> Document | BrazeError:
        try:
            return get(self.run.client, page)
        except BrazeError as error:
            return error

    def _understood(
        self, request: Request, answer: Document | BrazeError
    ) -> tuple[list[Record], str | None] | BrazeError:
        """Return the rows of a response and the cursor of the next page, or the error."""
        if isinstance(answer, BrazeError):
            return answer
        try:
            with expected_shape(f"{request.method} {request.path}"):
                # Neither means that there are no other rows.
                self.lacks_rows |= answer[self.payload] is None or bool(answer.get("errors"))
                return self.rows(request, answer), answer.cursor
        except MalformedError as error:
            return error


class NamesStream(ListStream):
    """A list whose rows are plain names, each the value of the primary key."""

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        names = document[self.payload] or []
        if not isinstance(names, list):
            raise TypeError(self.payload)
        return [name if isinstance(name, dict) else {self.primary_keys[0]: name} for name in names]


class ChangesStream(ListStream):
    """All rows, or with `deletions: keep` those changed since the last run, by their `replication_key`.

    The list is read in full either way: a row can come into scope without a change, if archived rows are included or
    one is unarchived. So STATE has a mark of each version read. A log, which is not a snapshot, has no such rows, and
    returns those changed since the last run regardless of the setting. The rows come in an undefined order, so the
    bookmark moves once all of them are written.
    """

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        bookmark, latest = self.read_bookmark()
        unsettled: tuple[datetime, str] | None = None
        for row in self._wanted(latest):
            # After the record's `yield`, the SDK owns the record.
            changed, stamp, settled = self.changed(row), str(row.get(self.replication_key or "")), self.settled(row)
            yield dict(row)
            if changed is None:
                continue
            if not settled:
                unsettled = min(unsettled or (changed, stamp), (changed, stamp))
            if latest is None or changed > latest:
                latest, bookmark = changed, stamp
        if unsettled is not None:
            bookmark = unsettled[1]
        if bookmark is not None and not self.held:
            read = self.versions(self.run.settings.edited_since, self.name) if self._keeps else None
            self.set_bookmark(bookmark, read and [*read.values()])

    @override
    def changed_since(self, moment: datetime | None, reader: str) -> Iterator[Record]:
        rows = self._read(self.plan(None), reader) if self._rows is None else self._rows
        for row in rows:
            changed = self.changed(row)
            if moment is None or changed is None or changed >= moment:
                yield row

    @override
    def changed(self, row: Record) -> datetime | None:
        return moment_or_none(row.get(self.replication_key or ""))

    def settled(self, row: Record) -> bool:  # noqa: ARG002
        """Return False for a row that will change without its `replication_key`; the bookmark stays before it."""
        return True

    @property
    def _keeps(self) -> bool:
        return self.is_snapshot and self.run.settings.deletions == "keep"

    def _wanted(self, latest: datetime | None) -> Iterable[Record]:
        since = self.edited_since(latest)
        if not self._keeps:
            return self.everything(self.name) if self.is_snapshot else self.changed_since(since, self.name)
        rows, key = self.everything(self.name), type(self).primary_keys[0]
        versions = self.versions(self.run.settings.edited_since, self.name)
        unread = self.unread(versions, (row[key] for row in self.changed_since(since, self.name)))
        return [row for row in rows if row[key] in unread or self.changed(row) is None]


class DailyStream(ListStream):
    """A list that Braze filters by days in UTC, read day by day; the bookmark is the last day read.

    That day may not have been over, so the next run reads it again. Rows added while the pages of a day are read can
    repeat other rows but never hide them, whichever end of the list they appear at. Days that an earlier start date
    adds come last.
    """

    is_snapshot = False

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self._unsaved = False

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        for row in self._read(self.plan(None), self.name):
            self._unsaved = True
            yield row

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        last, coverage = self._last, self._coverage
        first = first_day(self._start, last_day_read(self), timedelta())
        for start, end in ((first, last), *coverage.unread({}, min(first - DAY, last))):
            day = start
            while day <= end:
                # End at the midnight that ends the day: a day is the shortest span of the filter.
                request = self.request({"start_date": day.isoformat(), "end_date": (day + DAY).isoformat()})
                yield replace(request, window=Window(day, day))
                day += DAY

    @override
    def finish(self, request: Request) -> None:
        if request.window is None or self.replication_method != REPLICATION_INCREMENTAL:
            return
        day = request.window.last
        self._coverage.add(day, day)
        bookmark = max(day, last_day_read(self) or day).isoformat()
        state = {"replication_key": self.replication_key, "replication_key_value": bookmark}
        self.stream_state.update(state, **{COVERED: self._coverage.state()})
        self.mark_state_changed()
        # Days without rows need no STATE message of their own.
        if self._unsaved or day == self._last:
            self.flush_state()
            self._unsaved = False

    @cached_property
    def _start(self) -> date:
        return self.run.settings.start.astimezone(timezone.utc).date()

    @cached_property
    def _last(self) -> date:
        settings = self.run.settings
        end = datetime.combine(settings.last_day + DAY, time(), settings.zone) - timedelta(microseconds=1)
        return min(end, datetime.now(timezone.utc)).astimezone(timezone.utc).date()

    @cached_property
    def _coverage(self) -> Coverage:
        return days_read(self, [{}], self._start)


def named_by(request: Request) -> str:
    """Return a description of what a request is for; empty for a list without a parent."""
    return ", ".join(f"{name} {value!r}" for name, value in request.tags.items())
