"""The sources of the dbt package, out of the tap's catalog."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, Final

import yaml
from tap_braze.currents import schemas
from tap_braze.singer.tap import TapBraze
from tap_braze.streams.base.compared import ComparedStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk import Stream

_EVENT_TYPES: Final = {schemas.stream_name(event_type): event_type for event_type in schemas.EVENT_TYPES}
_NOTE: Final = "# Generated from the tap's catalog by `make generate`; do not edit.\n"
_TYPES: Final = {"integer": "bigint", "number": "double", "boolean": "boolean", "object": "json", "array": "json"}
_FORMATS: Final = {"date": "date", "date-time": "timestamp"}
# With these settings the catalog has the columns app_id, segment_id and product_id too.
_CONFIG: Final = {
    "api_key": "none",
    "endpoint": "US-01",
    "app_ids": ["app"],
    "segment_ids": ["segment"],
    "product_ids": ["product"],
}


def files() -> dict[str, str]:
    """Return the text of each file of sources by its path."""
    with tempfile.TemporaryDirectory() as folder:
        tap = TapBraze(config={**_CONFIG, "currents": {"url": folder}}, setup_mapper=False)
        tables = {name: _table(stream) for name, stream in sorted(tap.streams.items())}
    return {
        "dbt-braze/models/staging/src_braze.yml": _document(
            "braze",
            "Tables that a Singer loader makes of the streams of tap-braze.",
            [table for name, table in tables.items() if name not in _EVENT_TYPES],
        ),
        "dbt-braze/models/staging/src_braze_currents.yml": _document(
            "braze_currents",
            "Tables of the events of Braze Currents, one for each event type.",
            [table for name, table in tables.items() if name in _EVENT_TYPES],
        ),
    }


def _document(name: str, description: str, tables: Iterable[dict[str, Any]]) -> str:
    source = {
        "name": name,
        "description": description,
        "database": "{{ var('braze_database', target.database) }}",
        "schema": "{{ var('braze_schema', 'tap_braze') }}",
        "tables": list(tables),
    }
    return _NOTE + yaml.safe_dump({"version": 2, "sources": [source]}, sort_keys=False, width=110, allow_unicode=True)


def _table(stream: Stream) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    if event_type := _EVENT_TYPES.get(stream.name):
        meta = {"event_type": event_type}
    elif isinstance(stream, ComparedStream) and stream.unversioned is not None:
        meta = {"key": list(stream.primary_keys)}
    return {
        "name": stream.name,
        "description": (type(stream).__doc__ or "").splitlines()[0] + f" Key: {', '.join(stream.primary_keys)}.",
        **({"config": {"meta": meta}} if meta else {}),
        "columns": [_column(name, schema) for name, schema in stream.schema["properties"].items()],
    }


def _column(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a column; `data_type` is what the macro `column_type` translates for each warehouse."""
    kinds = [kind for kind in schema["type"] if kind != "null"]
    # Fields that come in several types land as text or JSON, by loader.
    kind = kinds[0] if len(kinds) == 1 else "string"
    described = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, **described, "data_type": _FORMATS.get(schema.get("format", ""), _TYPES.get(kind, "varchar"))}
