"""Dealing: whatever the columns and their order, records of one user get one number, and others do not matter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.encode import decode
from target_braze.loader.lines import record_decoder
from target_braze.mapping import compile_mapping, keys_of_kinds
from target_braze.mapping.base.stream_mapping import Defaults
from target_braze.mapping.kinds import KINDS
from target_braze.processes.dealing import Dealer, how_many, obstacles
from target_braze.records import RecordError
from target_braze.reporting.summary import Counts
from target_braze.settings.validation import complete

if TYPE_CHECKING:
    from target_braze.processes.children import Children

COLUMNS = ("external_id", "email", "alias_name", "alias_label")
SCHEMA: dict[str, Any] = {"properties": {name: {} for name in (*COLUMNS, "n")}}
VALUES = st.one_of(
    st.none(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["a", " a ", "A", "null", "", "é", "x@example.com", "X@example.com", "1", "1.0", "\ud800", '"']),
    st.lists(st.integers(), max_size=2),
)


class Dealt:
    """Takes the place of children, and keeps the buckets."""

    def __init__(self) -> None:
        self.buckets: list[int] = []

    def deal_line(self, bucket: int, *_: object) -> None:
        self.buckets.append(bucket)

    def deal(self, bucket: int, _item: object) -> None:
        self.buckets.append(bucket)

    def describe(self, *_: object) -> None:
        """Keep nothing."""


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(COLUMNS, VALUES)), st.permutations([*COLUMNS, "n"]))
def test_a_line_goes_where_the_changes_of_its_user_go(record: dict[str, Any], order: list[str]) -> None:
    defaults = Defaults(app_id=None, unset_nulls=False, update_existing_only=False, zone=ZoneInfo("UTC"))
    mapping = compile_mapping("people", SCHEMA, {"fields": ["n"]}, defaults, lambda _: None)
    dealt = Dealt()
    dealer = Dealer(cast("Children", dealt), "people", 0, Counts(), mapping.identifier_rules)
    record = {"n": 1, **record}
    line = json.dumps(
        {"type": "RECORD", "stream": "people", "record": {name: record[name] for name in order if name in record}}
    ).encode()
    assert dealer.fast_record is not None
    try:
        columns = record_decoder("people", dealer.fast_record)(line).record
        message = decode(line)
    except ValueError:
        return  # a lone surrogate: the reader takes such a line apart
    dealer.receive_fast(columns, line, {})
    dealer.receive(message["record"], message, {}, len(line))
    try:
        (change,) = mapping.changes(message["record"])
    except RecordError:
        assert dealt.buckets == [0, 0]  # the first process rejects it
        return
    kind, *named = change.user
    same = (
        {"external_id": named[-1]}
        if kind == "external_id"
        else {"email": named[-1]}
        if kind == "email"
        else {
            "alias_label": named[0],
            "alias_name": named[-1],
        }
    )
    dealer.receive({**same, "more": "of this"}, {"record": None}, {}, 0)
    assert len({*dealt.buckets}) == 1


def test_every_kind_that_changes_several_users_or_sends_messages_keeps_to_one_process() -> None:
    for name, kind in KINDS.items():
        if kind.dealing == "by user":
            assert kind.identifier_types, name
            assert not any(semantics.sends_messages or semantics.moves_attributes for semantics in kind.semantics), name
        elif kind.dealing == "together":
            assert not kind.identifier_types, name
            assert not any(semantics.sends_messages for semantics in kind.semantics), name


@pytest.mark.parametrize("kind", sorted(keys_of_kinds()))
def test_limits_of_a_run_keep_it_to_one_process(kind: str) -> None:
    keys = [key for key in keys_of_kinds()[kind] if key.startswith("max_")]
    for key in keys:
        config = {"dry_run": False, "streams": {"any": {"to": kind, key: 1}}}
        assert [*obstacles(config)], key


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {1}),
        ({"processes": 3}, {3}),
        ({"processes": "3"}, {3}),
        ({"processes": 3, "concurrency": 2}, {2}),
        ({"processes": "auto"}, {1, 2, 3, 4}),
    ],
)
def test_the_number_of_processes(settings: dict[str, Any], expected: set[int]) -> None:
    assert how_many(complete({"api_key": "key", "endpoint": "US-01", **settings})) in expected


@pytest.mark.parametrize("wrong", [0, -1, 65, 1.5, "many", "00", "-2"])
def test_another_number_of_processes_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="processes"):
        complete({"api_key": "key", "endpoint": "US-01", "processes": wrong})
