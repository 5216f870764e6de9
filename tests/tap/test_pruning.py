"""What is not asked for: windows in which, by its details, a parent cannot have data."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]

# 31 windows of Canvases, and 10 of campaigns.
LONG = {"canvases": "2025-05-20", "campaigns": "2023-10-01"}
FIELDS = {"canvases": ("first_entry", "last_entry"), "campaigns": ("first_sent", "last_sent")}
PATHS = {"canvases": "/canvas", "campaigns": "/campaigns"}
KEYS = {"canvases": "canvas_id", "campaigns": "campaign_id"}


def at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, tzinfo=timezone.utc)


def asked(sandbox: Sandbox, kind: str) -> Counter[str]:
    path = f"{PATHS[kind]}/data_series"
    return Counter(request.query[KEYS[kind]] for request in sandbox.requests if request.path == path)


def details(sandbox: Sandbox, kind: str) -> int:
    return len([request for request in sandbox.requests if request.path == f"{PATHS[kind]}/details"])


def silence(sandbox: Sandbox, kind: str) -> tuple[str, str, str]:
    """Parents that never sent, that began late, that ended early."""
    never, late, early, *_ = getattr(sandbox.workspace, kind).values()
    first, last = FIELDS[kind]
    setattr(never, first, None)
    setattr(never, last, None)
    setattr(late, first, at(2026, 5, 1))
    setattr(early, last, at(2025, 7, 1))
    return never.id, late.id, early.id


@pytest.mark.parametrize("kind", ["canvases", "campaigns"])
def test_windows_without_data_are_not_asked_for(sandbox: Sandbox, run_tap: RunTap, kind: str) -> None:
    stream = f"{kind}_analytics"
    never, late, early = silence(sandbox, kind)
    run = run_tap(stream, start_date=LONG[kind])
    assert run.exit_code == 0, run.stderr
    count = asked(sandbox, kind)
    assert count[never] == 0
    assert 0 < count[late] <= 6
    assert 0 < count[early] <= 9
    assert details(sandbox, kind) == len(getattr(sandbox.workspace, kind))
    days = {parent: [r["time"] for r in run.records(stream) if r[KEYS[kind]] == parent] for parent in count}
    assert min(days[late]) == "2026-04-30"  # a day before: a time zone may be set wrongly
    assert max(days[late]) == "2026-06-30"
    assert max(days[early]) == "2025-07-16"  # the lookback after, and that day
    assert run.bookmark(stream) == "2026-06-30"


def test_conversions_count_longer_than_the_lookback(sandbox: Sandbox, run_tap: RunTap) -> None:
    _, _, early = silence(sandbox, "campaigns")
    sandbox.workspace.campaigns[early].conversion_behaviors = [{"type": "Makes Any Purchase", "window": 30 * 86_400}]
    run = run_tap("campaigns_analytics", start_date=LONG["campaigns"])
    days = [record["time"] for record in run.records("campaigns_analytics") if record["campaign_id"] == early]
    assert max(days) == "2025-08-01"


def test_rows_with_figures_come_out_whatever_the_details_say(sandbox: Sandbox, run_tap: RunTap) -> None:
    _, late, _ = silence(sandbox, "canvases")
    sandbox.workspace.restate("canvases", late, date(2026, 4, 25), 7)
    run = run_tap("canvases_analytics", start_date=LONG["canvases"])
    days = [r["time"] for r in run.records("canvases_analytics") if r["canvas_id"] == late]
    assert days[:2] == ["2026-04-25", "2026-04-30"]


def test_details_are_read_once_for_both(sandbox: Sandbox, run_tap: RunTap) -> None:
    silence(sandbox, "canvases")
    run = run_tap("canvases_analytics", "canvases_details", "canvases_summary", start_date=LONG["canvases"])
    assert details(sandbox, "canvases") == 3
    assert {record["canvas_id"] for record in run.records("canvases_details")} == set(sandbox.workspace.canvases)
    assert run.bookmark("canvases_details")
    assert len([r for r in sandbox.requests if r.path == "/canvas/list"]) == 1


def test_few_windows_are_not_worth_the_details(sandbox: Sandbox, run_tap: RunTap) -> None:
    silence(sandbox, "canvases")
    run_tap("canvases_analytics", start_date="2026-06-01")
    assert details(sandbox, "canvases") == 0
    assert set(asked(sandbox, "canvases").values()) == {3}


@pytest.mark.parametrize("fault", [None, {"status": 400}, {"body": {"created_at": "2025-01-01", "message": "success"}}])
def test_what_is_not_known_is_asked_for(sandbox: Sandbox, run_tap: RunTap, fault: dict[str, Any] | None) -> None:
    silence(sandbox, "canvases")
    key = sandbox.api_key
    if fault is None:
        key = "k-1"
        sandbox.add_key(key, ["canvas.list", "canvas.data_series"])
    else:
        sandbox.fault(path="/canvas/details", do="status", **{"status": 200} | fault)
    run = run_tap("canvases_analytics", start_date=LONG["canvases"], api_key=key)
    assert run.exit_code == 0, run.stderr
    assert set(asked(sandbox, "canvases").values()) == {32}
    assert len(run.records("canvases_analytics")) == 3 * 407


def test_runs_cut_anywhere_bring_what_one_run_brings(sandbox: Sandbox, run_tap: RunTap) -> None:
    silence(sandbox, "canvases")
    whole = run_tap("canvases_analytics", start_date=LONG["canvases"])
    got: dict[tuple[str, str], Any] = {}
    state = None
    for end in ("2025-10-01", "2026-05-08", None):
        settings = {} if end is None else {"end_date": end}
        run = run_tap("canvases_analytics", start_date=LONG["canvases"], state=state, lookback_days=14, **settings)
        got |= {(r["canvas_id"], r["time"]): r for r in run.records("canvases_analytics")}
        state = run.state
    assert got == {(r["canvas_id"], r["time"]): r for r in whole.records("canvases_analytics")}
    assert state == whole.state


def test_a_window_in_which_nobody_has_data_moves_the_bookmark(sandbox: Sandbox, run_tap: RunTap) -> None:
    for canvas in sandbox.workspace.canvases.values():
        canvas.first_entry = canvas.last_entry = None
    run = run_tap("canvases_analytics", start_date=LONG["canvases"])
    assert run.bookmark("canvases_analytics") == "2026-06-30"
    assert not asked(sandbox, "canvases")


def test_segments_and_cards_begin_when_they_are_made(sandbox: Sandbox, run_tap: RunTap) -> None:
    segment = next(iter(sandbox.workspace.segments.values()))
    segment.created_at = at(2026, 6, 20)
    run = run_tap("segments_analytics", start_date=LONG["campaigns"])
    days = [r["time"] for r in run.records("segments_analytics") if r["segment_id"] == segment.id]
    assert days == [(date(2026, 6, 19) + timedelta(days=n)).isoformat() for n in range(12)]
