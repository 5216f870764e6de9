"""Where a loader's tables differ from what they should hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tap_braze.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.matrix.loaders import Loader
    from tests.e2e.matrix.tables import Row, Table

OPEN = ("_extra", "other_metrics", "payload")
"""Columns with the fields that have none of their own."""


def differences(loader: Loader, expected: dict[str, Table], found: dict[str, list[Row]]) -> list[str]:
    """Return what rows, keys and values are other than expected, a line each."""
    wrong = []
    for stream, table in expected.items():
        if stream in found:
            wrong += [f"{stream} {one}" for one in _of_table(loader, table, found[stream])]
        elif table.rows:
            wrong.append(f"{stream} is missing")
    return wrong


def _of_table(loader: Loader, table: Table, found: list[Row]) -> Iterator[str]:
    keys = [loader.column(key) for key in table.keys]
    rows = {tuple(_plain(row[key]) for key in keys): row for row in found}
    wanted = {
        tuple(_plain(loader.text(key)) if isinstance(key, str) else key for key in by): row
        for by, row in table.rows.items()
    }
    yield from (f"lacks {key}" for key in wanted.keys() - rows.keys())
    if loader.deletes:
        yield from (f"has {key}, which Braze has not" for key in rows.keys() - wanted.keys())
        if len(rows) != len(found):
            yield f"has {len(found) - len(rows)} rows with the key of another"
    for key in wanted.keys() & rows.keys():
        yield from (f"{key}: {one}" for one in _of_row(loader, wanted[key], rows[key]))


def _of_row(loader: Loader, wanted: Row, row: Row) -> Iterator[str]:
    # The loader's own columns, and the time of the tap's run.
    row = {name: value for name, value in row.items() if not name.startswith("_sdc_") and name != "exported_at"}
    rest: Row = {}
    for name in OPEN:
        rest |= _decoded(row.pop(name, None)) or {}
    surplus = {name: value for name, value in wanted.items() if loader.column(name) not in row}
    if rest != surplus:
        yield f"the fields without a column are {rest}, not {surplus}"
    named = {loader.column(name): value for name, value in wanted.items()}
    for name, value in row.items():
        if not _same(loader, named.get(name), value):
            yield f"{name} is {value!r}, not {named.get(name)!r}"


def _same(loader: Loader, wanted: Any, found: Any) -> bool:
    """Return whether a document, a moment or any other value is the same, and of the same type."""
    if isinstance(wanted, (dict, list)):
        return bool(_decoded(found) == wanted)
    if isinstance(wanted, str):
        if not wanted and loader.empty_is_null:
            return found is None
        return found in (wanted, loader.text(wanted)) or bool(_plain(found) == _plain(wanted))
    return bool(found == wanted) and isinstance(found, bool) is isinstance(wanted, bool)


def _decoded(value: Any) -> Any:
    """Return the document in a text."""
    return json.loads(value) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """Return a moment for the text of a time, and everything else as it is."""
    if not isinstance(value, str) or not value[:4].isdigit() or value[4:5] != "-":
        return value
    try:
        return moment(value)
    except ValueError:
        return value
