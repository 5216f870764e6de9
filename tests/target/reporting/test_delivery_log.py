"""The delivery log: one row for each record, whose counts and data points are those of the summary."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.target.support.cdp import calls, track
from tests.target.support.singer import INTEGER, TEXT, Stream, customers, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

WHEN = "2026-03-04T12:00:00Z"
EVENT = {"external_id": TEXT, "name": TEXT, "time": TEXT}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.singer"


@pytest.fixture
def files(tmp_path: Path, log: Path) -> dict[str, Any]:
    return {
        "delivery_log_path": str(log),
        "on_error": "dead_letter",
        "dead_letter_path": str(tmp_path / "dead.singer"),
        "ledger_path": str(tmp_path / "ledger.sqlite"),
    }


def rows(log: Path) -> list[dict[str, Any]]:
    return [
        found["record"] for line in log.read_bytes().splitlines() if (found := json.loads(line))["type"] == "RECORD"
    ]


def agrees(log: Path, run: Run) -> list[dict[str, Any]]:
    """The rows of the run, after comparing them with its summary."""
    summary = run.summary
    found = [row for row in rows(log) if row["run_id"] == summary["run_id"]]
    assert len({row["position"] for row in found}) == len(found) == summary["total"]["read"]
    for stream, counts in summary["streams"].items():
        own = [row for row in found if row["stream"] == stream]
        for outcome, count in Counter(row["outcome"] for row in own).items():
            assert counts[outcome] == count
        assert counts["data_points"] == sum(row["data_points"] for row in own)
    return found


def test_each_record_has_a_row_with_what_became_of_it(
    run_target: Callable[..., Run], sandbox: Sandbox, files: dict[str, Any], log: Path
) -> None:
    run_target(customers({"external_id": "c-0", "n": 0}, n=INTEGER), ledger_path=files["ledger_path"])
    sandbox.workspace.blocked_external_ids.add("c-9")
    people = customers(
        {"external_id": "c-0", "n": 0},
        {"external_id": "c-1", "n": 1},
        {"external_id": "c-1", "n": 2},
        {"external_id": "c-2", "n": "x"},
        {"external_id": "c-9", "n": 1},
        n=INTEGER,
    )
    found = agrees(log, run_target(people, state(1), **files))
    by_record = {row["record"]: row for row in found}
    outcomes = [by_record[number]["outcome"] for number in range(1, 6)]
    assert outcomes == ["unchanged", "sent", "coalesced", "rejected", "rejected"]
    assert [json.loads(by_record[number]["key"]) for number in (1, 4)] == [
        {"external_id": "c-0"},
        {"external_id": "c-2"},
    ]
    assert {row["kind"] for row in found} == {"attributes"}
    assert by_record[2]["request"] == by_record[3]["request"] is not None
    assert (by_record[2]["identifier_type"], by_record[2]["identifier"]) == ("external_id", "c-1")
    assert "expected a whole number" in by_record[4]["reason"]
    assert (by_record[4]["braze"], by_record[4]["status"]) == (None, None)
    assert by_record[5]["braze"]
    assert by_record[5]["status"] in {201, 400}
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_records_with_several_objects_have_one_row(
    run_target: Callable[..., Run], files: dict[str, Any], log: Path
) -> None:
    order = {"currency": "EUR", "products": [{"product_id": sku, "price": 1, "quantity": 150} for sku in "ab"]}
    stream = calls(track("Order Completed", **order), track("Order Completed", **order | {"currency": "ZZZ"}))
    run = run_target(stream, streams={"*": {"to": "calls"}}, large_quantities="split", **files)
    first, second = agrees(log, run)
    assert (first["outcome"], first["data_points"]) == ("sent", 4)
    assert (second["outcome"], second["data_points"]) == ("rejected", 0)


OUTCOMES = st.sampled_from(["new", "same", "bad", "blocked", "nobody"])


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_records=st.lists(st.tuples(OUTCOMES, st.sampled_from("ab"), st.integers(0, 2)), max_size=12))
def test_the_rows_add_up_to_the_summary(
    run_target: Callable[..., Run],
    sandbox: Sandbox,
    files: dict[str, Any],
    log: Path,
    given_records: list[tuple[str, str, int]],
) -> None:
    sandbox.reset()
    sandbox.workspace.blocked_external_ids.add("blocked")
    files = files | {"ledger_path": f"{files['ledger_path']}-{uuid4().hex}"}
    records: list[dict[str, Any]] = []
    for kind, name, number in given_records:
        user = {"blocked": "blocked", "nobody": ""}.get(kind, f"c-{name}")
        records.append({"external_id": user, "n": "x" if kind == "bad" else number})
    visits = Stream(
        "events", EVENT, [{"external_id": f"c-{name}", "name": "visit", "time": WHEN} for _, name, _ in given_records]
    )
    run = run_target(customers(*records, n=INTEGER), visits, state(1), **files)
    if given_records:
        agrees(log, run)


def test_runs_append_and_the_log_loads_as_a_singer_stream(
    run_target: Callable[..., Run], files: dict[str, Any], log: Path
) -> None:
    for number in range(2):
        run_target(customers({"external_id": "c-1", "n": number}, n=INTEGER), **files)
    messages = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert [one["type"] for one in messages] == ["SCHEMA", "RECORD"] * 2
    assert messages[0]["key_properties"] == ["run_id", "position"]
    properties = messages[0]["schema"]["properties"]
    for message in messages[1::2]:
        assert message["record"].keys() == properties.keys()


def test_the_log_may_be_a_pipe(run_target: Callable[..., Run], files: dict[str, Any], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    run_target(customers({"external_id": "c-1", "n": 1}, n=INTEGER), **files | {"delivery_log_path": str(pipe)})
    reader.join(30)
    assert [json.loads(line)["type"] for line in found[0].splitlines()] == ["SCHEMA", "RECORD"]


def test_rows_are_in_the_file_before_a_state_covers_them(
    run_target: Callable[..., Run], sandbox: Sandbox, files: dict[str, Any], log: Path
) -> None:
    sandbox.fault(do="status", path="/users/track", status=401, after=1)
    people = [{"external_id": f"c-{number}", "n": number} for number in range(3)]
    messages = []
    for number, one in enumerate(people, 1):
        messages += [customers(one, n=INTEGER), state(number)]
    run = run_target(*messages, **files | {"max_objects_per_request": 1, "concurrency": 1}, expect=1)
    covered = max((one["bookmarks"] for one in run.states), default=0)
    assert {row["position"] for row in rows(log)} >= set(range(1, covered + 1))
    assert [row["outcome"] for row in rows(log)] == ["sent"]


def test_a_dry_run_writes_no_log(run_target: Callable[..., Run], files: dict[str, Any], log: Path) -> None:
    run_target(customers({"external_id": "c-1"}), **files, dry_run=True)
    assert not log.exists()


@pytest.mark.parametrize("other", ["dead_letter_path", "ledger_path"])
def test_the_log_needs_a_file_of_its_own(
    other: str, run_target: Callable[..., Run], files: dict[str, Any], sandbox: Sandbox
) -> None:
    run = run_target(customers({"external_id": "c-1"}), **files | {"delivery_log_path": files[other]}, expect=1)
    assert f"settings 'delivery_log_path' and '{other}' name the same file" in run.stderr
    assert not sandbox.requests


def test_a_file_that_is_no_log_stays_as_it_is(
    run_target: Callable[..., Run], files: dict[str, Any], log: Path, sandbox: Sandbox
) -> None:
    log.write_text("mine\n")
    run = run_target(customers({"external_id": "c-1"}), **files, expect=1)
    assert "exists and is no delivery log" in run.stderr
    assert log.read_text() == "mine\n"
    assert not sandbox.requests
