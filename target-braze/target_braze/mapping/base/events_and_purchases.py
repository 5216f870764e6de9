"""Base class of events and purchases."""

from __future__ import annotations

import time
from abc import abstractmethod
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze.changes import Change
from target_braze.braze.endpoints import TRACK
from target_braze.encode import encode
from target_braze.mapping.base.properties import Properties
from target_braze.mapping.base.stream_mapping import StreamMapping
from target_braze.mapping.columns import Field
from target_braze.mapping.spelling import almost
from target_braze.mapping.values.nested import checked_size
from target_braze.mapping.values.scalars import Convert, to_string
from target_braze.mapping.values.times import remembered, to_moment, to_time
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import tzinfo

    from target_braze.records import User

# Seconds that an event may lie in the future without a notice, because clocks differ.
_CLOCK_SKEW: Final = 300.0
# A day that had ended in every time zone when the program started.
_LONG_AGO: Final = (datetime.now(timezone.utc) - timedelta(days=2)).date().isoformat()
# JSON types of columns for the parts that are not numbers.
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {"currency": ("string",)}


class EventOrPurchase(StreamMapping):
    """Base of events and purchases: objects with a time, an app and properties."""

    properties_bytes: ClassVar[int]
    reserved: ClassVar[frozenset[str]]

    def _compile_properties(self, used: set[str]) -> None:
        columns, defaults = self._columns, self._defaults
        place = defaults.place(self._notice, typed_nested_times=False)
        time_column = columns.entry.get("time_field", "time")
        if time_column not in columns and "time_field" not in columns.entry:
            raise columns.error(
                f"no column for the time: write {columns.at}.time_field: "
                f"{almost(columns, 'time') or 'the_column'}. "
                f"Columns: {', '.join(columns.names)}"
            )
        columns.known(time_column, "time_field")
        columns.check_types(time_column, ("string",), "the time")
        read, zone = columns.read_time(time_column), defaults.zone
        to_text = remembered(lambda value: to_time(read(value), zone))
        self._time = Field(time_column, "time", lambda value: to_past(to_text(value), zone, time_column, self._notice))
        used = used | {time_column} | self._identifier_columns()
        self._app_id = None
        if "app_id" in columns and "app_id" not in columns.entry.get("properties", ()):
            self._app_id = Field("app_id", "app_id", to_string)
            used.add("app_id")
        elif (spelled := almost(columns, "app_id")) and spelled not in columns.entry.get("properties", ()):
            self._notice(f"column '{spelled}' becomes a property: only one called 'app_id' names the app")
        reserved = dict.fromkeys(self.reserved, f"Braze reserves in the properties of {self.to}")
        self._properties = Properties(
            columns,
            used,
            natural="properties",
            reserved=reserved,
            place=place,
            dropped=defaults.dropped(self._notice),
            notice=self._notice,
        )
        self._open_fast_path(self._properties.fields, used | {*self._properties.flattened})

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        parts = [self._time, *([self._app_id] if self._app_id else ()), *self._parts_of_object()]
        found = {field.name: (field.column,) for field in parts}
        return found | {f"properties.{field.name}": (field.column,) for field in self._properties.fields.all}

    @property
    @override
    def flattened(self) -> tuple[str, ...]:
        return self._properties.flattened

    @abstractmethod
    def _parts_of_object(self) -> Iterable[Field]:
        """Return the fields made from columns, other than the time and the properties."""

    def _fill_timed(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        fields["time"] = self._time.required(record)
        app_id = (self._app_id and self._app_id.value(record)) or self._defaults.app_id
        if app_id:
            fields["app_id"] = app_id

    @override
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        self._fill_own(fields, record)
        properties = self._properties.of(record)
        if properties:
            fields["properties"] = properties

    @override
    def _object_of_own(self, user: User, record: Mapping[str, Any]) -> dict[str, Any]:
        fields = super()._object_of_own(user, record)
        # A column with a property of the same name may be blank, so leave the record to the full path.
        if members := self._properties.members(record, self._properties.names):
            fields["properties"] = members  # the last key; see `_as_fast_change`
        return fields

    @override
    def _as_change(self, user: User, fields: dict[str, Any]) -> Change:
        encoded = encode(fields)
        # No part is larger than the whole.
        if len(encoded) > self.properties_bytes:
            try:
                checked_size(fields.get("properties", {}), self.properties_bytes)
            except ValueError as wrong:
                raise RecordError(f"its properties are {wrong}") from None
        return Change(self.payload_key, user, fields, self.semantics[0], TRACK, encoded=encoded)

    @override
    def _as_fast_change(self, user: User, own: dict[str, Any], encoded: bytes, number: int) -> Change | None:
        head = encode(own)
        if not number:
            whole = head
        elif "properties" in own:
            whole = b"%s,%s}" % (head[:-2], encoded[1:])
        else:
            whole = b'%s,"properties":%s}' % (head[:-1], encoded)
        if len(whole) > self.properties_bytes:
            return None
        semantics = self.semantics[0]
        # Properties cost no data points.
        points, repeats = semantics.data_points(own, user[0]), semantics.repeatable(own)
        return Change(self.payload_key, user, None, semantics, TRACK, encoded=whole, points=points, repeats=repeats)

    def _column(self, setting: str, given: Mapping[str, str], key: str, convert: Convert) -> Field:
        """Return the column for a part of the object: the one in the mapping, or else the one with the part's name."""
        columns = self._columns
        spelled = almost(columns, key)
        if key not in given and key not in columns:
            hint = f"{setting if key == 'name' else f'{setting}.{key}'}: {spelled or 'the_column'}"
            raise columns.error(
                f"no column for '{key}', which Braze requires: write {columns.at}.{hint}. "
                f"Columns: {', '.join(columns.names)}"
            )
        column = columns.known(given.get(key, key), setting if key == "name" else f"{setting}.{key}")
        columns.check_types(column, _KINDS.get(key, ("string", "number", "integer")), f"'{key}'")
        return Field(column, key, columns.read_id(column, convert) if key == "product_id" else convert)


def to_past(text: str, zone: tzinfo, column: str, notice: Callable[[str], None]) -> str:
    """Return the time of an event, which is in ISO 8601, and give notice if it is in the future."""
    # For most events, the day alone shows that they are in the past.
    if text >= _LONG_AGO and to_moment(text, zone).timestamp() > time.time() + _CLOCK_SKEW:
        notice(f"column '{column}' is in the future; Braze stores the time of arrival instead")
    return text


def watch_names(seen: set[str], name: str, many: int, what: str, notice: Callable[[str], None]) -> set[str]:
    """Count distinct names up to a limit, because Braze blocks a profile with too many."""
    if len(seen) <= many and name not in seen:
        if len(seen) == many:
            notice(f"more than {many:,} distinct {what}: is this a name, or data that belongs in a property?")
        seen.add(name)
    return seen
