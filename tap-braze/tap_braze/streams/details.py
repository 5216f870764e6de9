"""The details of what a list names, one request each, and what they tell of when it can have statistics."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_braze.braze_api import BrazeError, ForbiddenError, RefusedError, UnavailableError
from tap_braze.fetch import Request, fetch_in_order
from tap_braze.streams.base import EDIT_OVERLAP, BrazeStream, ListStream, bad_bookmark
from tap_braze.times import moment_or_none
from tap_braze.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.tap import TapBraze

MISSING: Final = "missing"
_ENVELOPE: Final = frozenset({"message", "errors"})
# First and last are told by the hour, and a company's time zone may be set wrongly.
_MARGIN: Final = DAY


@dataclass(frozen=True)
class Life:
    """The days on which there may be something to count; without a last one it goes on."""

    first: date
    last: date | None = None

    def touches(self, first: date, last: date) -> bool:
        """Whether there may be something between these days, both included."""
        return self.first - _MARGIN <= last and (self.last is None or first <= self.last + _MARGIN)


NEVER: Final = Life(date.max, date.min)


class DetailsOfList(BrazeStream):
    """One record for each object of a list, with what the list does not say.

    Once there is a bookmark, only what was edited since is asked for, where the list tells that; else everything is
    asked for, and what was edited comes out.
    """

    payload = "created_at"
    replication_key = "updated_at"
    parent: ClassVar[type[ListStream]]
    parent_key: ClassVar[str]
    first_field: ClassVar[str] = ""  # the field that tells of the first send or entry, null before there is one
    last_field: ClassVar[str] = ""

    def __init__(self, tap: TapBraze) -> None:
        super().__init__(tap)
        self._lives: dict[str, Life] | None = None

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        if self._lives is None:
            yield from self._read(self.name, everybody=False)

    def lives(self, reader: str) -> Mapping[str, Life]:
        """When each object can have statistics, for the stream `reader`; what is not known is not in there.

        What is read for that is not read again for the records of this stream.
        """
        if self._lives is None:
            try:
                for record in self._read(reader, everybody=True):
                    if self.selected:
                        self.emit(record)
            except ForbiddenError as error:
                self._lives = None if self.selected else {}
                self.logger.info("stream '%s': every window is asked for, because %s", reader, error)
        return self._lives or {}

    def _read(self, reader: str, *, everybody: bool) -> Iterator[Record]:
        """The records since the bookmark, from the details of these, or of everybody."""
        bookmark = self.bookmark
        latest = moment_or_none(bookmark)
        if bookmark is not None and latest is None:
            raise bad_bookmark(self.name, bookmark)
        since = None if latest is None else latest - EDIT_OVERLAP
        missing = set(self.stream_state.get(MISSING, ())) if bookmark is not None else set()
        rows = self.tap.list_of(self.parent).everything(reader)
        lives: dict[str, Life] = {}
        refused, failed = [], False
        plan = self._plan(rows, None if everybody else since, missing)
        settings = self.tap.settings
        with closing(fetch_in_order(plan, self.tap.client, settings.concurrency, self.tap.progress.tick)) as answers:
            for request, answer in answers:
                key = request.tags[self.parent_key]
                if isinstance(answer, BrazeError):
                    failed |= self._pass_over(key, answer)
                    refused.append(key)
                    continue
                self.tap.report.answered()
                self.tap.progress.answered(records=1)
                lives[key] = self.life(answer)
                changed = moment_or_none(answer.get("updated_at"))
                stamp = answer.get("updated_at")
                if since is None or changed is None or changed >= since or key in missing:
                    yield {**request.tags, **{name: answer[name] for name in answer if name not in _ENVELOPE}}
                if changed is not None and (latest is None or changed > latest):
                    latest, bookmark = changed, stamp
        self._lives = lives
        if not failed:
            self._note(bookmark, refused)

    def life(self, document: Mapping[str, Any]) -> Life:
        """When the object can have statistics, by its details."""
        first = self._day(document.get("created_at")) or date.min + _MARGIN
        if self.first_field and self.first_field in document:
            sent = document[self.first_field]
            if sent is None:
                return NEVER
            first = self._day(sent) or first
        last = self._day(document.get(self.last_field)) if self.last_field else None
        return Life(first, None if last is None else last + self._tail(document))

    def _tail(self, document: Mapping[str, Any]) -> timedelta:
        """How long after the last send there is something to count: the lookback, or as long as conversions count."""
        behaviors = document.get("conversion_behaviors") or []
        seconds = [behavior.get("window") for behavior in behaviors if isinstance(behavior, dict)]
        longest = max((second for second in seconds if isinstance(second, (int, float))), default=0)
        return max(self.tap.settings.lookback, timedelta(seconds=longest))

    def _day(self, text: Any) -> date | None:  # noqa: ANN401
        found = moment_or_none(text)
        return None if found is None else found.astimezone(self.tap.settings.zone).date()

    def _plan(self, rows: Iterable[Record], since: datetime | None, missing: set[str]) -> Iterator[Request]:
        key = type(self.tap.list_of(self.parent)).primary_keys[0]
        for row in rows:
            edited = moment_or_none(row.get("last_edited"))
            if since is None or edited is None or edited >= since or row[key] in missing:
                tags = {self.parent_key: row[key]}
                yield Request(self.path, tags, self.pool, self.payload, tags=tags)

    def _pass_over(self, key: str, error: BrazeError) -> bool:
        """Go on without what Braze refuses, or what keeps failing; whether it is the latter."""
        named = f"{self.parent_key} {key!r}"
        if isinstance(error, RefusedError):
            self.tap.report.refuse(self.name, named, error)
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
