"""What a deletion in the source does in Braze; deleted users and the limit on them; cohorts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import ANY_OBJECT, BOOLEAN, NUMBER, TEXT, Stream, customers, state, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

DELETED = {"_sdc_deleted_at": "2026-03-04T09:10:11Z"}
COLUMNS = {"email": TEXT, "plan": TEXT, "points": NUMBER}
GROUP = "9f4e2a10-0000-4000-8000-000000000001"


def people(*records: dict[str, Any]) -> Stream:
    return customers(*records, **COLUMNS, _sdc_deleted_at=TEXT)


@pytest.fixture
def _loaded(run_target: Callable[..., Run]) -> None:
    """Three customers, before the source deletes any."""
    records = ({"external_id": f"c-{n}", "email": f"u{n}@example.com", "plan": "gold", "points": n} for n in range(3))
    run_target(people(*records))


@pytest.mark.usefixtures("_loaded")
@pytest.mark.parametrize(
    ("on_delete", "custom", "attributes"),
    [
        ("nothing", {"plan": "gold", "points": 1}, {"email": "u1@example.com"}),
        ("unset", {}, {}),
        ({"flag": "gone"}, {"plan": "gold", "points": 1, "gone": True}, {"email": "u1@example.com"}),
        (
            "unsubscribe",
            {"plan": "gold", "points": 1},
            {"email": "u1@example.com", "email_subscribe": "unsubscribed", "push_subscribe": "unsubscribed"},
        ),
    ],
)
def test_a_customer_deleted_in_the_source(
    on_delete: Any,
    custom: dict[str, Any],
    attributes: dict[str, Any],
    run_target: Callable[..., Run],
    sandbox: Sandbox,
) -> None:
    gone = [{"external_id": user, "plan": "blue", **DELETED} for user in ("c-1", "never-there")]
    run = run_target(people(*gone), streams={"customers": {"on_delete": on_delete}}, nulls="unset")
    profile = the(sandbox.profile("c-1"))
    assert (profile.custom_attributes, profile.attributes) == (custom, attributes)
    assert sandbox.profile("never-there") is None
    assert ("change nothing in Braze because" in run.stderr) == (on_delete == "nothing")
    assert not sandbox.violations


def test_a_flag_goes_when_the_record_comes_back(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    mapping = {"customers": {"on_delete": {"flag": "gone"}}}
    run_target(people({"external_id": "c-1", "plan": "gold"}), streams=mapping)
    for deleted, flag in ((DELETED, True), ({}, False)):
        run_target(people({"external_id": "c-1", **deleted}), streams=mapping)
        assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "gold", "gone": flag}


def test_a_stream_map_can_say_that_a_record_is_deleted(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    stream = customers({"external_id": "c-1", "plan": "gold", "state": "closed"}, plan=TEXT, state=TEXT)
    maps = {"customers": {"_sdc_deleted_at": "'2026-01-01' if state == 'closed' else None"}}
    run_target(customers({"external_id": "c-1", "plan": "blue"}, plan=TEXT))
    run_target(stream, streams={"customers": {"on_delete": "unset"}}, stream_maps=maps)
    assert the(sandbox.profile("c-1")).custom_attributes == {}


def test_subscriptions_end_with_their_record(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(customers({"external_id": "c-1"}))
    columns = {"external_id": TEXT, "subscription_group_id": TEXT, "subscription_state": TEXT}
    record = {"external_id": "c-1", "subscription_group_id": GROUP}
    for more in ({"subscription_state": "subscribed"}, DELETED):
        stream = Stream("subscriptions", columns, [{**record, **more}])
        run_target(stream, streams={"subscriptions": {"to": "subscriptions", "on_delete": "unsubscribe"}})
    assert the(sandbox.profile("c-1")).attributes["subscription_groups"] == {GROUP: "unsubscribed"}


# Users are deleted.


def deletions(*users: str, **entry: Any) -> tuple[Stream, dict[str, Any]]:
    stream = Stream("deletions", {"external_id": TEXT}, [{"external_id": user} for user in users])
    return stream, {"deletions": {"to": "deletions", "allow_deletions": True, **entry}}


@pytest.mark.usefixtures("_loaded")
@pytest.mark.parametrize("nothing", ["", " ", None])
@pytest.mark.parametrize("stream_maps", [{}, {"customers": {"extra": "'x'"}}])
def test_blank_text_for_the_time_of_a_deletion_is_none_as_in_a_csv(
    nothing: str | None, stream_maps: dict[str, Any], run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    alive = people({"external_id": "c-1", "plan": "blue", "_sdc_deleted_at": nothing})
    run_target(alive, streams={"customers": {"on_delete": "unset"}}, stream_maps=stream_maps)
    profile = the(sandbox.profile("c-1"))
    assert (profile.custom_attributes["plan"], profile.attributes) == ("blue", {"email": "u1@example.com"})


def test_that_unset_leaves_the_members_of_a_column_is_said(run_target: Callable[..., Run]) -> None:
    mapping = {"on_delete": "unset", "flatten": ["more"]}
    run = run_target(customers(more=ANY_OBJECT), streams={"customers": mapping})
    assert any("'on_delete' does not unset keys of 'more'" in line for line in run.warnings)


@pytest.mark.usefixtures("_loaded")
def test_users_are_deleted_when_all_is_read_and_may_return(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    stream, mapping = deletions("c-1", "c-2", max_deletions=2)
    messages = stream.messages
    again = people({"external_id": "c-2", "plan": "new"}, {"external_id": "c-0", "plan": "blue"})
    run = run_target(*messages[:2], state(1), *messages[2:], again, state(2), streams=mapping)
    assert [profile.external_id for profile in sandbox.profiles()] == ["c-0", "c-2"]
    assert the(sandbox.profile("c-2")).custom_attributes == {"plan": "new"}
    assert run.states[-1] == {"bookmarks": 2}
    assert [request.body for request in sandbox.requests if request.path == "/users/delete"] == [
        {"external_ids": ["c-1", "c-2"]}
    ]
    assert not sandbox.violations


@pytest.mark.usefixtures("_loaded")
@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"max_deletions": 2}, "would delete more than its max_deletions of 2 users; none was deleted"),
        ({"max_deleted_share": 0.5}, "would delete 3 of the 5 users of this run, more than its max_deleted_share of"),
        ({}, "set allow_deletions to true, and max_deletions or max_deleted_share"),
        ({"allow_deletions": False, "max_deletions": 9}, "set allow_deletions to true"),
    ],
)
def test_nobody_is_deleted_where_it_would_be_too_many(
    entry: dict[str, Any], text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    stream, mapping = deletions("c-0", "c-1", "c-1", "c-2", **entry)
    others = people({"external_id": "d-0"}, {"external_id": "d-1"})
    run = run_target(stream, others, state(1), streams=mapping, expect=1)
    assert text in run.errors[0]
    assert not run.states
    assert {"c-0", "c-1", "c-2"} <= {profile.external_id for profile in sandbox.profiles()}


@pytest.mark.usefixtures("_loaded")
def test_a_share_of_the_users_of_a_run_may_be_deleted(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    entry = {"on_delete": "delete_user", "allow_deletions": True, "max_deleted_share": 0.5}
    run_target(people({"external_id": "c-1", **DELETED}, {"external_id": "c-0"}), streams={"customers": entry})
    assert [profile.external_id for profile in sandbox.profiles()] == ["c-0", "c-2"]


def test_each_kind_of_identifier_has_a_request_of_its_own(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    names = ("external_id", "braze_id", "alias_name", "alias_label", "email", "phone")
    run_target(customers({"external_id": "c-1"}, {"external_id": "c-2", "email": "a@example.com"}, email=TEXT))
    run_target(Stream("s", dict.fromkeys(names, TEXT), [{"alias_name": "a", "alias_label": "web"}]))
    run_target(Stream("s", {"phone": TEXT}, [{"phone": "+12025550123"}]))
    braze_id = the(sandbox.profile("c-1")).braze_id
    records = [
        {"braze_id": braze_id},
        {"external_id": "c-9"},
        {"alias_name": "a", "alias_label": "web"},
        {"email": "a@example.com"},
        {"phone": "+12025550123"},
    ]
    entry: dict[str, Any] = {"to": "deletions", "allow_deletions": True, "max_deletions": 5}
    run_target(Stream("deletions", dict.fromkeys(names, TEXT), list(records)), streams={"deletions": entry})
    # The number is that of an anonymous user, and only who is identified is deleted by an address.
    (left,) = sandbox.profiles()
    assert left.phone == "+12025550123"
    entry |= {"prioritization": ["unidentified"]}
    run_target(Stream("deletions", {"phone": TEXT}, records[-1:]), streams={"deletions": entry})
    assert not sandbox.profiles()


def test_many_deletions_do_not_hold_up_the_input(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    users = [f"c-{n}" for n in range(150)]
    run_target(customers(*({"external_id": user} for user in users)))
    stream, mapping = deletions(*users, max_deletions=150)
    # Far more than may be in flight, and each deleted user comes back.
    again = customers(*({"external_id": user, "n": "1"} for user in users), n=TEXT)
    run_target(stream, again, streams=mapping, concurrency=1, max_objects_per_request=2)
    assert len(sandbox.profiles()) == 150
    assert all(profile.custom_attributes == {"n": "1"} for profile in sandbox.profiles())


def test_a_dry_run_deletes_nobody_and_counts(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    stream, mapping = deletions("a", "b", max_deletions=1)
    run = run_target(stream, streams=mapping, dry_run=True, expect=1)
    assert "more than its max_deletions of 1 users" in run.errors[0]
    run_target(stream, streams={"deletions": mapping["deletions"] | {"max_deletions": 2}}, dry_run=True)
    assert not sandbox.requests


# Cohorts.


def test_a_cohort_as_a_boolean_is_kept_in_step(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    entry = {"to": "cohorts", "cohort": {"attribute": "vip", "member_field": "is_member"}}
    columns = {"external_id": TEXT, "is_member": BOOLEAN}
    members: list[dict[str, Any]] = [{"external_id": user, "is_member": True} for user in ("a", "b", "c")]
    leavers: list[dict[str, Any]] = [
        {"external_id": "a", "is_member": False},
        {"external_id": "b", **DELETED},
        {"external_id": "x", **DELETED},
    ]
    run_target(Stream("s", columns, members), streams={"s": entry})
    run_target(Stream("s", columns, leavers), streams={"s": entry})
    assert [p.custom_attributes for p in sandbox.profiles()] == [{"vip": False}, {"vip": False}, {"vip": True}]


def test_cohorts_in_an_array(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    entry = {"to": "cohorts", "cohort": {"array": "cohorts", "name_field": "cohort"}}
    rows = [("a", "vip"), ("b", "vip"), ("a", "new"), ("a", "lost"), ("a", "lost")]
    records: list[dict[str, Any]] = [{"external_id": user, "cohort": name} for user, name in rows]
    records[4] |= DELETED
    run_target(Stream("s", {"external_id": TEXT, "cohort": TEXT}, records), streams={"s": entry})
    found = {str(p.external_id): p.custom_attributes["cohorts"] for p in sandbox.profiles()}
    assert found == {"a": ["vip", "new"], "b": ["vip"]}
    run_target(
        Stream("s", {"external_id": TEXT}, [{"external_id": "b", **DELETED}, {"external_id": "a"}]),
        streams={"s": {"to": "cohorts", "cohort": {"array": "cohorts", "name": "vip"}}},
    )
    assert the(sandbox.profile("b")).custom_attributes["cohorts"] == []
    assert not sandbox.violations


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"to": "cohorts"}, "no attribute is configured for membership: name a boolean attribute"),
        ({"to": "cohorts", "cohort": {"attribute": "email"}}, "'email' has another meaning in Braze"),
        ({"to": "cohorts", "cohort": {"attribute": "$a"}}, "a name may not begin with '$'"),
        ({"to": "cohorts", "cohort": {"array": "a", "name_field": "x"}}, "'cohort.name_field' names the column 'x'"),
        ({"to": "cohorts", "cohort": {"attribute": "a"}, "on_delete": "unset"}, "only nothing or remove"),
        ({"on_delete": "remove"}, "'on_delete' cannot be remove here"),
        ({"on_delete": {"flag": "plan"}}, "the column sent as 'plan' cannot be the flag"),
        ({"on_delete": "delete_user"}, "set allow_deletions to true"),
        (
            {
                "to": "deletions",
                "allow_deletions": True,
                "max_deletions": 1,
                "prioritization": ["least_recently_updated"],
            },
            "Braze does not delete the least recently updated",
        ),
    ],
)
def test_a_mapping_that_does_not_fit_stops_early(
    entry: dict[str, Any], text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(people({"external_id": "c-1"}), streams={"customers": entry}, expect=1)
    assert text in run.errors[0]
    assert not sandbox.requests
