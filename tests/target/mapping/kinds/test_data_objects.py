"""Data Objects and their relationships, written in bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.data_objects import add_accounts
from tests.target.support.singer import BOOLEAN, NUMBER, TEXT, TIME, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.model.objects import DataObjectType
    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

COLUMNS: dict[str, Any] = {
    "object_id": TEXT,
    "name": TEXT,
    "credits": NUMBER,
    "since": {"type": ["string", "null"], "format": "date"},
    "active": BOOLEAN,
    "tags": {"type": ["array", "null"], "items": TEXT},
}
OBJECTS = {"to": "data_objects", "data_object": {"type": "account"}}
USERS = {
    "to": "data_object_user_relationships",
    "data_object": {"type": "account", "relationship": "account_user"},
    "fields": ["role"],
}
LINKS = {
    "to": "data_object_relationships",
    "data_object": {"type": "account", "relationship": "subaccount", "related_type": "account"},
    "fields": ["share"],
}
GONE = {"_sdc_deleted_at": "2026-03-04T09:10:11Z"}


@pytest.fixture
def accounts(sandbox: Sandbox) -> DataObjectType:
    return add_accounts(sandbox)


def table(*records: dict[str, Any], **columns: dict[str, Any]) -> Stream:
    return Stream("accounts", {**(columns or COLUMNS), "_sdc_deleted_at": TIME}, [*records], ["object_id"])


def links(*records: dict[str, Any]) -> Stream:
    columns = {"object_id": TEXT, "related_object_id": TEXT, "share": NUMBER, "_sdc_deleted_at": TIME}
    return Stream("links", columns, [*records])


def test_objects_are_replaced_in_requests_of_fifty(
    run_target: RunTarget, sandbox: Sandbox, accounts: DataObjectType
) -> None:
    rows = [{"object_id": f"a-{number}", "name": "x" * 300, "credits": number} for number in range(120)]
    run_target(table(*rows), streams={"accounts": OBJECTS})
    writes = [one for one in sandbox.requests if one.method == "PUT"]
    assert sorted(len(one.body["records"]) for one in writes) == [20, 50, 50]
    assert accounts.records["a-7"] == {"name": "x" * 300, "credits": 7}
    last = {"object_id": "a-7", "since": "2026-03-04", "active": "yes", "tags": ["a", None]}
    run_target(table({**last, "active": None}, last), time_zone="Europe/Berlin", streams={"accounts": OBJECTS})
    assert accounts.records["a-7"] == {"since": "2026-03-04T00:00:00+01:00", "active": True, "tags": ["a"]}
    assert not sandbox.violations


def test_a_bad_record_is_found_and_the_others_arrive(
    run_target: RunTarget, sandbox: Sandbox, accounts: DataObjectType, tmp_path: Path
) -> None:
    rows = [{"object_id": f"a-{number}", "name": "n"} for number in range(9)]
    sandbox.fault(do="refuse_if", contains="a-5", path="/data_objects/objects")
    letters = tmp_path / "letters.singer"
    run = run_target(
        table({"name": "no id"}, *rows),
        streams={"accounts": OBJECTS},
        on_error="dead_letter",
        dead_letter_path=str(letters),
    )
    assert run.summary["total"]["rejected"] == 2
    assert sorted(accounts.records) == [f"a-{number}" for number in range(9) if number != 5]


@pytest.mark.parametrize("kind", ["external_id", "braze_id", "email", "phone", "user_alias"])
def test_users_are_related_by_each_identifier(
    run_target: RunTarget, sandbox: Sandbox, accounts: DataObjectType, kind: str
) -> None:
    accounts.records["a-1"] = {}
    profile = sandbox.instance.profiles.create(external_id="c-1")
    run_target(
        Stream(
            "customers",
            {"external_id": TEXT, "email": TEXT, "phone": TEXT},
            [{"external_id": "c-1", "email": "c1@shop.example", "phone": "+12025550123"}],
        ),
        Stream(
            "aliases",
            {"external_id": TEXT, "alias_name": TEXT, "alias_label": TEXT},
            [{"external_id": "c-1", "alias_name": "n", "alias_label": "crm"}],
        ),
        streams={"aliases": {"to": "aliases"}},
    )
    values = {"external_id": "c-1", "braze_id": profile.braze_id, "email": "c1@shop.example", "phone": "+12025550123"}
    user = {"user_alias": {"name": "who", "label": "crm"}} if kind == "user_alias" else {kind: "who"}
    row = {"object_id": "a-1", "who": values.get(kind, "n"), "role": "owner"}
    stream = Stream("people", {"object_id": TEXT, "who": TEXT, "role": TEXT, "_sdc_deleted_at": TIME})
    entry = {**USERS, "user": [user], "on_delete": "remove"}
    run_target(stream.schema, stream.record(row), streams={"people": entry})
    assert accounts.users == {("a-1", "account_user", profile.braze_id): {"role": "owner"}}
    run_target(stream.schema, stream.record({**row, **GONE}), streams={"people": entry})
    assert not accounts.users
    assert not sandbox.violations


def test_objects_are_related_and_deleted(run_target: RunTarget, sandbox: Sandbox, accounts: DataObjectType) -> None:
    streams = {"accounts": {**OBJECTS, "on_delete": "remove"}, "links": {**LINKS, "on_delete": "remove"}}
    link = {"object_id": "a", "related_object_id": "b", "share": 0.5}
    other = {**link, "related_object_id": "c"}
    run_target(table(*({"object_id": key} for key in "abc")), streams=streams)
    run_target(links(link, {**link, "share": 1}, other), streams=streams)
    assert accounts.links == {
        ("a", "subaccount", "account", "b"): {"share": 1},
        ("a", "subaccount", "account", "c"): {"share": 0.5},
    }
    run_target(links({**link, **GONE}), streams=streams)
    assert list(accounts.links) == [("a", "subaccount", "account", "c")]
    run_target(table({"object_id": "c", **GONE}), streams=streams)
    assert (sorted(accounts.records), accounts.links) == (["a", "b"], {})
    assert not sandbox.violations


def test_deletions_need_a_setting(run_target: RunTarget, sandbox: Sandbox, accounts: DataObjectType) -> None:
    run_target(table({"object_id": "a"}), streams={"accounts": OBJECTS})
    run = run_target(table({"object_id": "a", **GONE}), streams={"accounts": OBJECTS})
    assert list(accounts.records) == ["a"]
    assert "change nothing in Braze because on_delete is nothing" in run.stderr
    assert all(one.method != "DELETE" for one in sandbox.requests)


@pytest.mark.parametrize("kind", ["objects", "links"])
def test_a_new_version_removes_what_it_does_not_list(
    run_target: RunTarget, accounts: DataObjectType, tmp_path: Path, kind: str
) -> None:
    run_target(table(*({"object_id": key} for key in "abc")), streams={"accounts": OBJECTS})
    stream = links() if kind == "links" else table()
    streams = {"accounts": {**OBJECTS, "on_delete": "remove"}, "links": {**LINKS, "on_delete": "remove"}}
    for version, keys in ((1, "bc"), (2, "c")):
        ids = [{"object_id": "a", "related_object_id": key} if kind == "links" else {"object_id": key} for key in keys]
        rows = [{**stream.record(one), "version": version} for one in ids]
        activate = {"type": "ACTIVATE_VERSION", "stream": stream.name, "version": version}
        run_target(stream.schema, *rows, activate, streams=streams, ledger_path=str(tmp_path / "ledger"))
    if kind == "links":
        assert list(accounts.links) == [("a", "subaccount", "account", "c")]
    else:
        assert sorted(accounts.records) == ["a", "c"]


@pytest.mark.parametrize(
    ("entry", "columns", "reason"),
    [
        ({"to": "data_objects"}, COLUMNS, "no type is configured for data_objects - at streams.accounts.data_object"),
        ({**OBJECTS, "data_object": {"type": "policy"}}, COLUMNS, "there is no type 'policy' of Data Objects"),
        (OBJECTS, {"object_id": TEXT, "colour": TEXT}, "has no attribute 'colour', so Braze would drop each object"),
        (OBJECTS, {"object_id": TEXT, "credits": TEXT}, "'credits' of type number, but the stream has string"),
        (OBJECTS, {"object_id": TEXT, "since": TEXT}, "'since' of type date-time, but the stream has string"),
        (OBJECTS, {"id": TEXT}, "no column for 'object_id'"),
        (
            {**OBJECTS, "data_object": {"type": "account", "relationship": "x"}},
            COLUMNS,
            "'data_object.relationship' does not apply to data_objects",
        ),
        (
            {**USERS, "data_object": {"type": "account"}, "fields": []},
            {"external_id": TEXT},
            "no relationship is configured",
        ),
        (
            {**USERS, "data_object": {"type": "account", "relationship": "friend"}, "fields": []},
            {"external_id": TEXT, "object_id": TEXT},
            "has no relationship 'friend' to users, only: account_user",
        ),
        (
            {**LINKS, "data_object": {**LINKS["data_object"], "related_type": "policy"}, "fields": []},  # type: ignore[dict-item]
            {"object_id": TEXT, "related_object_id": TEXT},
            "has no relationship 'subaccount' to the type 'policy', only: subaccount (account)",
        ),
    ],
)
def test_what_braze_would_drop_stops_the_run_before_the_first_record(  # noqa: PLR0917
    run_target: RunTarget,
    sandbox: Sandbox,
    accounts: DataObjectType,
    entry: dict[str, Any],
    columns: dict[str, Any],
    reason: str,
) -> None:
    run = run_target(table({"object_id": "a"}, **columns), streams={"accounts": entry}, expect=1)
    assert reason in run.errors[0]
    assert all(one.method == "GET" for one in sandbox.requests)
    assert not accounts.records


def test_attributes_that_the_stream_lacks_are_named(run_target: RunTarget, accounts: DataObjectType) -> None:
    run = run_target(table(object_id=TEXT, name=TEXT), streams={"accounts": OBJECTS})
    assert "replaced objects lose their values: active, credits, since, tags" in run.stderr
    assert not accounts.records


@pytest.mark.parametrize("body", ["[]", '{"errors": ["x"]}', ""])
def test_only_an_answer_of_braze_counts(
    run_target: RunTarget, sandbox: Sandbox, accounts: DataObjectType, body: str
) -> None:
    sandbox.fault(do="status", status=202, body=body, path="/data_objects/objects", times=1)
    run_target(table({"object_id": "a"}), streams={"accounts": OBJECTS})
    assert list(accounts.records) == ["a"]


def test_relationships_have_only_the_attributes_that_are_named(
    run_target: RunTarget, sandbox: Sandbox, accounts: DataObjectType
) -> None:
    accounts.records.update({"a": {}, "b": {}})
    entry = {key: value for key, value in LINKS.items() if key != "fields"}
    run = run_target(links({"object_id": "a", "related_object_id": "b", "share": 1}), streams={"links": entry})
    assert list(accounts.links.values()) == [{}]
    assert "columns that data_object_relationships do not use are not sent: share" in run.stderr
    assert not sandbox.violations
