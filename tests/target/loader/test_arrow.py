"""Arrow data in the Loader: the same objects as from the Singer messages of a tap."""

from __future__ import annotations

import json
import sys
import uuid
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from target_braze import Loader, MappingError
from target_braze.loader import arrow

from tests.target.support.arrow import TIME, counts, objects, reasons, tables
from tests.target.support.singer import NUMBER, TEXT, Run, Stream, sent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

NAIVE = datetime(2026, 3, 4, 9, 10, 11, 120_000)  # noqa: DTZ001
AT = datetime(2026, 7, 4, 9, 10, 11, tzinfo=timezone.utc)
UUID = uuid.UUID(int=7)


def rows(data: Any) -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal) for line in arrow.rows(data, "s")]


def column(kind: pa.DataType, *values: Any) -> list[Any]:
    """Return the JSON values of a column, read from the middle of a larger batch."""
    batch = pa.record_batch([pa.array([None, *values, None, None], kind)], ["x"])
    return [row["x"] for row in rows(batch.slice(1, len(values) + 1))]


def extension(kind: pa.BaseExtensionType, *values: Any) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))


LISTS = [pa.list_, pa.large_list, lambda item: pa.list_(item, 2)]


@pytest.mark.parametrize(
    ("kind", "schema", "value", "expected"),
    [
        (pa.bool_(), "boolean", True, True),
        (pa.int8(), "integer", -128, -128),
        (pa.uint64(), "integer", 2**64 - 1, 2**64 - 1),
        (pa.float64(), "number", 0.1, Decimal("0.1")),
        (pa.float32(), "number", 0.1, Decimal("0.1")),
        (pa.float16(), "number", 0.5, Decimal("0.5")),
        (pa.decimal128(38, 0), "integer", Decimal(10**37), 10**37),
        (pa.decimal256(60, 20), "number", Decimal("123456789012345678.5"), Decimal("123456789012345678.5")),
        (pa.string(), "string", "é", "é"),
        (pa.large_string(), "string", "é", "é"),
        (pa.string_view(), "string", "é", "é"),
        (pa.binary(), "string", b"\xff", "/w=="),
        (pa.large_binary(), "string", b"\xff", "/w=="),
        (pa.binary(1), "string", b"\xff", "/w=="),
        (pa.binary_view(), "string", b"\xff", "/w=="),
        (pa.date32(), {"type": ["string", "null"], "format": "date"}, date(2026, 3, 4), "2026-03-04"),
        (pa.date64(), {"type": ["string", "null"], "format": "date"}, date(1969, 3, 4), "1969-03-04"),
        (pa.time32("s"), {"type": ["string", "null"], "format": "time"}, time(9, 10, 11), "09:10:11"),
        (pa.time64("us"), {"type": ["string", "null"], "format": "time"}, time(9, 10, 11), "09:10:11.000000"),
        (pa.timestamp("s"), TIME, NAIVE.replace(microsecond=0), "2026-03-04T09:10:11"),
        (pa.timestamp("ms"), TIME, NAIVE, "2026-03-04T09:10:11.120"),
        (pa.timestamp("us", "UTC"), TIME, AT, "2026-07-04T09:10:11.000000Z"),
        (pa.timestamp("ns", "Europe/Berlin"), TIME, AT, "2026-07-04T09:10:11.000000000Z"),
        (pa.timestamp("s", "+05:30"), TIME, AT, "2026-07-04T09:10:11Z"),
        (pa.timestamp("us"), TIME, datetime(1, 1, 1), "0001-01-01T00:00:00.000000"),  # noqa: DTZ001
        *(
            (
                new(pa.timestamp("s", "America/New_York")),
                {"type": ["array", "null"], "items": TIME},
                [AT, None],
                ["2026-07-04T09:10:11Z", None],
            )
            for new in LISTS
        ),
        (
            pa.struct({"at": pa.timestamp("s"), "in": pa.list_(pa.struct({"d": pa.date32(), "f": pa.float32()}))}),
            {
                "type": ["object", "null"],
                "properties": {
                    "at": TIME,
                    "in": {
                        "type": ["array", "null"],
                        "items": {
                            "type": ["object", "null"],
                            "properties": {
                                "d": {"type": ["string", "null"], "format": "date"},
                                "f": {"type": ["number", "null"]},
                            },
                        },
                    },
                },
            },
            {"at": None, "in": [{"d": date(2026, 3, 4), "f": 0.1}, None]},
            {"at": None, "in": [{"d": "2026-03-04", "f": Decimal("0.1")}, None]},
        ),
        (
            pa.map_(pa.string(), pa.timestamp("s", "Asia/Tokyo")),
            {"type": ["object", "null"], "additionalProperties": TIME},
            {"a": AT, "b": None},
            {"a": "2026-07-04T09:10:11Z", "b": None},
        ),
        (
            pa.map_(pa.int32(), pa.list_(pa.float64())),
            {"type": ["object", "null"], "additionalProperties": {"type": ["array", "null"], "items": NUMBER}},
            {7: [0.5]},
            {"7": [Decimal("0.5")]},
        ),
        (pa.dictionary(pa.int8(), pa.string()), "string", "gold", "gold"),
        (
            pa.list_(pa.dictionary(pa.int16(), pa.large_string())),
            {"type": ["array", "null"], "items": TEXT},
            ["gold", "gold"],
            ["gold", "gold"],
        ),
    ],
    ids=str,
)
def test_a_type_of_arrow_has_one_form_in_json(kind: pa.DataType, schema: Any, value: Any, expected: Any) -> None:
    if isinstance(schema, str):
        schema = {"type": [schema, "null"]}
    assert arrow.json_schema(pa.schema({"x": kind}), "s")["properties"] == {"x": schema}
    assert column(kind, value, None) == [expected, None, None]


