"""Nobody who opted out in Braze is opted in again, unless the record says that the person chose later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.objects import SubscriptionGroup
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.target.support.singer import ANY_OBJECT, TEXT, TIME, Stream, customers, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

GROUP = "9f4e2a10-0000-4000-8000-000000000001"
OTHER = "9f4e2a10-0000-4000-8000-000000000002"
EARLIER, LATER = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
READS = ("/users/export/ids", "/email/unsubscribes", "/subscription/status/get")


def people(*records: dict[str, Any]) -> Stream:
    columns = {name: TEXT for record in records for name in record}
    return customers(*records, **{**columns, **({"consented_at": TIME} if "consented_at" in columns else {})})


def opt_out(run_target: Callable[..., Run], *ids: str, name: str = "email_subscribe") -> None:
    """Unsubscribe users in Braze without the ledger, as an unsubscribe link does."""
    run_target(people(*({"external_id": one, "email": f"{one}@example.com", name: "unsubscribed"} for one in ids)))


def reads(sandbox: Sandbox) -> list[str]:
    return [request.path for request in sandbox.requests if request.path in READS]


def state(sandbox: Sandbox, external_id: str = "c-1", name: str = "email_subscribe") -> object:
    return the(sandbox.profile(external_id)).attributes.get(name)


@pytest.mark.parametrize("name", ["email_subscribe", "push_subscribe"])
@pytest.mark.parametrize("wanted", ["subscribed", "opted_in"])
def test_an_opt_in_without_a_time_does_not_undo_an_opt_out(
    run_target: Callable[..., Run], sandbox: Sandbox, name: str, wanted: str
) -> None:
    opt_out(run_target, "c-1", name=name)
    run = run_target(people({"external_id": "c-1", name: wanted, "plan": "gold"}))
    assert state(sandbox, name=name) == "unsubscribed"
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "gold"}, "the rest of the record"
    total = run.summary["total"]
    assert (total["sent"], total["consent_conflicts"], total["rejected"]) == (1, 1, 0)
    (reason,) = run.summary["reasons"]
    assert "consent_conflict" in reason
    assert name in reason


def test_a_record_that_only_opts_in_is_not_sent(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    opt_out(run_target, "c-1")
    before = len(sent(sandbox))
    run = run_target(people({"external_id": "c-1", "email_subscribe": "subscribed"}))
    assert len(sent(sandbox)) == before
    assert run.summary["total"]["opted_out"] == run.summary["total"]["consent_conflicts"] == 1
    assert run.summary["total"]["open"] == 0


@pytest.mark.parametrize(
    ("chosen", "expected"), [(EARLIER, "unsubscribed"), (LATER, "subscribed"), (None, "unsubscribed")]
)
def test_the_later_choice_counts(
    run_target: Callable[..., Run],
    sandbox: Sandbox,
    tmp_path: Path,
    chosen: str | None,
    expected: str,
) -> None:
    opt_out(run_target, "c-1")
    entry = {"customers": {"consented_at": "consented_at"}}
    record = {"external_id": "c-1", "email_subscribe": "subscribed", "consented_at": chosen}
    run_target(people(record), streams=entry, ledger_path=str(tmp_path / "ledger.sqlite"))
    assert state(sandbox) == expected
    assert "consented_at" not in the(sandbox.profile("c-1")).custom_attributes


def test_who_opts_in_again_is_sent_although_the_ledger_has_the_state(
    run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    more: dict[str, Any] = {"streams": {"customers": {"consented_at": "consented_at"}}}
    more["ledger_path"] = str(tmp_path / "ledger.sqlite")
    record = {"external_id": "c-1", "email_subscribe": "subscribed", "consented_at": EARLIER}
    run_target(people(record), **more)
    opt_out(run_target, "c-1")
    before = len(sandbox.requests)
    assert run_target(people(record), **more).summary["total"]["unchanged"] == 1
    assert len(sandbox.requests) == before, "an unchanged record costs nothing"
    run_target(people(record | {"consented_at": LATER}), **more)
    assert state(sandbox) == "subscribed"


def test_a_conflict_is_checked_again_in_the_next_run(
    run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    opt_out(run_target, "c-1")
    more = {"ledger_path": str(tmp_path / "ledger.sqlite")}
    record = {"external_id": "c-1", "email_subscribe": "subscribed", "plan": "gold"}
    assert run_target(people(record), **more).summary["total"]["sent"] == 1
    second = run_target(people(record), **more).summary["total"]
    assert (second["opted_out"], second["consent_conflicts"]) == (1, 1)
    the(sandbox.profile("c-1")).attributes["email_subscribe"] = "subscribed"
    run_target(people(record | {"email_subscribe": "opted_in"}), **more)
    assert state(sandbox) == "opted_in"


def test_only_opt_ins_are_looked_up_fifty_at_a_time(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    states = ("subscribed", "unsubscribed", None)
    rows: list[dict[str, Any]] = [
        {"external_id": f"c-{n}", "email_subscribe": states[n % 3], "plan": "x"} for n in range(300)
    ]
    run_target(people(*rows), concurrency=1)
    asked = [one.body["external_ids"] for one in sandbox.requests if one.path == "/users/export/ids"]
    assert sorted(one for several in asked for one in several) == sorted(
        row["external_id"] for row in rows if row["email_subscribe"] == "subscribed"
    )
    assert len(asked) == 4, "one for each request to /users/track"
    assert {*reads(sandbox)} == {"/users/export/ids"}


def test_without_the_setting_nothing_is_looked_up(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    opt_out(run_target, "c-1")
    run_target(people({"external_id": "c-1", "email_subscribe": "subscribed"}), consent="send")
    assert state(sandbox) == "subscribed"
    assert reads(sandbox) == []


@pytest.mark.parametrize(
    ("permission", "stream", "to"),
    [
        ("users.export.ids", people({"external_id": "c-1", "email_subscribe": "subscribed"}), "attributes"),
        ("email.unsubscribe", people({"email": "c-1@example.com", "subscription_state": "subscribed"}), "email_status"),
        (
            "subscription.status.get",
            people({"external_id": "c-1", "subscription_group_id": GROUP, "subscription_state": "subscribed"}),
            "subscriptions",
        ),
    ],
)
def test_a_missing_permission_is_named_once(
    run_target: Callable[..., Run], sandbox: Sandbox, permission: str, stream: Stream, to: str
) -> None:
    opt_out(run_target, "c-1")
    sandbox.add_key("writes", {"users.track", "email.status", "subscription.status.set"})
    user = [{"email": "email"}] if to == "email_status" else [{"external_id": "external_id"}]
    run = run_target(stream, streams={"customers": {"to": to, "user": user}}, api_key="writes")
    (warning,) = (text for text in run.warnings if "consent" in text)
    assert permission in warning
    assert run.summary["total"]["sent"] == 1


def test_an_address_that_unsubscribed_is_not_opted_in(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    opt_out(run_target, "c-1")
    run_target(
        people({"email": "Nobody@example.com", "subscription_state": "unsubscribed"}),
        streams={"customers": {"to": "email_status", "user": [{"email": "email"}]}},
    )
    rows = [
        {"email": one, "subscription_state": "subscribed"}
        for one in ("C-1@example.com", "nobody@example.com", "new@example.com")
    ]
    run = run_target(people(*rows), streams={"customers": {"to": "email_status", "user": [{"email": "email"}]}})
    total = run.summary["total"]
    assert (total["opted_out"], total["sent"]) == (2, 1)
    assert state(sandbox) == "unsubscribed"


def test_many_addresses_are_looked_up_in_the_list(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    entry = {"customers": {"to": "email_status", "user": [{"email": "email"}]}}
    rows = [{"email": f"u-{n}@example.com", "subscription_state": "unsubscribed"} for n in range(600)]
    run_target(people(*rows), streams=entry)
    rows += [{"email": f"v-{n}@example.com"} for n in range(50)]
    again = [row | {"subscription_state": "subscribed"} for row in rows]
    before = len(sandbox.requests)
    run = run_target(people(*again), streams=entry)
    assert (run.summary["total"]["opted_out"], run.summary["total"]["sent"]) == (600, 50)
    paths = [request.path for request in sandbox.requests[before:]]
    assert paths.count("/email/unsubscribes") <= 200 + 2, "a few one by one, and two pages"


def test_a_new_user_with_an_unsubscribed_address_is_not_opted_in(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    opt_out(run_target, "c-1")
    run_target(people({"external_id": "c-2", "email": "c-1@example.com", "email_subscribe": "subscribed"}))
    assert state(sandbox, "c-2") is None


@pytest.mark.parametrize("to", ["subscriptions", "attributes"])
def test_a_group_that_somebody_left_is_not_joined_again(
    run_target: Callable[..., Run], sandbox: Sandbox, to: str
) -> None:
    for group in (GROUP, OTHER):
        sandbox.workspace.subscription_groups[group] = SubscriptionGroup(id=group, name=group, channel="email")
    opt_out(run_target, "c-1", "c-2")
    the(sandbox.profile("c-1")).attributes["subscription_groups"] = {GROUP: "unsubscribed"}
    if to == "subscriptions":
        rows = [
            {"external_id": one, "subscription_group_id": group, "subscription_state": "subscribed"}
            for one in ("c-1", "c-2")
            for group in (GROUP, OTHER)
        ]
    else:
        groups = [{"subscription_group_id": one, "subscription_state": "subscribed"} for one in (GROUP, OTHER)]
        rows = [{"external_id": one, "subscription_groups": json.dumps(groups)} for one in ("c-1", "c-2")]
    run = run_target(people(*rows), streams={"customers": {"to": to, "user": [{"external_id": "external_id"}]}})
    assert state(sandbox, "c-1", "subscription_groups") == {GROUP: "unsubscribed", OTHER: "subscribed"}
    assert state(sandbox, "c-2", "subscription_groups") == {GROUP: "subscribed", OTHER: "subscribed"}
    assert run.summary["total"]["consent_conflicts"] == 1


@pytest.mark.parametrize(
    ("times", "expected"),
    [((None, None), "unsubscribed"), ((EARLIER, LATER), "subscribed"), ((LATER, EARLIER), "unsubscribed")],
)
def test_an_opt_out_of_the_same_run_counts_as_well(
    run_target: Callable[..., Run], sandbox: Sandbox, times: tuple[str | None, str | None], expected: str
) -> None:
    states = ("unsubscribed", "subscribed")
    rows = [
        {"external_id": "c-1", "email_subscribe": one, "consented_at": at}
        for one, at in zip(states, times, strict=True)
    ]
    run_target(people(*rows), streams={"customers": {"consented_at": "consented_at"}})
    assert state(sandbox) == expected


def test_an_opt_out_of_the_same_run_counts_for_other_spellings_of_the_address(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    rows = [
        {"email": "Ada@Shop.example", "email_subscribe": "unsubscribed"},
        {"email": "ada@shop.example", "email_subscribe": "subscribed"},
    ]
    rules = [{"external_id": "external_id"}, {"email": "email"}]
    run = run_target(people(*rows), streams={"customers": {"user": rules}})
    assert run.summary["total"]["consent_conflicts"] == 1
    assert [one.get("email_subscribe") for one in sent(sandbox)] == ["unsubscribed", None]


def test_an_opt_out_during_the_run_counts_as_well(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    clicked: list[str] = []

    def unsubscribe(_: Any) -> None:
        if not clicked and (profile := sandbox.profile("c-1")) is not None:
            clicked.append("c-1")
            profile.attributes["email_subscribe"] = "unsubscribed"

    sandbox.after_request("/users/track", unsubscribe)
    rows = [{"external_id": f"c-{number}", "email_subscribe": "subscribed"} for number in (*range(1, 10), 1)]
    # With room for three records, the first one has been sent before the last one is read.
    run = run_target(people(*rows), max_objects_per_request=1, concurrency=1)
    assert clicked
    assert state(sandbox) == "unsubscribed"
    assert run.summary["total"]["opted_out"] == 1


def test_the_delivery_log_names_the_records(run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path) -> None:
    opt_out(run_target, "c-1", "c-2")
    rows = [{"external_id": "c-1", "email_subscribe": "subscribed"}]
    rows += [{"external_id": "c-2", "email_subscribe": "subscribed", "plan": "gold"}]
    rows += [{"external_id": "c-3", "email_subscribe": "subscribed", "plan": "gold"}]
    path = tmp_path / "log.singer"
    run_target(people(*rows), delivery_log_path=str(path))
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    logged = {one["record"]["identifier"]: one["record"] for one in found if one["type"] == "RECORD"}
    assert {key: row["outcome"] for key, row in logged.items()} == {"c-1": "opted_out", "c-2": "sent", "c-3": "sent"}
    assert logged["c-1"]["reason"].startswith("consent_conflict: ")
    assert logged["c-2"]["reason"] == logged["c-1"]["reason"]
    assert logged["c-2"]["braze"].startswith("opted out at 20")
    assert logged["c-3"]["reason"] is None
    assert sandbox.profile("c-3") is not None


def test_a_dry_run_looks_up_opt_outs_only_with_preflight(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    opt_out(run_target, "c-1")
    stream = people({"external_id": "c-1", "email_subscribe": "subscribed"})
    assert run_target(stream, dry_run=True).summary["total"]["consent_conflicts"] == 0
    assert reads(sandbox) == []
    assert run_target(stream, dry_run=True, preflight=True).summary["total"]["consent_conflicts"] == 1


def test_an_unreadable_time_rejects_the_record(run_target: Callable[..., Run]) -> None:
    stream = people({"external_id": "c-1", "email_subscribe": "subscribed", "consented_at": "last week"})
    run = run_target(stream, streams={"customers": {"consented_at": "consented_at"}}, expect=1)
    assert "column 'consented_at': expected a date-time" in run.errors[0]


def test_conflicts_of_several_processes_are_counted(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    opt_out(run_target, "c-1", "c-2")
    rows = [{"external_id": f"c-{n}", "email_subscribe": "subscribed"} for n in range(1, 5)]
    rows[0]["plan"] = "gold"
    total = run_target(people(*rows), processes=2).summary["total"]
    assert (total["sent"], total["opted_out"], total["consent_conflicts"], total["open"]) == (3, 1, 2, 0)
    assert state(sandbox, "c-1") == state(sandbox, "c-2") == "unsubscribed"


@pytest.mark.parametrize("more", [{}, {"surprise": "x"}])
def test_keys_of_a_flattened_column_are_checked(
    run_target: Callable[..., Run], sandbox: Sandbox, more: dict[str, str]
) -> None:
    opt_out(run_target, "c-1")
    record = {"external_id": "c-1", "traits": {"email_subscribe": "opted_in", "plan": "gold"}, **more}
    run = run_target(customers(record, traits=ANY_OBJECT), streams={"customers": {"flatten": ["traits"]}})
    assert state(sandbox) == "unsubscribed"
    assert the(sandbox.profile("c-1")).custom_attributes["plan"] == "gold"
    assert run.summary["total"]["consent_conflicts"] == 1


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "external_id": st.sampled_from(["in", "out", "new"]),
            "plan": st.sampled_from(["a", 'the "email_subscribe"', "b"]),
        },
        optional={
            "email_subscribe": st.sampled_from(["subscribed", "opted_in", " Subscribed ", "unsubscribed"]),
            "push_subscribe": st.sampled_from(["subscribed", "unsubscribed"]),
            "email": st.just("new@example.com"),
            # The extra column takes the full path.
            "surprise": st.just("x"),
        },
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=ROWS, ledger=st.booleans())
def test_no_record_slips_past_on_either_path(
    run_target: Callable[..., Run],
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, str]],
    ledger: bool,  # noqa: FBT001
) -> None:
    sandbox.reset()
    run_target(people({"external_id": "in", "email_subscribe": "subscribed"}))
    opt_out(run_target, "out")
    opt_out(run_target, "out", name="push_subscribe")
    columns = {name: TEXT for row in rows for name in row if name != "surprise"}
    path = str(tmp_path_factory.mktemp("run") / "ledger.sqlite") if ledger else None
    run_target(customers(*rows, **columns), ledger_path=path)
    assert state(sandbox, "out") == state(sandbox, "out", "push_subscribe") == "unsubscribed"
    last = {row["external_id"]: row["plan"] for row in rows}
    for one, plan in last.items():
        assert the(sandbox.profile(one)).custom_attributes.get("plan") == plan
