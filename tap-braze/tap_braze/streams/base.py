"""The two ways to read Braze, a list by pages and a series by windows of days; which streams there are stands beside.

A stream is a declaration: path, permission, keys and schema. What it does not say, these classes do.
"""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import date, timedelta, timezone
from logging import DEBUG, ERROR, INFO
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from singer_sdk import Stream
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_braze.braze_api import BrazeError, ForbiddenError, RefusedError, UnauthorizedError, UnavailableError
from tap_braze.fetch import Request, fetch_in_order, get
from tap_braze.streams.fields import APP_ID
from tap_braze.times import moment_or_none
from tap_braze.windows import Window, first_day, windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from tap_braze.tap import TapBraze

# The rate limits that the streams share, or have to themselves.
# https://www.braze.com/docs/api/api_limits/
DEFAULT: Final = "default"  # 250,000 requests an hour, with most of what else the workspace does
CAMPAIGN_SERIES: Final = "campaigns_data_series"  # 50,000 a minute, /campaigns/data_series alone
HOURLY_1000: Final = "hourly_1000"  # 1,000 an hour, /events/list and /purchases/product_list together

# A page that is read while somebody edits may miss the edit, and Braze shows writes a little late: so much of the
# time before the bookmark is read again.
EDIT_OVERLAP: Final = timedelta(hours=1)
# The documented form of `last_edit.time[gt]` has no offset, and the docs do not say in which zone it is read. No zone
# is further than this from UTC, in which it is sent; rows that come because of it are left out again.
ZONE_DOUBT: Final = timedelta(days=1)


class BrazeStream(Stream):
    """What the streams have in common: where they are read, and what is said when that fails."""

    name: str = ""
    path: ClassVar[str]
    permission: ClassVar[str]
    pool: ClassVar[str] = DEFAULT
    payload: ClassVar[str]

    # Values come out of JSON as Braze has sent them; there is nothing to convert.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    primary_keys: Sequence[str] = ()
    replication_key: str | None = None
    schema: dict[str, Any]

    def __init__(self, tap: TapBraze) -> None:
        super().__init__(tap)
        self.tap = tap
        self._told_of: set[str] = set()

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        per_app = "app_id" in self.primary_keys
        super().apply_catalog(catalog)
        if catalog.get_stream(self.name) and ("app_id" in self.primary_keys) != per_app:
            text = "the catalog is of another setting 'app_ids', which changes the key; make a new one (--discover)"
            raise ConfigValidationError("Wrong catalog", errors=[f"stream '{self.name}': {text}"], schema={})

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
        self.state_manager.is_flushed = False
        self._write_state_message()

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
        self.tap.message_writer.flush()
        raise type(error)(text, status=error.status, errors=error.errors) from error

    @override
    def _write_state_message(self) -> None:
        super()._write_state_message()
        self.tap.message_writer.flush()  # also where the state is the same as before and is not written

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

    def __init__(self, tap: TapBraze) -> None:
        super().__init__(tap)
        self._rows: list[Record] | None = None

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        if self.replication_key:
            return self._edited()
        return (dict(row) for row in self._everything(self.name))

    def ids(self, reader: str) -> list[str]:
        """The keys of all rows, for the stream `reader` that is read once for each of them.

        The edit filter has no part in this: statistics change without an edit.
        """
        key = type(self).primary_keys[0]
        return [row[key] for row in self._everything(reader)]

    def _everything(self, reader: str) -> list[Record]:
        """All rows, read once per run whoever needs them."""
        if self._rows is None:
            self._rows = list(self._pages({}, reader))
        return self._rows

    def _edited(self) -> Iterator[Record]:
        """The rows edited since the bookmark or the start date, and those that do not tell."""
        start, bookmark = self.tap.settings.start, self.bookmark
        latest = None
        if bookmark is not None:
            latest = moment_or_none(bookmark)
            if latest is None:
                raise bad_bookmark(self.name, bookmark)
        since = start if latest is None else max(start, latest - EDIT_OVERLAP)
        asked = (since.astimezone(timezone.utc) - ZONE_DOUBT).strftime("%Y-%m-%dT%H:%M:%S")
        for row in self._pages({"last_edit.time[gt]": asked}, self.name):
            edited = moment_or_none(row.get("last_edited"))
            if edited is None:
                yield row
            elif edited >= since:
                if latest is None or edited > latest:
                    latest, bookmark = edited, row["last_edited"]
                yield row
        # Pages are in the order of creation, so this is known only now.
        if bookmark is not None:
            self.set_bookmark(bookmark)

    def _pages(self, params: Mapping[str, str], reader: str) -> Iterator[Record]:
        """Every row once, also if rows move to another page while the pages are read."""
        key = type(self).primary_keys[0]
        seen: set[str] = set()
        if self.archivable and self.tap.settings.include_archived:
            params = {**params, "include_archived": "true"}
        page = 0
        while True:
            request = Request(self.path, {**params, "page": str(page)}, self.pool, self.payload)
            try:
                items = get(self.tap.client, request)[self.payload] or []
            except BrazeError as error:
                self.fail(error, about="" if reader == self.name else f" (read for '{reader}')")
            rows = [item if isinstance(item, dict) else {key: item} for item in items]
            fresh = list({row[key]: row for row in rows if row[key] not in seen}.values())
            seen.update(row[key] for row in fresh)
            yield from fresh
            if self._is_last(page, len(rows), len(fresh)):
                return
            page += 1

    def _is_last(self, page: int, rows: int, fresh: int) -> bool:
        if self.page_size is not None:
            return rows < self.page_size or not fresh
        # The docs do not say either whether the first page is 0 or 1: page 0 may be empty, or the same as page 1.
        return page > 0 and (not rows or (page > 1 and not fresh))