def test_extension_types_count_as_their_values() -> None:
    data = pa.table(
        {
            "id": extension(pa.uuid(), UUID.bytes, None),
            "ok": extension(pa.bool8(), 1, None),
            "j": extension(pa.json_(), '{"a": 1}', None),
            "in": pa.StructArray.from_arrays(
                [extension(pa.uuid(), UUID.bytes, None), pa.array([NAIVE, None])], ["id", "at"]
            ),
        }
    )
    types = [one["type"][0] for one in arrow.json_schema(data.schema, "s")["properties"].values()]
    assert types == ["string", "boolean", "string", "object"]
    inner = {"id": str(UUID), "at": "2026-03-04T09:10:11.120000"}
    assert rows(data)[0] == {"id": str(UUID), "ok": True, "j": '{"a": 1}', "in": inner}


def test_dictionaries_hold_any_type() -> None:
    indices = pa.array([0, None, 0], pa.uint32())
    views = pa.DictionaryArray.from_arrays(indices, pa.array(["a"], pa.string_view()))
    moments = pa.DictionaryArray.from_arrays(indices, pa.array([0], pa.timestamp("s", "Europe/Berlin")))
    both = pa.StructArray.from_arrays([views, moments], ["t", "at"])
    found = rows(pa.table({"t": views, "at": moments, "o": both}).slice(1))
    assert [(row["t"], row["at"]) for row in found] == [(None, None), ("a", "1970-01-01T00:00:00Z")]
    assert [row["o"] for row in found] == [{"t": None, "at": None}, {"t": "a", "at": "1970-01-01T00:00:00Z"}]


def test_whatever_holds_arrow_data_gives_all_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "_ROWS", 3)
    batch = pa.record_batch({"n": [*range(10)]})
    expected = [{"n": n} for n in range(10)]
    table = pa.Table.from_batches([batch.slice(0, 4), batch.slice(4, 0), batch.slice(4)])
    for data in (batch, table, table.to_reader(), pa.RecordBatchReader.from_batches(batch.schema, [batch])):
        assert rows(data) == expected
    # A row without a column is still a record.
    assert rows(batch.select([])) == [{}] * 10
    assert rows(pa.table({"n": pa.nulls(2)})) == [{"n": None}] * 2


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"x": pa.duration("s")}, "stream 's', column 'x': Arrow type duration[s] has no form in JSON"),
        ({"x": pa.month_day_nano_interval()}, "column 'x': Arrow type month_day_nano_interval"),
        ({"x": pa.struct({"y": pa.list_(pa.duration("s"))})}, "column 'x.y': Arrow type duration[s]"),
        ({"x": pa.map_(pa.float64(), pa.string())}, "column 'x': keys of type double"),
        ([("x", pa.string()), ("x", pa.int8())], "stream 's': more than one field is named 'x'"),
        ({"x": pa.struct([("y", pa.int8()), ("y", pa.int8())])}, "column 'x': more than one field is named 'y'"),
        ({"x": pa.list_view(pa.int8())}, "column 'x': Arrow type list_view<item: int8> loses items"),
        ({"x": pa.large_list_view(pa.int8())}, "column 'x': Arrow type large_list_view<item: int8> loses items"),
        ({"x": pa.run_end_encoded(pa.int32(), pa.string())}, "column 'x': Arrow type run_end_encoded"),
    ],
)
def test_types_without_a_form_in_json_are_refused_before_the_first_record(
    config: dict[str, Any], sandbox: Sandbox, schema: Any, text: str
) -> None:
    found = pa.schema(schema)
    with pytest.raises(TypeError) as caught, Loader(config) as loader:
        loader.open("s", found)
    assert text in str(caught.value)
    data = pa.RecordBatchReader.from_batches(found, [])
    with pytest.raises(TypeError) as caught, Loader(config) as loader:
        loader.open("s", {"properties": {"external_id": TEXT}}).write(data)
    assert text in str(caught.value)
    assert not sandbox.requests


