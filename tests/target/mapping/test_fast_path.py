"""The quick way of a record, from JSON to JSON, does what the usual way does, or leaves the record to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.encode import decode, encode, exact
from target_braze.ledger.attributes import _values
from target_braze.ledger.fingerprints import fingerprint
from target_braze.records import DELETED, MappingError, Record, RecordError

from tests.target.mapping.kinds.test_action_properties import OPERANDS, OPERATORS, operand
from tests.target.mapping.test_properties import LEAVES, mapping_of, streams
from tests.target.support.singer import ANY_OBJECT, INTEGER, TEXT, TIME, Stream, customers

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


def compared(mapping: StreamMapping, record: dict[str, Any], told: list[str]) -> Change | None:
    """Return the change from the fast path, if it makes one, after a comparison with the full path."""
    row = encode(record)
    told.clear()
    quick = quickly(mapping, row)
    told_quickly = [*told]
    if quick is None:
        assert not told
        return None
    told.clear()
    usual = usually(mapping, row)
    assert usual is not None
    assert told_quickly == told
    assert quick.user == usual.user
    assert decode(quick.encoded or b"") == decode(encode(usual.fields))
    assert quick.data_points == usual.data_points
    assert quick.repeatable == usual.repeatable
    assert quick.endpoint is usual.endpoint
    keys, hashes = [*[*record][:3], "missing"], []
    values = decode(row)
    of_fast, of_full = fast_values(mapping, row, keys), [values.get(name) for name in keys]
    for change, key in ((quick, of_fast), (usual, of_full)):
        change.records.append(Record("s", 1, 1, (), {}, {}))
        hashes.append(fingerprint(change, key, 0))
    assert hashes[0] == hashes[1]
    if mapping.to == "attributes":
        assert _digests(quick) == _digests(usual)
    assert (hashes[0] is None) == (mapping.to == "attributes")
    return quick


def _digests(change: Change) -> dict[str, bytes | None]:
    return {name: None if value is None else bytes(value) for name, value in _values(change).items()}


def fast_values(mapping: StreamMapping, row: bytes, columns: list[str]) -> list[Any]:
    assert mapping.fast_path.record is not None
    record: msgspec.Struct = msgspec.json.Decoder(mapping.fast_path.record, float_hook=exact).decode(row)
    return mapping.fast_path.values(record, columns)


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
        quick = compared(mapping, {"external_id": user, **parts, **record, **more}, told)
        assert quick is None or not more.get(DELETED)


OTHERS: dict[str, Any] = {"n_": INTEGER, "t_": TEXT, "at_": TIME}
VALUES_OF_OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "n_": st.sampled_from([None, 1, "1"]),
        "t_": st.sampled_from([None, "x", "2026-03-04"]),
        "at_": st.sampled_from([None, "2026-03-04T09:10:11Z", "yesterday"]),
    },
)


@settings(max_examples=150)
@given(
    data=st.data(),
    columns=st.dictionaries(st.sampled_from("abcd"), OPERANDS, min_size=1, max_size=3),
    merge=st.booleans(),
)
def test_an_operator_is_the_same_on_both_paths(
    data: st.DataObject,
    columns: dict[str, Any],
    merge: bool,  # noqa: FBT001
) -> None:
    operators = {name: data.draw(st.sampled_from(OPERATORS)) for name in columns}
    rename = {name: data.draw(st.sampled_from([*"xyz", name])) for name in columns}
    told: list[str] = []
    entry: dict[str, Any] = {"operators": operators, "rename": rename, "merge_objects": merge}
    try:
        mapping = mapping_of(columns | OTHERS, unset=False, notice=told.append, **entry)
    except MappingError:
        return
    operands = st.fixed_dictionaries({}, optional={name: operand(columns[name]) for name in columns})
    for _ in range(3):
        compared(mapping, {"external_id": "c-1", **data.draw(VALUES_OF_OTHERS), **data.draw(operands)}, told)


@settings(max_examples=200)
@given(
    data=st.data(),
    kind=st.sampled_from(["attributes", *PARTS]),
    members=streams(),
    unset=st.booleans(),
    drops=st.booleans(),
)
def test_a_flattened_column_is_the_same_on_both_paths(
    data: st.DataObject,
    kind: str,
    members: tuple[dict[str, Any], list[dict[str, Any]]],
    unset: bool,  # noqa: FBT001
    drops: bool,  # noqa: FBT001
) -> None:
    parts = PARTS[kind]
    told: list[str] = []
    entry: dict[str, Any] = {"flatten": ["inner", "also"], "to": kind}
    if kind == "attributes":
        entry |= data.draw(st.sampled_from([{}, {"operators": {"op": "inc"}}, {"on_delete": {"flag": "flag"}}]))
    # Keys that a column or another setting may have as well.
    both: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{}, {}, {}, {"t_": "y"}, {"op": 2}, {"flag": "y"}])
    inner = {"type": "object", "properties": {**members[0], "t_": {}, "op": {}, "flag": {}}}
    mapping = mapping_of(
        dict.fromkeys(parts, TEXT) | {"op": INTEGER, "inner": inner, "also": TEXT} | OTHERS,
        unset=unset,
        notice=told.append,
        on_bad_value="drop_field" if drops else "reject",
        **entry,
    )
    also = st.sampled_from([None, None, "", '{"x": 1}', '{"t_": null}', "x", '{"z": {"inc": 1}}'])
    for row in members[1]:
        own = {"op": data.draw(st.sampled_from([None, 1])), "also": data.draw(also), "inner": row | data.draw(both)}
        compared(mapping, {"external_id": "c-1", **parts, **data.draw(VALUES_OF_OTHERS), **own}, told)


@pytest.mark.parametrize(
    "entry", [{"operators": {"op": "inc"}, "rename": {"op": "visits"}}, {"on_delete": {"flag": "visits"}}]
)
def test_a_key_named_like_what_another_setting_sends_is_an_error(entry: dict[str, Any]) -> None:
    mapping = mapping_of({"op": {"type": "integer"}, "inner": ANY_OBJECT}, unset=False, flatten=["inner"], **entry)
    with pytest.raises(RecordError, match="attribute 'visits', from a column in 'flatten', also comes from another"):
        mapping.changes({"external_id": "c-1", "op": 1, "inner": {"visits": 3}})


@pytest.mark.parametrize("kind", PARTS)
def test_operators_and_flattened_columns_take_the_fast_path(kind: str) -> None:
    entry: dict[str, Any] = {"operators": {"by": "inc", "more": "add"}} if kind == "attributes" else {}
    columns = dict.fromkeys(PARTS[kind], TEXT) | {"by": INTEGER, "more": TEXT, "city": TEXT, "inner": ANY_OBJECT}
    mapping = mapping_of(columns, unset=False, to=kind, flatten=["inner"], **entry)
    record = {"external_id": "c-1", **PARTS[kind], "by": 2, "more": "x", "city": "Köln", "inner": {"plan": "gold"}}
    change = quickly(mapping, encode(record))
    assert change is not None
    sent = decode(change.encoded or b"")
    if kind == "attributes":
        assert sent == {"external_id": "c-1", "by": {"inc": 2}, "more": {"add": ["x"]}, "city": "Köln", "plan": "gold"}
        assert not change.repeatable
    else:
        assert sent["properties"] == {"by": 2, "more": "x", "city": "Köln", "plan": "gold"}


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
