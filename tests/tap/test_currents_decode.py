"""Avro in Braze's types is decoded as fastavro does it, and what is cut or changed is no file at all."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tap_braze.currents.decode import AvroFile, BrokenFileError

from .currents import avro, event, events

if TYPE_CHECKING:
    from collections.abc import Callable

FLOAT = st.floats(width=32)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=200),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": FLOAT,
    "double": st.floats(),
    "boolean": st.booleans(),
}


def types() -> st.SearchStrategy[tuple[Any, st.SearchStrategy[Any]]]:
    """An Avro type of those that Braze uses, and its values."""
    simple = st.sampled_from(sorted(VALUES)).map(lambda name: (name, VALUES[name]))
    item = st.one_of(simple, simple.map(nullable))
    array = item.map(lambda each: ({"type": "array", "items": each[0]}, st.lists(each[1], max_size=4)))
    one = st.one_of(simple, array)
    return st.one_of(one, one.map(nullable), one.map(lambda each: ([each[0], "null"], st.none() | each[1])))


def nullable(each: tuple[Any, st.SearchStrategy[Any]]) -> tuple[Any, st.SearchStrategy[Any]]:
    return ["null", each[0]], st.none() | each[1]


@st.composite
def files(draw: Callable[..., Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    fields = {f"f{number}": each for number, each in enumerate(draw(st.lists(types(), min_size=1, max_size=6)))}
    record = st.fixed_dictionaries({name: values for name, (_, values) in fields.items()})
    return draw(st.lists(record, max_size=5)), {name: kind for name, (kind, _) in fields.items()}


@given(files(), st.sampled_from([16_000, 1]))
@example(([{"f0": [True] * 300}], {"f0": {"type": "array", "items": "boolean"}}), 16_000)
def test_values_are_those_of_fastavro(given: tuple[list[dict[str, Any]], dict[str, Any]], block: int) -> None:
    records, fields = given
    data = avro(records, fields, sync_interval=block)
    assert repr(list(AvroFile(data).records())) == repr(list(fastavro.reader(BytesIO(data))))


FILE = avro([event("a"), event("b", machine_open="true")])


@pytest.mark.parametrize("length", range(0, len(FILE), 7))
def test_a_file_that_is_cut_anywhere_is_broken(length: int) -> None:
    with pytest.raises(BrokenFileError, match=r"^it is no whole Avro file \("):
        AvroFile(FILE[:length])


@given(st.integers(0, 400), st.binary(min_size=1, max_size=12))
def test_a_file_that_is_changed_is_broken_or_has_other_events(position: int, change: bytes) -> None:
    """Nothing else comes of it, and not more events than it has bytes."""
    start = len(FILE) - 16 - 400
    data = FILE[: start + position] + change + FILE[start + position + len(change) :]
    with suppress(BrokenFileError):
        assert len(list(AvroFile(data).records())) <= len(FILE)


def test_what_is_no_record_is_said() -> None:
    out = BytesIO()
    fastavro.writer(out, "string", ["a"])
    with pytest.raises(BrokenFileError, match=r"^it is an Avro file, but not of records$"):
        AvroFile(out.getvalue())


def test_the_fields_of_a_file() -> None:
    fields: dict[str, Any] = {
        "id": "string",
        "time": ["null", "long"],
        "at": {"type": "long", "logicalType": "timestamp-millis"},
        "kind": {"type": "enum", "name": "kind", "symbols": ["a"]},
        "either": ["null", "int", "string"],
        "map": {"type": "map", "values": "string"},
        "raw": ["null", "bytes"],
        "texts": {"type": "array", "items": "string"},
    }
    assert AvroFile(avro([], fields)).fields == {
        "id": ["string"],
        "time": ["integer"],
        "at": ["string"],
        "kind": ["string"],
        "either": ["integer", "string"],
        "map": ["object"],
        "raw": ["string"],
        "texts": ["array"],
    }


def test_an_empty_file_has_no_events() -> None:
    assert list(AvroFile(avro([])).records()) == []
    assert list(AvroFile(avro(events("a"), codec="deflate")).records()) == events("a")
