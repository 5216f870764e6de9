"""What a run that is cut off leaves to the next one: little to read again, and no older value after a newer one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.braze.client import Answer
from target_braze.braze.endpoints import TRACK
from target_braze.delivery import dispatcher as module
from target_braze.delivery.batch_limits import BatchLimits
from target_braze.delivery.dispatcher import Dispatcher
from target_braze.delivery.user_queues import UserQueues
from target_braze.ledger.store import Ledger
from target_braze.mapping.kinds.identities import aliases, deletions
from target_braze.records import Record

from tests.target.support.changes import new_change
from tests.target.support.singer import INTEGER, TEXT, TIME, Run, Stream, customers, many, sent, state, the

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from braze_sandbox.testing import Sandbox
    from target_braze.braze.changes import Change, Endpoint, Request

    RunTarget = Callable[..., Run]

SLOW = "slow-one"


def change(position: int, user: str, endpoint: Endpoint = TRACK, kind: str = "attributes") -> Change:
    record = Record("s", position, position, (), {"record": {}}, {})
    return new_change(kind, ("external_id", user), {"external_id": user, "n": position}, [record], endpoint)


class Sender:
    """Answers at once, but for the slow user's requests: these wait for `go`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.sent: list[dict[str, Any]] = []
        self.states: list[Any] = []

    def __call__(self, request: Request, _resend: bool) -> Answer:  # noqa: FBT001
        if any(one.user[1] == SLOW for one in request):
            self.go.wait(30)
        self.sent += [one.fields for one in request]
        return Answer(201, {}, b'{"message": "success"}')

    def delivery(self, **options: Any) -> Dispatcher:
        given: dict[str, Any] = {
            "accept": lambda *_: None,
            "reject": lambda *_: None,
            "emit": self.states.append,
            "failed": lambda: None,
            "max_objects": 10,
            "concurrency": 4,
        }
        return Dispatcher(self, **given | options)


# How far a run reads ahead of the oldest open record.


def read(delivery: Dispatcher, count: int, *, skipped: bool) -> tuple[threading.Thread, list[int]]:
    """Start a thread that reads `count` records after one of the slow user. With `skipped`, Braze already has them."""
    reached: list[int] = []

    def run() -> None:
        delivery.add(change(1, SLOW))
        for position in range(2, count + 1):
            if skipped:
                delivery.wait_for_room(position)
            else:
                delivery.add(change(position, f"u{position % 100}"))
            reached.append(position)

    reader = threading.Thread(target=run)
    reader.start()
    return reader, reached


@pytest.fixture
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LINGER", 0.01)


@pytest.mark.usefixtures("short_linger")
@pytest.mark.parametrize("skipped", [False, True])
@pytest.mark.parametrize("bound", ["records", "seconds"])
def test_no_record_is_read_far_ahead_of_one_that_is_not_settled(
    monkeypatch: pytest.MonkeyPatch, bound: str, *, skipped: bool
) -> None:
    count = 20_000
    if bound == "records":
        monkeypatch.setattr(module, "_SPAN", 500)
    else:
        monkeypatch.setattr(module, "_SPAN_SECONDS", 0.0)
    sender = Sender()
    delivery = sender.delivery()
    reader, reached = read(delivery, count, skipped=skipped)
    reader.join(0.5)
    assert len(reached) < count
    if bound == "records" and not skipped:
        assert len(reached) <= 500 + 1
    sender.go.set()
    reader.join(30)
    assert reached[-1] == count
    delivery.add_state(b"last")
    delivery.finish()
    assert sender.states[-1] == b"last"


@pytest.mark.usefixtures("short_linger")
def test_what_waits_for_the_end_of_the_input_does_not_keep_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SPAN", 10)
    monkeypatch.setattr(module, "_SPAN_SECONDS", 0.0)
    sender = Sender()
    delivery = sender.delivery()
    delivery.add(change(1, "gone", deletions.ENDPOINTS["external_id"], "external_ids"))
    for position in range(2, 200):
        delivery.add(change(position, f"u{position}"))
    delivery.finish()
    assert len(sender.sent) == 199


@pytest.mark.usefixtures("short_linger")
def test_users_who_wait_for_a_dependent_step_do_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SPAN", 10)
    sender = Sender()
    delivery = sender.delivery(max_delay=0.5)
    delivery.add(change(1, "two-steps"))
    delivery.add(change(2, "two-steps", aliases.ENDPOINT, "user_aliases"))
    for position in range(3, 500):
        delivery.add(change(position, f"u{position}"))
    delivery.finish()
    assert len(sender.sent) == 499


# What was read beyond the last STATE and comes again.


def cut_off(sandbox: Sandbox, run_target: RunTarget, ledger: str, *streams: Any) -> None:
    """A run with many successful requests and no STATE, because the first user's request fails until the run does."""
    slow = customers({"external_id": SLOW, "n": 0}, n=INTEGER)
    sandbox.fault(path="/users/track", do="refuse_if", contains=SLOW, status=503, times=None)
    run = run_target(slow, *streams, state(1), ledger_path=ledger, max_objects_per_request=1, expect=1)
    assert run.states == []
    sandbox.clear_faults()


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.sqlite")


def by_user(objects: list[dict[str, Any]]) -> Iterator[tuple[str, list[int]]]:
    for user in sorted({one["external_id"] for one in objects}):
        yield user, [one["n"] for one in objects if one["external_id"] == user]


