"""ACTIVATE_VERSION with a ledger: who was loaded by an earlier version and is not in this one has left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import BOOLEAN, TEXT, Run, Stream, customers, lines, run_cli, state, the

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Recorded, Sandbox

    RunTarget = Callable[..., Run]

DELETED = {"_sdc_deleted_at": "2026-03-04T09:10:11Z"}
GROUP = "9f4e2a10-0000-4000-8000-000000000001"
UNSET = {"on_delete": "unset"}


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.sqlite")


def listed(stream: Stream, version: int) -> list[dict[str, Any]]:
    """A stream as a tap sends it that reads the whole table: each record with the version, which is activated last."""
    records = [message | {"version": version} for message in stream.messages[1:]]
    return [stream.schema, *records, activation(stream, version)]


def activation(stream: Stream, version: int) -> dict[str, Any]:
    return {"type": "ACTIVATE_VERSION", "stream": stream.name, "version": version}


def people(*users: str, **more: Any) -> Stream:
    return customers(*({"external_id": user, "plan": "gold"} | more for user in users), plan=TEXT, email=TEXT)


def plans(sandbox: Sandbox) -> dict[str | None, str | None]:
    return {profile.external_id: profile.custom_attributes.get("plan") for profile in sandbox.profiles()}


@pytest.mark.parametrize(
    ("entry", "custom", "attributes"),
    [
        (UNSET, {}, {}),
        ({"on_delete": {"flag": "gone"}}, {"plan": "gold", "gone": True}, {}),
        (
            {"on_delete": "unsubscribe"},
            {"plan": "gold"},
            {"email_subscribe": "unsubscribed", "push_subscribe": "unsubscribed"},
        ),
    ],
)
def test_whom_a_version_no_longer_lists_is_treated_as_deleted(  # noqa: PLR0917
    sandbox: Sandbox,
    run_target: RunTarget,
    ledger: str,
    entry: dict[str, Any],
    custom: dict[str, Any],
    attributes: dict[str, Any],
) -> None:
    settings: dict[str, Any] = {"streams": {"customers": entry}, "ledger_path": ledger}
    run_target(*listed(people("a", "b", "c"), 1), state(1), **settings)
    # Some taps also send it first, when it means nothing yet.
    run = run_target(activation(people(), 2), *listed(people("a", "c"), 2), state(2), **settings)
    profile = the(sandbox.profile("b"))
    assert (profile.custom_attributes, profile.attributes) == (custom, attributes)
    assert plans(sandbox)["a"] == plans(sandbox)["c"] == "gold"
    assert run.states[-1] == {"bookmarks": 2}
    sandbox.reset()
    run_target(*listed(people("a", "c"), 3), **settings)
    assert not sandbox.requests


def test_many_leavers_are_found_and_those_who_stay_are_not(
    sandbox: Sandbox, run_target: RunTarget, ledger: str
) -> None:
    users = [f"c-{n}" for n in range(2_500)]
    settings: dict[str, Any] = {"streams": {"customers": UNSET}, "ledger_path": ledger}
    run_target(*listed(people(*users), 1), **settings)
    run_target(*listed(people(*users[::2]), 2), **settings)
    assert plans(sandbox) == {user: None if n % 2 else "gold" for n, user in enumerate(users)}


def test_a_cohort_loses_who_is_listed_no_more(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    settings: dict[str, Any] = {
        "streams": {"vips": {"to": "cohorts", "cohort": {"attribute": "vip", "member_field": "yes"}}},
        "ledger_path": ledger,
    }
    columns = {"external_id": TEXT, "yes": BOOLEAN}

    def vips(*rows: tuple[str, bool]) -> Stream:
        return Stream("vips", columns, [{"external_id": user, "yes": yes} for user, yes in rows])

    run_target(*listed(vips(("a", True), ("b", True), ("c", True)), 1), **settings)
    run_target(*listed(vips(("a", True), ("c", False)), 2), **settings)
    found = {str(profile.external_id): profile.custom_attributes["vip"] for profile in sandbox.profiles()}
    assert found == {"a": True, "b": False, "c": False}


def test_of_several_cohorts_only_the_one_is_left_that_is_listed_no_more(
    sandbox: Sandbox, run_target: RunTarget, ledger: str
) -> None:
    entry = {"to": "cohorts", "cohort": {"array": "cohorts", "name_field": "cohort"}}
    settings: dict[str, Any] = {"streams": {"memberships": entry}, "ledger_path": ledger}

    def memberships(*rows: tuple[str, str]) -> Stream:
        records = [{"external_id": user, "cohort": name} for user, name in rows]
        return Stream("memberships", {"external_id": TEXT, "cohort": TEXT}, records)

    run_target(*listed(memberships(("a", "vip"), ("a", "new"), ("b", "vip")), 1), **settings)
    run_target(*listed(memberships(("a", "vip")), 2), **settings)
    found = {str(p.external_id): p.custom_attributes["cohorts"] for p in sandbox.profiles()}
    assert found == {"a": ["vip"], "b": []}


def test_subscriptions_end_that_are_listed_no_more(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    run_target(customers({"external_id": "a"}, {"external_id": "b"}))
    entry = {"to": "subscriptions", "on_delete": "unsubscribe"}
    settings: dict[str, Any] = {"streams": {"consents": entry}, "ledger_path": ledger}
    columns = dict.fromkeys(("external_id", "subscription_group_id", "subscription_state"), TEXT)

    def consents(*users: str) -> Stream:
        state = {"subscription_group_id": GROUP, "subscription_state": "subscribed"}
        return Stream("consents", columns, [{"external_id": user, **state} for user in users])

    run_target(*listed(consents("a", "b"), 1), **settings)
    run_target(*listed(consents("b"), 2), **settings)
    groups = {str(p.external_id): p.attributes["subscription_groups"][GROUP] for p in sandbox.profiles()}
    assert groups == {"a": "unsubscribed", "b": "subscribed"}


@pytest.mark.parametrize(
    ("guard", "left", "error"),
    [
        ({"max_deletions": 2}, ["a"], ""),
        ({"max_deletions": 1}, ["a", "b", "c"], "more than its max_deletions of 1 users"),
        ({"max_deleted_share": 0.7}, ["a"], ""),
        ({"max_deleted_share": 0.5}, ["a", "b", "c"], "would delete 2 of the 3 users"),
    ],
)
def test_users_who_left_are_deleted_as_far_as_the_guard_allows(  # noqa: PLR0917
    sandbox: Sandbox, run_target: RunTarget, ledger: str, guard: dict[str, Any], left: list[str], error: str
) -> None:
    entry = {"on_delete": "delete_user", "allow_deletions": True, **guard}
    settings: dict[str, Any] = {"streams": {"customers": entry}, "ledger_path": ledger}
    run_target(*listed(people("a", "b", "c"), 1), **settings)
    run = run_target(*listed(people("a"), 2), state(2), expect=1 if error else 0, **settings)
    assert [profile.external_id for profile in sandbox.profiles()] == left
    assert error in "".join(run.errors)
    assert bool(run.states) != bool(error)


def test_who_was_deleted_once_is_not_deleted_again(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    entry = {"on_delete": "delete_user", "allow_deletions": True, "max_deletions": 5}
    settings: dict[str, Any] = {"streams": {"customers": entry}, "ledger_path": ledger}
    run_target(*listed(people("a", "b"), 1), **settings)
    stream = customers({"external_id": "b", **DELETED}, plan=TEXT, _sdc_deleted_at=TEXT)
    run_target(stream, **settings)
    run_target(customers({"external_id": "b"}))  # comes back by another way
    run_target(*listed(people("a"), 2), **settings)
    assert [profile.external_id for profile in sandbox.profiles()] == ["a", "b"]


def test_who_comes_back_after_a_deletion_is_remembered(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    settings: dict[str, Any] = {"streams": {"customers": UNSET}, "ledger_path": ledger}
    columns = {"plan": TEXT, "_sdc_deleted_at": TEXT}
    gold = {"external_id": "a", "plan": "gold"}
    stream = customers(gold, {"external_id": "a", **DELETED}, gold, **columns)
    run_target(*listed(stream, 1), **settings)
    run_target(*listed(people("z"), 2), **settings)
    assert plans(sandbox) == {"a": None, "z": "gold"}


def test_removals_that_braze_did_not_accept_are_made_again(
    sandbox: Sandbox, run_target: RunTarget, ledger: str
) -> None:
    settings: dict[str, Any] = {"streams": {"customers": UNSET}, "ledger_path": ledger}
    run_target(*listed(people("a", "b"), 1), **settings)
    sandbox.fault(path="/users/track", do="status", status=503, times=None)
    assert not run_target(*listed(people("a"), 2), state(2), expect=1, **settings).states
    sandbox.clear_faults()
    assert plans(sandbox) == {"a": "gold", "b": "gold"}
    run_target(*listed(people("a"), 2), state(2), **settings)
    assert plans(sandbox) == {"a": "gold", "b": None}


@pytest.mark.parametrize("killed_at", [1, 2])
def test_a_kill_amid_the_removals_loses_none(
    sandbox: Sandbox, run_target: RunTarget, ledger: str, tmp_path: Path, killed_at: int
) -> None:
    """Killed when Braze has applied the first, or the second, of three requests and not yet answered."""
    settings: dict[str, Any] = {
        "streams": {"customers": UNSET},
        "ledger_path": ledger,
        "max_objects_per_request": 1,
        "concurrency": 1,
    }
    run_target(*listed(people("a", "b", "c", "d"), 1), **settings)
    config = tmp_path / "killed.json"
    config.write_text(json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url, **settings}))
    command = [sys.executable, "-m", "target_braze", "--config", str(config)]
    with subprocess.Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL) as process:
        seen: list[object] = []

        def kill(request: Recorded) -> None:
            seen.append(request)
            if len(seen) == killed_at:
                process.kill()

        sandbox.after_request("/users/track", kill, times=killed_at)
        process.communicate(lines(*listed(people("a"), 2)))
    assert process.returncode == -signal.SIGKILL
    run_target(*listed(people("a"), 3), **settings)
    assert plans(sandbox) == {"a": "gold", "b": None, "c": None, "d": None}
    assert members(ledger) == 1


def test_a_rerun_of_a_version_removes_nobody_who_has_yet_to_come(
    sandbox: Sandbox, run_target: RunTarget, ledger: str
) -> None:
    settings: dict[str, Any] = {"streams": {"customers": UNSET}, "ledger_path": ledger}
    run_target(*listed(people("a", "b", "c"), 1), **settings)
    first, second = people("a", "b"), people("c")
    run_target(*listed(first, 2)[:-1], **settings)  # cut off before the end
    run_target(activation(second, 2), *listed(second, 2), **settings)  # a tap that continues where it stopped
    assert plans(sandbox) == dict.fromkeys("abc", "gold")


def test_a_record_that_is_rejected_has_not_left(
    sandbox: Sandbox, run_target: RunTarget, ledger: str, tmp_path: Path
) -> None:
    dead = tmp_path / "dead.singer"
    settings: dict[str, Any] = {"streams": {"customers": UNSET}, "ledger_path": ledger}
    run_target(*listed(people("a", "b"), 1), **settings)
    wrong = customers({"external_id": "a"}, {"external_id": "b", "email": "none"}, plan=TEXT, email=TEXT)
    run_target(*listed(wrong, 2), on_error="dead_letter", dead_letter_path=str(dead), **settings)
    assert plans(sandbox) == {"a": "gold", "b": "gold"}
    assert len(dead.read_text().splitlines()) == 2


def test_a_user_who_is_known_better_now_has_not_left(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    settings: dict[str, Any] = {"streams": {"customers": UNSET}, "ledger_path": ledger}
    by_email = customers({"email": "a@example.com", "plan": "gold"}, plan=TEXT, email=TEXT)
    run_target(*listed(by_email, 1), **settings)
    run_target(*listed(people("a", email="a@example.com"), 2), **settings)
    assert plans(sandbox) == {None: "gold", "a": "gold"}
    run_target(*listed(people("z"), 3), **settings)
    assert plans(sandbox)["a"] is None


def test_a_mapping_that_names_users_otherwise_removes_nobody(
    sandbox: Sandbox, run_target: RunTarget, ledger: str
) -> None:
    stream = people("a", email="a@example.com")
    streams = {"customers": {**UNSET, "user": [{"email": "email"}], "fields": ["plan"]}}
    run_target(*listed(stream, 1), streams=streams, ledger_path=ledger)
    streams["customers"]["user"] = [{"external_id": "external_id"}]
    run = run_target(*listed(stream, 2), streams=streams, ledger_path=ledger)
    assert plans(sandbox) == {None: "gold", "a": "gold"}
    assert "users that the mapping can no longer identify have left the table" in run.stderr


def test_removals_that_braze_rejects_are_dead_letters_that_can_be_piped_in(
    sandbox: Sandbox, run_target: RunTarget, ledger: str, tmp_path: Path
) -> None:
    dead = tmp_path / "dead.singer"
    settings: dict[str, Any] = {"streams": {"customers": UNSET}, "ledger_path": ledger}
    run_target(*listed(people("a", "b"), 1), **settings)
    sandbox.fault(
        path="/users/track",
        do="partial_errors",
        errors=[{"input_array": "attributes", "index": 0, "type": "no"}],
        times=1,
    )
    run_target(*listed(people("a"), 2), on_error="dead_letter", dead_letter_path=str(dead), **settings)
    assert plans(sandbox)["b"] == "gold"
    letters = [json.loads(line) for line in dead.read_text().splitlines()]
    assert [letter["record"]["external_id"] for letter in letters if letter["type"] == "RECORD"] == ["b"]
    run_target(*(line.encode() for line in dead.read_text().splitlines()), **settings)
    assert plans(sandbox)["b"] is None


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"streams": {"customers": UNSET}},
            "without a ledger, the target does not know what earlier runs loaded; set 'ledger_path'",
        ),
        ({"streams": {"customers": UNSET}, "ledger_path": "x", "dry_run": True}, "and a dry run does not read it"),
        ({"ledger_path": "ledger"}, "'on_delete' does not say what to do with deleted records"),
    ],
)
def test_it_is_said_why_a_version_means_nothing(
    run_target: RunTarget, tmp_path: Path, settings: dict[str, Any], text: str
) -> None:
    if "ledger_path" in settings:
        settings = settings | {"ledger_path": str(tmp_path / "x")}
    run = run_target(*listed(people("a"), 1), **settings)
    assert text in run.stderr


def test_streams_that_delete_nothing_remember_nobody(run_target: RunTarget, ledger: str) -> None:
    run_target(*listed(people("a"), 1), ledger_path=ledger)
    assert members(ledger) == 0
    settings: dict[str, Any] = {"streams": {"customers": UNSET}, "ledger_path": ledger}
    run_target(people("a"), **settings)  # without a version, none can be activated
    assert members(ledger) == 0
    run_target(*listed(people("a", "b"), 2), **settings)
    assert members(ledger) == 2


def members(ledger: str) -> int:
    (line,) = (line for line in run_cli(["ledger", "inspect", ledger]).stdout.splitlines() if "members" in line)
    return int(line.partition(": ")[2])
