"""The quick way of a record, from JSON to JSON, does what the usual way does, or leaves the record to it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.costs import data_points
from target_braze.encode import decode, encode, exact
from target_braze.records import DELETED, MappingError, RecordError

from tests.target.test_properties import LEAVES, mapping_of, streams

if TYPE_CHECKING:
    from target_braze.mapping.base import StreamMapping
    from target_braze.records import Change

TEXT = {"type": ["string", "null"]}
TIME = {"type": ["string", "null"], "format": "date-time"}
USUAL: dict[str, tuple[dict[str, Any], Any]] = {
    "city": (TEXT, "Köln"),
    "zip": (TEXT, "50667"),
    "note": (TEXT, None),
    "visits": ({"type": "integer"}, 17),
    "share": ({"type": "number"}, 0.1),
    "vip": ({"type": ["boolean", "null"]}, True),
    "seen_at": (TIME, "2026-03-04T09:10:11.5+02:00"),
}
PARTS: dict[str, dict[str, Any]] = {
    "attributes": {},
    "events": {"name": "viewed", "time": "2026-03-04T12:00:00Z"},
    "purchases": {"product_id": "p", "price": 1.5, "currency": "EUR", "time": "2026-03-04T12:00:00Z"},
}


def quickly(mapping: StreamMapping, record: bytes) -> Change | None:
    assert mapping.quick_record is not None
    try:
        quick: msgspec.Struct = msgspec.json.Decoder(mapping.quick_record, float_hook=exact).decode(record)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return mapping.quick_change(quick)


def usually(mapping: StreamMapping, record: bytes) -> Change | None:
    try:
        [change] = mapping.changes(decode(record))
    except RecordError:
        return None
    return change


def as_moments(value: Any, columns: set[str]) -> Any:
    """The object, with the moments that the text in columns of times says."""
    if not isinstance(value, dict):
        return value
    return {
        name: datetime.fromisoformat(inner.replace("Z", "+00:00"))
        if name in columns and isinstance(inner, str)
        else as_moments(inner, columns)
        for name, inner in value.items()
    }


@settings(max_examples=300, deadline=None)
@given(
    stream=streams(),
    kind=st.sampled_from([*PARTS]),
    unset=st.booleans(),
    user=st.one_of(st.just("c-1"), st.just(" c-1 "), LEAVES),
    more=st.dictionaries(st.sampled_from([DELETED, "strange", "name", "time"]), LEAVES, max_size=1),
)
def test_the_quick_way_does_what_the_usual_way_does_or_nothing(
    stream: tuple[dict[str, Any], list[dict[str, Any]]],
    kind: str,
    unset: bool,  # noqa: FBT001
    user: Any,
    more: dict[str, Any],
) -> None:
    columns, records = stream
    parts = PARTS[kind]
    try:
        mapping = mapping_of(dict.fromkeys(parts, TEXT) | columns, unset=unset, to=kind)
    except MappingError:
        return
    if mapping.quick_record is None:
        return
    times = {name for name, column in columns.items() if "date-time" in json.dumps(column)} | {"time"}
    for record in records:
        row = encode({"external_id": user, **parts, **record, **more})
        quick = quickly(mapping, row)
        if quick is None:
            continue
        assert not more.get(DELETED)
        usual = usually(mapping, row)
        assert usual is not None
        assert quick.user == usual.user
        assert as_moments(decode(quick.encoded or b""), times) == as_moments(decode(encode(usual.fields)), times)
        assert data_points(quick) == data_points(usual)
        assert quick.repeatable == usual.repeatable
        assert quick.endpoint is usual.endpoint


@pytest.mark.parametrize("kind", PARTS)
def test_a_usual_record_takes_the_quick_way(kind: str) -> None:
    columns = dict.fromkeys(PARTS[kind], TEXT) | {name: column for name, (column, _) in USUAL.items()}
    mapping = mapping_of(columns, unset=False, to=kind, rename={"city": "home town"})
    values = {name: value for name, (_, value) in USUAL.items()}
    change = quickly(mapping, encode({"external_id": "c-1", **PARTS[kind], **values}))
    assert change is not None
    sent = decode(change.encoded or b"")
    sent = sent if kind == "attributes" else sent["properties"]
    assert sent.items() >= {"home town": "Köln", "zip": "50667", "visits": 17, "share": 0.1, "vip": True}.items()
    assert "note" not in sent
    [candidate] = mapping.candidates
    assert candidate.outcomes == {"chosen": 1}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("city", 17),
        ("city", "x" * 256),
        ("visits", 1.0),
        ("visits", 2**64),
        ("visits", "17"),
        ("share", "none"),
        ("vip", "yes"),
        ("seen_at", "yesterday"),
        ("seen_at", "2026-03-04T09:10:11"),
        ("seen_at", "9999-12-31T00:00:00Z"),
        ("external_id", "null"),
        ("external_id", None),
        ("strange", 1),
        (DELETED, "2026-03-04T09:10:11Z"),
    ],
)
@pytest.mark.parametrize("kind", PARTS)
def test_what_is_out_of_the_ordinary_is_left_to_the_usual_way(kind: str, column: str, value: Any) -> None:
    columns = dict.fromkeys(PARTS[kind], TEXT) | {name: column for name, (column, _) in USUAL.items()}
    mapping = mapping_of(columns, unset=False, to=kind)
    assert quickly(mapping, encode({"external_id": "c-1", **PARTS[kind], column: value})) is None
    [candidate] = mapping.candidates
    assert not candidate.outcomes


@pytest.mark.parametrize("text", ["0.1", "0.12345678901234567890123", "123456789012345678.5", "1e400", "-0.0"])
def test_a_fraction_keeps_its_digits(text: str) -> None:
    mapping = mapping_of({"share": {"type": "number"}}, unset=False)
    record = b'{"external_id":"c-1","share":%s}' % text.encode()
    quick, usual = quickly(mapping, record), usually(mapping, record)
    assert (quick and quick.encoded) == (usual and encode(usual.fields))
