"""Kinds for endpoints of their own: aliases, identifications, merges, external IDs, subscriptions, email states."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox

from tests.target.support.singer import ANY_OBJECT, BOOLEAN, TEXT, Stream, customers, lines, run_cli, the

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.target.support.singer import Run

GROUP = "9f4e2a10-0000-4000-8000-000000000001"
OTHER_GROUP = "9f4e2a10-0000-4000-8000-000000000002"


KINDS = ("aliases", "identifications", "external_ids", "subscriptions", "email_status", "deletions")


@pytest.fixture
def run_target(run_target: Callable[..., Run]) -> Callable[..., Run]:
    """Run the target; streams called like a kind are of that kind here."""

    def run(*messages: Any, streams: dict[str, Any] | None = None, **settings: Any) -> Run:
        mappings = {name: {"to": name} for name in KINDS if any(getattr(m, "name", "") == name for m in messages)}
        for name, entry in (streams or {}).items():
            mappings[name] = {**mappings.get(name, {}), **entry}
        return run_target(*messages, streams=mappings, **settings)

    return run


def table(name: str, *records: dict[str, Any], **types: dict[str, Any]) -> Stream:
    columns = dict.fromkeys(column for record in records for column in record)
    return Stream(name, {column: types.get(column, TEXT) for column in columns}, list(records))


def bodies(sandbox: Sandbox, path: str) -> list[Any]:
    return [request.body for request in sandbox.requests if request.path == path and request.status in {201, 202}]


def make(run_target: Callable[..., Run], users: Iterable[str]) -> None:
    run_target(customers(*({"external_id": user, "n": "1"} for user in users), n=TEXT))


# Aliases.


def test_an_alias_joins_its_user_or_makes_a_profile_of_its_own(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    make(run_target, ["c-1"])
    records: list[dict[str, Any]] = [
        {"external_id": "c-1", "alias_name": "a-1", "alias_label": "web"},
        {"external_id": None, "alias_name": "a-2", "alias_label": "web"},
    ]
    run_target(table("aliases", *records))
    assert the(sandbox.profile("c-1")).aliases == {"web": "a-1"}
    assert the(sandbox.profile_by(alias=("web", "a-2"))).external_id is None
    assert not sandbox.violations


def test_an_alias_with_an_old_name_is_renamed_and_chains_take_a_request_for_each_link(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    mapping = {"s": {"to": "aliases", "alias": {"name": "now", "old_name": "was", "label": "web"}}}
    chain: list[dict[str, Any]] = [
        {"was": None, "now": "a"},
        {"was": "a", "now": "b"},
        {"was": "b", "now": "c"},
        {"was": "x", "now": "x"},
    ]
    run_target(table("s", *chain), streams=mapping)
    assert sandbox.profile_by(alias=("web", "c"))
    assert sandbox.profile_by(alias=("web", "a")) is None
    assert [len(body["alias_updates"]) for body in bodies(sandbox, "/users/alias/update")] == [1, 1]
    assert not sandbox.violations


def test_aliases_that_have_nothing_to_do_with_each_other_share_requests(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    names = [{"alias_label": "web", "alias_name": f"a-{number}"} for number in range(120)]
    run_target(table("aliases", *names))
    renamed = [{**name, "old_alias_name": name["alias_name"], "alias_name": f"b-{n}"} for n, name in enumerate(names)]
    run_target(table("aliases", *renamed))
    for path in ("/users/alias/new", "/users/alias/update"):
        (sizes,) = [sorted(len(next(iter(body.values()))) for body in bodies(sandbox, path))]
        assert sizes == [20, 50, 50]
    assert sandbox.profile_by(alias=("web", "b-119"))
    assert not sandbox.violations


# Identifications, merges.


def test_an_anonymous_user_becomes_the_known_one_and_the_attributes_after_it_go_there(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    anonymous = table("anonymous", {"alias_name": "a-1", "alias_label": "web", "plan": "gold"})
    by_email = table("addresses", {"email": "a@example.com", "city": "Porto"})
    make(run_target, ["c-1"])
    records = [
        {"external_id": "c-1", "alias_name": "a-1", "alias_label": "web", "email": None},
        {"external_id": "c-1", "alias_name": None, "alias_label": None, "email": "a@example.com"},
    ]
    run_target(anonymous, by_email, table("identifications", *records))
    profile = the(sandbox.profile("c-1"))
    assert profile.custom_attributes == {"n": "1", "plan": "gold", "city": "Porto"}
    assert profile.aliases == {"web": "a-1"}
    assert len(sandbox.profiles()) == 1
    assert not sandbox.violations


def test_merges_name_both_users_and_those_of_one_user_keep_their_order(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    make(run_target, ["c-1", "c-2", "c-3"])
    mapping = {"s": {"to": "merges", "merge": [{"external_id": "old"}], "keep": [{"external_id": "new"}]}}
    run_target(table("s", {"old": "c-1", "new": "c-2"}, {"old": "c-2", "new": "c-3"}), streams=mapping)
    assert [profile.external_id for profile in sandbox.profiles()] == ["c-3"]
    assert [len(body["merge_updates"]) for body in bodies(sandbox, "/users/merge")] == [1, 1]
    run = run_target(table("s", {"old": "c-3", "new": "c-3"}), streams=mapping, expect=1)
    assert "it would merge a user into itself" in run.errors[0]
    run = run_target(table("s", {"old": "", "new": "c-3"}), streams=mapping, expect=1)
    assert "user to merge: it identifies no user" in run.errors[0]


def test_the_anonymous_user_of_an_address_is_merged_into_the_known_one_of_it(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_target(table("events_of", {"email": "a@example.com", "plan": "gold"}))
    run_target(customers({"external_id": "c-1", "email": "a@example.com"}, email=TEXT))
    assert len(sandbox.profiles()) == 2
    mapping = {"s": {"to": "merges", "merge": [{"email": "mail"}], "keep": [{"email": "mail"}]}}
    run_target(table("s", {"mail": "a@example.com"}), streams=mapping)
    (profile,) = sandbox.profiles()
    assert (profile.external_id, profile.custom_attributes) == ("c-1", {"plan": "gold"})
    same = {"s": mapping["s"] | {"prioritization": ["most_recently_updated"]}}
    run = run_target(table("s", {"mail": "a@example.com"}), streams=same, expect=1)
    assert "merge a user into itself" in run.errors[0]


# External IDs.


def test_external_ids_are_renamed_in_order_and_each_refusal_is_that_of_its_record(
    run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    make(run_target, ["a", "taken", *(f"c-{number}" for number in range(4))])
    records = [
        {"current_external_id": "c-0", "new_external_id": "d-0"},
        {"current_external_id": "nobody", "new_external_id": "x"},
        {"current_external_id": "c-1", "new_external_id": "taken"},
        {"current_external_id": "a", "new_external_id": "b"},
        {"current_external_id": "b", "new_external_id": "c"},
    ]
    letters = {"on_error": "dead_letter", "dead_letter_path": str(tmp_path / "dead.singer")}
    run = run_target(table("external_ids", *records), **letters)
    assert "records rejected: 2." in run.stderr
    assert the(sandbox.profile("c")).deprecated_external_ids == ["a", "b"]
    assert sandbox.profile("d-0")
    assert the(sandbox.profile("c-1")).external_id == "c-1"
    run = run_target(table("external_ids", records[1]), expect=1)
    assert "record 1: Braze refused it: 'current_external_id' does not exist" in run.errors[0]


def test_deprecated_external_ids_are_removed(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    make(run_target, ["a"])
    run_target(table("external_ids", {"current_external_id": "a", "new_external_id": "b"}))
    mapping = {"s": {"to": "external_ids", "external_ids": {"remove": "gone"}}}
    run_target(table("s", {"gone": "a"}), streams=mapping)
    assert the(sandbox.profile("b")).deprecated_external_ids == []
    run = run_target(table("s", {"gone": "b"}), streams=mapping, expect=1)
    assert "the external id is not deprecated" in run.errors[0]


# Subscriptions.


def test_several_groups_share_a_request_and_each_kind_of_identifier_has_its_own(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    make(run_target, ["c-1", "c-2"])
    columns = ("external_id", "email", "phone", "subscription_group_id", "subscription_state")
    rows = [
        ("c-1", None, None, GROUP, "subscribed"),
        ("c-1", None, None, OTHER_GROUP, "Unsubscribed "),
        ("c-2", None, None, GROUP, "subscribed"),
        ("c-2", None, None, GROUP, "unsubscribed"),
        (None, "a@example.com", None, GROUP, "subscribed"),
        (None, None, "+1 (202) 555-0123", GROUP, "subscribed"),
    ]
    run_target(table("subscriptions", *(dict(zip(columns, row, strict=True)) for row in rows)))
    groups = [body["subscription_groups"] for body in bodies(sandbox, "/v2/subscription/status/set")]
    assert max(groups, key=len) == [
        {"subscription_group_id": GROUP, "subscription_state": "subscribed", "external_ids": ["c-1"]},
        {"subscription_group_id": OTHER_GROUP, "subscription_state": "unsubscribed", "external_ids": ["c-1"]},
        {"subscription_group_id": GROUP, "subscription_state": "unsubscribed", "external_ids": ["c-2"]},
    ]
    assert len(groups) == 3
    assert the(sandbox.profile("c-1")).attributes["subscription_groups"] == {
        GROUP: "subscribed",
        OTHER_GROUP: "unsubscribed",
    }
    # Kept for who has the address later.
    run_target(table("people", {"email": "a@example.com"}))
    assert the(sandbox.profile_by(email="a@example.com")).attributes["subscription_groups"] == {GROUP: "subscribed"}


def test_a_group_of_the_mapping_and_a_boolean_state(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    make(run_target, ["c-1", "c-2"])
    entry = {
        "to": "subscriptions",
        "user": [{"external_id": "id"}],
        "subscription": {"group": GROUP, "state_field": "wants"},
    }
    run = run_target(
        table("s", {"id": "c-1", "wants": True, "why": "x"}, {"id": "c-2", "wants": False}, wants=BOOLEAN),
        streams={"s": entry},
    )
    states = [the(sandbox.profile(user)).attributes["subscription_groups"][GROUP] for user in ("c-1", "c-2")]
    assert states == ["subscribed", "unsubscribed"]
    assert "columns that subscriptions do not use are not sent: why" in run.stderr


def test_who_is_to_opt_in_twice_is_asked_and_who_leaves_is_not(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    stream = table(
        "consents", {"phone": "+12025550123", "on": True}, {"phone": "+12025550124", "on": False}, on=BOOLEAN
    )
    entry = {"to": "subscriptions", "subscription": {"group": GROUP, "state_field": "on", "double_opt_in": True}}
    run_target(stream, streams={"consents": entry})
    (body,) = bodies(sandbox, "/v2/subscription/status/set")
    assert body["subscription_groups"] == [
        {
            "subscription_group_id": GROUP,
            "subscription_state": "subscribed",
            "use_double_opt_in_logic": True,
            "phones": ["+12025550123"],
        },
        {"subscription_group_id": GROUP, "subscription_state": "unsubscribed", "phones": ["+12025550124"]},
    ]
    by_email = Stream("consents", {"on": BOOLEAN, "email": TEXT})
    run = run_target(by_email, streams={"consents": entry}, expect=1)
    assert "'subscription.double_opt_in' is for SMS groups" in run.errors[0]


def test_no_request_has_more_than_fifty_users(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    records = [
        {"email": f"u{n}@example.com", "subscription_group_id": GROUP, "subscription_state": "subscribed"}
        for n in range(120)
    ]
    run_target(table("subscriptions", *records))
    sent = [body["subscription_groups"] for body in bodies(sandbox, "/v2/subscription/status/set")]
    assert sorted(len(group["emails"]) for (group,) in sent) == [20, 50, 50]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"subscription_state": "maybe"}, "expected subscribed or unsubscribed, or true or false, got 'maybe'"),
        ({"subscription_state": None}, "column 'subscription_state' is blank"),
        ({"subscription_group_id": "newsletter"}, "expected the id of a subscription group"),
        ({"email": None, "phone": "030 1234567"}, "expected a phone number in the form"),
    ],
)
def test_a_bad_subscription_is_reported(change: dict[str, Any], reason: str, run_target: Callable[..., Run]) -> None:
    good = {"email": "a@example.com", "subscription_group_id": GROUP, "subscription_state": "subscribed", "phone": None}
    run = run_target(table("subscriptions", {**good, **change}), expect=1)
    assert reason in run.errors[0]


def test_email_states_are_set_and_the_last_of_an_address_wins(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(table("people", {"email": "a@example.com"}, {"email": "b@example.com"}))
    states = [("a", "subscribed"), ("b", "opted_in"), ("a", "unsubscribed")]
    records = [{"email": f"{name}@example.com", "subscription_state": state} for name, state in states]
    run_target(table("email_status", *records))
    found = [the(sandbox.profile_by(email=f"{name}@example.com")).attributes["email_subscribe"] for name in "ab"]
    assert found == ["unsubscribed", "opted_in"]


# A wrong mapping is reported before the first record.


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (
            {"to": "subscriptions", "user": [{"braze_id": "id"}]},
            "for subscriptions Braze takes only email or external_id",
        ),
        ({"to": "subscriptions"}, "no column identifies the user"),
        (
            {"to": "subscriptions", "user": [{"email": "id"}]},
            "no column for 'subscription_state', which Braze requires",
        ),
        (
            {"to": "subscriptions", "user": [{"email": "id"}], "subscription": {"state": "opted_in", "group": GROUP}},
            "'subscription.state' must be subscribed or unsubscribed",
        ),
        (
            {"to": "subscriptions", "user": [{"email": "id"}], "subscription": {"state": "subscribed", "group": "x"}},
            "expected the id of a subscription group",
        ),
        (
            {"to": "email_status", "user": [{"email": "id"}], "subscription": {"group": GROUP}},
            "'subscription.group' does not apply to email_status",
        ),
        ({"to": "aliases"}, "no column for 'alias_label', which Braze requires"),
        ({"to": "aliases", "user": [{"email": "id"}]}, "for aliases Braze takes only external_id"),
        ({"to": "identifications", "user": [{"external_id": "id"}]}, "none of the columns alias_label, alias_name"),
        ({"to": "merges", "merge": [{"external_id": "id"}]}, "no user to keep is configured"),
        ({"to": "merges", "merge": [{"external_id": "id"}], "keep": [{"external_id": "x"}]}, "'keep' names the column"),
        ({"to": "merges", "user": [{"external_id": "id"}]}, "'user' does not apply to merges"),
        ({"to": "external_ids"}, "no column for 'current_external_id', which Braze requires"),
        ({"to": "external_ids", "external_ids": {"remove": "x"}}, "'external_ids.remove' names the column 'x'"),
        ({"to": "events", "on_delete": "unset"}, "'on_delete' cannot be unset here, only nothing"),
        ({"to": "email_status"}, "none of the columns email; name another - at streams.s.user. Columns: id, o"),
        (
            {"to": "email_status", "user": [{"email": "id"}], "subscription": {"state_field": "o"}},
            "column 'o' cannot be 'subscription.state_field': it holds object",
        ),
        (
            {"to": "aliases", "alias": {"name": "o", "label": "web"}},
            "column 'o' cannot be 'alias.name': it holds object",
        ),
        (
            {"to": "external_ids", "external_ids": {"remove": "o"}},
            "column 'o' cannot be 'external_ids.remove': it holds object",
        ),
        (
            {"to": "cohorts", "user": [{"external_id": "id"}], "cohort": {"attribute": "vip", "member_field": "o"}},
            "column 'o' cannot be 'cohort.member_field': it holds object",
        ),
        (
            {"to": "cohorts", "user": [{"external_id": "id"}], "cohort": {"array": "cohorts", "name_field": "o"}},
            "column 'o' cannot be 'cohort.name_field': it holds object",
        ),
    ],
)
def test_a_mapping_that_does_not_fit_stops_early(
    entry: dict[str, Any], text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    stream = Stream("s", {"id": TEXT, "o": ANY_OBJECT}, [{"id": "1"}])
    run = run_target(stream, streams={"s": entry}, expect=1)
    assert text in run.errors[0]
    assert "stream 's'" in run.errors[0]
    assert not sandbox.requests


# Waits.


def test_a_step_waits_for_what_it_depends_on_and_not_for_others(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    alias = {"external_id": "c-1", "alias_name": "a", "alias_label": "web"}
    run_target(customers({"external_id": "c-1", "n": "1"}, n=TEXT), table("aliases", alias), dependency_delay=0.5)
    first, second = sorted(sandbox.requests, key=lambda request: request.started)
    assert second.path == "/users/alias/new"
    assert second.started - first.finished >= 0.5


def test_dependent_steps_keep_their_order_where_braze_is_late_and_promises_none(tmp_path: Path) -> None:
    """The delays prevent late attributes from undoing a deletion, and aliases from preceding their users."""
    names = [f"c-{number}" for number in range(20)]
    aliases = [{"external_id": name, "alias_name": name, "alias_label": "web"} for name in names]
    gone = [{"external_id": name} for name in names[:10]]
    streams = {
        "aliases": {"to": "aliases"},
        "deletions": {"to": "deletions", "allow_deletions": True, "max_deletions": 10},
    }
    config = {"streams": streams, "dependency_delay": 0.6}
    with Sandbox(seed="empty", lag_ms=200, shuffle=3) as sandbox:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({**config, "api_key": sandbox.api_key, "endpoint": sandbox.url}))
        people = customers(*({"external_id": name, "n": "1"} for name in names), n=TEXT)
        run = run_cli(["--config", str(path)], lines(people, table("aliases", *aliases), table("deletions", *gone)))
        assert run.exit_code == 0, run.stderr
        sandbox.settle()
        assert {str(profile.external_id): profile.aliases for profile in sandbox.profiles()} == {
            name: {"web": name} for name in names[10:]
        }
        assert not sandbox.violations
