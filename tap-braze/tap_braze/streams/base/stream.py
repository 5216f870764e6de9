"""What all streams share: how to read, bookmark and probe them, and what they log on failure."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from itertools import islice
from logging import DEBUG, ERROR, INFO
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_braze.braze.client import BrazeError, ForbiddenError, UnauthorizedError, UnavailableError
from tap_braze.fetching import coverage
from tap_braze.fetching.fetch import Request
from tap_braze.streams.base import columns
from tap_braze.streams.base.compared import ComparedStream, bad_state
from tap_braze.streams.base.row_types import RowTypes
from tap_braze.times import moment_or_none
from tap_braze.untrusted import MalformedError, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.streams.base.context import RunContext

# Rate-limit pools, shared between streams or separate. https://www.braze.com/docs/api/api_limits/
DEFAULT: Final = "default"  # 250,000 requests an hour, with most other requests of the workspace
CAMPAIGN_SERIES: Final = "campaigns_data_series"  # 50,000 a minute, /campaigns/data_series alone
# 1,000 an hour: /events/list, /purchases/product_list and, according to notices on their own pages, /events,
# /custom_attributes and the series of purchases. Separate pools would use twice the share left to other clients.
HOURLY_1000: Final = "hourly_1000"
CATALOGS: Final = "catalogs"  # 50 requests a minute, with creating and deleting catalogs
CATALOG_ITEMS: Final = "catalog_items"  # 50 a minute, with all requests for single items
CDI_INTEGRATIONS: Final = "cdi_integrations"  # 50 a minute
CDI_SYNC_RUNS: Final = "cdi_sync_runs"  # 100 a minute
PREFERENCE_CENTERS: Final = "preference_centers"  # 1,000 a minute
TRANSLATIONS: Final = "translations"  # 250,000 a minute
DATA_OBJECTS: Final = "data_objects_read"  # 50 requests a minute
SCIM: Final = "scim"  # 5,000 requests a day, for the whole company
USERS_BY_ID: Final = "users_export_ids"  # 250 requests a minute, or 2,500, or 40 a second

# A page read during an edit may miss it, and Braze shows writes with a short delay, so read this much time before the
# bookmark again.
EDIT_OVERLAP: Final = timedelta(hours=1)

_NAMED: Final = 20  # fields to list in one log line

MISSING: Final = "missing"  # in STATE: what single parents lack although the bookmark has passed it
COVERED: Final = "covered"  # in STATE: what runs have read, so that a later run notices what is new in scope


class BrazeStream(ComparedStream):
    """A stream of the tap. Tables in the READMEs show the first line of its docstring, its `path` and so on."""

    name: str = ""
    path: ClassVar[str]
    method: ClassVar[str] = "GET"
    permission: ClassVar[str]
    pool: ClassVar[str] = DEFAULT
    payload: ClassVar[str]
    parent: ClassVar[type[BrazeStream] | None] = None
    as_written: ClassVar[tuple[str, ...]] = ()  # time columns that keep Braze's form
    untested: str = ""  # why `--test` sends no request for it
    opt_in: ClassVar[str] = ""  # the setting required to read it, even if it is selected

    # Values parsed from JSON are as Braze sent them; nothing needs conversion.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    replication_key: str | None = None

    def __init__(self, run: RunContext, schema: dict[str, Any] | None = None) -> None:
        super().__init__(run, schema)
        self._unknown_fields: dict[str, None] = {}

    @property
    def is_slow(self) -> bool:
        """Return whether its rate limit may make it wait for the next hour."""
        return HOURLY_1000 in {self.pool, self.parent.pool if self.parent else None}

    @classmethod
    def listed_by(cls) -> tuple[type[BrazeStream], ...]:
        """Return the streams whose rows determine what to request."""
        return (cls.parent,) if cls.parent else ()

    def probe(self) -> Request | None:
        """Return a request like those of a run, for `--test`; None if no row or setting names anything to request.

        Raises:
            BrazeError: A request needed to build it failed.
        """
        raise NotImplementedError

    def bare_request(self) -> Request:
        """Return a request without parameters, because Braze checks the permission before the parameters.

        https://www.braze.com/docs/api/basics/#rest-api-key
        """
        body = b"{}" if self.method == "POST" else None
        return Request(re.sub("{.*?}", "-", self.path), {}, self.pool, self.payload, body=body)

    @property
    def needs(self) -> str:
        """Return what a key needs to read the stream."""
        return f"the permission '{self.permission}'"

    def assume_rows(self, rows: Iterable[Any]) -> None:
        """Treat these as all existing rows, if other streams read the rows of this one."""

    def discreet(self, error: BrazeError) -> BrazeError:
        """Return the error without details that no message may show."""
        return error

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        """Move unknown top-level fields into the column for them; keep nested objects as Braze sends them."""
        if not row.keys() <= self._known_fields:
            unknown = {name: row.pop(name) for name in [name for name in row if name not in self._known_fields]}
            self._unknown_fields |= dict.fromkeys(unknown)
            if self._has_extra:
                row[self._extra] = unknown
        return row

    @cached_property
    def _extra(self) -> str:
        return columns.extra_column(self.schema["properties"])

    @cached_property
    def _known_fields(self) -> frozenset[str]:
        """Return the columns that Braze can fill. An older catalog may lack some of today's."""
        return frozenset(self.effective_schema["properties"]) - {self._extra}

    @cached_property
    def _has_extra(self) -> bool:
        return self._extra in self.effective_schema["properties"]

    def conform(self, row: Record) -> None:
        """Check the types of a row and normalize its values in place.

        Raises:
            WrongTypeError: A value's type differs from its column's.
        """
        self._row_types.conform(row)

    @cached_property
    def _row_types(self) -> RowTypes:
        properties = {name: column for name, column in self.schema["properties"].items() if name != self._extra}
        added = self.comparison_kind.key if self.comparison_kind else ()
        keys = [name for name in self.primary_keys if name not in added]
        return RowTypes({**self.schema, "properties": properties}, keys, self.as_written)

    def _log_unknown_fields(self) -> None:
        if not self._unknown_fields:
            return
        names = ", ".join(repr(short(name)) for name in islice(self._unknown_fields, _NAMED))
        if (more := len(self._unknown_fields) - _NAMED) > 0:
            names += f" and {more} more"
        if self._has_extra:
            text = "stream '%s': these fields have no column of their own and are in '%s': %s"
            self.logger.info(text, self.name, self._extra, names)
        else:
            text = (
                "stream '%s': the catalog has no columns for these fields and no '%s'; discover it again (--discover): "
                "%s"
            )
            self.logger.warning(text, self.name, self._extra, names)
        self._unknown_fields = {}

    @override
    def log(self, message: str, *args: Any, level: int = INFO, **kwargs: Any) -> None:
        # The SDK logs every exception; log these in one line at the end instead.
        is_known = level == ERROR and isinstance(sys.exc_info()[1], (BrazeError, ConfigValidationError))
        # The progress lines already show where the run is.
        if is_known or message.startswith("Beginning sync of"):
            level = DEBUG
        super().log(message, *args, level=level, **kwargs)

    @property
    def bookmark(self) -> str | None:
        """Return how far earlier runs read the stream; None for nothing."""
        if self.replication_method != REPLICATION_INCREMENTAL:
            return None
        if self.stream_state.get("replication_key") != self.replication_key:
            return None
        return self.stream_state.get("replication_key_value") or None

    def read_bookmark(self) -> tuple[str | None, datetime | None]:
        """Return a date-time bookmark, both as text and parsed.

        Raises:
            ConfigValidationError: The bookmark is not a date and time.
        """
        bookmark = self.bookmark
        moment = moment_or_none(bookmark)
        if bookmark is not None and moment is None:
            raise bad_bookmark(self.name, bookmark)
        return bookmark, moment

    def unread(self, versions: Mapping[str, Sequence[str]], changed: Iterable[str]) -> set[str]:
        """Return the objects whose version no earlier run read; by a state without marks, those that `changed`."""
        if self.bookmark is None:
            return {*versions}
        if COVERED not in self.stream_state:
            return {*changed}
        try:
            marks = {*coverage.unpacked(self.stream_state[COVERED])}
        except ValueError as error:
            raise malformed_state(self.name, COVERED, error) from None
        return {key for key, version in versions.items() if coverage.mark(version) not in marks}

    def set_bookmark(self, value: str, read: Iterable[Sequence[str]] | None = None) -> None:
        """Move the bookmark, and write STATE with the versions of the objects read, if the stream notes them."""
        if self.replication_method != REPLICATION_INCREMENTAL:
            return
        self.write_waiting()
        self.stream_state.update(replication_key=self.replication_key, replication_key_value=value)
        if read is not None:
            self.stream_state[COVERED] = coverage.packed(map(coverage.mark, read))
        self.write_state()

    def set_aside(self, named: str, error: BrazeError) -> None:
        """Continue without a parent that keeps failing, and fail the run at its end; an outage fails it now."""
        self.lacks_rows = True
        if self.ABORT_AT_RECORD_COUNT is not None:  # a trial has no end
            self.fail(error, about=f", {named}")
        if isinstance(error, MalformedError):
            self.run.refusals.record_missing(self.name, named, error)
        elif outage := self.run.refusals.record_failure(self.name, named, error):
            self.fail(outage[1], about=f", {outage[0]}")

    def fail(self, error: BrazeError, *, about: str = "") -> NoReturn:
        """Raise the error with the stream's name and what to do next."""
        text = f"stream '{self.name}'{about}: {error}"
        if isinstance(error, ForbiddenError):
            text += (
                f". Reading it needs {self.needs}, and this machine's address on the key's IP allowlist if it has one. "
                "Neither can be added to an existing key: create a new one, or deselect the stream"
            )
        elif isinstance(error, UnauthorizedError):
            text += f". Reading it needs {self.needs}"
        elif isinstance(error, UnavailableError):
            text += ". Run again later: the run continues from the last STATE"
        self.run.writer.flush()
        raise type(error)(text, status=error.status, errors=error.errors) from error

    def is_identified(self, row: Record, keys: Iterable[str]) -> bool:
        """Return whether a row has its keys; report it if not."""
        for key in keys:
            if not isinstance(row.get(key), (str, int)):
                self.lacks_rows = True
                self.run.refusals.record_missing(
                    self.name, f"a row without {key!r}", MalformedError("Braze sent it like this")
                )
                return False
        return True

    def edited_since(self, latest: datetime | None) -> datetime | None:
        """Return the time from which to read edits: an overlap before the latest edit, but not before the setting.

        None means from the beginning. The start date does not apply here: which objects were edited is unrelated to the
        days of the series.
        """
        start = self.run.settings.edited_since
        return max((at for at in (start, latest and latest - EDIT_OVERLAP) if at is not None), default=None)

    @override
    def after_state(self) -> None:
        self.run.writer.flush()

    @override
    def wrote(self, records: int) -> None:
        self.run.progress.wrote(self.name, records)

    @property
    @override
    def is_complete(self) -> bool:
        """Return whether this run read all rows of the stream and of the streams that determine what to request."""
        return not self.lacks_rows and not any(self.run.stream(kind).lacks_rows for kind in self.listed_by())

    @override
    @contextmanager
    def reading(self) -> Iterator[None]:
        progress = self.run.progress
        progress.begin(self.name, self.path)
        try:
            yield
            self.remove_the_gone()
        except (ForbiddenError, UnauthorizedError) as error:
            # Before the first successful response, a 401 is about the key, not its permissions.
            if not self.run.settings.skip_forbidden or (isinstance(error, UnauthorizedError) and not progress.requests):
                raise
            self.run.refusals.record_skip(self.name, error)
        finally:
            progress.end()
            self._log_unknown_fields()

    @override
    def log_sync_costs(self) -> None:
        super().log_sync_costs()
        self.run.refusals.close()  # the SDK calls this after the last stream


def bad_bookmark(stream: str, bookmark: str) -> ConfigValidationError:
    """Return the error for a bookmark that this tap did not write."""
    return bad_state(stream, f"the bookmark {bookmark!r} in the state is not a date; remove or correct it")


def malformed_state(stream: str, name: str, error: Exception) -> ConfigValidationError:
    """Return the error for a part of a stream's state that this tap did not write."""
    return bad_state(stream, f"'{name}' in the state is malformed ({error}); remove or correct it")
