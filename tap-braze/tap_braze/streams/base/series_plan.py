"""What a time series requests, and what STATE keeps of it; `series` reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Final

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_braze.fetching.fetch import Request
from tap_braze.fetching.gaps import Gaps
from tap_braze.fetching.windows import first_day, span, windows
from tap_braze.streams.base import columns
from tap_braze.streams.base.compared import table_change
from tap_braze.streams.base.days_read import last_day_read
from tap_braze.streams.base.row_types import EncodedRows, can_stay_encoded
from tap_braze.streams.base.shared import SharedStream
from tap_braze.streams.base.stream import COVERED, MISSING, malformed_state
from tap_braze.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Record
    from singer_sdk.singerlib import Catalog

    from tap_braze.fetching.coverage import Coverage
    from tap_braze.fetching.windows import Window
    from tap_braze.streams.base.context import RunContext
    from tap_braze.streams.base.details import DetailsStream
    from tap_braze.streams.base.lists import ListStream

# Dimensions that can split a series: the field added to its rows, the setting that lists the values, and the request
# parameter.
DIMENSIONS: Final = {
    "app_id": ("app_ids", "app_id"),
    "segment_id": ("segment_ids", "segment_id"),
    "product_id": ("product_ids", "product"),
}
EVERY: Final = ("*",)
_SCOPE: Final = "scope"  # in STATE: what gives the rows their key, their type and their days
_CHANGES: Final = {
    "split_by": "'app_ids', 'segment_ids' and 'product_ids' add {now} to its key, and earlier runs had {before} in it",
    "series_unit": "'series_unit' changes the type of 'time' from {before} to {now}",
    "time_zone": "'time_zone' changes its days from those of {before} to those of {now}",
}
# Number of newest windows to read for every parent. Reading details costs one request per parent, which pays off only
# where many windows may precede the first send; daily runs skip it.
_NEWEST: Final = 8


class SeriesPlan(SharedStream):
    """The declaration of a series: its parents, dimensions, windows, requests, bookmark and gaps."""

    payload = "data"
    replication_key = "time"
    as_written = ("time",)  # hours without an offset are in a time zone that no field names
    parent: ClassVar[type[ListStream] | None] = None
    parent_key: ClassVar[str] = ""  # the field of the rows that identifies their parent
    parent_param: ClassVar[str] = ""  # its request parameter, if the name differs
    details: ClassVar[type[DetailsStream] | None] = None  # the stream that shows when a parent's data can start
    dimensions: ClassVar[tuple[str, ...]] = ()
    products: ClassVar[type[ListStream] | None] = None  # the list of all values of the product dimension
    trimmed: ClassVar[bool] = True  # whether each row covers one day
    hourly: ClassVar[bool] = False  # whether the series is also available by hour
    longest: ClassVar[int] = 100  # days that fit in one response
    switches: ClassVar[tuple[str, ...]] = ()  # parameters to send as true
    rows_in: ClassVar[str] = ""  # the field with the rows, if `payload` is an object
    shared_columns: ClassVar[tuple[str, ...]] = ()  # columns whose value stands once in that object
    source: ClassVar[type[SeriesPlan] | None] = None  # for a long form: the series whose rows are unfolded

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self.by_hour = self.hourly and self.config.get("series_unit") == "hour"
        self.split_by = tuple(name for name in self.dimensions if self.config.get(DIMENSIONS[name][0]))
        properties = {name: columns.DIMENSIONS[name] for name in self.split_by} | self.schema["properties"]
        if self.by_hour:
            properties |= columns.HOUR
        self.primary_keys = (*self.split_by, *self.primary_keys)
        required = [*self.split_by, *self.schema["required"]]
        self.schema = {**self.schema, "properties": properties, "required": required}

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        form = self.schema["properties"]["time"].get("format")
        super().apply_catalog(catalog)
        if (entry := catalog.get_stream(self.name)) is None:
            return
        text = ""
        for name, (setting, _) in DIMENSIONS.items():
            if name in self.dimensions and (name in self.primary_keys) != (name in self.split_by):
                text = f"setting '{setting}', which changes the key"
        time = entry.schema.to_dict().get("properties", {}).get("time", {}).get("format", form)
        if self.hourly and time != form:
            text = "setting 'series_unit', which changes the type of 'time'"
        if text:
            text = f"stream '{self.name}': the catalog was made with another {text}; discover it again (--discover)"
            raise ConfigValidationError("Wrong catalog", errors=[text], schema={})

    @override
    def shares_with(self, stream: SharedStream) -> bool:
        return isinstance(stream, SeriesPlan) and (stream.source or type(stream)) is (self.source or type(self))

    @property
    @override
    def is_whole(self) -> bool:
        return self.source is None

    @override
    def probe(self) -> Request | None:
        today = self.run.settings.last_day
        window = next(iter(self.windows(today, today)))
        return next((self.request(tags, window) for tags in self.targets()), None)

    def rows(self, document: dict[str, Any], window: Window) -> list[Record]:  # noqa: ARG002 - used by subclasses
        """Return the rows of a response, each with its `time`."""
        found: Any = document[self.payload] or []
        if not (self.rows_in and found):
            return found  # type: ignore[no-any-return]
        return [{**{name: found.get(name) for name in self.shared_columns}, **row} for row in found[self.rows_in]]

    def encoded_rows(self) -> EncodedRows | None:
        """Return the reader of rows that stay encoded; None if something may change them."""
        if not self.is_whole or type(self).rows is not SeriesPlan.rows:
            return None
        tags = {*self.split_by, *self.parent_fields}
        columns = {
            name: {**column, "format": None} if name in self.as_written else column
            for name, column in self.schema["properties"].items()
            if name in self._known_fields and name not in tags
        }
        if not (columns.keys() >= {*self.shared_columns} and all(map(can_stay_encoded, columns.values()))):
            return None
        keys = [name for name in self.primary_keys if name not in tags]
        return EncodedRows(columns, keys, self.payload, nested=self.rows_in, shared=self.shared_columns)

    def unfold(self, row: Record) -> Iterable[Record]:
        """Return the records for a row: the row itself, or its long form."""
        return (row,)

    def windows(self, first: date, last: date) -> Iterator[Window]:
        """Yield the windows for a range of days, oldest first."""
        return windows(first, last, self.longest, hourly=self.by_hour)

    def targets(self) -> Sequence[Mapping[str, str]]:
        """Return the targets of each window as the fields to add to their rows: parents by app, segment and product."""
        choices = [[{name: value} for value in self._values(name)] for name in self.split_by]
        parents: list[dict[str, str]] = [{}]
        if self.parent is not None:
            parents = [{self.parent_key: parent} for parent in self.run.stream(self.parent).ids(self.name)]
        return [
            {**{name: value for choice in chosen for name, value in choice.items()}, **parent}
            for parent in parents
            for chosen in product(*choices)
        ]

    def request(self, tags: Mapping[str, str], window: Window) -> Request:
        """Return the request for a window of the target that the tags identify."""
        ask = {self._param(name): value for name, value in tags.items()}
        params = {**ask, **dict.fromkeys(self.switches, "true"), **self.dates(window)}
        request = Request(self.path, params, self.pool, self.payload, tags=tags, window=window)
        now = datetime.now(self.run.settings.zone)
        if moment(params["ending_at"]) <= now:
            return request
        # The docs do not say whether Braze accepts an end in the future.
        return replace(request, otherwise={**params, "ending_at": now.replace(microsecond=0).isoformat()})

    def dates(self, window: Window) -> dict[str, str]:
        """Return the request parameters for a window."""
        return window.params(self.run.settings.zone)

    @property
    def start_day(self) -> date:
        """Return the first day in scope."""
        return self.aligned(self.run.settings.start.date())

    @property
    def first_day(self) -> date:
        """Return the first day to read of every target."""
        settings = self.run.settings
        return self.aligned(first_day(settings.start.date(), last_day_read(self), settings.lookback))

    def aligned(self, day: date) -> date:
        """Return the first day of the row that a day belongs to."""
        return day

    @property
    def newest(self) -> date:
        """Return the first of the newest days, which are read for every parent regardless of its details.

        It is counted from today, so that the days of a run do not depend on where this run or an earlier one began or
        ended.
        """
        return self.run.settings.today - _NEWEST * span(self.longest, hourly=self.by_hour)

    def gaps(self, targets: Iterable[Mapping[str, str]]) -> Gaps:
        """Return the days that these targets lack although the bookmark has passed them."""
        if not self._is_incremental:
            return Gaps()
        names = {*self.split_by, *self.parent_fields, "first", "last"}
        try:
            gaps = Gaps(entry for entry in self.stream_state.get(MISSING, ()) if {*entry} == names)
        except (TypeError, ValueError) as error:
            raise malformed_state(self.name, MISSING, error) from None
        gaps.keep(targets)
        return gaps

    @override
    def state_errors(self) -> Iterator[str]:
        """Yield an error for each setting that gives the rows another key, another type or other days than before."""
        noted, scope = self.stream_state.get(_SCOPE), self._scope
        if self.bookmark is None or not isinstance(noted, dict):
            return
        for name, text in _CHANGES.items():
            if name in noted and noted[name] != scope[name]:
                change = text.format(before=_shown(noted[name]), now=_shown(scope[name]))
                yield table_change(self.name, change)

    @property
    def _scope(self) -> dict[str, Any]:
        return {
            "split_by": list(self.split_by),
            "series_unit": "hour" if self.by_hour else "day",
            "time_zone": self.config["time_zone"],
        }

    @property
    def parent_fields(self) -> tuple[str, ...]:
        """Return the fields that identify a parent; with them, the series continues without a refused parent."""
        return (self.parent_key,) if self.parent_key else ()

    def note(self, last: date | None, gaps: Gaps, coverage: Coverage) -> None:
        """Record how far the stream was read, of which targets, and its gaps; the caller writes STATE."""
        if not self._is_incremental:
            return
        state = self.stream_state
        if last is not None:
            # A lookback or an end date may precede the bookmark; the bookmark never moves back.
            bookmark = max(last.isoformat(), (self.bookmark or "")[:10])
            state.update(replication_key=self.replication_key, replication_key_value=bookmark)
        if self.bookmark is not None:  # otherwise nothing counts as read
            state |= {_SCOPE: self._scope, COVERED: coverage.state()}
        if gaps:
            state[MISSING] = gaps.state()
        else:
            state.pop(MISSING, None)

    @property
    def _is_incremental(self) -> bool:
        return self.replication_method == REPLICATION_INCREMENTAL

    def _values(self, dimension: str) -> Iterable[str]:
        values: tuple[str, ...] = getattr(self.run.settings, DIMENSIONS[dimension][0])
        if values == EVERY and dimension == "product_id" and self.products is not None:
            return self.run.stream(self.products).ids(self.name)
        return values

    def _param(self, name: str) -> str:
        if name == self.parent_key:
            return self.parent_param or name
        return DIMENSIONS[name][1] if name in DIMENSIONS else name


def _shown(value: object) -> str:
    return (", ".join(map(str, value)) or "nothing") if isinstance(value, list) else str(value)
