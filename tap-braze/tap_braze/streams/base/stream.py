"""What all streams have in common, and lists by numbered pages; which streams there are stands beside.

A stream is a declaration: path, permission, keys and schema. What it does not say, these classes do.
"""

from __future__ import annotations

import sys
from datetime import timedelta, timezone
from logging import DEBUG, ERROR, INFO
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from singer_sdk import Stream, metrics
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL, SelectionMask
from typing_extensions import override

from tap_braze.braze.client import BrazeError, ForbiddenError, UnauthorizedError, UnavailableError
from tap_braze.fetching.fetch import Request, get
from tap_braze.times import moment_or_none
from tap_braze.untrusted import MalformedError, expected_shape

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.streams.base.context import RunContext

# The rate limits that the streams share, or have to themselves.
# https://www.braze.com/docs/api/api_limits/
DEFAULT: Final = "default"  # 250,000 requests an hour, with most of what else the workspace does
CAMPAIGN_SERIES: Final = "campaigns_data_series"  # 50,000 a minute, /campaigns/data_series alone
# 1,000 an hour: /events/list, /purchases/product_list and, by the notice on their own pages, /events,
# /custom_attributes and the series of purchases. Apart they would use the share twice that others are to have.
HOURLY_1000: Final = "hourly_1000"

# A page that is read while somebody edits may miss the edit, and Braze shows writes a little late: so much of the
# time before the bookmark is read again.
EDIT_OVERLAP: Final = timedelta(hours=1)
# The documented form of `last_edit.time[gt]` has no offset, and the docs do not say in which zone it is read. No zone
# is further than this from UTC, in which it is sent; rows that come because of it are left out again.
ZONE_DOUBT: Final = timedelta(days=1)


class _Everything(SelectionMask):
    """That no field is deselected; the SDK's own mask looks up the parents of every field of every record."""

    @override
    def __missing__(self, breadcrumb: tuple[str, ...]) -> bool:
        return True


