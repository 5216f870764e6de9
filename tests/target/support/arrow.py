"""Random Arrow tables, each beside the records that a tap writes for them, and what of a run the tests compare."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from hypothesis import strategies as st

from tests.target.support.singer import INTEGER, NUMBER, TEXT, sent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

TIME = {"type": ["string", "null"], "format": "date-time"}


class Kind(NamedTuple):
    """A type of Arrow, its values, their schema, and how a tap writes them. Made apart from the code under test."""

    type: pa.DataType
    values: st.SearchStrategy[Any]
    schema: dict[str, Any]
    written: Callable[[Any], Any]


def as_it_is(value: Any) -> Any:
    return value


def nullable(written: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else written(value)


def zoned(name: str) -> Kind:
    # The mapping leaves the text of times in maps as it is, so the two have to spell UTC alike.
    moments = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001
    return Kind(
        pa.timestamp("us", name),
        moments,
        TIME,
        lambda at: f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z",
    )


TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
SCALARS = [
    Kind(pa.bool_(), st.booleans(), {"type": ["boolean", "null"]}, as_it_is),
    Kind(pa.int64(), st.integers(-(2**63), 2**63 - 1), INTEGER, as_it_is),
    Kind(pa.uint64(), st.integers(0, 2**64 - 1), INTEGER, as_it_is),
    Kind(pa.float64(), st.floats(allow_nan=False, allow_infinity=False), NUMBER, as_it_is),
    Kind(pa.float32(), st.sampled_from([0.1, 1.5, -3e7, 1e30]), NUMBER, as_it_is),
    Kind(pa.decimal128(20, 4), st.decimals(-(10**10), 10**10, places=4), NUMBER, float),
    Kind(pa.decimal128(38, 0), st.integers(-(10**37), 10**37).map(Decimal), INTEGER, int),
    *(Kind(kind, TEXTS, TEXT, as_it_is) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    Kind(pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["gold", "2026-03-04", ""]), TEXT, as_it_is),
    Kind(pa.binary(), st.binary(max_size=5), TEXT, lambda value: b64encode(value).decode()),
    Kind(pa.date32(), st.dates(), {"type": ["string", "null"], "format": "date"}, date.isoformat),
    Kind(pa.timestamp("us"), st.datetimes(), TIME, lambda at: at.isoformat(timespec="microseconds")),
    Kind(
        pa.timestamp("s"),
        st.datetimes().map(lambda at: at.replace(microsecond=0)),
        TIME,
        lambda at: at.isoformat(timespec="seconds"),
    ),
    *(zoned(name) for name in ("UTC", "Europe/Berlin")),
]


def lists_of(inner: Kind, large: bool) -> st.SearchStrategy[Kind]:  # noqa: FBT001
    one = nullable(inner.written)
    values = st.lists(st.none() | inner.values, max_size=3)
    schema = {"type": ["array", "null"], "items": inner.schema}
    types = [pa.list_(inner.type), *([pa.large_list(inner.type)] if large else [])]
    return st.sampled_from([Kind(kind, values, schema, lambda found: [*map(one, found)]) for kind in types])


def structs_of(inner: list[Kind]) -> Kind:
    members = {f"m{n}": kind for n, kind in enumerate(inner)}
    return Kind(
        pa.struct({name: kind.type for name, kind in members.items()}),
        st.fixed_dictionaries({name: st.none() | kind.values for name, kind in members.items()}),
        {"type": ["object", "null"], "properties": {name: kind.schema for name, kind in members.items()}},
        lambda found: {name: nullable(kind.written)(found[name]) for name, kind in members.items()},
    )


def map_of(inner: Kind) -> Kind:
    return Kind(
        pa.map_(pa.string(), inner.type),
        st.dictionaries(TEXTS, st.none() | inner.values, max_size=3),
        {"type": ["object", "null"], "additionalProperties": inner.schema},
        lambda found: {key: nullable(inner.written)(value) for key, value in found.items()},
    )


def kinds(scalars: list[Kind], large_lists: bool) -> st.SearchStrategy[Kind]:  # noqa: FBT001
    return st.recursive(
        st.sampled_from(scalars),
        lambda inner: (
            inner.flatmap(lambda kind: lists_of(kind, large_lists))
            | st.lists(inner, min_size=1, max_size=3).map(structs_of)
            | inner.map(map_of)
        ),
        max_leaves=4,
    )


@st.composite
def tables(
    draw: st.DrawFn,
    scalars: list[Kind] = SCALARS,
    large_lists: bool = True,  # noqa: FBT001, FBT002
) -> tuple[pa.Table, dict[str, Any], list[dict[str, Any]]]:
    """Return a table, and its JSON Schema and records as a tap would write them."""
    columns = {
        f"x{n}": kind for n, kind in enumerate(draw(st.lists(kinds(scalars, large_lists), min_size=2, max_size=5)))
    }
    columns["at"] = draw(st.sampled_from([kind for kind in scalars if "format" in kind.schema]))
    users = draw(st.lists(st.sampled_from(["c-1", "c-2", "", None]), max_size=8))
    drawn = {name: [draw(st.none() | kind.values) for _ in users] for name, kind in columns.items()}
    table = pa.table(
        {"external_id": pa.array(users, pa.string())}
        | {name: pa.array(drawn[name], kind.type) for name, kind in columns.items()}
    )
    schema = {"external_id": TEXT} | {name: kind.schema for name, kind in columns.items()}
    written = {name: [*map(nullable(columns[name].written), values)] for name, values in drawn.items()}
    records = [{"external_id": user} | {name: written[name][n] for name in columns} for n, user in enumerate(users)]
    return table, schema, records


def objects(sandbox: Sandbox, to: str) -> list[str]:
    return [json.dumps(one, sort_keys=True) for one in sent(sandbox, to)]


def counts(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary["total"].items() if key not in {"requests", "data_points"}}


def reasons(path: Path) -> list[str]:
    """Return the column in each dead letter's reason, without the value, and remove the file."""
    if not path.exists():
        return []
    letters = [json.loads(line) for line in path.read_bytes().splitlines()]
    path.unlink()
    return [one["dead_letter"]["reason"].partition(", got")[0] for one in letters if "dead_letter" in one]
