"""Commands that settle messages: those in doubt, and those scheduled for later."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.ledger.store import Ledger

from tests.target.support.messages import CAMPAIGN, CANVAS, orders, received, table
from tests.target.support.singer import TEXT, TIME, Stream, run_cli, the

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

pytestmark = pytest.mark.usefixtures("messages")

LATER = {"time": "2999-01-01T09:00:00Z"}


@pytest.fixture
def command(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Run]:
    """Run a subcommand; `config` is the configuration of the last run, and `FILE` its ledger."""

    def run(*arguments: str) -> Run:
        named = {"FILE": str(tmp_path / "ledger.sqlite"), "config": str(tmp_path / "config.json")}
        return run_cli([named.get(one, one) for one in arguments], secret=sandbox.api_key)

    return run


def doubts(command: Callable[..., Run]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command("ledger", "doubts", "FILE").stdout.splitlines()]


@pytest.fixture
def lost(trigger: RunTarget, sandbox: Sandbox) -> None:
    """Three messages whose answer is lost."""
    sandbox.fault(path="/campaigns/*", do="drop_after", times=1)
    trigger(orders(1, 2, 3))


@pytest.mark.usefixtures("lost")
def test_messages_in_doubt_are_named(trigger: RunTarget, command: Callable[..., Run]) -> None:
    alias = [{"order_id": "o-9", "alias_name": "two", "alias_label": "shop"}]
    trigger(Stream("orders", {"order_id": TEXT, "alias_name": TEXT, "alias_label": TEXT}, alias, ["order_id"]))
    today = datetime.now(timezone.utc).date()
    found = doubts(command)
    assert [{key: one[key] for key in ("stream", "key", "campaign_id", "external_id")} for one in found] == [
        {"stream": "orders", "key": {"order_id": f"o-{n}"}, "campaign_id": CAMPAIGN, "external_id": f"c-{n}"}
        for n in (1, 2, 3)
    ]
    # Around midnight, the row is of another day.
    assert all(one["since"] in {(today - timedelta(days=n)).isoformat() for n in (0, 1)} for one in found)
    counts = command("ledger", "inspect", "FILE").stdout
    assert "events, purchases and messages in doubt: 3" in counts
    assert "events, purchases and messages accepted: 1" in counts


@pytest.mark.usefixtures("lost")
def test_doubts_are_resolved_one_by_one(
    trigger: RunTarget, sandbox: Sandbox, command: Callable[..., Run], tmp_path: Path
) -> None:
    sandbox.workspace.messages.clear()  # as if Braze had not received the request
    first, second, _ = doubts(command)
    (tmp_path / "not-sent").write_text(json.dumps(first) + "\n\n")
    (tmp_path / "sent").write_text(json.dumps(second) + "\n")
    done = command("ledger", "resolve", "FILE", str(tmp_path / "not-sent"), "--as", "not-sent")
    assert done.stdout == "resolved as not-sent: 1 messages\n"
    command("ledger", "resolve", "FILE", str(tmp_path / "sent"), "--as", "sent")
    assert [one["key"]["order_id"] for one in doubts(command)] == ["o-3"]
    again = trigger((tmp_path / "dead.singer").read_bytes().rstrip(b"\n"))
    total = again.summary["total"]
    assert (total["sent"], total["unchanged"], total["in_doubt"]) == (1, 1, 1)
    assert received(sandbox) == {"c-1": 1}
    repeated = command("ledger", "resolve", "FILE", str(tmp_path / "sent"), "--as", "not-sent")
    assert "not in doubt, so left alone: 1" in repeated.stdout


@pytest.mark.usefixtures("lost")
@pytest.mark.parametrize("line", ["{", "[]", '{"stream": "orders"}'])
def test_other_lines_resolve_nothing(command: Callable[..., Run], tmp_path: Path, line: str) -> None:
    (tmp_path / "lines").write_text(json.dumps(doubts(command)[0]) + "\n" + line + "\n")
    run = command("ledger", "resolve", "FILE", str(tmp_path / "lines"), "--as", "not-sent")
    assert "line 2 of DOUBTS is not a line from `ledger doubts`" in run.stderr
    assert len(doubts(command)) == 3


@pytest.mark.usefixtures("lost")
def test_pruning_forgets_doubts_and_erasing_the_person(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.erase([("external_id", "c-2")])
    assert [one.user[1] for one in ledger.messages.in_doubt()] == ["c-1", "c-3"]
    ledger.prune(-1)  # as if tomorrow
    assert ledger.messages.in_doubt() == []
    ledger.close()


@pytest.mark.parametrize("address", ["c-1@shop.example", "C-1@Shop.Example"])
def test_erasing_a_person_forgets_messages_to_the_address(
    trigger: RunTarget, sandbox: Sandbox, command: Callable[..., Run], tmp_path: Path, address: str
) -> None:
    profile = the(sandbox.profile("c-1"))
    sandbox.instance.profiles.readdress(profile, "email", address)
    sandbox.fault(path="/campaigns/*", do="drop_after", times=1)
    records = [{"order_id": f"o-{n}", "email": one} for n, one in enumerate([address, "c-2@shop.example"])]
    trigger(Stream("orders", {"order_id": TEXT, "email": TEXT}, records, ["order_id"]))
    assert len(doubts(command)) == 2
    run = command("erase", "--config", "config", "--id", "c-1", "--certificate", str(tmp_path / "paper"), "--yes")
    assert run.exit_code == 0, run.stderr
    assert [one["email"] for one in doubts(command)] == ["c-2@shop.example"]


def test_scheduled_messages_are_listed_and_can_be_moved(
    trigger: RunTarget, run_target: RunTarget, sandbox: Sandbox, command: Callable[..., Run]
) -> None:
    trigger(orders(1), schedule=LATER)
    assert command("ledger", "doubts", "FILE").stdout == ""
    (planned,) = map(json.loads, command("ledger", "scheduled", "FILE").stdout.splitlines())
    assert (planned["key"], planned["due"]) == ({"order_id": "o-1"}, "2999-01-01T09:00:00+00:00")
    record = {name: planned[name] for name in ("schedule_id", "campaign_id")} | {"time": "2999-01-02T09:00:00Z"}
    stream = Stream("plans", dict.fromkeys(record, TEXT), [record])
    run_target(stream, streams={"plans": {"to": "message_schedules", "max_changed_schedules": 1}})
    (schedule,) = sandbox.workspace.schedules.values()
    assert schedule.at.day == 2


def test_scheduled_messages_of_a_run_are_canceled(
    trigger: RunTarget, sandbox: Sandbox, command: Callable[..., Run]
) -> None:
    trigger(orders(1, 2), schedule=LATER)
    trigger(orders(3), schedule=LATER)
    trigger(orders(4), to="canvas_triggers", canvas={"id": CANVAS}, schedule=LATER)
    assert len(sandbox.workspace.schedules) == 3
    listed = command("cancel-scheduled", "--config", "config").stdout
    assert listed.splitlines()[0] == "run 1: 2 messages are due; cancel them with --run 1"
    assert [line.split(":")[0] for line in listed.splitlines()] == ["run 1", "run 2", "run 3"]
    for number in (1, 3):
        canceled = command("cancel-scheduled", "--config", "config", "--run", str(number), "--yes")
        assert (canceled.exit_code, canceled.stdout.split(":")[0]) == (0, "canceled")
    (left,) = sandbox.workspace.schedules.values()
    assert [one["external_user_id"] for one in left.dispatch.body["recipients"]] == ["c-3"]
    # They count as sent, unless they are freed.
    assert trigger(orders(1, 2, 3), schedule=LATER).summary["total"]["unchanged"] == 3
    command("cancel-scheduled", "--config", "config", "--run", "2", "--yes", "--free")
    assert trigger(orders(1, 2, 3), schedule=LATER).summary["total"]["sent"] == 1


def test_messages_close_to_their_time_are_in_doubt(
    trigger: RunTarget, sandbox: Sandbox, command: Callable[..., Run]
) -> None:
    soon = datetime.now(timezone.utc) + timedelta(seconds=200)
    rows = [{"order_id": "o-1", "external_id": "c-1", "at": soon.isoformat()}]
    trigger(table(*rows, at=TIME), schedule={"time_field": "at"})
    run = command("cancel-scheduled", "--config", "config", "--run", "1", "--yes")
    assert (run.exit_code, run.stdout) == (1, "canceled within five minutes of their time, so in doubt: 1\n")
    assert [one["external_id"] for one in doubts(command)] == ["c-1"]
    assert not sandbox.workspace.schedules


def test_what_braze_no_longer_has_stays_as_it_is(
    trigger: RunTarget, sandbox: Sandbox, command: Callable[..., Run]
) -> None:
    trigger(orders(1), schedule=LATER)
    sandbox.workspace.schedules.clear()
    run = command("cancel-scheduled", "--config", "config", "--run", "1", "--yes")
    assert (run.exit_code, run.stdout[:12]) == (1, "not canceled")
    assert trigger(orders(1), schedule=LATER).summary["total"]["unchanged"] == 1


def test_canceling_asks_and_needs_a_ledger(trigger: RunTarget, sandbox: Sandbox, command: Callable[..., Run]) -> None:
    trigger(orders(1), schedule=LATER)
    assert command("cancel-scheduled", "--config", "config", "--run", "1").exit_code == 1  # standard input is empty
    assert "no message of this ledger is still due" not in command("cancel-scheduled", "--config", "config").stdout
    assert len(sandbox.workspace.schedules) == 1
    trigger(orders(2), settings={"ledger_path": None}, allow_duplicate_messages=True)
    assert "names no ledger" in command("cancel-scheduled", "--config", "config").stderr


def test_the_ledger_forgets_scheduled_messages_after_their_time(
    trigger: RunTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger(orders(1), schedule=LATER)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert len(ledger.messages.scheduled()) == 1
    monkeypatch.setattr("target_braze.ledger.messages.time.time", lambda: 32_503_680_000 + 400_000)  # in the year 3000
    ledger.begin()
    assert ledger.messages.scheduled() == []
    ledger.close()


def test_a_recovered_ledger_sends_nobody_a_message(
    trigger: RunTarget, sandbox: Sandbox, command: Callable[..., Run]
) -> None:
    trigger(orders(1))
    command("ledger", "recover", "FILE")
    run = trigger(orders(1, 2), expect=1)
    assert "does not know who received messages from later runs" in run.stderr
    assert received(sandbox) == {"c-1": 1}
    command("ledger", "recover", "FILE", "--allow-messages")
    trigger(orders(1, 2))
    assert received(sandbox) == {"c-1": 1, "c-2": 1}
