"""The details of what a list names, one request each, and the day from which each object can have statistics."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar, Final

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_braze.braze.client import BrazeError, ForbiddenError, RefusedError, UnavailableError
from tap_braze.fetching.fetch import Request, fetch_in_order
from tap_braze.fetching.windows import DAY
from tap_braze.streams.base.stream import EDIT_OVERLAP, BrazeStream, ListStream, bad_bookmark
from tap_braze.times import moment_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date, datetime

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.streams.base.context import RunContext

MISSING: Final = "missing"
_ENVELOPE: Final = frozenset({"message", "errors"})
# Two time zones are up to 26 hours apart, and the setting `time_zone` may not be the company's.
_MARGIN: Final = 2 * DAY


class DetailsOfList(BrazeStream):
    """One record for each object of a list, with what the list does not say.

    Once there is a bookmark, only what was edited since is asked for, where the list tells that; else everything is
    asked for, and what was edited comes out.
    """

    payload = "created_at"
    replication_key = "updated_at"
    parent: ClassVar[type[ListStream]]
    parent_key: ClassVar[str]
    first_field: ClassVar[str] = ""  # the time of the first send or entry, null before there is one

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self._first_days: dict[str, date] | None = None

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        if self._first_days is None:
            yield from self._read(self.name, everybody=False)

    def first_days(self, reader: str) -> Mapping[str, date]:
        """Return the day before which each object has no statistics, for the stream `reader`.

        Objects whose details tell none are left out. The details are not read again for the records of this stream.
        """
        if self._first_days is None:
            try:
                for record in self._read(reader, everybody=True):
                    if self.selected:
                        self.emit(record)
            except ForbiddenError as error:
                self._first_days = None if self.selected else {}
                self.logger.info("stream '%s': every window is asked for, because %s", reader, error)
        return self._first_days or {}

    def _read(self, reader: str, *, everybody: bool) -> Iterator[Record]:
        """The records since the bookmark, from the details of these, or of everybody."""
        bookmark = self.bookmark
        latest = moment_or_none(bookmark)
        if bookmark is not None and latest is None:
            raise bad_bookmark(self.name, bookmark)
        since = None if latest is None else latest - EDIT_OVERLAP
        missing = set(self.stream_state.get(MISSING, ())) if bookmark is not None else set()
        rows = self.run.stream(self.parent).everything(reader)
        first_days: dict[str, date] = {}
        refused, failed = [], False
        plan = self._plan(rows, None if everybody else since, missing)
        settings = self.run.settings
        with closing(fetch_in_order(plan, self.run.client, settings.concurrency, self.run.progress.tick)) as answers:
            for request, answer in answers:
                key = request.tags[self.parent_key]
                if isinstance(answer, BrazeError):
                    failed |= self._pass_over(key, answer)
                    refused.append(key)
                    continue
                self.run.report.record_answer()
                self.run.progress.record_answer(records=1)
                if (first := self._first_day(answer)) is not None:
                    first_days[key] = first
                changed = moment_or_none(answer.get("updated_at"))
                stamp = answer.get("updated_at")
                if since is None or changed is None or changed >= since or key in missing:
                    yield {**request.tags, **{name: answer[name] for name in answer if name not in _ENVELOPE}}
                if changed is not None and (latest is None or changed > latest):
                    latest, bookmark = changed, stamp
        self._first_days = first_days
        if not failed:
            self._note(bookmark, refused)

    def _first_day(self, document: Mapping[str, Any]) -> date | None:
        """The day before which there is nothing to count: the first send or entry, less a margin.

        Nothing says that every kind of campaign fills `first_sent`. Where it is missing, the creation counts.
        `last_sent` and `last_entry` bound nothing: opens and conversions come weeks after a send, and users travel
        through a Canvas for months.
        """
        first = moment_or_none(document.get(self.first_field)) or moment_or_none(document.get("created_at"))
        try:
            return None if first is None else first.astimezone(self.run.settings.zone).date() - _MARGIN
        except OverflowError:  # the year 1
            return None

    def _plan(self, rows: Iterable[Record], since: datetime | None, missing: set[str]) -> Iterator[Request]:
        key = type(self.run.stream(self.parent)).primary_keys[0]
        for row in rows:
            edited = moment_or_none(row.get("last_edited"))
            if since is None or edited is None or edited >= since or row[key] in missing:
                tags = {self.parent_key: row[key]}
                yield Request(self.path, tags, self.pool, self.payload, tags=tags)

    def _pass_over(self, key: str, error: BrazeError) -> bool:
        """Go on without what Braze refuses, or what keeps failing; whether it is the latter."""
        named = f"{self.parent_key} {key!r}"
        if isinstance(error, RefusedError):
            self.run.report.record_refusal(self.name, named, error)
            return False
        if not isinstance(error, UnavailableError):
            self.fail(error, about=f", {named}")
        self.set_aside(named, error)
        return True

    def _note(self, bookmark: str | None, refused: list[str]) -> None:
        if not self.selected or self.replication_method != REPLICATION_INCREMENTAL:
            return
        if refused:
            self.stream_state[MISSING] = refused
        else:
            self.stream_state.pop(MISSING, None)
        if bookmark is not None:
            self.set_bookmark(bookmark)