def test_a_rerun_sends_no_older_value_after_a_newer_one(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    history = customers(*many(60, 3), n=INTEGER)
    cut_off(sandbox, run_target, ledger, history)
    slow = customers({"external_id": SLOW, "n": 0}, n=INTEGER)
    run = run_target(slow, history, state(1), ledger_path=ledger, max_objects_per_request=1)
    assert run.states == [{"bookmarks": 1}]
    for user, values in by_user(sent(sandbox)):
        assert values == sorted(values), user
    assert the(sandbox.profile("c-2")).custom_attributes == {"n": 59}


def test_a_source_that_takes_a_value_back_wins_after_a_crash(
    sandbox: Sandbox, run_target: RunTarget, ledger: str
) -> None:
    def plans(*values: str) -> Stream:
        return customers(*({"external_id": "c-1", "plan": value} for value in values), plan=TEXT)

    cut_off(sandbox, run_target, ledger, plans("gold", "silver"))
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "silver"}
    run_target(plans("gold"), state(1), ledger_path=ledger)
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "gold"}


def test_an_event_after_a_value_that_is_held_back_stays_after_it(
    sandbox: Sandbox, run_target: RunTarget, ledger: str
) -> None:
    cut_off(sandbox, run_target, ledger, customers(*many(4, 2), n=INTEGER))
    happened = {"external_id": "c-1", "name": "seen", "time": "2026-03-04T09:10:11Z"}
    events = Stream("events", {"external_id": TEXT, "name": TEXT, "time": TIME}, [happened])
    before = len(sandbox.requests)
    run_target(customers(*many(4, 2), n=INTEGER), events, ledger_path=ledger, max_objects_per_request=1)
    mine = [
        kind
        for request in sandbox.requests[before:]
        for kind, (one,) in request.body.items()
        if one["external_id"] == "c-1"
    ]
    assert mine == ["attributes", "events"]


def test_a_run_that_was_through_leaves_nothing_to_hold_back(run_target: RunTarget, ledger: str, tmp_path: Path) -> None:
    run_target(customers(*many(4, 2), n=INTEGER), state(1), ledger_path=ledger)
    assert beyond(tmp_path) == 0
    run_target(customers(*many(4, 3), n=INTEGER), ledger_path=ledger)
    assert beyond(tmp_path) == 0


def beyond(folder: Path) -> int:
    held = Ledger(folder / "ledger.sqlite")
    held.close()
    stretch: int = held.stretch
    return stretch


def behind(folder: Path, position: int) -> Ledger:
    """A ledger whose last run had sent a change of the record at a position and saw no STATE out."""
    ledger = Ledger(folder / "ledger.sqlite", "x")
    ledger.under_way([change(position, "before")])
    ledger.close()
    ledger = Ledger(folder / "ledger.sqlite")
    assert ledger.stretch == position
    return ledger


@pytest.mark.usefixtures("short_linger")
def test_behind_the_stretch_changes_leave_as_they_come(tmp_path: Path) -> None:
    ledger = behind(tmp_path, 1_000)
    sender = Sender()
    delivery = sender.delivery(ledger=ledger)
    for position in range(1, 1_251):
        one = change(position, "u")
        assert ledger.news(one)
        delivery.add(one)
    assert not sender.sent
    # A record with nothing for Braze ends the stretch like any other.
    delivery.wait_for_room(1_251)
    while not sender.sent:
        threading.Event().wait(0.01)
    assert [one["n"] for one in sender.sent] == [1_250]
    delivery.finish()
    ledger.close()


@pytest.mark.usefixtures("short_linger")
@pytest.mark.parametrize(("limit", "most"), [("dispatcher._HOLD_SECONDS", 0.0), ("room._MOST_HELD_BYTES", 1)])
def test_what_cannot_be_held_back_any_longer_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, limit: str, most: float
) -> None:
    monkeypatch.setattr(f"target_braze.delivery.{limit}", most)
    ledger = behind(tmp_path, 10_000)
    sender = Sender()
    delivery = sender.delivery(ledger=ledger)
    one = change(1, "u")
    one.records[0].size = 1
    assert ledger.news(one)
    delivery.add(one)
    while not sender.sent:
        threading.Event().wait(0.01)
    assert "the input repeats more than can be held back" in caplog.text
    delivery.finish()
    ledger.close()


def test_events_leave_while_values_are_held_back() -> None:
    queues = UserQueues(0.0, BatchLimits(10), holds_back=True)
    for position, kind in enumerate(["events", "attributes", "events", "attributes"], 1):
        queues.add(change(position, "u", kind=kind), 0.0)
    queues.add(change(5, "v", kind="events"), 0.0)
    found = queues.next_request(1.0, hurry=False, ended=True)
    assert found is not None
    request, of = found
    assert [one.records[0].position for one in request] == [1, 5]
    queues.release(of, TRACK, 2.0)
    assert queues.next_request(9.0, hurry=False, ended=True) is None
    queues.stop_holding_back(9.0)
    found = queues.next_request(9.0, hurry=False, ended=True)
    assert found is not None
    assert [[record.position for record in one.records] for one in found[0]] == [[2, 4], [3]]


def test_a_killed_rerun_leaves_the_rest_of_the_stretch_to_the_next(tmp_path: Path) -> None:
    ledger = behind(tmp_path, 1_000)
    ledger.under_way([change(100, "u")])
    ledger.covered(90)
    ledger.under_way([change(110, "u")])
    ledger.close()
    assert beyond(tmp_path) == 910
