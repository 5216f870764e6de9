"""Data Objects: the rows are the workspace's types, objects and relationships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.objects import DataObjectType
from tap_braze.streams import data_objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]

STREAMS = [
    "data_object_types",
    "data_object_types_details",
    "data_object_user_relationship_types",
    "data_object_relationship_types",
    "data_objects",
    "data_object_user_relationships",
    "data_object_relationships",
]


def furnish(sandbox: Sandbox) -> dict[str, DataObjectType]:
    """Give accounts users and a policy."""
    types = sandbox.workspace.data_objects
    account = types["account"]
    account.object_relationships["covered_by", "policy"] = {"since": "string"}
    account.users["acct-0", "account_user", "b1"] = {"role": "owner"}
    account.users["acct-0", "account_user", "b2"] = {}
    account.users["acct-2", "account_user", "b1"] = {}
    types["policy"] = DataObjectType(name="policy", fields={"premium": "number"}, records={"p-1": {"premium": 12.5}})
    account.links["acct-1", "covered_by", "policy", "p-1"] = {"since": "May"}
    return types


def test_every_type_object_and_relationship_is_a_row(sandbox: Sandbox, run_tap: RunTap) -> None:
    types = furnish(sandbox)
    run = run_tap(*STREAMS)
    assert run.exit_code == 0, run.stderr

    def keys(stream: str) -> list[tuple[str, ...]]:
        kind = next(each for each in vars(data_objects).values() if getattr(each, "name", "") == stream)
        return sorted(tuple(record[name] for name in kind.primary_keys) for record in run.records(stream))

    assert keys("data_object_types") == keys("data_object_types_details") == [("account",), ("policy",)]
    (account, _) = run.records("data_object_types_details")
    assert account["metadata"] == {"display_name_source": "name"}
    assert account["schema_def"]["properties"].keys() == types["account"].fields.keys()
    assert keys("data_object_user_relationship_types") == [("account", "account_user")]
    assert keys("data_object_relationship_types") == [
        ("account", "covered_by", "policy"),
        ("account", "subaccount", "account"),
    ]
    objects = {
        (record["type_name"], record["object_id"]): record["attributes"] for record in run.records("data_objects")
    }
    assert objects == {(kind.name, key): held for kind in types.values() for key, held in kind.records.items()}
    users = {
        (record["object_id"], record["rel_kind"], record["braze_id"]): record["attributes"]
        for record in run.records("data_object_user_relationships")
    }
    assert users == types["account"].users
    links = {
        (record["object_id"], record["rel_kind"], record["to_type_name"], record["to_object_id"]): record["attributes"]
        for record in run.records("data_object_relationships")
    }
    assert links == types["account"].links
    (policy,) = [record for record in run.records("data_object_relationships") if record["to_type_name"] == "policy"]
    assert policy["to_data_object"]["attributes"] == {"premium": 12.5}
    assert not [record for stream in STREAMS for record in run.records(stream) if "_extra" in record]


@pytest.mark.parametrize("count", [250, 251, 600])
def test_every_page_is_read(sandbox: Sandbox, run_tap: RunTap, count: int) -> None:
    account = sandbox.workspace.data_objects["account"]
    account.records = {f"a{number}": {} for number in range(count)}
    records = run_tap("data_objects").records("data_objects")
    assert [record["object_id"] for record in records] == [*account.records]


@pytest.mark.parametrize("name", ["object_id", "external_id"])
def test_the_id_may_have_its_former_name(sandbox: Sandbox, run_tap: RunTap, name: str) -> None:
    ids = {"type_name": "account", name: "acct-0"}
    for path, row in (
        ("/data_objects/objects/account", {**ids, "attributes": {}}),
        (
            "/data_objects/objects/account/acct-0/user_relationships",
            {**ids, "rel_kind": "r", "user": {"braze_id": "b"}},
        ),
        ("/data_objects/objects/account/acct-0/object_relationships", {"rel_kind": "r", "to_data_object": ids}),
    ):
        sandbox.fault(path=path, do="status", status=200, body={"items": [row]})
    run = run_tap("data_objects", "data_object_user_relationships", "data_object_relationships")
    assert run.exit_code == 0, run.stderr
    (found,), (user,), (link,) = map(run.records, ("data_objects", *STREAMS[-2:]))
    assert found["object_id"] == user["object_id"] == link["object_id"] == link["to_object_id"] == "acct-0"


def test_an_object_that_is_gone_costs_itself_alone(sandbox: Sandbox, run_tap: RunTap) -> None:
    furnish(sandbox)
    account = sandbox.workspace.data_objects["account"]
    sandbox.after_request("/data_objects/objects/account", lambda _: account.records.pop("acct-0", None), times=1)
    run = run_tap("data_object_user_relationships")
    assert run.exit_code == 0, run.stderr
    assert [record["object_id"] for record in run.records("data_object_user_relationships")] == ["acct-2"]
    assert "'acct-0'" in run.stderr
    assert "ACTIVATE_VERSION" not in {message["type"] for message in run.messages}
