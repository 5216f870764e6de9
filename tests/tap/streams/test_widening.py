"""What comes into scope between runs arrives from the start date on, as if it had been in scope from the beginning."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.tap.support.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable

    RunTap = Callable[..., Any]

TODAY = date(2026, 7, 1)
DAY = timedelta(days=1)
STREAMS = (
    "campaigns",
    "campaigns_details",
    "campaigns_analytics",
    "campaigns_messages_analytics",
    "canvases_summary",
    "kpi_daily_new_users",
    "events_analytics",
    "purchases_revenue",
    "hard_bounces",
)
SCOPED = {"app_ids": "apps", "segment_ids": "segments", "product_ids": "products"}


def scopes(braze: Sandbox) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for the settings that say what a run reads."""
    names = {setting: sorted(getattr(braze.workspace, kind)) for setting, kind in SCOPED.items()}
    ids = {setting: st.sets(st.sampled_from(each), min_size=1).map(sorted) for setting, each in names.items()}
    days = st.integers(1, 120).map(lambda days: (TODAY - days * DAY).isoformat())
    return st.fixed_dictionaries({**ids, "start_date": days, "include_archived": st.booleans()})


@settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), deletions=st.sampled_from(["hard", "keep"]), lookback=st.integers(0, 10))
def test_any_runs_bring_what_one_run_with_the_last_settings_brings(
    run_tap: RunTap, data: st.DataObject, *, deletions: str, lookback: int
) -> None:
    draw = data.draw
    with Sandbox(today=TODAY, zero_rows=draw(st.booleans(), "zero_rows")) as braze:
        workspace = braze.workspace
        place: dict[str, Any] = {"endpoint": braze.url, "api_key": braze.api_key, "lookback_days": lookback}
        place["deletions"] = deletions
        scope, warehouse = scopes(braze), Warehouse()

        def archive() -> None:
            for objects in (workspace.campaigns, workspace.canvases):
                for each in objects.values():
                    each.archived = draw(st.booleans(), "archived")

        # Each run has its own settings, may be refused something, and may be killed.
        for _ in range(draw(st.integers(1, 3), "runs")):
            archive()
            given_settings = draw(scope, "settings")
            end = date.fromisoformat(given_settings["start_date"]) + draw(st.integers(1, 120), "days") * DAY
            if draw(st.booleans(), "refusal"):
                query = {"app_id": given_settings["app_ids"][-1]}
                braze.fault(path="/events/data_series", query=query, do="status", status=400)
            given_settings["end_date"] = min(end, TODAY).isoformat()
            run = run_tap(*STREAMS, state=warehouse.state, **place, **given_settings)
            assert run.exit_code == 0, run.stderr
            warehouse.load(run, draw(st.sampled_from([1.0, 0.2, 0.5, 0.8]), "share that arrives"))
            braze.clear_faults()
        archive()
        last = draw(scope, "last settings") | {"end_date": (TODAY + DAY).isoformat()}
        warehouse.load(run_tap(*STREAMS, state=warehouse.state, **place, **last))
        whole = Warehouse()
        whole.load(run_tap(*STREAMS, **place, **last))
        again = run_tap(*STREAMS, state=warehouse.state, **place, **last)
    for row in (*warehouse.rows.values(), *whole.rows.values()):
        row.pop("archived", None)  # no edit here, so details of an object in scope are not read again
    assert {name: warehouse.rows.get(name) for name in whole.rows} == whole.rows
    # The state is that of the one run, so nothing is read again for ever.
    for stream in STREAMS[2:]:
        assert warehouse.bookmarks[stream] == whole.bookmarks[stream] == again.state["bookmarks"][stream]


def test_an_app_added_to_the_settings_has_no_hole(sandbox: Sandbox, run_tap: RunTap) -> None:
    first_app, second_app = list(sandbox.workspace.apps)[:2]
    first = run_tap("kpi_daily_new_users", app_ids=[first_app])
    before = len(sandbox.requests)
    second = run_tap("kpi_daily_new_users", app_ids=[first_app, second_app], state=first.state)
    got = [record["app_id"] for record in second.records("kpi_daily_new_users")]
    # The lookback of the first; everything of the second, in the window of the lookback and those before it.
    assert (got.count(first_app), got.count(second_app)) == (15, 122)
    assert len(sandbox.requests) - before == 4
    assert second.state["bookmarks"]["kpi_daily_new_users"]["covered"][0]["days"] == ["2026-03-01/2026-06-30"]