def test_without_pyarrow_the_error_says_what_to_install(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "target_braze.loader.arrow")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for schema, data in (
        (pa.schema({"external_id": pa.string()}), []),
        ({"properties": {"external_id": TEXT}}, pa.table({"x": [1]})),
    ):
        with pytest.raises(ImportError, match=r"pip install 'target-braze\[arrow\]'"), Loader(config) as loader:
            loader.open("s", schema).write(data)


def test_only_records_with_damaged_values_are_rejected(
    config: dict[str, Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    not_utf8 = pa.array([b"a", b'a\xff"', b"c", b"d", b"e"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 5, not_utf8.buffers())
    data = pa.table(
        {
            "external_id": [f"c-{n}" for n in range(1, 6)],
            "t": text,
            "x": [0.5, 0.5, float("nan"), 0.5, None],
            "y": pa.array([0.1, 0.1, 0.1, float("-inf"), 0.1], pa.float32()),
            "o": pa.StructArray.from_arrays([text.take(pa.array([0, 0, 0, 0, 0]))], ["t"]),
        }
    )
    path = tmp_path / "dead.singer"
    with Loader({**config, "on_error": "dead_letter", "dead_letter_path": str(path)}) as loader:
        loader.open("s", data.schema).write(data)
    assert (loader.summary["total"]["read"], loader.summary["total"]["rejected"]) == (5, 3)
    assert [one["external_id"] for one in sent(sandbox)] == ["c-1", "c-5"]
    letters = path.read_bytes()
    reasons = [b"cannot decode 't', got bytes that are not UTF-8", b"'x', got NaN", b"'y', got -Infinity"]
    assert all(reason in letters for reason in reasons)
    # The dead letters keep the values, and the rest of the record.
    assert b'"x":NaN' in letters
    assert letters.count(b'"o":{"t":"a"}') == 3


def test_damaged_text_inside_other_values_is_found() -> None:
    text = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"], pa.binary()).buffers())
    nested = pa.StructArray.from_arrays([pa.ListArray.from_arrays([0, 1], text)], ["l"])
    (line,) = arrow.rows(pa.table({"o": nested}), "s")
    assert line == b'{"o":{"l":["\xff"]}}'


def test_columns_may_have_the_names_of_a_message_and_rows_carry_a_version(
    config: dict[str, Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    record = {"external_id": "c-1", "type": "RECORD", "stream": "s", "record": {"external_id": "c-2"}}
    with Loader(config) as loader:
        data = pa.Table.from_pylist([record])
        loader.open("s", data.schema).write(data)
    assert [*sent(sandbox)] == [record]
    config |= {"ledger_path": str(tmp_path / "ledger.sqlite"), "streams": {"s": {"on_delete": {"flag": "gone"}}}}
    for version, names in enumerate((["c-1", "c-2"], ["c-1"]), 1):
        data = pa.table({"external_id": names, "n": [version] * len(names)})
        with Loader(config) as loader:
            stream = loader.open("s", data.schema, keys=["external_id"])
            stream.write(data, version=version)
            stream.activate_version(version)
    gone = {one["external_id"]: one["gone"] for one in sent(sandbox) if "gone" in one}
    assert gone == {"c-1": False, "c-2": True}


@pytest.mark.parametrize("to", ["attributes", "events"])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=tables())
def test_arrow_and_the_command_line_make_the_same_of_the_same_records(
    to: str,
    found: tuple[pa.Table, dict[str, Any], list[dict[str, Any]]],
    *,
    config: dict[str, Any],
    sandbox: Sandbox,
    run_target: Callable[..., Run],
    tmp_path: Path,
) -> None:
    sandbox.reset()
    table, schema, records = found
    mapping = {"attributes": {}, "events": {"to": "events", "event": {"name": "e"}, "time_field": "at"}}[to]
    more: dict[str, Any] = {"streams": {"s": mapping}, "on_error": "dead_letter"}
    path = tmp_path / "dead.singer"
    stream = Stream("s", schema, records, ["x0"])
    try:
        with Loader({**config, **more, "dead_letter_path": str(path)}) as loader:
            loader.open("s", table.schema, keys=["x0"]).write(table)
    except MappingError as error:
        wrong = str(error)
    else:
        wrong = ""
    if wrong:
        assert wrong in run_target(stream, **more, dead_letter_path=str(path), expect=1).stderr
        return
    outcomes = [(objects(sandbox, to), counts(loader.summary), reasons(path))]
    sandbox.reset()
    run = run_target(stream, **more, dead_letter_path=str(path))
    outcomes.append((objects(sandbox, to), counts(run.summary), reasons(path)))
    assert outcomes[0] == outcomes[1]
