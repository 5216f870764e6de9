"""Whatever a stream of actions or operators holds: Braze accepts what is sent, or the target reported the record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from braze_sandbox.testing import Sandbox
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.braze.client import Client
from target_braze.encode import encode
from target_braze.mapping import compile_mapping
from target_braze.mapping.base.stream_mapping import Defaults
from target_braze.mapping.deletion_guard import DeletionGuard
from target_braze.records import MappingError, RecordError

from tests.target.mapping.test_properties import SCALARS, VALUES, fitting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GROUP = "9f4e2a10-0000-4000-8000-000000000001"
IDENTIFIERS = ("external_id", "email", "phone", "alias_name", "alias_label", "braze_id")
# Good values of each column; the tests add bad ones.
GOOD: Mapping[str, list[Any]] = {
    "email": ["a@example.com", "A@Example.com ", "b@example.com"],
    "phone": ["+12025550123", "+1 (202) 555-0124", "2025550123"],
    "state": ["subscribed", "Unsubscribed ", "opted_in", "true", "f", True, 0],
    "group": [GROUP, GROUP.upper(), f" {GROUP} ", "news"],
    "member": ["yes", "0", True, False, 1],
}
BAD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, "", " ", "null", "0", 17, 17.0, 1.5, True, 2**70, "ü" * 118, "ü" * 119, "x" * 988, [], {}]),
    st.text(max_size=6),
    VALUES,
)
IDS = st.sampled_from(["c-1", "c-2", "c-3", "a b", 17])
TEXT_OR_ANY = st.sampled_from([{"type": ["string", "null"]}, {"type": ["string", "integer"]}, {}])
ENTRIES: list[dict[str, Any]] = [
    {"to": "subscriptions", "subscription": {"group_field": "group", "state_field": "state"}},
    {"to": "subscriptions", "subscription": {"group": GROUP, "state_field": "state"}},
    {
        "to": "subscriptions",
        "user": [{"phone": "phone"}, {"external_id": "external_id"}],
        "subscription": {"group": GROUP, "state_field": "state", "double_opt_in": True},
    },
    {"to": "email_status", "subscription": {"state_field": "state"}},
    {"to": "email_hygiene", "operation": "blocklist"},
    {"to": "email_hygiene", "operation": "remove_invalid_phones"},
    {"to": "aliases"},
    {"to": "aliases", "alias": {"label": "web", "name": "alias_name", "old_name": "other"}},
    {"to": "identifications"},
    {"to": "identifications", "identify": [{"phone": "phone"}, {"email": "email"}], "prioritization": ["identified"]},
    {
        "to": "merges",
        "merge": [{"external_id": "other"}, {"user_alias": {"name": "alias_name", "label": "web"}}, {"phone": "phone"}],
        "keep": [{"external_id": "external_id"}, {"email": "email"}],
    },
    {"to": "external_ids", "external_ids": {"current": "external_id", "new": "other"}},
    {"to": "external_ids", "external_ids": {"remove": "other"}},
    {"to": "deletions", "allow_deletions": True, "max_deletions": 10**6},
    {"to": "cohorts", "cohort": {"attribute": "vip", "member_field": "member"}},
    {"to": "cohorts", "cohort": {"array": "cohorts", "name_field": "other", "member_field": "member"}},
    {"to": "cohorts", "cohort": {"array": "cohorts", "name": "vip"}},
]


@st.composite
def rows(draw: st.DrawFn, names: list[str]) -> dict[str, Any]:
    """Records most of whose columns are filled well."""
    good = {name: st.sampled_from(GOOD[name]) if name in GOOD else IDS for name in names}
    bad = draw(st.sets(st.sampled_from(names), max_size=3))
    return {name: draw(BAD if name in bad else good[name]) for name in names}


@pytest.fixture(scope="module")
def braze() -> Iterator[tuple[Sandbox, Client]]:
    with Sandbox(seed="empty", unknown_groups="kept") as sandbox:
        yield sandbox, Client(sandbox.url, sandbox.api_key)


def defaults() -> Defaults:
    return Defaults(
        app_id=None,
        unset_nulls=True,
        update_existing_only=False,
        zone=ZoneInfo("Asia/Kolkata"),
        guard=DeletionGuard(counts_users=False),
    )


@settings(max_examples=150)
@given(data=st.data(), entry=st.sampled_from(ENTRIES))
def test_a_step_is_taken_or_its_record_reported_and_its_columns_sent_or_named(
    braze: tuple[Sandbox, Client], data: st.DataObject, entry: dict[str, Any]
) -> None:
    sandbox, client = braze
    sandbox.reset()
    names = [*IDENTIFIERS, "state", "group", "member", "other", "extra"]
    columns = {name: data.draw(TEXT_OR_ANY) for name in names}
    told: list[str] = []
    mapping = compile_mapping("s", {"properties": columns}, entry, defaults(), told.append)
    used = {column for one in mapping.identifier_rules for column in one.columns}
    used.update(*mapping.sources.values())
    silent = [name for name in names if name not in used and not any(name in text.split(": ")[-1] for text in told)]
    assert silent == []
    for record in data.draw(st.lists(rows(names), min_size=1, max_size=5)):
        try:
            changes = mapping.changes(record)
        except RecordError:
            continue
        for change in changes:
            endpoint = change.endpoint
            answer = client.request(
                endpoint.method, endpoint.path, body=endpoint.body([change], [encode(change.fields)])
            )
            assert answer.status in {200, 201, 202}
            assert not answer.json().get("errors")
    assert not [one for one in sandbox.violations if "nothing happens" not in one["reason"] and not known(one)]


def known(violation: dict[str, Any]) -> bool:
    """Faults that cannot be detected before sending."""
    return "that the workspace does not have" in violation["reason"] or "unknown" in violation["reason"]


OPERATORS: list[Any] = ["inc", "add", "remove", "$add", {"$update": "k"}, {"$remove": "k"}]
OBJECTS = {"type": "object", "properties": {"k": {"type": ["string", "integer"]}, "at": {"type": "string"}}}
OPERANDS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    SCALARS,
    SCALARS.map(lambda items: {"type": ["array", "null"], "items": items}),
    st.sampled_from([OBJECTS, {"type": "array", "items": OBJECTS}]),
)


@settings(max_examples=200)
@given(
    data=st.data(),
    columns=st.dictionaries(st.sampled_from("abcd"), OPERANDS, min_size=1, max_size=3),
    merge=st.booleans(),
)
def test_what_operators_make_is_taken_or_its_record_reported(
    braze: tuple[Sandbox, Client],
    data: st.DataObject,
    columns: dict[str, Any],
    merge: bool,  # noqa: FBT001
) -> None:
    sandbox, client = braze
    sandbox.reset()
    operators = {name: data.draw(st.sampled_from(OPERATORS)) for name in columns}
    rename = {name: data.draw(st.sampled_from([*"xyz", name])) for name in columns}
    entry = {"operators": operators, "rename": rename, "merge_objects": merge}
    schema = {"properties": {"external_id": {"type": "string"}, **columns}}
    try:
        mapping = compile_mapping("s", schema, entry, defaults(), lambda _text: None)
    except MappingError as wrong:
        assert "stream 's': " in str(wrong)  # noqa: PT017
        return
    operands = st.fixed_dictionaries({}, optional={name: operand(columns[name]) for name in columns})
    for record in data.draw(st.lists(operands, min_size=1, max_size=4)):
        try:
            (change,) = mapping.changes({"external_id": "c-1", **record})
        except RecordError as wrong:
            assert any(f"column '{name}'" in str(wrong) for name in record) or "both added" in str(wrong)  # noqa: PT017
            continue
        for name, value in record.items():
            key = operators[name] if isinstance(operators[name], str) else next(iter(operators[name]))
            assert key in change.fields.get(rename[name], {}) or nothing(value)
        answer = client.request("POST", "/users/track", body=json.dumps({"attributes": [change.fields]}).encode())
        assert not answer.json().get("errors")
    wrong_words = ("discards", "nested key", "not stored", "loses", "refused", "command")
    assert not [one for one in sandbox.violations if any(word in one["reason"] for word in wrong_words)]


def operand(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    items = st.fixed_dictionaries({}, optional={"k": st.sampled_from(["1", 2, None, {}]), "v": VALUES})
    return st.one_of(fitting(schema), fitting(schema), items, st.lists(items, max_size=3))


def nothing(value: object) -> bool:
    """Whether there is nothing in it that an operator could add or take: nulls, blank text, empty arrays."""
    if isinstance(value, str) and value.strip() in {"[]", "{}"}:
        return True
    if isinstance(value, list):
        return all(map(nothing, value))
    return value is None or (isinstance(value, str) and not value.strip())