def test_an_app_added_to_a_series_by_the_hour_has_no_hole(sandbox: Sandbox, run_tap: RunTap) -> None:
    apps = list(sandbox.workspace.apps)[:2]
    settings = {"series_unit": "hour", "start_date": "2026-06-20", "lookback_days": 1}
    first = run_tap("sessions_analytics", app_ids=apps[:1], **settings)
    second = run_tap("sessions_analytics", app_ids=apps, state=first.state, **settings)
    whole = run_tap("sessions_analytics", app_ids=apps, **settings)

    def rows(run: Any, app: str) -> set[str]:
        return {record["time"] for record in run.records("sessions_analytics") if record["app_id"] == app}

    assert rows(second, apps[1]) == rows(whole, apps[1]) != set()
    assert len(rows(second, apps[0])) == 2 * 24
    assert second.state == whole.state


@pytest.mark.parametrize("archivable", ["campaigns", "canvases"])
@pytest.mark.parametrize("how", ["unarchived", "included"])
def test_an_old_object_that_comes_into_scope_has_its_row_its_details_and_its_figures(
    sandbox: Sandbox, run_tap: RunTap, archivable: Any, how: str
) -> None:
    objects = getattr(sandbox.workspace, archivable)
    each = next(iter(objects.values()))
    each.archived, each.updated_at = True, datetime(2024, 1, 1, tzinfo=timezone.utc)  # no edit since
    streams = (archivable, f"{archivable}_details", f"{archivable}_analytics")
    first = run_tap(*streams, include_archived=False, deletions="keep")
    assert each.id not in first.stdout
    if how == "unarchived":
        each.archived = False
    second = run_tap(*streams, include_archived=how == "included", deletions="keep", state=first.state)
    key = {"campaigns": "campaign_id", "canvases": "canvas_id"}[archivable]
    for stream in streams:
        rows = [record for record in second.records(stream) if each.id in {record.get("id"), record.get(key)}]
        assert len(rows) == (122 if stream == streams[2] else 1)
    third = run_tap(*streams, include_archived=how == "included", deletions="keep", state=second.state)
    assert each.id not in json.dumps(third.records(streams[0]) + third.records(streams[1]))


@pytest.mark.parametrize("stream", ["kpi_daily_new_users", "campaigns_analytics", "hard_bounces"])
def test_an_earlier_start_date_reads_the_days_before_once(run_tap: RunTap, stream: str) -> None:
    first = run_tap(stream, start_date="2026-06-01", lookback_days=0)
    second = run_tap(stream, start_date="2026-03-01", lookback_days=0, state=first.state)
    whole = run_tap(stream, start_date="2026-03-01")
    rows = [json.dumps(record, sort_keys=True) for run in (first, second) for record in run.records(stream)]
    assert {*rows} == {json.dumps(record, sort_keys=True) for record in whole.records(stream)}
    assert second.state == whole.state
    third = run_tap(stream, start_date="2026-03-01", lookback_days=0, state=second.state)
    assert len(third.records(stream)) < len(whole.records(stream)) / 10


def test_recent_days_come_before_a_long_backfill(sandbox: Sandbox, run_tap: RunTap) -> None:
    first = run_tap("kpi_daily_new_users", start_date="2026-06-01")
    before = len(sandbox.requests)
    run_tap("kpi_daily_new_users", start_date="2025-06-01", state=first.state, concurrency=1)
    ends = [request.query["ending_at"][:10] for request in sandbox.requests[before:]]
    assert ends[0] == "2026-07-01"
    assert ends[1:] == sorted(ends[1:])
    assert len(ends) == 5


def test_a_backfill_that_is_killed_continues_at_the_first_unfinished_window(sandbox: Sandbox, run_tap: RunTap) -> None:
    first = run_tap("campaigns_analytics", start_date="2026-06-01")
    second = run_tap("campaigns_analytics", start_date="2025-06-01", state=first.state)
    states = [state for state in second.states if "covered" in state["bookmarks"]["campaigns_analytics"]]
    before = len(sandbox.requests)
    third = run_tap("campaigns_analytics", start_date="2025-06-01", state=states[-2])
    # The list, the window of the lookback and the last of four windows, for five campaigns.
    assert len(sandbox.requests) - before == 1 + 2 * 5
    assert third.state == second.state