class BrazeStream(Stream):
    """What the streams have in common: where they are read, and what is said when that fails."""

    name: str = ""
    path: ClassVar[str]
    method: ClassVar[str] = "GET"
    permission: ClassVar[str]
    pool: ClassVar[str] = DEFAULT
    payload: ClassVar[str]
    parent: ClassVar[type[BrazeStream] | None] = None

    # Values come out of JSON as Braze has sent them; there is nothing to convert.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    primary_keys: Sequence[str] = ()
    replication_key: str | None = None
    schema: dict[str, Any]

    def __init__(self, run: RunContext) -> None:
        super().__init__(run.tap)
        self.run = run
        self._told_of: set[str] = set()
        self._described = False
        self._emitted = 0

    @property
    @override
    def mask(self) -> SelectionMask:
        if self._mask is None and all(super().mask.values()):
            self._mask = _Everything(super().mask)
        return super().mask

    @property
    def is_slow(self) -> bool:
        """Whether it may have to wait for the next hour."""
        return HOURLY_1000 in {self.pool, self.parent.pool if self.parent else None}

    def emit(self, record: Record) -> None:
        """Write a record that came with the answer to another stream, whose turn it is."""
        self._write_schema_message()
        processed = self.post_process(record)
        if processed is not None:
            self._write_record_message(processed)
            self._emitted += 1

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        """Leave out top-level fields that no column exists for; nested objects stay as Braze sends them."""
        known = self.schema["properties"]
        for name in [name for name in row if name not in known]:
            del row[name]
            if name not in self._told_of:
                self._told_of.add(name)
                self.logger.warning("stream '%s': Braze sends a field '%s' that is left out", self.name, name)
        return row

    @override
    def log(self, message: str, *args: Any, level: int = INFO, **kwargs: Any) -> None:
        # The SDK announces every exception; these say the same themselves, in one line at the end.
        if level == ERROR and isinstance(sys.exc_info()[1], (BrazeError, ConfigValidationError)):
            level = DEBUG
        super().log(message, *args, level=level, **kwargs)

    @property
    def bookmark(self) -> str | None:
        """How far the stream was read, None if it is read from the start."""
        if self.replication_method != REPLICATION_INCREMENTAL:
            return None
        if self.stream_state.get("replication_key") != self.replication_key:
            return None
        return self.stream_state.get("replication_key_value") or None

    def set_bookmark(self, value: str) -> None:
        """Note how far the stream is read, and write STATE."""
        if self.replication_method != REPLICATION_INCREMENTAL:
            return
        self.stream_state.update(replication_key=self.replication_key, replication_key_value=value)
        self.write_state()

    def write_state(self) -> None:
        """Write STATE as it is now."""
        self.state_manager.is_flushed = False
        self._write_state_message()

    def set_aside(self, named: str, error: BrazeError) -> None:
        """Go on without a parent that keeps failing; the run fails at its end. An outage fails it now."""
        if self.ABORT_AT_RECORD_COUNT is not None:  # a trial has no end
            self.fail(error, about=f", {named}")
        if isinstance(error, MalformedError):
            self.run.report.record_missing(self.name, named, error)
        elif outage := self.run.report.record_failure(self.name, named, error):
            self.fail(outage[1], about=f", {outage[0]}")

    def fail(self, error: BrazeError, *, about: str = "") -> NoReturn:
        """Raise the error again, with the stream's name and what to do next."""
        text = f"stream '{self.name}'{about}: {error}"
        if isinstance(error, ForbiddenError):
            text += (
                f". Reading it needs the permission '{self.permission}', and this machine's address on the key's IP "
                "allowlist if it has one. Neither can be added to a key: make a new one, or deselect the stream"
            )
        elif isinstance(error, UnauthorizedError):
            text += f". Reading it needs the permission '{self.permission}'"
        elif isinstance(error, UnavailableError):
            text += ". Run again later: it goes on from the last STATE"
        self.run.writer.flush()
        raise type(error)(text, status=error.status, errors=error.errors) from error

    def is_identified(self, row: Record, keys: Iterable[str]) -> bool:
        """Whether a row has what names it; one that has not is reported and left out."""
        for key in keys:
            if not isinstance(row.get(key), (str, int)):
                self.run.report.record_missing(self.name, f"a row without {key!r}", MalformedError("Braze sent it so"))
                return False
        return True

    def edited_since(self, latest: datetime | None) -> datetime | None:
        """From when on edits are read: an overlap before the latest one seen, and not before a start date that is set.

        None is from the beginning. Without a start date a first run brings every object: what was edited is another
        question than which days of the series are wanted.
        """
        start = self.run.settings.edited_since
        return max((at for at in (start, latest and latest - EDIT_OVERLAP) if at is not None), default=None)

    @override
    def _write_state_message(self) -> None:
        super()._write_state_message()
        self.run.writer.flush()  # also where the state is the same as before and is not written

    @override
    def _write_schema_message(self) -> None:
        if not self._described:
            self._described = True
            super()._write_schema_message()

    @override
    def get_record_counter(
        self, *, endpoint: str | None = None, log_interval: float = metrics.DEFAULT_LOG_INTERVAL
    ) -> metrics.Counter:
        counter = super().get_record_counter(endpoint=endpoint, log_interval=log_interval)
        counter.value += self._emitted
        return counter

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Record, Any, Any]:
        progress = self.run.progress
        progress.begin(self.name, self.path)
        try:
            yield from super()._sync_records(context, write_messages=write_messages)
        except (ForbiddenError, UnauthorizedError) as error:
            # Where nothing has been answered yet, a 401 is about the key and not about what it may do.
            if not self.run.settings.skip_forbidden or (isinstance(error, UnauthorizedError) and not progress.requests):
                raise
            self.run.report.record_skip(self.name, error)
        finally:
            progress.end()

    @override
    def log_sync_costs(self) -> None:
        super().log_sync_costs()
        self.run.report.close()  # the SDK calls this when all streams are over

    # The bookmarks are set by the streams themselves, when all before them has been read, and are valid at any time:
    # records do not move them, and the SDK's markers for what is under way are not needed.

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        pass

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        pass

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        return None


