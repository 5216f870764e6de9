"""Find where a customer-data platform's records hold the parts of a call, by the stream's schema alone.

Layouts are nested, as in the raw JSON of https://www.twilio.com/docs/segment/connections/spec/common and
https://www.rudderstack.com/docs/event-spec/standard-events/common-fields/; flat, as in the tables of
https://www.twilio.com/docs/segment/connections/storage/warehouses/schema and
https://www.rudderstack.com/docs/data-warehouse-integrations/warehouse-schemas/; or events exported from Amplitude,
https://amplitude.com/docs/apis/analytics/export.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_braze.mapping.columns import Columns

METHODS: Final = ("identify", "track", "page", "screen", "group", "alias")

# Endings of warehouse table names, and the calls in their rows; `users` holds the latest traits of each user.
_TABLES: Final[Mapping[str, str]] = {
    "identifies": "identify",
    "users": "identify",
    "tracks": "track",
    "pages": "page",
    "screens": "screen",
    "groups": "group",
    "aliases": "alias",
}
# Columns of a flat table that belong to the call and are neither traits nor properties, in snake_case.
_ENVELOPE: Final = frozenset(
    """
    anonymous_id channel event event_text group_id id loaded_at message_id original_timestamp previous_id received_at
    request_ip rudder_id sent_at timestamp user_id uuid uuid_ts write_key
    """.split()  # noqa: SIM905
)
# Prefixes of columns from one part only: nested traits in warehouses, and anything nested after flattening.
_PREFIXES: Final = {
    "traits": re.compile(r"(?:context__?)?traits__?(?=.)"),
    "properties": re.compile(r"properties__?(?=.)"),
    "context": re.compile(r"context_"),
}
_AMPLITUDE: Final = {
    "traits": re.compile(r"user_properties__?(?=.)"),
    "properties": re.compile(r"event_properties__?(?=.)"),
}
# The context's traits if flattening stopped at their object.
_CONTEXT_TRAITS: Final = ("context__traits", "context_traits")
# Warehouses spell all columns in snake_case and join the parts of nested names with one underscore.
_RAW_ENVELOPE: Final = frozenset({"messageId", "originalTimestamp", "receivedAt", "sentAt"})
_RAW_PART: Final = re.compile(r"(?:traits|properties|context|integrations)__")
# A warehouse table may have a property with this prefix too, but no such table names the call in `type`.
_MIXED_PART: Final = re.compile(r"(?:traits|properties|integrations)_")


@dataclass(frozen=True)
class Layout:
    """Columns of the parts of a call; None or () if the stream has none.

    `traits` and `properties` are paths of the objects that hold them; later ones win. `flat_traits` and
    `flat_properties` map separate columns to their names without the prefix. `flat`: traits come from no object.
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
    """Return the layout of a stream."""
    parts = ("user_properties", "event_properties")
    if "event_type" in columns and any(name.startswith(parts) for name in columns.names):
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
        flat_traits=_prefixed(columns, _AMPLITUDE["traits"]),
        flat_properties=_prefixed(columns, _AMPLITUDE["properties"]),
        flat="user_properties" not in columns,
        amplitude=True,
    )


def _calls(columns: Columns) -> Layout:
    objects = _objects(columns)
    flat = not objects
    raw = bool(objects) or _is_flattened(columns)
    ending = re.split(r"[^a-z]", columns.stream.lower())[-1]
    table = ending if ending in _TABLES else None
    user_id = _first(columns, "userId", "user_id") or ("id" if table == "users" and "id" in columns else None)
    method, method_column = _method(columns, table, raw=raw)
    # If there are objects, the lists select from their members.
    fields, properties = (columns.entry.get(setting, ()) if flat else () for setting in ("fields", "properties"))
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
        traits=_paths(
            (*objects, *_there(columns, *_CONTEXT_TRAITS)),
            *(("context", "traits"), *((name,) for name in _CONTEXT_TRAITS), ("traits",)),
        ),
        properties=_paths(objects, ("properties",)),
        flat_traits=_flat(columns, "traits", fields, method_column, raw=raw),
        flat_properties=_flat(columns, "properties", properties, method_column, raw=raw),
        flat=flat,
    )


def _objects(columns: Columns) -> tuple[str, ...]:
    """Return the columns that hold parts of calls as objects or as their JSON text."""
    parts = _there(columns, "traits", "properties", "context")
    # Warehouses flatten the context into columns; a trait may also be named `context`.
    is_flattened = any(_PREFIXES["context"].match(name) for name in columns.names)
    if is_flattened and columns.object_schema("context") is None:
        return tuple(part for part in parts if part != "context")
    return parts


def _is_flattened(columns: Columns) -> bool:
    """Return whether a stream without objects is raw JSON; then columns that are in no part belong to the call."""
    return (
        not _RAW_ENVELOPE.isdisjoint(columns.names)
        or any(_RAW_PART.match(name) for name in columns.names)
        or (
            "type" in columns and "event_text" not in columns and any(_MIXED_PART.match(name) for name in columns.names)
        )
    )


def _method(columns: Columns, table: str | None, *, raw: bool) -> tuple[str | None, str | None]:
    """Return the method of all calls of the stream, or else the column that holds it."""
    given = columns.entry.get("calls", {})
    if "method_field" in given:
        return None, columns.known(given["method_field"], "calls.method_field")
    if "method" in given:
        return given["method"], None
    if "type" in columns and raw:
        return None, "type"
    if table:
        return _TABLES[table], None
    # A table of one event may have a property named `type`, and always has the event's name in two forms.
    if "type" in columns and "event_text" not in columns:
        return None, "type"
    return ("track" if "event" in columns or "event_text" in columns else None), None


def _flat(
    columns: Columns, part: str, chosen: Iterable[str], method_column: str | None, *, raw: bool
) -> dict[str, str]:
    """Return the columns that are themselves traits or properties, each with its name as such; later ones win.

    In `raw` JSON, all traits and properties are members of an object, so only columns with a prefix qualify.
    """
    named = {name: name for name in chosen if name in columns}
    own = _PREFIXES[part]
    others = [prefix for name, prefix in _PREFIXES.items() if name != part]
    prefixed = _prefixed(columns, own)
    plain = {
        column: column
        for column in columns.names
        if not raw
        and snake_case(column) not in _ENVELOPE
        and column not in prefixed
        and column != method_column
        and not any(prefix.match(column) for prefix in others)
    }
    return prefixed | plain | named


def _prefixed(columns: Columns, prefix: re.Pattern[str]) -> dict[str, str]:
    """Return the columns with this prefix, each with the rest of its name."""
    return {column: column[match.end() :] for column in columns.names if (match := prefix.match(column))}


def snake_case(name: str) -> str:
    """Return a name in snake_case: `firstName` as `first_name`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _paths(objects: tuple[str, ...], *paths: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(path for path in paths if path[0] in objects)


def _first(columns: Columns, *names: str) -> str | None:
    return next((name for name in names if name in columns), None)


def _there(columns: Columns, *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name in columns)
