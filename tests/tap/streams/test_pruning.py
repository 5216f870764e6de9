"""What is not requested: windows before the first send of a parent. Nothing else bounds a series."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("on_the_day")

# 32 windows of Canvases, and 11 of campaigns.
LONG = {"canvases": "2025-05-20", "campaigns": "2023-10-01"}
# The first of the days that are read whatever details say: eight windows before the sandbox's today.
NEWEST = {"canvases": date(2026, 3, 19), "campaigns": date(2024, 4, 30)}
FIELDS = {"canvases": ("first_entry", "last_entry"), "campaigns": ("first_sent", "last_sent")}
PATHS = {"canvases": "/canvas", "campaigns": "/campaigns"}
KEYS = {"canvases": "canvas_id", "campaigns": "campaign_id"}


SPAN = {"canvases": 13, "campaigns": 99}
END = date(2026, 7, 1)
DAY = timedelta(days=1)


def noon(day: date) -> datetime:
    return at(day.year, day.month, day.day)


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
def test_windows_before_the_first_send_are_not_asked_for(sandbox: Sandbox, run_tap: RunTap, kind: str) -> None:
    stream, first_day, newest = f"{kind}_analytics", date.fromisoformat(LONG[kind]), NEWEST[kind]
    never, late, early = silence(sandbox, kind)
    for parent in (never, early):
        getattr(sandbox.workspace, kind)[parent].created_at = at(2023, 9, 1)
    setattr(getattr(sandbox.workspace, kind)[early], FIELDS[kind][0], at(2023, 9, 2))
    began = newest - 20 * DAY
    setattr(getattr(sandbox.workspace, kind)[late], FIELDS[kind][0], noon(began))
    run = run_tap(stream, start_date=LONG[kind])
    assert run.exit_code == 0, run.stderr
    count = asked(sandbox, kind)
    windows = -(-(END - first_day).days // SPAN[kind])
    saved = (began - 2 * DAY - first_day).days // SPAN[kind]
    assert count[late] == windows - saved < windows
    assert count[never] == count[early] == windows
    assert details(sandbox, kind) == len(getattr(sandbox.workspace, kind))
    days = {parent: [r["time"] for r in run.records(stream) if r[KEYS[kind]] == parent] for parent in count}
    # Two days before: the setting `time_zone` may be another than the company's.
    assert min(days[late]) == (began - 2 * DAY).isoformat()
    assert [max(each) for each in days.values()] == ["2026-06-30"] * len(days)
    assert run.bookmark(stream) == "2026-06-30"


def test_what_never_sent_is_read_from_its_creation_on(sandbox: Sandbox, run_tap: RunTap) -> None:
    never, _, _ = silence(sandbox, "canvases")
    sandbox.workspace.canvases[never].created_at = at(2026, 3, 1)
    run = run_tap("canvases_analytics", start_date=LONG["canvases"])
    days = [r["time"] for r in run.records("canvases_analytics") if r["canvas_id"] == never]
    assert (min(days), max(days)) == ("2026-02-27", "2026-06-30")


@pytest.mark.parametrize("kind", ["canvases", "campaigns"])
def test_figures_after_the_last_send_and_without_a_send_come_out(sandbox: Sandbox, run_tap: RunTap, kind: str) -> None:
    never, _, early = silence(sandbox, kind)
    days = [END - back * DAY for back in (1, 30, 200)]
    for parent in (never, early):
        for day in days:
            sandbox.workspace.restate(kind, parent, day, 7)  # type: ignore[arg-type]
    long_forms = {"canvases": "canvases_messages_analytics", "campaigns": "campaigns_messages_analytics"}
    streams = (f"{kind}_analytics", long_forms[kind])
    run = run_tap(*streams, start_date=LONG[kind])
    for stream in streams:
        for parent in (never, early):
            got = {r["time"] for r in run.records(stream) if r[KEYS[kind]] == parent}
            assert got >= {day.isoformat() for day in days}


def test_rows_with_figures_come_out_whatever_the_details_say(sandbox: Sandbox, run_tap: RunTap) -> None:
    _, late, _ = silence(sandbox, "canvases")
    sandbox.workspace.canvases[late].first_entry = at(2026, 3, 1)
    sandbox.workspace.restate("canvases", late, date(2026, 2, 21), 7)
    run = run_tap("canvases_analytics", start_date=LONG["canvases"])
    days = [r["time"] for r in run.records("canvases_analytics") if r["canvas_id"] == late]
    assert days[:2] == ["2026-02-21", "2026-02-27"]


def test_details_are_read_once_for_both(sandbox: Sandbox, run_tap: RunTap) -> None:
    silence(sandbox, "canvases")
    run = run_tap("canvases_analytics", "canvases_details", "canvases_summary", start_date=LONG["canvases"])
    assert details(sandbox, "canvases") == 3
    assert {record["canvas_id"] for record in run.records("canvases_details")} == set(sandbox.workspace.canvases)
    assert run.bookmark("canvases_details")
    assert len([r for r in sandbox.requests if r.path == "/canvas/list"]) == 1


def test_few_windows_are_not_worth_the_details(sandbox: Sandbox, run_tap: RunTap) -> None:
    silence(sandbox, "canvases")
    run = run_tap("canvases_analytics", start_date=NEWEST["canvases"].isoformat())
    assert details(sandbox, "canvases") == 0
    assert set(asked(sandbox, "canvases").values()) == {8}
    # Neither are those of a run that continues, however long ago the first one began.
    run = run_tap("canvases_analytics", start_date=LONG["canvases"], state=run.state)
    before = details(sandbox, "canvases")
    run_tap("canvases_analytics", start_date=LONG["canvases"], state=run.state)
    assert details(sandbox, "canvases") == before


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
    assert state is not None
    assert state["bookmarks"]["canvases_analytics"] == whole.state["bookmarks"]["canvases_analytics"]


def test_a_window_in_which_nobody_has_data_moves_the_bookmark(sandbox: Sandbox, run_tap: RunTap) -> None:
    for canvas in sandbox.workspace.canvases.values():
        canvas.first_entry = at(2026, 6, 1)
    run = run_tap("canvases_analytics", start_date=LONG["canvases"], end_date="2026-03-01")
    assert run.bookmark("canvases_analytics") == "2026-02-28"
    assert not asked(sandbox, "canvases")


def test_segments_and_cards_begin_when_they_are_made(sandbox: Sandbox, run_tap: RunTap) -> None:
    segment = next(iter(sandbox.workspace.segments.values()))
    segment.created_at = at(2024, 3, 20)
    run = run_tap("segments_analytics", start_date=LONG["campaigns"])
    days = [r["time"] for r in run.records("segments_analytics") if r["segment_id"] == segment.id]
    assert days == [(date(2024, 3, 18) + n * DAY).isoformat() for n in range((END - date(2024, 3, 18)).days)]
