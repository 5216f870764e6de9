"""The summary at the end of a run: the outcome of each record, costs and savings, and waits."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from target_braze.records import Record
from target_braze.reporting.summary import Summary

from tests.target.support.cdp import calls, track
from tests.target.support.singer import INTEGER, TEXT, Stream, customers, many, sent, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

WHEN = "2026-03-04T12:00:00Z"
EVENT = {"external_id": TEXT, "name": TEXT, "time": TEXT}
OUTCOMES = ("sent", "coalesced", "unchanged", "left_out", "rejected", "in_doubt", "open")


def adds_up(run: Run) -> dict[str, Any]:
    """The summary, in which no record is missing and none counted twice."""
    summary = run.summary
    for counts in [*summary["streams"].values(), summary["total"]]:
        assert counts["read"] == sum(counts[outcome] for outcome in OUTCOMES)
        assert all(count >= 0 for count in counts.values())
    return summary


def outcomes(counts: dict[str, int]) -> dict[str, int]:
    return {outcome: counts[outcome] for outcome in OUTCOMES if counts[outcome]}


@pytest.fixture
def dead(tmp_path: Path) -> dict[str, str]:
    return {"on_error": "dead_letter", "dead_letter_path": str(tmp_path / "dead.singer")}


def test_each_record_is_counted_once_by_what_became_of_it(
    run_target: Callable[..., Run], sandbox: Sandbox, dead: dict[str, str], tmp_path: Path
) -> None:
    ledger = {"ledger_path": str(tmp_path / "ledger.sqlite")}
    run_target(customers({"external_id": "c-0", "n": 0}, n=INTEGER), **ledger)
    sandbox.workspace.blocked_external_ids.add("c-9")
    people = customers(
        {"external_id": "c-0", "n": 0},
        {"external_id": "c-1", "n": 1},
        {"external_id": "c-1", "n": 2},
        {"external_id": "c-2", "n": "x"},
        {"external_id": "c-9", "n": 1},
        n=INTEGER,
    )
    run = run_target(people, state(1), **dead, **ledger)
    summary = adds_up(run)
    counts = summary["streams"]["customers"]
    assert outcomes(counts) == {"unchanged": 1, "sent": 1, "coalesced": 1, "rejected": 2}
    assert (counts["objects"], counts["requests"], counts["data_points"]) == (1, 1, 1)
    assert (counts["saved_by_ledger"], counts["saved_by_coalescing"]) == (1, 1)
    assert (summary["ended"], summary["retries"], summary["dry_run"]) == ("completed", 0, False)
    assert len(summary["reasons"]) == 2
    assert summary["total"] == counts


def test_the_points_that_the_ledger_saves_are_those_of_values_that_stay(
    run_target: Callable[..., Run], tmp_path: Path
) -> None:
    ledger = {"ledger_path": str(tmp_path / "ledger.sqlite"), "streams": {"customers": {"missing_columns": "unset"}}}
    columns = dict.fromkeys("abcd", INTEGER)
    run = run_target(customers({"external_id": "c-1", "a": 1, "b": 1, "c": 1, "d": 1}, **columns), **ledger)
    assert run.summary["total"]["data_points"] == 4
    # Two stay, one changes, one is no column any more.
    del columns["d"]
    run = run_target(customers({"external_id": "c-1", "a": 1, "b": 1, "c": 2}, **columns), **ledger)
    assert run.summary["total"]["data_points"] == 2
    assert run.summary["total"]["saved_by_ledger"] == 2


def test_records_with_several_changes_and_with_none_are_counted_once(
    run_calls: Callable[..., Run], sandbox: Sandbox, dead: dict[str, str]
) -> None:
    products = [{"product_id": f"p{n}", "price": 1} for n in range(3)]
    order = track("Order Completed", products=products, currency="EUR")
    stream = calls(track("Wanted"), track("Unwanted"), order, order | {"userId": "c-9"})
    sandbox.workspace.blocked_external_ids.add("c-9")
    run = run_calls(stream, events={"except": ["Unwanted"]}, settings=dead)
    counts = adds_up(run)["streams"]["segment_calls"]
    assert outcomes(counts) == {"sent": 2, "left_out": 1, "rejected": 1}
    assert counts["objects"] == counts["data_points"] == 4


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcx"), st.integers(0, 3)), max_size=60),
    st.integers(1, 20),
)
def test_whatever_comes_the_counts_add_up_to_what_braze_has(
    run_target: Callable[..., Run],
    sandbox: Sandbox,
    dead: dict[str, str],
    found: list[tuple[str, str, int]],
    most: int,
) -> None:
    sandbox.reset()
    sandbox.workspace.blocked_external_ids.update("de")
    people = customers(n=INTEGER)
    events = Stream("events", {**EVENT, "n": INTEGER})
    messages: list[Any] = [people.schema, events.schema]
    for user, kind, number in found:
        record = {"external_id": user, "n": "no" if kind == "x" else number}
        one = people.record(record)
        messages.append(events.record({**record, "name": "e", "time": WHEN}) if kind == "a" else one)
    run = run_target(*messages, max_objects_per_request=most, **dead)
    summary = adds_up(run)
    total = summary["total"]
    assert not total["open"]
    read = Counter("events" if kind == "a" else "customers" for _, kind, _ in found)
    assert {name: counts["read"] for name, counts in summary["streams"].items()} == {"customers": 0, "events": 0} | read
    assert total["rejected"] == sum(kind == "x" or user in "de" for user, kind, _ in found)
    assert total["objects"] == total["sent"] == len(sent_of(sandbox))
    assert total["requests"] == len(sandbox.requests)
    # Each event one data point, each value of an attribute one.
    assert total["data_points"] == len(sent_of(sandbox))
    assert total["data_points"] + total["saved_by_coalescing"] == total["read"] - total["rejected"]


def sent_of(sandbox: Sandbox) -> list[dict[str, Any]]:
    """What the sandbox took and did not refuse."""
    return [one for kind in ("attributes", "events") for one in sent(sandbox, kind) if one["external_id"] not in "de"]


def test_a_run_that_fails_counts_what_is_left_open(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    sandbox.workspace.blocked_external_ids.add("c-70")
    run = run_target(customers(*many(100, 100), n=INTEGER), max_objects_per_request=10, expect=1)
    summary = adds_up(run)
    assert summary["ended"] == "failed"
    assert summary["total"]["sent"] == len(sandbox.profiles())
    assert summary["total"]["rejected"] == 1
    run = run_target(customers({"external_id": "c-1"}), api_key="wrong", expect=1)
    assert outcomes(adds_up(run)["total"]) == {"open": 1}
    assert run_target(b"{", expect=1).summary["total"]["read"] == 0


def test_what_is_in_doubt_is_counted_apart_from_what_was_rejected(
    run_target: Callable[..., Run], sandbox: Sandbox, dead: dict[str, str]
) -> None:
    run_target(customers({"external_id": "c-0"}))  # so that the host has answered once
    sandbox.fault(do="drop_after", path="/users/track", times=1)
    events = Stream("events", EVENT, [{"external_id": f"c-{n}", "name": "e", "time": WHEN} for n in range(3)])
    run = run_target(events, customers({"external_id": "c-9", "n": "x"}, n=INTEGER), on_unknown_outcome="hold", **dead)
    assert outcomes(adds_up(run)["total"]) == {"in_doubt": 3, "rejected": 1}
    assert "3 records in doubt" in run.stderr


def test_what_was_waited_and_sent_again_is_told(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    sandbox.fault(do="status", status=503, path="/users/track", times=2)
    sandbox.fault(do="status", status=429, path="/users/track", times=1, reset="retry-after", reset_in=0.2)
    aliases = Stream(
        "aliases",
        {"external_id": TEXT, "alias_name": TEXT, "alias_label": TEXT},
        [{"external_id": "c-1", "alias_name": "a", "alias_label": "web"}],
    )
    run = run_target(
        customers({"external_id": "c-1", "n": 1}, n=INTEGER),
        aliases,
        streams={"aliases": {"to": "aliases"}, "customers": {}},
        dependency_delay=0.2,
    )
    summary = adds_up(run)
    assert summary["retries"] == 3
    assert summary["total"]["requests"] == 2
    assert set(summary["seconds_waited"]) == {"rate_limits", "retries", "dependency_delays"}
    assert all(0 < seconds < 30 for seconds in summary["seconds_waited"].values())


def test_a_dry_run_counts_what_it_would_send(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run = run_target(customers(*many(30, 10), n=INTEGER), dry_run=True)
    counts = adds_up(run)["streams"]["customers"]
    assert run.summary["dry_run"]
    assert counts["sent"] + counts["coalesced"] == 30
    assert counts["data_points"] + counts["saved_by_coalescing"] == 30
    assert not sandbox.requests


def test_the_line_is_json_of_its_own_whatever_the_log_looks_like(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(customers({"external_id": "c-1"}), Stream('odd "name"\n', {"external_id": TEXT}))
    assert sandbox.profile("c-1")
    assert 'odd "name"\n' in run.summary["streams"]
    assert json.loads(run.stderr.splitlines()[-1]).keys() == {"summary"}


def test_a_record_with_several_changes_is_kept_for_the_delivery_log_only() -> None:
    """Millions of them may wait for a dependency delay."""
    record = Record("s", 1, 1, (), {}, {})
    before = sys.getrefcount(record)
    summary = Summary()
    summary.divide(record, 2)
    assert sys.getrefcount(record) == before
