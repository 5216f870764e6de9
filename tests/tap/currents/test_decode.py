"""Avro in Braze's types is decoded as by fastavro, and truncated or changed files are refused."""

from __future__ import annotations

import bz2
import json
import lzma
import zlib
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tap_braze.currents import container as avro_container
from tap_braze.currents.container import BrokenFileError
from tap_braze.currents.decode import AvroFile
from tap_braze.currents.lines import BROKEN, Task, frames

from tests.tap.support.currents import avro, event, events

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
    with pytest.raises(BrokenFileError, match=r"^it is not a complete Avro file \("):
        AvroFile(FILE[:length])


@given(st.integers(0, 400), st.binary(min_size=1, max_size=12))
def test_a_file_that_is_changed_is_broken_or_has_other_events(position: int, change: bytes) -> None:
    """Nothing else is returned, and no more events than the file has bytes."""
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


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def container(schema: Any, block: bytes, *, count: int = 1, codec: bytes = b"null") -> bytes:
    """An Avro file that fastavro would not write."""

    def number(value: int) -> bytes:
        value = (value << 1) ^ (value >> 63)
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*out, value])

    def text(value: bytes) -> bytes:
        return number(len(value)) + value

    described = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    head = number(2) + text(b"avro.schema") + text(described) + text(b"avro.codec") + text(codec) + number(0)
    return b"Obj\x01" + head + b"s" * 16 + number(count) + number(len(block)) + block + b"s" * 16


def record(*fields: tuple[str, Any], name: str = "Event") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": field, "type": kind} for field, kind in fields]}


def nested(depth: int) -> bytes:
    kind = b'{"type":"array","items":' * depth + b'"string"' + b"}" * depth
    return b'{"type":"record","name":"E","fields":[{"name":"id","type":' + kind + b"}]}"


def chained(length: int) -> list[tuple[str, Any]]:
    """Records that each have two of the one before: a chain of names, which is as deep."""
    kinds: list[tuple[str, Any]] = [("f0", record(("x", "string"), name="R0"))]
    kinds += [(f"f{n}", record(("a", f"R{n - 1}"), ("b", f"R{n - 1}"), name=f"R{n}")) for n in range(1, length)]
    return kinds


NODE = record(("next", ["null", "Node"]), name="Node")
MANY = b"\x80\x80\x80\x80\x80\x80\x01"  # 2^40 or so
HOSTILE = {
    "recursive": (container(record(("id", NODE)), b"\x02" * 1_000_000 + b"\x00"), "recursive"),
    "recursive by its namespace": (
        container({**record(("id", ["null", "a.Event"])), "namespace": "a"}, b"\x02" * 1_000_000),
        "recursive",
    ),
    "nested a little too deep": (container(nested(40), b""), "nested more than 32"),
    "nested deep": (container(nested(5_000), b""), "nested|JSON"),
    "nested deeper than JSON may": (container(b'{"type":' * 200_000, b""), "JSON"),
    "a long chain of names": (container(record(*chained(60)), b""), "nested more than 32"),
    "an array of nulls": (container(record(("id", {"type": "array", "items": "null"})), MANY), "take no bytes"),
    "a map of nulls": (container(record(("id", {"type": "map", "values": "null"})), MANY), "take no bytes"),
    "an array of nothing": (
        container(record(("id", {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}})), MANY),
        "fixed size of 0",
    ),
    "an array of empty records": (container(record(("id", {"type": "array", "items": record(name="E")})), MANY), "E"),
    "events of nothing": (container(record(("id", "null")), b"", count=2**40), "without a value"),
    "more events than bytes": (container(record(("id", "string")), b"\x02a", count=2**40), "cannot be decoded"),
    "a text longer than the file": (container(record(("id", "string")), MANY), "cannot be decoded"),
    "no type": (container(record(("id", {})), b""), "not an Avro schema"),
    "no name": (container({"type": "record", "name": "E", "fields": [{"type": "string"}]}, b""), "not an Avro schema"),
    "fields that are none": (container({"type": "record", "name": "E", "fields": 7}, b""), "not an Avro schema"),
    "an unknown type": (container(record(("id", "Nobody")), b""), "'Nobody' that it does not describe"),
    "a number without an end": (container(record(("id", "long")), b"\xff" * 20), "64 bits"),
    "a deflated block that is none": (container(record(("id", "string")), b"abc", codec=b"deflate"), "unpacked"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_broken(case: str) -> None:
    data, said = HOSTILE[case]
    with pytest.raises(BrokenFileError, match=said):
        list(AvroFile(data).records())
    *_, last = frames(Task(stream="s", extracted="now"), data)
    assert last.kind == BROKEN


@pytest.mark.parametrize(("codec", "pack"), [("deflate", _deflated), ("bzip2", bz2.compress), ("xz", lzma.compress)])
def test_a_bomb_is_broken_before_it_is_large(monkeypatch: pytest.MonkeyPatch, codec: str, pack: Any) -> None:
    text = b"a" * 3_000_000
    data = container(record(("id", "string")), pack(b"\x80\x9b\xee\x02" + text), codec=codec.encode())
    assert [each["id"] for each in AvroFile(data).records()] == [text.decode()]
    monkeypatch.setattr(avro_container, "_UNPACKED_BYTES", 1_000_000)
    asked = []
    unpacker = avro_container._unpacker

    def watched(name: str) -> Callable[[bytes, int], bytes]:
        def unpack(packed: bytes, most: int) -> bytes:
            asked.append(most)
            return unpacker(name)(packed, most)

        return unpack

    monkeypatch.setattr(avro_container, "_unpacker", watched)
    with pytest.raises(BrokenFileError, match=r"it unpacks to more than 1,000,000 bytes"):
        list(AvroFile(data).records())
    assert asked == [1_000_001]


def test_other_types_are_those_of_fastavro() -> None:
    """What Braze does not use: nested records, maps, enums, names that are used again."""
    inner = record(("x", "long"), name="Inner")
    color = {"type": "enum", "name": "Color", "symbols": ["RED", "BLUE"]}
    kinds = {"id": "string", "one": inner, "two": {"type": "map", "values": "Inner"}, "three": ["null", color]}
    events = [{"id": "a", "one": {"x": 1}, "two": {"k": {"x": 2}}, "three": "BLUE"}] * 3
    data = avro(events, kinds)
    assert list(AvroFile(data).records()) == list(fastavro.reader(BytesIO(data))) == events