class SeriesStream(BrazeStream):
    """A time series by day, read window by window, oldest first, in each window for every parent and app.

    So one bookmark holds for all parents, and a run that was cut off resumes at the first unfinished window.
    """

    payload = "data"
    replication_key = "time"
    parent: ClassVar[type[ListStream] | None] = None
    parent_key: ClassVar[str] = ""  # the field of the rows that names their parent
    parent_param: ClassVar[str] = ""  # the parameter that does, where it is called something else
    per_app: ClassVar[bool] = False
    longest: ClassVar[int] = 100  # days that one answer can hold
    switches: ClassVar[tuple[str, ...]] = ()  # parameters that are sent as true

    def __init__(self, tap: TapBraze) -> None:
        super().__init__(tap)
        self._refused: set[str] = set()
        if self.per_app and tap.config.get("app_ids"):
            self.primary_keys = ("app_id", *self.primary_keys)
            self.schema = {**self.schema, "properties": {**APP_ID, **self.schema["properties"]}}

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        settings = self.tap.settings
        bookmark = self._bookmarked_day()
        first = first_day(settings.start.date(), bookmark, settings.lookback)
        plan = self._plan(windows(first, settings.last_day, self.longest))
        under_way: Window | None = None
        with closing(fetch_in_order(plan, self.tap.client, settings.concurrency)) as answers:
            for request, answer in answers:
                # What stands after a record's `yield` happens after the record was written.
                if under_way is not None and request.window != under_way:
                    self._finish(under_way)
                under_way = request.window
                if isinstance(answer, BrazeError):
                    self._pass_over(request, answer)
                else:
                    yield from self._wanted(request, answer)
        if under_way is not None:
            self._finish(under_way)
        if self._refused:
            self.logger.warning("stream '%s': %d in all were refused and passed over", self.name, len(self._refused))

    def rows(self, document: dict[str, Any]) -> list[Record]:
        """The rows of an answer, each with its `time`."""
        return document[self.payload] or []

    def _plan(self, spans: Iterable[Window]) -> Iterator[Request]:
        parents: list[dict[str, str]] = [{}]
        if self.parent is not None:
            parents = [{self.parent_key: parent} for parent in self.tap.list_of(self.parent).ids(self.name)]
        apps: list[dict[str, str]] = [{}]
        if "app_id" in self.schema["properties"]:
            apps = [{"app_id": app} for app in self.tap.settings.app_ids]
        switches = dict.fromkeys(self.switches, "true")
        names = {self.parent_key: self.parent_param or self.parent_key}
        for window in spans:
            dates = window.params(self.tap.settings.zone)
            for parent in parents:
                for app in apps:
                    tags = {**app, **parent}
                    ask = {names.get(field, field): value for field, value in tags.items()}
                    params = {**ask, **switches, **dates}
                    yield Request(self.path, params, self.pool, self.payload, tags=tags, window=window)

    def _wanted(self, request: Request, document: dict[str, Any]) -> Iterator[Record]:
        """The rows of the window's days, each once, with the tags of the request."""
        by_time = {row["time"]: row for row in self.rows(document)}
        for stamp, row in by_time.items():
            if request.window is None or request.window.wants(stamp):
                yield {**request.tags, **row}

    def _pass_over(self, request: Request, error: BrazeError) -> None:
        """Go on without a parent that Braze refuses: archived since it was listed, say, or without analytics."""
        named = ", ".join(f"{field} {value!r}" for field, value in request.tags.items())
        if not isinstance(error, RefusedError) or self.parent is None:
            self.fail(error, about=f", {named}" if named else "")
        if named not in self._refused:
            self._refused.add(named)
            self.logger.warning("stream '%s': %s was refused and is passed over: %s", self.name, named, error)

    def _bookmarked_day(self) -> date | None:
        if (bookmark := self.bookmark) is None:
            return None
        try:
            return date.fromisoformat(bookmark[:10])
        except ValueError:
            raise bad_bookmark(self.name, bookmark) from None

    def _finish(self, window: Window) -> None:
        """All records of the window are written."""
        # A lookback may end before the bookmark, and an end date may lie before it; it does not go back.
        self.set_bookmark(max(window.last.isoformat(), (self.bookmark or "")[:10]))


def bad_bookmark(stream: str, bookmark: str) -> ConfigValidationError:
    """The error of a state that was written by hand, or by something else."""
    return ConfigValidationError(
        "Wrong state",
        errors=[f"stream '{stream}': the bookmark {bookmark!r} in the state is no date; remove or correct it"],
        schema={},
    )
