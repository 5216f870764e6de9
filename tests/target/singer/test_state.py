"""STATE: the last one out is never ahead of what Braze has, whatever happened."""

from __future__ import annotations

import json
import random
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.braze.client import BrazeError
from target_braze.delivery import dispatcher as delivery
from target_braze.singer import output
from target_braze.singer.target import TargetBraze

from tests.target.support.singer import INTEGER, TEXT, Stream, customers, lines, many, reasons, state, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

EVENTS = {"external_id": TEXT, "name": TEXT, "time": TEXT}


def holds(sandbox: Sandbox) -> set[int]:
    """The numbers of the events that the sandbox has."""
    return {int(event["name"]) for profile in sandbox.profiles() for event in profile.events}


def events(count: int, users: int, *, every: int = 10) -> list[dict[str, Any]]:
    """Events by number, with a STATE after every few."""
    stream = Stream("events", EVENTS)
    messages = [stream.schema]
    for number in range(count):
        messages.append(
            stream.record({"external_id": f"c-{number % users}", "name": f"{number}", "time": "2026-03-04T12:00:00Z"})
        )
        if number % every == every - 1:
            messages.append({"type": "STATE", "value": {"upto": number}})
    return messages


@pytest.fixture
def ahead(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """STATEs that were ahead of the sandbox at the moment they left."""
    found: list[int] = []

    def watched(line: bytes) -> None:
        upto = json.loads(line)["upto"]
        if not holds(sandbox).issuperset(range(upto + 1)):
            found.append(upto)
        write(line)

    write = output.write_line
    monkeypatch.setattr(output, "write_line", watched)
    monkeypatch.setattr(delivery, "_STATE_EVERY", 0.0)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_no_state_is_ahead_of_braze_through_latency_and_faults(
    seed: int, ahead: list[int], run_target: Callable[..., Run], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_braze.braze.client.FIRST_ANSWER_WITHIN", 5.0)
    chance = random.Random(seed)
    for _ in range(6):
        sandbox.fault(do="latency", latency_ms=chance.randrange(40), after=chance.randrange(20), times=3)
        sandbox.fault(do=chance.choice(["drop_before", "status"]), after=chance.randrange(20), times=1)
    run = run_target(*events(600, 40), concurrency=6, max_objects_per_request=15)
    assert not ahead
    assert len(run.states) > 2
    assert run.states == sorted(run.states, key=lambda value: value["upto"])
    assert run.states[-1] == {"upto": 599}
    assert holds(sandbox) == set(range(600))
    assert not reasons(sandbox)


@pytest.mark.parametrize("after", [0, 3, 17])
def test_a_run_that_fails_leaves_a_state_from_which_the_next_loses_nothing(
    after: int, ahead: list[int], run_target: Callable[..., Run], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_braze.braze.client.RETRY_FOR", 0.0)
    messages = events(600, 40)
    sandbox.fault(do="latency", latency_ms=5)
    sandbox.fault(do="status", status=503, after=after)
    run = run_target(*messages, concurrency=4, max_objects_per_request=15, expect=1)
    assert not ahead
    upto = run.states[-1]["upto"] if run.states else -1
    assert holds(sandbox).issuperset(range(upto + 1))
    sandbox.clear_faults()
    rest = [m for m in messages if m["type"] != "RECORD" or int(m["record"]["name"]) > upto]
    run_target(*rest)
    assert holds(sandbox) == set(range(600))


def test_the_state_before_a_rejected_record_is_out_and_the_one_after_is_not(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    sandbox.workspace.blocked_external_ids.add("bad")
    run = run_target(customers({"external_id": "c-1"}), state(1), customers({"external_id": "bad"}), state(2), expect=1)
    assert run.states in ([{"bookmarks": 1}], [])
    run = run_target(customers({"external_id": "c-1"}), state(1), customers({"email": "nobody"}), state(2), expect=1)
    assert {"bookmarks": 2} not in run.states


def test_a_state_without_records_passes_as_it_is(run_target: Callable[..., Run]) -> None:
    odd = {"bookmarks": {"s": {"at": "2026-03-04", "n": 2**60, "ü": None}}}
    assert run_target({"type": "STATE", "value": odd}).states == [odd]


def test_states_of_a_fast_tap_are_thinned_out_and_the_last_is_kept(run_target: Callable[..., Run]) -> None:
    run = run_target(*(message for n in range(200) for message in (customers({"external_id": f"c-{n}"}), state(n))))
    assert len(run.states) < 20
    assert run.states[-1] == {"bookmarks": 199}


def test_streams_share_requests_up_to_the_limit(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    happened = [{"external_id": f"e-{n}", "name": "x", "time": "2026-03-04T12:00:00Z"} for n in range(60)]
    run_target(customers(*many(60, 60), n=INTEGER), Stream("events", EVENTS, happened))
    sizes = [sum(len(items) for items in request.body.values()) for request in sandbox.requests]
    assert sorted(sizes) == [45, 75]


def test_the_last_value_of_a_user_wins_under_latency_and_concurrency(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    sandbox.fault(do="latency", latency_ms=5)
    run_target(customers(*many(1500, 30), n=INTEGER), concurrency=8, max_objects_per_request=7)
    assert {p.external_id: p.custom_attributes["n"] for p in sandbox.profiles()} == {
        f"c-{n % 30}": n for n in range(1470, 1500)
    }
    assert not reasons(sandbox)


def test_events_of_a_user_keep_their_order(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    sandbox.fault(do="latency", latency_ms=3)
    run_target(*events(400, 5), concurrency=8, max_objects_per_request=7)
    for profile in sandbox.profiles():
        names = [int(event["name"]) for event in profile.events]
        assert names == sorted(names)
        assert len(names) == 80
    assert not reasons(sandbox)


def test_a_target_used_as_a_library_raises_what_is_wrong(sandbox: Sandbox) -> None:
    messages = lines(customers({"external_id": "c-1"})).decode()
    TargetBraze(config={"api_key": sandbox.api_key, "endpoint": sandbox.url}).run(StringIO(messages))
    assert the(sandbox.profile("c-1")).external_id == "c-1"
    with pytest.raises(BrazeError, match="HTTP 401"):
        TargetBraze(config={"api_key": "wrong", "endpoint": sandbox.url}).run(StringIO(messages))
