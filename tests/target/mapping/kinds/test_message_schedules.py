"""Schedules of messages: moved, or canceled when the source deletes their record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.schedules import AT, add_schedule
from tests.target.support.singer import BOOLEAN, TEXT, TIME, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

GONE = {"_sdc_deleted_at": "2026-03-04T09:10:11Z"}
LATER = "2999-05-06T10:00:00Z"
OF: dict[str, dict[str, str]] = {"s-1": {"campaign_id": "c"}, "s-2": {"canvas_id": "v"}, "s-3": {}}
PATHS = {"s-1": "/campaigns/trigger/schedule/", "s-2": "/canvas/trigger/schedule/", "s-3": "/messages/schedule/"}


@pytest.fixture(autouse=True)
def _schedules(sandbox: Sandbox) -> None:
    add_schedule(sandbox, "s-1", "campaign", campaign_id="c")
    add_schedule(sandbox, "s-2", "canvas", canvas_id="v")
    add_schedule(sandbox, "s-3", "message")


def table(*records: dict[str, Any]) -> Stream:
    columns = {
        **dict.fromkeys(("schedule_id", "campaign_id", "canvas_id"), TEXT),
        **dict.fromkeys(("time", "_sdc_deleted_at"), TIME),
        "in_local_time": BOOLEAN,
    }
    return Stream("plans", columns, [*records], ["schedule_id"])


def to(**entry: Any) -> dict[str, Any]:
    return {"streams": {"plans": {"to": "message_schedules", "max_changed_schedules": 3, **entry}}}


def times(sandbox: Sandbox) -> dict[str, str]:
    return {key: one.at.isoformat() for key, one in sandbox.workspace.schedules.items()}


def test_each_sort_of_schedule_is_moved(run_target: RunTarget, sandbox: Sandbox) -> None:
    rows = [{"schedule_id": key, "time": LATER, **of} for key, of in OF.items()]
    run_target(table(*rows, {**rows[0], "time": "2999-05-07T10:00:00+02:00"}), **to())
    later = "2999-05-06T10:00:00+00:00"
    assert times(sandbox) == {"s-1": "2999-05-07T08:00:00+00:00", "s-2": later, "s-3": later}
    assert {one.body["schedule_id"]: one.path for one in sandbox.requests} == {
        key: f"{path}update" for key, path in PATHS.items()
    }
    assert len(sandbox.requests) == 3


def test_a_local_time_has_no_zone(run_target: RunTarget, sandbox: Sandbox) -> None:
    run_target(table({"schedule_id": "s-1", "campaign_id": "c", "time": LATER, "in_local_time": True}), **to())
    (request,) = sandbox.requests
    assert request.body["schedule"] == {"time": "2999-05-06T10:00:00", "in_local_time": True}


def test_deleted_records_cancel_only_if_told(run_target: RunTarget, sandbox: Sandbox) -> None:
    gone = [{"schedule_id": key, **of, **GONE} for key, of in OF.items()]
    run_target(table(*gone), **to())
    assert not sandbox.requests
    # The first answer is lost after Braze has canceled, so the second one is a refusal.
    sandbox.fault(do="drop_after", times=1)
    run_target(table(*gone), **to(on_delete="cancel"))
    assert not sandbox.workspace.schedules
    assert {one.path for one in sandbox.requests} == {f"{path}delete" for path in PATHS.values()}


def test_the_last_record_decides(run_target: RunTarget, sandbox: Sandbox) -> None:
    row = {"schedule_id": "s-3", "time": LATER}
    run_target(table(row, {**row, **GONE}), **to(on_delete="cancel"))
    assert "s-3" not in sandbox.workspace.schedules


def test_a_lost_answer_moves_again(run_target: RunTarget, sandbox: Sandbox) -> None:
    sandbox.fault(do="drop_after", times=1)
    run_target(table({"schedule_id": "s-3", "time": LATER}), on_unknown_outcome="hold", **to())
    assert times(sandbox)["s-3"].startswith("2999-05-06")
    assert len(sandbox.requests) == 2


def test_an_unknown_schedule_is_rejected_alone(run_target: RunTarget, sandbox: Sandbox, tmp_path: Path) -> None:
    rows = [{"schedule_id": key, "time": LATER} for key in ("unknown", "s-3")]
    letters = str(tmp_path / "letters.singer")
    run = run_target(table(*rows), on_error="dead_letter", dead_letter_path=letters, **to())
    assert run.summary["total"]["rejected"] == 1
    assert "Invalid Schedule ID" in run.stderr
    assert times(sandbox)["s-3"].startswith("2999-05-06")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"time": None}, "it has no time to move the schedule to"),
        ({"time": "2020-01-01T00:00:00Z"}, "which has passed"),
        ({"time": "2999-05-06T23:00:00Z"}, "outside its send_window of 09:00 to 20:00"),
        ({"schedule_id": None}, "column 'schedule_id' is blank"),
        ({"campaign_id": "c", "canvas_id": "v"}, "names both a campaign and a Canvas"),
    ],
)
def test_what_might_send_at_a_wrong_time_is_rejected(
    run_target: RunTarget, sandbox: Sandbox, record: dict[str, Any], reason: str
) -> None:
    window = {"from": "09:00", "to": "20:00", "time_zone": "UTC"}
    row = {"schedule_id": "s-3", "time": LATER, **record}
    assert reason in run_target(table(row), expect=1, **to(send_window=window)).errors[0]
    assert not sandbox.requests


def test_the_number_of_schedules_is_limited(run_target: RunTarget, sandbox: Sandbox) -> None:
    rows = [{"schedule_id": f"s-{number}", "time": LATER} for number in range(1, 5)]
    run = run_target(table(*rows), expect=1, **to())
    assert "would change more than its max_changed_schedules of 3 schedules; none was changed" in run.errors[0]
    run = run_target(table(*rows), expect=1, streams={"plans": {"to": "message_schedules"}})
    assert "set the maximum number of schedules that a run may move or cancel" in run.errors[0]
    assert set(times(sandbox).values()) == {AT.isoformat()}
