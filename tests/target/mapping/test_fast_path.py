"""The quick way of a record, from JSON to JSON, does what the usual way does, or leaves the record to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.encode import decode, encode, exact
from target_braze.records import DELETED, MappingError, RecordError

from tests.target.mapping.test_properties import LEAVES, mapping_of, streams
from tests.target.support.singer import INTEGER, TEXT, TIME, Stream, customers

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox
    from target_braze.braze.changes import Change
    from target_braze.mapping.base.stream_mapping import StreamMapping

    from tests.target.support.singer import Run

USUAL: dict[str, tuple[dict[str, Any], Any]] = {
    "city": (TEXT, "Köln"),
    "zip": (TEXT, "50667"),
    "note": (TEXT, None),
    "visits": ({"type": "integer"}, 17),
    "share": ({"type": "number"}, 0.1),
    "vip": ({"type": ["boolean", "null"]}, True),
    "seen_at": (TIME, "2026-03-04T09:10:11+02:00"),
}
PARTS: dict[str, dict[str, Any]] = {
    "attributes": {},
    "events": {"name": "viewed", "time": "2026-03-04T12:00:00Z"},
    "purchases": {"product_id": "p", "price": 1.5, "currency": "EUR", "time": "2026-03-04T12:00:00Z"},
}


def quickly(mapping: StreamMapping, record: bytes) -> Change | None:
    assert mapping.fast_path.record is not None
    try:
        quick: msgspec.Struct = msgspec.json.Decoder(mapping.fast_path.record, float_hook=exact).decode(record)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return mapping.fast_path.change(quick)


def usually(mapping: StreamMapping, record: bytes) -> Change | None:
    try:
        [change] = mapping.changes(decode(record))
    except RecordError:
        return None
    return change


@settings(max_examples=300)
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
    told: list[str] = []
    try:
        mapping = mapping_of(dict.fromkeys(parts, TEXT) | columns, unset=unset, notice=told.append, to=kind)
    except MappingError:
        return
    if mapping.fast_path.record is None:
        return
    for record in records:
        row = encode({"external_id": user, **parts, **record, **more})
        told.clear()
        quick = quickly(mapping, row)
        if quick is None:
            assert not told
            continue
        assert not more.get(DELETED)
        told_quickly = [*told]
        told.clear()
        usual = usually(mapping, row)
        assert usual is not None
        assert told_quickly == told
        assert quick.user == usual.user
        assert decode(quick.encoded or b"") == decode(encode(usual.fields))
        assert quick.data_points == usual.data_points
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
    [rule] = mapping.identifier_rules
    assert rule.outcomes == {"chosen": 1}


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
        ("seen_at", "9999-12-31T00:00:00Z"),
        ("seen_at", "2026-02-30T00:00:00Z"),
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
    [rule] = mapping.identifier_rules
    assert not rule.outcomes


@pytest.mark.parametrize(
    "text", ["0.1", "0.12345678901234567890123", "123456789012345678.5", "1e400", "1" * 400, "-0.0"]
)
def test_a_fraction_keeps_its_digits(text: str) -> None:
    mapping = mapping_of({"share": {"type": "number"}}, unset=False)
    record = b'{"external_id":"c-1","share":%s}' % text.encode()
    quick, usual = quickly(mapping, record), usually(mapping, record)
    assert (quick and quick.encoded) == (usual and encode(usual.fields))


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("2026-12-31T23:59:59.9999999Z", "2026-12-31T23:59:59.999999+00:00"),
        ("2026-03-04T09:10:11.5Z", "2026-03-04T09:10:11.500000+00:00"),
        ("2026-03-04T09:10:11.123Z", "2026-03-04T09:10:11.123+00:00"),
        ("2026-03-04 09:10", "2026-03-04T09:10:00+05:30"),
    ],
)
def test_a_time_is_the_same_moment_on_both_ways(text: str, sent: str) -> None:
    mapping = mapping_of({"seen_at": TIME}, unset=False)
    record = encode({"external_id": "c-1", "seen_at": text})
    quick, usual = quickly(mapping, record), usually(mapping, record)
    assert quick is not None
    assert usual is not None
    assert quick.fields == usual.fields == {"external_id": "c-1", "seen_at": sent}


@pytest.mark.parametrize("unset", [False, True])
@pytest.mark.parametrize(
    "address", ["a@example.com", " A@Example.com ", "", None, "nobody", 17, "x" * 255 + "@example.com"]
)
@pytest.mark.parametrize("rename", [{}, {"email": "address"}], ids=["email", "renamed"])
def test_an_address_that_identifies_the_user_is_sent_once_on_both_paths(
    address: Any, rename: dict[str, str], *, unset: bool
) -> None:
    columns = {"email": TEXT, "visits": {"type": "integer"}}
    entry: dict[str, Any] = {"user": [{"email": "email"}], "rename": rename, "fields": ["email", "visits"]}
    mapping = mapping_of(columns, unset=unset, **entry)
    if rename:
        assert mapping.fast_path.record is None
        return
    record = encode({"email": address, "visits": 3})
    quick, usual = quickly(mapping, record), usually(mapping, record)
    assert (quick is None) == (usual is None)
    if quick is not None and usual is not None:
        assert quick.user == usual.user
        assert decode(quick.encoded or b"") == usual.fields
        assert quick.data_points == usual.data_points == 1


@pytest.mark.parametrize("text", ["2026-01-01", "2026-03-04T09:10:11Z", "12/1/2021", "Thu 03 04 09:10:11 2026"])
def test_text_that_looks_like_a_time_is_noticed_on_both_paths(text: str) -> None:
    told: list[str] = []
    mapping = mapping_of({"city": TEXT, "visits": {"type": "integer"}}, unset=False, notice=told.append)
    record = encode({"external_id": "c-1", "city": text, "visits": 3})
    quick, notices = quickly(mapping, record), [*told]
    assert quick is not None
    usual = usually(mapping, record)
    assert usual is not None
    assert decode(quick.encoded or b"") == usual.fields
    assert told == notices * 2
    assert len(notices) == 1


def test_a_notice_of_a_record_that_is_left_to_the_full_path_comes_once() -> None:
    told: list[str] = []
    columns = {"city": TEXT, "visits": {"type": "object"}}
    mapping = mapping_of(columns, unset=False, notice=told.append)
    record = encode({"external_id": "c-1", "city": "2026-01-01", "visits": {"inc": 1, "of": 2}})
    assert quickly(mapping, record) is None
    assert not told
    assert usually(mapping, record) is not None
    assert len(told) == 1


def test_an_object_that_may_count_twice_is_left_to_the_usual_way() -> None:
    mapping = mapping_of({"visits": {"type": "object"}}, unset=False)
    assert quickly(mapping, encode({"external_id": "c-1", "visits": {"inc": 1, "of": 2}})) is None
    assert quickly(mapping, encode({"external_id": "c-1", "visits": {"ink": 1, "of": 2}})) is not None


@pytest.mark.parametrize("names", [["customers"], ["köln"], ["customers", "köln"]])
def test_each_record_says_whose_it_is(run_target: Callable[..., Run], names: list[str]) -> None:
    streams = [Stream(name, {"external_id": TEXT}, [{"external_id": name}]) for name in names]
    run = run_target(*streams, {"type": "RECORD", "record": {"external_id": "c-9"}}, expect=1)
    assert any("the RECORD lacks 'stream'" in error for error in run.errors)
    assert {name: counts["read"] for name, counts in run.summary["streams"].items()} == dict.fromkeys(names, 1)


def test_a_record_that_is_not_utf_8_is_rejected_wherever_that_is(run_target: Callable[..., Run]) -> None:
    line = b'{"type":"RECORD","stream":"customers","record":{"external_id":"c-1"},"time_extracted":"\xff"}'
    run = run_target(customers(), line, expect=1)
    assert any("cannot decode 'time_extracted'" in error and "on line 2" in error for error in run.errors)


def test_a_schema_that_comes_again_and_one_that_changes(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    first = customers({"external_id": "c-1", "visits": 1}, visits=INTEGER)
    again = customers({"external_id": "c-2", "visits": 2}, visits=INTEGER)
    changed = customers({"external_id": "c-3", "plan": "gold"}, plan=TEXT)
    run_target(first, again, changed, first)
    stored = {profile.external_id: profile.custom_attributes for profile in sandbox.profiles()}
    assert stored == {"c-1": {"visits": 1}, "c-2": {"visits": 2}, "c-3": {"plan": "gold"}}
