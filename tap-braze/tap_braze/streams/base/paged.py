"""Lists by cursor, by offset or in one answer, whole, by changes or by days; details and lists of a parent's rows.

Which streams there are stands beside. What is read by numbered pages, and series, are in `base`.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

from typing_extensions import override

from tap_braze.braze.client import BrazeError, RefusedError
from tap_braze.fetching.fetch import Request, fetch_in_order, get
from tap_braze.fetching.windows import DAY, Window, first_day
from tap_braze.streams.base.stream import ZONE_DOUBT, BrazeStream, bad_bookmark
from tap_braze.times import moment_or_none, rfc3339
from tap_braze.untrusted import MalformedError, expected_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.fetching.fetch import Document
    from tap_braze.streams.base.context import RunContext

# Rate limits of their own; the others are in `base`. https://www.braze.com/docs/api/api_limits/
CATALOGS: Final = "catalogs"  # 50 requests a minute, with making and deleting catalogs
CATALOG_ITEMS: Final = "catalog_items"  # 50 a minute, with all that is done to single items
CDI_INTEGRATIONS: Final = "cdi_integrations"  # 50 a minute
CDI_SYNC_RUNS: Final = "cdi_sync_runs"  # 100 a minute
PREFERENCE_CENTERS: Final = "preference_centers"  # 1,000 a minute
TRANSLATIONS: Final = "translations"  # 250,000 a minute

# Rows that leave a list while its pages are read make the ones behind them move up, over the edge of a page. So each
# page by offset begins with this many rows of the one before; what comes twice is left out.
PAGE_OVERLAP: Final = 10

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_ENVELOPE: Final = ("message", "errors")


class PagedStream(BrazeStream):
    """All that a plan of requests brings, and the pages that follow each of them.

    The plan is one request, or one for each row of the parent.
    """

    parent: ClassVar[type[PagedStream] | None] = None
    parent_key: ClassVar[str] = ""  # what names the parent's row: a field here, and a parameter or a part of the path
    params: ClassVar[Mapping[str, str]] = NOTHING
    parameters: ClassVar[Mapping[str, str]] = NOTHING  # fields that are called something else there; empty: not sent
    needs: ClassVar[str] = ""  # the setting without which there is nothing to ask for
    limit: ClassVar[int | None] = None  # rows of a page that is asked for by `limit` and `offset`; None: by cursor

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self.held = False  # whether a parent that is lacking keeps the bookmark from going on
        self._rows: list[Record] | None = None
        described = self.schema["properties"].items()
        self._moments = [name for name, field in described if field.get("format") == "date-time"]

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        if self.parent is None:
            return (dict(row) for row in self.changed_since(None, self.name))
        return self._read(self.plan(None), self.name)

    def changed_since(self, moment: datetime | None, reader: str) -> Iterable[Record]:
        """The rows that changed at `moment` or later, for the stream `reader`: here all, for nothing tells.

        They are read once per run, whoever needs them.
        """
        if self._rows is None:
            self._rows = list(self._read(self.plan(moment), reader))
        return self._rows

    def know(self, rows: list[Record]) -> None:
        """Take these for all rows that there are."""
        self._rows = rows

    def plan(self, since: datetime | None) -> Iterator[Request]:
        """The requests for what changed at `since` or later; none is for a page after the first."""
        if self.parent is None:
            yield self.request()
            return
        key = self.parent.primary_keys[0]
        for row in self.run.stream(self.parent).changed_since(since, self.name):
            yield self.request(tags={self.parent_key: row[key]})

    def request(self, params: Mapping[str, str | list[str]] = NOTHING, tags: Mapping[str, str] = NOTHING) -> Request:
        """The request for the first page of what the tags name."""
        path = self.path.format_map({name: quote(value, safe="") for name, value in tags.items()})
        unsaid = {name: self.parameters.get(name, name) for name in tags if f"{{{name}}}" not in self.path}
        ask: dict[str, str | list[str]] = {param: tags[name] for name, param in unsaid.items() if param}
        if self.limit is not None:
            ask["limit"] = str(self.limit)
        return Request(path, {**ask, **self.params, **params}, self.pool, self.payload, tags=tags)

    def rows(self, request: Request, document: Document) -> list[Record]:
        """The rows of an answer."""
        return [{**request.tags, **row} for row in document[self.payload] or []]

    def finish(self, request: Request) -> None:
        """All that belongs to a request of the plan is written."""

    def pass_over(self, request: Request, error: BrazeError) -> None:
        """Go on without what Braze refuses of a parent: it was deleted since it was listed, say."""
        error = self.discreet(error)
        named = ", ".join(f"{name} {value!r}" for name, value in request.tags.items())
        if named and isinstance(error, MalformedError):
            self.set_aside(named, error)
            self.held = True
        elif named and isinstance(error, RefusedError):
            self.run.report.record_refusal(self.name, named, error)
        else:
            self.fail(error, about=f", {named}" if named else "")

    def discreet(self, error: BrazeError) -> BrazeError:
        """The error without what no message should say."""
        return error

    def _read(self, plan: Iterable[Request], reader: str) -> Iterator[Record]:
        """The rows of a plan, in its order."""
        run, asked = self.run, False
        with closing(fetch_in_order(plan, run.client, run.settings.concurrency, run.progress.tick)) as answers:
            for request, answer in answers:
                asked = True
                yield from self._pages(request, answer, reader)
                # What stands after a record's `yield` happens after the record was written.
                self.finish(request)
        if self.needs and not asked:
            self.logger.warning("stream '%s' reads nothing: setting '%s' is empty", self.name, self.needs)

    def _pages(self, request: Request, answer: Document | BrazeError, reader: str) -> Iterator[Record]:
        """The rows of an answer and of the pages after it, each once."""
        identity = [*type(self).primary_keys, *([self.replication_key] if self.replication_key else [])]
        seen: set[tuple[Any, ...]] = set()
        page: Request | None = request
        while page is not None:
            understood = self._understood(request, answer)
            if isinstance(understood, BrazeError):
                if reader != self.name:
                    self.fail(understood, about=f" (read for '{reader}')")
                self.pass_over(request, understood)
                return
            rows, cursor = understood
            self.run.report.record_answer()
            self.run.progress.record_answer(records=len(rows))
            before = len(seen)
            for row in rows:
                which = tuple(repr(row.get(name)) for name in identity)
                if which not in seen:
                    seen.add(which)
                    if self.is_identified(row, type(self).primary_keys):
                        yield row
            page = self._after(page, cursor, len(rows)) if len(seen) > before else None
            if page is not None:
                try:
                    answer = get(self.run.client, page)
                except BrazeError as error:
                    answer = error

    def _understood(
        self, request: Request, answer: Document | BrazeError
    ) -> tuple[list[Record], str | None] | BrazeError:
        """The rows of an answer, and the cursor of the next page; or what is wrong."""
        if isinstance(answer, BrazeError):
            return answer
        try:
            with expected_shape(f"{request.method} {request.path}"):
                rows = self.rows(request, answer)
                for row in rows:
                    for name in self._moments:
                        if isinstance(text := row.get(name), str):
                            row[name] = rfc3339(text)
                return rows, answer.cursor
        except MalformedError as error:
            return error

    def _after(self, page: Request, cursor: str | None, rows: int) -> Request | None:
        """The request for the page after one, None after the last."""
        if self.limit is None:
            return None if cursor is None else replace(page, params={**page.params, "cursor": cursor})
        if rows < self.limit:
            return None
        # The first page has none: Content Blocks refuse an offset of 0.
        offset = int(str(page.params.get("offset", "0"))) + self.limit - PAGE_OVERLAP
        return replace(page, params={**page.params, "offset": str(offset)})


class ChangesStream(PagedStream):
    """The rows that changed since the last run, by their `replication_key`; the first run: since the start date.

    The rows come in no known order, so the bookmark waits until all are there.
    """

    filtered: ClassVar[bool] = False  # whether Braze can be told to leave out the others

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        bookmark = self.bookmark
        latest = moment_or_none(bookmark)
        if bookmark is not None and latest is None:
            raise bad_bookmark(self.name, bookmark)
        since = self.edited_since(latest)
        unsettled: tuple[datetime, str] | None = None
        for row in self.changed_since(since, self.name):
            # After the record's `yield` the row is the SDK's.
            changed, stamp, settled = self.changed(row), str(row.get(self.replication_key or "")), self.settled(row)
            yield row
            if changed is None:
                continue
            if not settled:
                unsettled = min(unsettled or (changed, stamp), (changed, stamp))
            if latest is None or changed > latest:
                latest, bookmark = changed, stamp
        if unsettled is not None:
            bookmark = unsettled[1]
        if bookmark is not None and not self.held:
            self.set_bookmark(bookmark)

    @override
    def changed_since(self, moment: datetime | None, reader: str) -> Iterator[Record]:
        rows = self._read(self.plan(moment), reader) if self._rows is None else self._rows
        for row in rows:
            changed = self.changed(row)
            if moment is None or changed is None or changed >= moment:
                yield row

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        if not self.filtered or since is None:
            yield from super().plan(since)
            return
        # Both bounds are included. The second one keeps out what is edited while the pages are read.
        after, before = since.astimezone(timezone.utc) - ZONE_DOUBT, datetime.now(timezone.utc)
        form = "%Y-%m-%dT%H:%M:%S.%f"
        yield self.request({"modified_after": after.strftime(form), "modified_before": before.strftime(form)})

    def changed(self, row: Record) -> datetime | None:
        """When the row changed, None if it does not tell."""
        return moment_or_none(row.get(self.replication_key or ""))

    def settled(self, row: Record) -> bool:  # noqa: ARG002
        """Whether the row will not change without its `replication_key`; the bookmark does not pass one that will."""
        return True


class DetailsStream(ChangesStream):
    """One record for each row of the parent that changed, read by its id; `payload` is a field that always comes."""

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        return [{**request.tags, **{name: value for name, value in document.items() if name not in _ENVELOPE}}]


class DailyStream(PagedStream):
    """A list that Braze filters by days in UTC, read day by day; the bookmark is the last day that was read.

    That day may not have been over, so it is read again. What is suppressed while the pages of a day are read makes
    rows come twice, not go missing, whichever end of the list it appears at.
    """

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self._last: date | None = None
        self._unsaved = False

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        for row in self._read(self.plan(None), self.name):
            self._unsaved = True
            yield row

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        settings, bookmark = self.run.settings, None
        if (text := self.bookmark) is not None:
            try:
                bookmark = date.fromisoformat(text[:10])
            except ValueError:
                raise bad_bookmark(self.name, text) from None
        end = datetime.combine(settings.last_day + DAY, time(), settings.zone) - timedelta(microseconds=1)
        self._last = min(end, datetime.now(timezone.utc)).astimezone(timezone.utc).date()
        day = first_day(settings.start.astimezone(timezone.utc).date(), bookmark, timedelta())
        while day <= self._last:
            # The end is the midnight that the day ends with, and the shortest that can be asked for.
            ask = self.request({"start_date": day.isoformat(), "end_date": (day + DAY).isoformat()})
            yield replace(ask, window=Window(day, day))
            day += DAY

    @override
    def finish(self, request: Request) -> None:
        # Days without a row need no STATE of their own.
        if request.window is not None and (self._unsaved or request.window.last == self._last):
            self.set_bookmark(request.window.last.isoformat())
            self._unsaved = False