@pytest.mark.usefixtures("on_the_day")
def test_a_new_object_costs_no_details_of_the_others(sandbox: Sandbox, run_tap: RunTap) -> None:
    first = run_tap("canvases_analytics", start_date="2024-01-01")
    old = next(iter(sandbox.workspace.canvases.values()))
    sandbox.workspace.canvases["new"] = replace(old, id="new")
    before = len(sandbox.requests)
    run_tap("canvases_analytics", start_date="2024-01-01", state=first.state)
    details = [request.query for request in sandbox.requests[before:] if request.path == "/canvas/details"]
    assert [query["canvas_id"] for query in details] == ["new"]


def test_a_segment_is_requested_while_braze_tracks_it(sandbox: Sandbox, run_tap: RunTap) -> None:
    first_segment, *_ = segments = list(sandbox.workspace.segments.values())
    first_segment.analytics_tracking_enabled = False

    def asked() -> list[str]:
        return [r.query["segment_id"] for r in sandbox.requests if r.path == "/segments/data_series"]

    first = run_tap("segments_analytics")
    assert {*asked()} == {each.id for each in segments[1:]}
    first_segment.analytics_tracking_enabled = True
    second = run_tap("segments_analytics", state=first.state)
    assert [r["segment_id"] for r in second.records("segments_analytics")].count(first_segment.id) == 122


@pytest.mark.parametrize("lacks", ["covered", "scope"])
def test_a_state_from_before_it_noted_what_runs_cover_is_continued(run_tap: RunTap, lacks: str) -> None:
    streams = ("campaigns_details", "campaigns_analytics", "kpi_daily_new_users", "hard_bounces")
    first = run_tap(*streams)
    earlier = json.loads(json.dumps(first.state))
    for bookmark in earlier["bookmarks"].values():
        bookmark.pop(lacks, None)
    second = run_tap(*streams, state=earlier)
    assert second.state == first.state
    again = run_tap(*streams, state=first.state)
    assert len(second.records("campaigns_details")) <= 1  # the edits of the hour before the bookmark
    for stream in streams[1:]:
        assert len(second.records(stream)) == len(again.records(stream))


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ({}, {"app_ids": ["APP"]}, "add app_id to its key, and earlier runs had nothing in it"),
        ({"app_ids": ["APP"]}, {}, "add nothing to its key, and earlier runs had app_id in it"),
        ({}, {"time_zone": "Asia/Tokyo"}, "'time_zone' changes its days from those of UTC to those of Asia/Tokyo"),
        ({}, {"series_unit": "hour"}, "'series_unit' changes the type of 'time' from day to hour"),
    ],
)
def test_what_changes_a_table_stops_before_the_first_record(
    sandbox: Sandbox, run_tap: RunTap, before: dict[str, Any], after: dict[str, Any], text: str
) -> None:
    app = next(iter(sandbox.workspace.apps))
    before, after = (json.loads(json.dumps(each).replace("APP", app)) for each in (before, after))
    state = run_tap("sessions_analytics", **before).state
    requests = len(sandbox.requests)
    run = run_tap("sessions_analytics", "kpi_daily_new_users", state=state, **after)
    assert run.exit_code == 1
    (error,) = run.errors
    assert error.startswith("stream 'sessions_analytics': ")
    assert text in error
    assert "Remove the stream from 'bookmarks' in the state" in error
    assert "either drop the table or name a new one" in error
    assert len(sandbox.requests) == requests
    # Both ways out begin like this.
    del state["bookmarks"]["sessions_analytics"]
    assert run_tap("sessions_analytics", state=state, **after).exit_code == 0


@pytest.mark.parametrize("covered", [5, "soon", [5], [{"days": ["x"], "targets": ""}], [{"days": [], "targets": "x"}]])
@pytest.mark.parametrize("stream", ["campaigns_analytics", "campaigns_details", "hard_bounces"])
def test_a_state_that_was_edited_by_hand(run_tap: RunTap, stream: str, covered: Any) -> None:
    state = run_tap(stream).state
    state["bookmarks"][stream] = {**state["bookmarks"][stream], "covered": covered}
    run = run_tap(stream, state=state)
    if stream == "campaigns_details" and covered == "soon":  # four letters
        covered = 5
    assert run.exit_code == 1
    assert f"stream '{stream}': 'covered' in the state is malformed" in run.errors[0]
