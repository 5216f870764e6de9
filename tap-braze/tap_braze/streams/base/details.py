"""Streams of details: one request for each row of a list, and the first day on which each object can have data."""

from __future__ import annotations

from contextlib import closing
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_braze.braze.client import BrazeError, ForbiddenError, RefusedError, UnavailableError
from tap_braze.comparison.history import History
from tap_braze.fetching.fetch import fetch_in_order
from tap_braze.fetching.windows import DAY
from tap_braze.streams.base.lists import ListStream, named_by
from tap_braze.streams.base.stream import EDIT_OVERLAP, MISSING
from tap_braze.times import moment_or_none
from tap_braze.untrusted import MalformedError, expected_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date, datetime

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.fetching.fetch import Document, Request
    from tap_braze.streams.base.context import RunContext

# Parameters of the details of campaigns and Canvases; Braze then tells for each message whether it can be translated.
# https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaign_details/
TRANSLATABLE: Final = MappingProxyType({"include_has_translatable_content": "true"})
_ENVELOPE: Final = frozenset({"message", "errors"})
# Two time zones are up to 26 hours apart, and the setting `time_zone` may differ from the company's.
_MARGIN: Final = 2 * DAY


class DetailsStream(ListStream):
    """One record for each parent row that changed since the last run, requested by its ID.

    Declare the same attributes as for a `ListStream`; `payload` is a field that every response has. Where the list does
    not show which rows changed, request all details and emit the changed ones. STATE lists the objects that Braze
    refuses; the next run requests them again. STATE also has a mark of each version read, because an object can
    come into scope without an edit: archived ones are included, or one is unarchived.
    """

    parent: ClassVar[type[ListStream]]
    is_snapshot = False
    unversioned: ClassVar[frozenset[str] | None] = frozenset()
    payload = "created_at"
    replication_key = "updated_at"
    # Fields with the time of the first send or entry, best first, for objects with statistics. The start date does not
    # limit their details: a series may need any of them.
    active_from: ClassVar[tuple[str, ...]] = ()

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self._was_read = False
        self._first_days: dict[str, date | None] = {}  # of the objects requested; None if unknown

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        if not self._was_read:
            yield from self._details(self.name, ())

    def first_days(self, reader: str, identifiers: Iterable[str]) -> Mapping[str, date]:
        """Return the day before which each of these objects has no statistics, for the stream `reader`.

        Objects without a known day are left out. Details read for this purpose are not read again as records.
        """
        try:
            if self.selected and not self._was_read:
                for record in self._details(reader, identifiers):
                    self.emit(record)
            unknown = [identifier for identifier in identifiers if identifier not in self._first_days]
            for _ in self._answers(self._requests(unknown), []):
                pass
        except ForbiddenError as error:
            self.logger.info("stream '%s': every window is requested, because %s", reader, error)
            return {}
        return {identifier: day for identifier, day in self._first_days.items() if day is not None}

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        return self._requests(self._changed(since, self.name))

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        return [details_row(request, document)]

    @override
    def _understood(
        self, request: Request, answer: Document | BrazeError
    ) -> tuple[list[Record], str | None] | BrazeError:
        understood = super()._understood(request, answer)
        if not isinstance(understood, BrazeError):
            try:
                with expected_shape(f"{request.method} {request.path}"):
                    for row in understood[0]:
                        self.conform(row)
            except MalformedError as error:
                return error
        return understood

    def _details(self, reader: str, also: Iterable[str]) -> Iterator[Record]:
        """Yield the records of objects that changed since the bookmark or are new; request those of `also` too."""
        listed = self._listed(reader)
        bookmark, latest = self.read_bookmark()
        since = self.edited_since(latest)
        if self.active_from:
            since = None if latest is None else latest - EDIT_OVERLAP
        versions = self.run.stream(self.parent).versions(
            None if self.active_from else self.run.settings.edited_since, reader
        )
        unread = self.unread(versions, self._changed(since, reader))
        if bookmark is not None:
            unread |= set(self.stream_state.get(MISSING, ()))
        silent = {key for key, version in versions.items() if len(version) == 1}  # only their details show changes
        wanted = unread | silent | {*also}
        if reader == self.name:  # otherwise the plan is that of the stream that needs the details
            self.run.progress.plan(len(wanted))
        refused: list[str] = []
        failed = False
        for key, row in self._answers(self._requests(each for each in listed if each in wanted), refused):
            if row is None:
                failed = True
                continue
            stamp = row.get(self.replication_key or "")
            changed = moment_or_none(stamp)
            if since is None or changed is None or changed >= since or key in unread:
                yield row
            if changed is not None and (latest is None or changed > latest):
                latest, bookmark = changed, stamp
        self._was_read = True
        if not failed:
            self._save(bookmark, refused, versions.values())

    def _listed(self, reader: str) -> list[str]:
        """Return all objects; with a history, those not requested have no new version."""
        listed = self.run.stream(self.parent).ids(reader)
        if isinstance(self.comparison, History) and self.run.settings.deletions != "keep":
            for identifier in listed:
                self.comparison.keep((identifier,))
        return listed

    def _answers(self, plan: Iterable[Request], refused: list[str]) -> Iterator[tuple[str, Record | None]]:
        """Yield each object with its details, or None if it keeps failing; append the objects that Braze refuses."""
        run = self.run
        with closing(fetch_in_order(plan, run.client, run.settings.concurrency, run.progress.tick)) as answers:
            for request, answer in answers:
                key = request.tags[self.parent_key]
                understood = self._understood(request, answer)
                if isinstance(understood, BrazeError):
                    self._first_days[key] = None
                    refused.append(key)
                    if self._go_on_without(request, understood):
                        yield key, None
                    continue
                run.refusals.record_answer()
                run.progress.record_answer(records=1)
                (row,), _ = understood
                self._first_days[key] = self._first_day(row)
                yield key, row

    def _requests(self, identifiers: Iterable[str]) -> Iterator[Request]:
        for identifier in identifiers:
            yield self.request(tags={self.parent_key: identifier})

    def _changed(self, since: datetime | None, reader: str) -> Iterator[str]:
        """Yield the objects whose row in the list changed at `since` or later."""
        parent = self.run.stream(self.parent)
        key = type(parent).primary_keys[0]
        for row in parent.changed_since(since, reader):
            yield row[key]

    def _first_day(self, details: Mapping[str, Any]) -> date | None:
        """Return the day before which there is nothing to count: the first send or entry, less a margin.

        The docs do not promise that every kind of campaign fills `first_sent`. Where it is missing, use the creation
        time. `last_sent` and `last_entry` set no limit: opens and conversions come weeks after a send, and users travel
        through a Canvas for months.
        """
        first = next(filter(None, (moment_or_none(details.get(name)) for name in self.active_from)), None)
        try:
            return None if first is None else first.astimezone(self.run.settings.zone).date() - _MARGIN
        except OverflowError:  # year 1
            return None

    def _go_on_without(self, request: Request, error: BrazeError) -> bool:
        """Report an object that Braze refuses or that keeps failing; return whether it keeps failing."""
        named = named_by(request)
        if isinstance(error, RefusedError):
            self.run.refusals.record_refusal(self.name, named, error)
            return False
        if not isinstance(error, UnavailableError):
            self.fail(error, about=f", {named}")
        self.set_aside(named, error)
        return True

    def _save(self, bookmark: str | None, refused: list[str], read: Iterable[tuple[str, ...]]) -> None:
        if not self.selected or self.replication_method != REPLICATION_INCREMENTAL:
            return
        if refused:
            self.stream_state[MISSING] = refused
        else:
            self.stream_state.pop(MISSING, None)
        if bookmark is not None:
            self.set_bookmark(bookmark, read)


def details_row(request: Request, document: Document) -> Record:
    """Return the row of details: all fields of the response, and the key of the object."""
    return {**request.tags, **{name: value for name, value in document.items() if name not in _ENVELOPE}}
