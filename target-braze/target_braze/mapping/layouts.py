"""Layouts: where the records of a customer-data platform hold the parts of a call, told by a stream's schema alone.

Nested as the raw JSON of https://www.twilio.com/docs/segment/connections/spec/common and
https://www.rudderstack.com/docs/event-spec/standard-events/common-fields/; flat as the tables of
https://www.twilio.com/docs/segment/connections/storage/warehouses/schema and
https://www.rudderstack.com/docs/data-warehouse-integrations/warehouse-schemas/; or events that Amplitude exported,
https://amplitude.com/docs/apis/analytics/export.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.mapping.columns import Columns

METHODS: Final = ("identify", "track", "page", "screen", "group", "alias")

# How the names of warehouse tables end, and what their rows are; `users` holds the latest traits of each.
_TABLES: Final[Mapping[str, str]] = {
    "identifies": "identify",
    "users": "identify",
    "tracks": "track",
    "pages": "page",
    "screens": "screen",
    "groups": "group",
    "aliases": "alias",
}
_OBJECTS: Final = ("traits", "properties", "context")
# The columns of a flat table that belong to the call and are neither a trait nor a property.
_ENVELOPE: Final = frozenset(
    """
    anonymous_id channel event event_text group_id id loaded_at message_id original_timestamp previous_id received_at
    rudder_id sent_at timestamp user_id uuid uuid_ts
    """.split()  # noqa: SIM905
)
# Columns of one part only: as warehouses name nested traits, and as the SDK's flattening names everything nested.
_PREFIXES: Final = {
    "traits": re.compile(r"(?:context__?)?traits__?(?=.)"),
    "properties": re.compile(r"properties__?(?=.)"),
    "context": re.compile(r"context_"),
}


@dataclass(frozen=True)
class Layout:
    """Columns of the parts of a call; None or () where the stream has none.

    `traits` and `properties` are the objects that hold them, as paths, the later ones winning; in a flat layout they
    are columns of their own, each with the name that it has without its prefix.
    """

    table: str | None
    method: str | None
    type: str | None
    event: tuple[str, ...]
    times: tuple[str, ...]
    user_id: str | None
    anonymous_id: str | None
    anonymous_label: str
    previous_id: str | None
    group_id: str | None
    page: Mapping[str, str]
    traits: tuple[tuple[str, ...], ...]
    properties: tuple[tuple[str, ...], ...]
    flat_traits: Mapping[str, str]
    flat_properties: Mapping[str, str]
    flat: bool = False
    amplitude: bool = False


def recognise(columns: Columns) -> Layout:
    """The layout of a stream."""
    if "event_type" in columns and {"user_properties", "event_properties"} & set(columns.names):
        return _amplitude(columns)
    return _calls(columns)


def _amplitude(columns: Columns) -> Layout:
    return Layout(
        table=None,
        method=None,
        type="event_type",
        event=("event_type",),
        times=_there(columns, "event_time", "client_event_time", "server_received_time", "server_upload_time"),
        user_id=_first(columns, "user_id"),
        anonymous_id=_first(columns, "device_id"),
        anonymous_label="device_id",
        previous_id=None,
        group_id=None,
        page={},
        traits=tuple((name,) for name in _there(columns, "user_properties")),
        properties=tuple((name,) for name in _there(columns, "event_properties")),
        flat_traits={},
        flat_properties={},
        amplitude=True,
    )


def _calls(columns: Columns) -> Layout:
    # Objects, or the text of such.
    nested = _there(columns, *_OBJECTS)
    flat = not {"traits", "properties"} & set(nested)
    ending = re.split(r"[^a-z]", columns.stream.lower())[-1]
    table = ending if ending in _TABLES else None
    user_id = _first(columns, "userId", "user_id") or ("id" if table == "users" and "id" in columns else None)
    method, method_column = _method(columns, table, flat=flat)
    return Layout(
        table=table,
        method=method,
        type=method_column,
        event=_there(columns, "event_text", "event"),
        times=_there(
            columns,
            *("timestamp", "originalTimestamp", "original_timestamp"),
            *("sentAt", "sent_at", "receivedAt", "received_at"),
        ),
        user_id=user_id,
        anonymous_id=_first(columns, "anonymousId", "anonymous_id"),
        anonymous_label="anonymous_id",
        previous_id=_first(columns, "previousId", "previous_id"),
        group_id=_first(columns, "groupId", "group_id"),
        page={name: name for name in _there(columns, "name", "category")},
        traits=_paths(nested, ("context", "traits"), ("traits",)),
        properties=_paths(nested, ("properties",)),
        flat_traits=_flat(columns, "traits", "fields", method_column) if flat else {},
        flat_properties=_flat(columns, "properties", "properties", method_column) if flat else {},
        flat=flat,
    )


def _method(columns: Columns, table: str | None, *, flat: bool) -> tuple[str | None, str | None]:
    """The method of all calls of the stream, or else the column that says it."""
    given = columns.entry.get("calls", {})
    if "method_field" in given:
        return None, columns.known(given["method_field"], "calls.method_field")
    if "method" in given:
        return given["method"], None
    if "type" in columns and not flat:
        return None, "type"
    if table:
        return _TABLES[table], None
    # A table of one event may well have a property that is called type, and always has the event's name in two forms.
    if "type" in columns and "event_text" not in columns:
        return None, "type"
    return ("track" if "event" in columns or "event_text" in columns else None), None


def _flat(columns: Columns, part: str, setting: str, method_column: str | None) -> dict[str, str]:
    """The columns of traits or properties in a flat layout, each with the name it has as such; the later ones win."""
    named = {name: name for name in columns.entry.get(setting, ()) if name in columns}
    own = _PREFIXES[part]
    others = [prefix for name, prefix in _PREFIXES.items() if name != part]
    prefixed = {column: column[match.end() :] for column in columns.names if (match := own.match(column))}
    plain = {
        column: column
        for column in columns.names
        if column not in _ENVELOPE
        and column not in _OBJECTS
        and column not in prefixed
        and column != method_column
        and not any(prefix.match(column) for prefix in others)
    }
    return prefixed | plain | named


def _paths(nested: tuple[str, ...], *paths: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(path for path in paths if path[0] in nested)


def _first(columns: Columns, *names: str) -> str | None:
    return next((name for name in names if name in columns), None)


def _there(columns: Columns, *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name in columns)
