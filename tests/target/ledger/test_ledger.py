"""The ledger: only changes are sent, and no event or purchase twice, whatever happens in between."""

from __future__ import annotations

import json
import subprocess
import sys
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.braze import client as braze_api
from target_braze.ledger.store import Ledger
from target_braze.records import Member, Record

from tests.target.support.changes import new_change
from tests.target.support.singer import (
    ANY_OBJECT,
    INTEGER,
    TEXT,
    TIME,
    Run,
    Stream,
    customers,
    lines,
    run_cli,
    state,
    the,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    RunTarget = Callable[..., Run]

AT = "2026-03-04T09:10:11Z"


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.sqlite")


def bodies(sandbox: Sandbox) -> list[Any]:
    return [request.body for request in sandbox.requests if request.path == "/users/track"]


def events(*records: dict[str, Any], keys: list[str] | None = None) -> Stream:
    columns = {"external_id": TEXT, "name": TEXT, "time": TIME, "id": TEXT, "n": INTEGER}
    return Stream(
        "events", columns, [{"external_id": "c-1", "name": "seen", "time": AT, **r} for r in records], keys or []
    )


def names(sandbox: Sandbox) -> list[int]:
    return [event["properties"]["n"] for event in the(sandbox.profile("c-1")).events]


def test_what_braze_has_is_not_sent_again_and_state_leaves_all_the_same(
    sandbox: Sandbox, run_target: RunTarget, ledger: str
) -> None:
    stream = customers({"external_id": "c-1", "plan": "gold"}, {"external_id": "c-2", "plan": None}, plan=TEXT)
    run_target(stream, state(1), ledger_path=ledger)
    sandbox.reset()
    run = run_target(stream, state(2), ledger_path=ledger)
    assert not bodies(sandbox)
    assert run.states == [{"bookmarks": 2}]
    assert run.summary["total"]["unchanged"] == 2


def test_what_another_stream_replaced_is_sent_again(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    gold = customers({"external_id": "c-1", "plan": "gold", "n": 1}, plan=TEXT, n=INTEGER)
    silver = Stream("others", {"external_id": TEXT, "plan": TEXT}, [{"external_id": "c-1", "plan": "silver"}])
    streams = {"customers": {"to": "attributes"}, "others": {"to": "attributes"}}
    for stream in (gold, silver, gold):
        run_target(stream, ledger_path=ledger, streams=streams)
    assert [body["attributes"] for body in bodies(sandbox)] == [
        [{"external_id": "c-1", "plan": "gold", "n": 1}],
        [{"external_id": "c-1", "plan": "silver"}],
        [{"external_id": "c-1", "plan": "gold"}],
    ]


@pytest.mark.parametrize("column", [TEXT, {"type": ["string", "integer"]}], ids=["fast", "full"])
def test_an_unchanged_record_saves_its_data_points_on_both_paths(
    column: dict[str, Any], sandbox: Sandbox, run_target: RunTarget, ledger: str
) -> None:
    stream = customers({"external_id": "c-1", "plan": "gold", "n": 1}, plan=column, n=INTEGER)
    first = run_target(stream, ledger_path=ledger)
    again = run_target(stream, ledger_path=ledger)
    changed = run_target(
        customers({"external_id": "c-1", "plan": "gold", "n": 2}, plan=column, n=INTEGER), ledger_path=ledger
    )
    assert [run.summary["total"]["data_points"] for run in (first, again, changed)] == [2, 0, 1]
    assert [run.summary["total"]["saved_by_ledger"] for run in (first, again, changed)] == [0, 2, 1]
    assert bodies(sandbox)[1:] == [{"attributes": [{"external_id": "c-1", "n": 2}]}]


def test_of_a_user_only_what_changed_is_sent(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    run_target(customers({"external_id": "c-1", "plan": "gold", "n": 1}, plan=TEXT, n=INTEGER), ledger_path=ledger)
    sandbox.reset()
    run_target(customers({"external_id": "c-1", "plan": "gold", "n": 2}, plan=TEXT, n=INTEGER), ledger_path=ledger)
    assert bodies(sandbox) == [{"attributes": [{"external_id": "c-1", "n": 2}]}]


def test_a_value_that_comes_back_is_sent_back(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    gold, plain = {"external_id": "c-1", "plan": "gold"}, {"external_id": "c-1", "plan": "plain"}
    run_target(customers(gold, plan=TEXT), ledger_path=ledger)
    run_target(customers(plain, gold, plan=TEXT), ledger_path=ledger, max_objects_per_request=1)
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "gold"}


def test_a_null_that_unset_an_attribute_is_remembered_too(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    stream = customers({"external_id": "c-1", "plan": None}, plan=TEXT)
    run_target(stream, ledger_path=ledger, nulls="unset")
    sandbox.reset()
    run_target(stream, ledger_path=ledger, nulls="unset")
    assert not bodies(sandbox)


def test_consents_and_aliases_take_nothing_from_what_is_known(
    sandbox: Sandbox, run_target: RunTarget, ledger: str
) -> None:
    people = customers({"external_id": "c-1", "plan": "gold"}, plan=TEXT)
    group = {"subscription_group_id": "9f4e2a10-0000-4000-8000-000000000001", "subscription_state": "subscribed"}
    consents = Stream("consents", dict.fromkeys(("external_id", *group), TEXT), [{"external_id": "c-1", **group}])
    alias = {"external_id": "c-1", "alias_name": "a", "alias_label": "web"}
    aliases = Stream("aliases", dict.fromkeys(alias, TEXT), [alias])
    streams = {"consents": {"to": "subscriptions"}, "aliases": {"to": "aliases"}}
    for _ in range(2):
        run_target(people, consents, aliases, streams=streams, ledger_path=ledger)
    assert bodies(sandbox) == [{"attributes": [{"external_id": "c-1", "plan": "gold"}]}]


def test_what_was_merged_is_known_no_more(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    people = customers({"external_id": "c-1", "plan": "gold"}, {"external_id": "c-2", "plan": "blue"}, plan=TEXT)
    pair = {"old": "c-1", "golden": "c-2"}
    entry = {"to": "merges", "merge": [{"external_id": "old"}], "keep": [{"external_id": "golden"}]}
    run_target(people, ledger_path=ledger)
    run_target(Stream("pairs", dict.fromkeys(pair, TEXT), [pair]), streams={"pairs": entry}, ledger_path=ledger)
    run_target(people, ledger_path=ledger)
    assert [len(body["attributes"]) for body in bodies(sandbox)] == [2, 2]


def test_overlapping_extracts_count_each_event_once(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    run_target(events({"id": "a", "n": 1}, {"id": "b", "n": 2}, keys=["id"]), ledger_path=ledger)
    run_target(events({"id": "b", "n": 2}, {"id": "c", "n": 3}, keys=["id"]), ledger_path=ledger)
    assert sorted(names(sandbox)) == [1, 2, 3]


def test_without_a_key_an_event_is_told_by_all_of_it(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    run_target(events({"n": 1}, {"n": 2}), ledger_path=ledger)
    run_target(events({"n": 2}, {"n": 3}, {"n": 3}), ledger_path=ledger)
    assert sorted(names(sandbox)) == [1, 2, 3]


def test_what_braze_rejected_is_sent_again(
    sandbox: Sandbox, run_target: RunTarget, ledger: str, tmp_path: Path
) -> None:
    settings = {"ledger_path": ledger, "on_error": "dead_letter", "dead_letter_path": str(tmp_path / "dead.singer")}
    errors = [{"input_array": "events", "index": 0, "type": "no"}]
    sandbox.fault(path="/users/track", do="partial_errors", errors=errors, times=1)
    run_target(events({"id": "a", "n": 1}, keys=["id"]), **settings)
    assert sandbox.profile("c-1") is None
    run_target(events({"id": "a", "n": 1}, keys=["id"]), **settings)
    assert names(sandbox) == [1]


@pytest.mark.parametrize("with_ledger", [True, False])
def test_held_an_event_without_an_answer_counts_once_and_is_put_aside(
    sandbox: Sandbox, run_target: RunTarget, ledger: str, tmp_path: Path, *, with_ledger: bool
) -> None:
    dead = tmp_path / "dead.singer"
    sandbox.fault(path="/users/track", do="drop_after", times=1)
    run_target(
        customers({"external_id": "c-1", "plan": "gold"}, plan=TEXT),
        events({"id": "a", "n": 1}, keys=["id"]),
        state(1),
        on_unknown_outcome="hold",
        on_error="dead_letter",
        dead_letter_path=str(dead),
        ledger_path=ledger if with_ledger else None,
    )
    assert names(sandbox) == [1]
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "gold"}
    letters = [json.loads(line) for line in dead.read_text().splitlines()]
    assert [letter["stream"] for letter in letters if letter["type"] == "RECORD"] == ["events"]
    assert "in doubt" in letters[-1]["dead_letter"]["reason"]


def test_what_never_left_is_in_no_doubt(
    run_target: RunTarget, ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(braze_api, "FIRST_ANSWER_WITHIN", 0.05)
    run_target(
        events({"id": "a", "n": 1}, keys=["id"]),
        endpoint="http://127.0.0.1:9",
        on_unknown_outcome="hold",
        on_error="dead_letter",
        dead_letter_path=str(tmp_path / "dead.singer"),
        ledger_path=ledger,
        expect=1,
    )
    assert not (tmp_path / "dead.singer").exists()


@pytest.mark.parametrize("fault", ["drop_after", "garbage"])
def test_a_value_that_may_have_got_through_as_a_run_failed_is_replaced_by_the_one_before(
    sandbox: Sandbox, run_target: RunTarget, ledger: str, fault: str
) -> None:
    gold, plain = (customers({"external_id": "c-1", "plan": plan}, plan=TEXT) for plan in ("gold", "plain"))
    run_target(gold, ledger_path=ledger)
    sandbox.fault(path="/users/track", do=fault, times=1)
    sandbox.fault(path="/users/track", do="status", status=401)
    run_target(plain, ledger_path=ledger, expect=1)
    sandbox.clear_faults()
    run_target(gold, ledger_path=ledger)
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "gold"}


def test_a_value_that_got_through_as_a_run_was_killed_is_replaced_by_the_one_before(
    sandbox: Sandbox, run_target: RunTarget, ledger: str, tmp_path: Path
) -> None:
    gold, plain = (customers({"external_id": "c-1", "plan": plan}, plan=TEXT) for plan in ("gold", "plain"))
    run_target(gold, ledger_path=ledger)
    config = tmp_path / "killed.json"
    config.write_text(json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url, "ledger_path": ledger}))
    command = [sys.executable, "-m", "target_braze", "--config", str(config)]
    with subprocess.Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL) as process:
        sandbox.after_request("/users/track", lambda _request: process.kill(), times=1)
        process.communicate(lines(*plain.messages))
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "plain"}
    run_target(gold, ledger_path=ledger)
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "gold"}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_braze_turned_away_is_in_no_doubt_for_the_next_run(
    sandbox: Sandbox, run_target: RunTarget, ledger: str, tmp_path: Path, status: int
) -> None:
    stream, dead = events({"id": "a", "n": 1}, keys=["id"]), tmp_path / "dead.singer"
    sandbox.fault(path="/users/track", do="status", status=status, times=1)
    settings = {
        "on_unknown_outcome": "hold",
        "on_error": "dead_letter",
        "dead_letter_path": str(dead),
        "ledger_path": ledger,
    }
    run_target(stream, expect=1, **settings)
    run_target(stream, **settings)
    assert names(sandbox) == [1]
    assert not dead.exists()


@pytest.mark.parametrize(("on_unknown_outcome", "times_sent"), [("resend", 2), ("hold", 1)])
def test_after_a_crash_it_is_known_what_is_in_doubt(  # noqa: PLR0917
    sandbox: Sandbox, run_target: RunTarget, ledger: str, tmp_path: Path, on_unknown_outcome: str, times_sent: int
) -> None:
    stream = events({"id": "a", "n": 1}, keys=["id"])
    sandbox.fault(path="/users/track", do="drop_after", times=1)
    sandbox.fault(path="/users/track", do="status", status=503, times=None)
    assert run_target(stream, state(1), ledger_path=ledger, expect=1).states == []
    sandbox.clear_faults()
    run = run_target(
        stream,
        state(1),
        ledger_path=ledger,
        on_unknown_outcome=on_unknown_outcome,
        on_error="dead_letter",
        dead_letter_path=str(tmp_path / "dead.singer"),
    )
    assert names(sandbox) == [1] * times_sent
    assert run.states == [{"bookmarks": 1}]
    assert (tmp_path / "dead.singer").exists() == (on_unknown_outcome == "hold")


def test_two_runs_exclude_each_other(sandbox: Sandbox, run_target: RunTarget, ledger: str, tmp_path: Path) -> None:
    holder = Ledger(tmp_path / "ledger.sqlite", sandbox.url)
    run = run_target(customers({"external_id": "c-1"}), ledger_path=ledger, expect=1)
    assert run.errors == [
        f"the ledger {ledger} is in use by another run; wait for it to end, or give each run its own ledger"
    ]
    holder.close()
    run_target(customers({"external_id": "c-1"}), ledger_path=ledger)


def test_a_ledger_is_of_one_workspace(run_target: RunTarget, ledger: str, tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.sqlite", "https://rest.iad-01.braze.com").close()
    run = run_target(customers({"external_id": "c-1"}), ledger_path=ledger, expect=1)
    assert "is of https://rest.iad-01.braze.com, but setting 'endpoint' is" in run.errors[0]


def test_a_file_that_is_no_ledger_is_left_alone(run_target: RunTarget, ledger: str, tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("my novel " * 200)
    run = run_target(customers({"external_id": "c-1"}), ledger_path=ledger, expect=1)
    assert "is not a ledger" in run.errors[0]
    assert (tmp_path / "ledger.sqlite").read_text().startswith("my novel")


def test_a_dry_run_leaves_the_ledger_alone(run_target: RunTarget, ledger: str, tmp_path: Path) -> None:
    run_target(customers({"external_id": "c-1"}), ledger_path=ledger, dry_run=True)
    assert not (tmp_path / "ledger.sqlite").exists()


def test_explain_leaves_the_ledger_to_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    config = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "ledger_path": str(tmp_path / "ledger.sqlite")}
    path.write_text(json.dumps(config))
    run = run_cli(
        ["explain", "--config", str(path)], lines(customers({"external_id": "c-1", "plan": "gold"}, plan=TEXT))
    )
    assert '"plan":"gold"' in run.stdout
    assert not (tmp_path / "ledger.sqlite").exists()


def test_prune_forgets_what_is_old(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", "x")
    record = Record("events", 1, 1, (), {"record": {}}, {})
    change = new_change("events", ("external_id", "c-1"), {"name": "seen"}, [record], fingerprint=b"f" * 16)
    assert ledger.news(change)
    ledger.settle([change], "accepted")
    assert not ledger.news(change)
    ledger.members.record_listed("customers", [Member(("external_id", "c-1"))], 1)
    ledger.members.flush()
    assert ledger.prune(0) == {"users": 0, "sent": 0, "members": 0}
    assert ledger.prune(-1) == {"users": 0, "sent": 1, "members": 1}
    assert ledger.news(change)


def test_the_file_can_be_looked_into_and_made_smaller(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    run_target(customers({"external_id": "c-1", "plan": "gold"}, plan=TEXT), events({"n": 1}), ledger_path=ledger)
    run = run_cli(["ledger", "inspect", ledger])
    assert run.exit_code == 0
    assert run.stdout.splitlines() == [
        f"workspace: {sandbox.url}",
        "runs: 1",
        "users: 1",
        "attribute names: 1",
        "events, purchases and messages accepted: 1",
        "events, purchases and messages in doubt: 0",
        "messages scheduled: 0",
        "members of streams: 0",
        "users kept for verification: 1",
    ]
    assert run_cli(["ledger", "prune", ledger, "--days", "1"]).stdout == (
        "forgotten: 0 users, 0 events and purchases, 0 members of streams\n"
    )


def test_what_is_no_ledger_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    run = run_cli(["ledger", "inspect", str(tmp_path / "empty")])
    assert run.exit_code == 1
    assert "is not a ledger" in run.stderr


# Attributes that vanish.

VANISHED: dict[str, Any] = {"streams": {"customers": {"missing_columns": "unset"}}}


def attributes_of(sandbox: Sandbox, user: str = "c-1") -> dict[str, Any]:
    profile = the(sandbox.profile(user))
    return profile.custom_attributes | profile.attributes


@pytest.mark.parametrize("vanished", ["keep", "unset"])
def test_a_column_that_a_record_no_longer_has_can_be_unset(
    sandbox: Sandbox, run_target: RunTarget, ledger: str, vanished: str
) -> None:
    settings: dict[str, Any] = {"streams": {"customers": {"missing_columns": vanished}}, "ledger_path": ledger}
    columns: dict[str, Any] = {"plan": TEXT, "first_name": TEXT, "n": INTEGER}
    run_target(customers({"external_id": "c-1", "plan": "gold", "first_name": "Ines", "n": 1}, **columns), **settings)
    gone: dict[str, Any] = {} if vanished == "unset" else {"plan": "gold", "first_name": "Ines"}
    # One is missing from the record, the other from the SCHEMA as well.
    for _ in range(2):
        run_target(customers({"external_id": "c-1", "n": 1}, plan=TEXT, n=INTEGER), **settings)
    assert attributes_of(sandbox) == {"n": 1} | gone
    assert len(bodies(sandbox)) == (2 if vanished == "unset" else 1)


def test_what_is_null_or_was_never_sent_has_not_vanished(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    columns: dict[str, Any] = {"plan": TEXT, "n": INTEGER}
    run_target(customers({"external_id": "c-1", "plan": "gold"}, **columns), ledger_path=ledger, **VANISHED)
    run_target(customers({"external_id": "c-1", "plan": None}, **columns), ledger_path=ledger, **VANISHED)
    assert bodies(sandbox) == [{"attributes": [{"external_id": "c-1", "plan": "gold"}]}]


def test_what_another_stream_sends_has_not_vanished(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    scores = Stream("scores", {"external_id": TEXT, "score": INTEGER}, [{"external_id": "c-1", "score": 7}])
    both: dict[str, Any] = {"plan": TEXT, "score": INTEGER}
    run_target(customers({"external_id": "c-1", "plan": "gold", "score": 5}, **both), ledger_path=ledger, **VANISHED)
    run_target(scores, ledger_path=ledger)
    run_target(customers({"external_id": "c-1", "plan": "gold"}, plan=TEXT), scores, ledger_path=ledger, **VANISHED)
    assert attributes_of(sandbox) == {"plan": "gold", "score": 7}


def test_a_trait_of_a_call_has_not_vanished(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    traits: dict[str, Any] = {"type": "identify", "userId": "c-1", "traits": {"plan": "gold"}}
    calls = Stream("calls", {"type": TEXT, "userId": TEXT, "traits": ANY_OBJECT}, [traits])
    columns: dict[str, Any] = {"plan": TEXT, "n": INTEGER}
    settings: dict[str, Any] = {"streams": {"calls": {"to": "calls"}, **VANISHED["streams"]}, "ledger_path": ledger}
    run_target(customers({"external_id": "c-1", "plan": "blue", "n": 1}, **columns), calls, **settings)
    run_target(customers({"external_id": "c-1"}, **columns), **settings)
    assert attributes_of(sandbox) == {"plan": "gold"}


def test_a_key_that_another_stream_flattens_has_not_vanished(
    sandbox: Sandbox, run_target: RunTarget, ledger: str
) -> None:
    columns = {"external_id": TEXT, "inner": ANY_OBJECT}
    inner = Stream("scores", columns, [{"external_id": "c-1", "inner": {"score": 7}}])
    both: dict[str, Any] = {"plan": TEXT, "score": INTEGER}
    run_target(customers({"external_id": "c-1", "plan": "gold", "score": 5}, **both), ledger_path=ledger, **VANISHED)
    run_target(inner, ledger_path=ledger, streams={"scores": {"flatten": ["inner"]}})
    run_target(customers({"external_id": "c-1", "plan": "gold"}, plan=TEXT), ledger_path=ledger, **VANISHED)
    assert attributes_of(sandbox) == {"plan": "gold", "score": 7}


def test_without_a_ledger_nobody_knows_what_vanished(run_target: RunTarget) -> None:
    run = run_target(customers({"external_id": "c-1"}), expect=1, **VANISHED)
    assert "setting 'streams.customers.missing_columns': unset needs a ledger" in run.stderr