class ListStream(BrazeStream):
    """A list that is read page by page, `page` counting from 0; the end is a page that is not full.

    `replication_key` is set where Braze can leave out what was not edited since.
    """

    page_size: ClassVar[int | None] = 100  # None: the docs do not say
    archivable: ClassVar[bool] = False
    shrinks: ClassVar[bool] = False  # whether rows can leave it; the archivable ones do if the archive is left out

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self._rows: list[Record] | None = None

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        if self.replication_key:
            return self._edited()
        return (dict(row) for row in self.everything(self.name))

    def ids(self, reader: str) -> list[str]:
        """The keys of all rows, for the stream `reader` that is read once for each of them.

        The edit filter has no part in this: statistics change without an edit.
        """
        key = type(self).primary_keys[0]
        return [row[key] for row in self.everything(reader)]

    def know(self, rows: list[Record]) -> None:
        """Take these for all rows that there are."""
        self._rows = rows

    def everything(self, reader: str) -> list[Record]:
        """All rows, read once per run whoever needs them."""
        if self._rows is None:
            self._rows = list(self._pages({}, reader))
        return self._rows

    def _edited(self) -> Iterator[Record]:
        """The rows edited since the bookmark or the start date, and those that do not tell."""
        bookmark = self.bookmark
        latest = None
        if bookmark is not None:
            latest = moment_or_none(bookmark)
            if latest is None:
                raise bad_bookmark(self.name, bookmark)
        since = self.edited_since(latest)
        params = {}
        if since is not None:
            asked = since.astimezone(timezone.utc) - ZONE_DOUBT
            params["last_edit.time[gt]"] = asked.strftime("%Y-%m-%dT%H:%M:%S")
        for row in self._pages(params, self.name):
            edited = moment_or_none(row.get("last_edited"))
            if edited is None:
                yield row
            elif since is None or edited >= since:
                if latest is None or edited > latest:
                    latest, bookmark = edited, row["last_edited"]
                yield row
        # Pages are in the order of creation, so this is known only now.
        if bookmark is not None:
            self.set_bookmark(bookmark)

    def _pages(self, params: Mapping[str, str], reader: str) -> Iterator[Record]:
        """Every row once, also if rows move to another page while the pages are read.

        A row that leaves the list makes all behind it move up, one of them to a page that has been read. So a list that
        rows can leave is read again until it brings nothing new, if it has more than one page.
        """
        shrinks = self.shrinks
        if self.archivable:
            shrinks = not self.run.settings.include_archived
            params = params if shrinks else {**params, "include_archived": "true"}
        seen: set[str] = set()
        again = False
        while True:
            before = len(seen)
            pages = yield from self._pass(params, reader, seen, again=again)
            if not shrinks or pages == 1 or (again and len(seen) == before):
                return
            again = True

    def _pass(
        self, params: Mapping[str, str], reader: str, seen: set[str], *, again: bool
    ) -> Generator[Record, None, int]:
        """The rows that are not `seen` yet, from the first page to the last; answers how many pages there are."""
        key = type(self).primary_keys[0]
        page = 0
        while True:
            request = Request(self.path, {**params, "page": str(page)}, self.pool, self.payload)
            try:
                with expected_shape(f"GET {self.path}"):
                    items = get(self.run.client, request)[self.payload] or []
                    if not isinstance(items, list):
                        raise TypeError(self.payload)
                self.run.progress.record_answer()
            except BrazeError as error:
                self.fail(error, about="" if reader == self.name else f" (read for '{reader}')")
            rows = [item if isinstance(item, dict) else {key: item} for item in items]
            rows = [row for row in rows if self.is_identified(row, (key,))]
            fresh = list({row[key]: row for row in rows if row[key] not in seen}.values())
            seen.update(row[key] for row in fresh)
            yield from fresh
            page += 1
            if self._is_last(page - 1, len(items), len(items) if again else len(fresh)):
                return page

    def _is_last(self, page: int, rows: int, fresh: int) -> bool:
        if self.page_size is not None:
            return rows < self.page_size or not fresh
        # The docs do not say either whether the first page is 0 or 1: page 0 may be empty, or the same as page 1.
        return page > 0 and (not rows or (page > 1 and not fresh))


def bad_bookmark(stream: str, bookmark: str) -> ConfigValidationError:
    """The error of a state that was written by hand, or by something else."""
    return ConfigValidationError(
        "Wrong state",
        errors=[f"stream '{stream}': the bookmark {bookmark!r} in the state is no date; remove or correct it"],
        schema={},
    )
