"""Tables of the tap's settings, streams, columns and permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_braze.settings.schema import CONFIG_SCHEMA
from tap_braze.streams import STREAMS
from tap_braze.streams.base.series import SeriesStream
from tap_braze.streams.currents import CurrentsEvents, CurrentsStream

from generate.markdown import settings_table, table

if TYPE_CHECKING:
    from tap_braze.streams.base.stream import BrazeStream


def settings() -> str:
    """Return the table of the tap's settings."""
    return settings_table(CONFIG_SCHEMA)


def streams() -> str:
    """Return the table of streams: endpoint, permission, keys, rate limit."""
    rows = [
        (
            f"`{stream.name}`",
            about(stream),
            f"`{stream.path}`",
            "a SCIM token" if stream.permission == "scim" else f"`{stream.permission}`",
            ", ".join(_keys(stream)),
            f"`{stream.replication_key}`" if stream.replication_key else "",
            f"`{stream.pool}`",
        )
        for stream in STREAMS
    ]
    for name, text, key in (
        ("currents_…", f"{CurrentsStream.__doc__} A stream for each type.", "`id`"),
        (CurrentsEvents.name, f"{CurrentsEvents.__doc__} Not selected by default.", "`event_type`, `id`"),
    ):
        rows.append((f"`{name}`", text, "files at `currents.url`", "", key, "", ""))
    return table(("stream", "", "endpoint", "permission", "key", "replication key", "rate limit"), rows)


def about(stream: type[BrazeStream]) -> str:
    """Return the first line of a stream's docstring, and whether a catalog selects it."""
    (first, *_) = (stream.__doc__ or "").splitlines()
    if stream.opt_in:
        return f"{first} Read only with `{stream.opt_in}`."
    return first if stream.selected_by_default else f"{first} Not selected by default."


def columns() -> str:
    """Return a section for each stream with its columns, types and meanings."""
    parts = []
    for stream in STREAMS:
        schema: Any = stream.schema  # read from the class: a property of the SDK's base class, a dict in ours
        rows = [
            (f"`{name}`", _type(column), column.get("description", "")) for name, column in schema["properties"].items()
        ]
        parts.append(
            f"## {stream.name}\n\n{about(stream)}\n\nKey: {', '.join(_keys(stream)) or 'none'}.\n\n"
            + table(("column", "type", ""), rows)
        )
    return "\n".join(parts)


def _keys(stream: type[BrazeStream]) -> list[str]:
    keys = [f"`{key}`" for key in stream.primary_keys]
    if issubclass(stream, SeriesStream):
        keys = [*(f"(`{name}`)" for name in stream.dimensions), *keys]
    return keys


def _type(column: dict[str, Any]) -> str:
    """Return a column's type in a word or two: `date-time`, `array of string`."""
    if "anyOf" in column or "oneOf" in column:
        return " or ".join(_type(each) for each in column.get("anyOf", column.get("oneOf", [])))
    types = column.get("type", "any")
    name = " or ".join(t for t in ([types] if isinstance(types, str) else types) if t != "null")
    if name == "array" and isinstance(items := column.get("items"), dict) and "type" in items:
        return f"array of {_type(items)}"
    return str(column.get("format", name) or "any")
