"""Series: every day of every parent once, from the right day on, and resumable."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import requests
from braze_sandbox.testing import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    RunTap = Callable[..., Any]

# Stream, the field that names its parent, its path, parameter of the parent; small seed.
SERIES = [
    ("campaigns_analytics", "campaign_id", "/campaigns/data_series", "campaign_id"),
    ("canvases_analytics", "canvas_id", "/canvas/data_series", "canvas_id"),
    ("segments_analytics", "segment_id", "/segments/data_series", "segment_id"),
    ("events_analytics", "event_name", "/events/data_series", "event"),
    ("cards_analytics", "card_id", "/feed/data_series", "card_id"),
]
KPIS = ["kpi_daily_active_users", "kpi_daily_app_uninstalls", "kpi_daily_new_users", "kpi_monthly_active_users"]
ALL_DAYS = [(date(2026, 3, 1) + timedelta(days=number)).isoformat() for number in range(122)]


def parents(sandbox: Sandbox, stream: str) -> set[str]:
    return set(getattr(sandbox.workspace, stream.removesuffix("_analytics")))


def days(records: list[dict[str, Any]], field: str = "", parent: str = "") -> list[str]:
    return sorted(record["time"] for record in records if not field or record[field] == parent)


def asked(sandbox: Sandbox, path: str) -> list[dict[str, str]]:
    return [dict(request.query) for request in sandbox.requests if request.path == path]


@pytest.mark.parametrize(("stream", "field", "path", "param"), SERIES)
def test_each_parent_has_each_day_once(
    sandbox: Sandbox, run_tap: RunTap, *, stream: str, field: str, path: str, param: str
) -> None:
    run = run_tap(stream)
    assert run.exit_code == 0, run.stderr
    records = run.records(stream)
    assert {record[field] for record in records} == parents(sandbox, stream)
    for parent in parents(sandbox, stream):
        assert days(records, field, parent) == ALL_DAYS
    assert {query[param] for query in asked(sandbox, path)} == parents(sandbox, stream)
    assert run.bookmark(stream) == "2026-06-30"
    assert "missing" not in run.state["bookmarks"][stream]


@pytest.mark.parametrize("stream", KPIS)
def test_a_kpi_has_each_day_once(run_tap: RunTap, stream: str) -> None:
    run = run_tap(stream)
    assert days(run.records(stream)) == ALL_DAYS
    assert run.bookmark(stream) == "2026-06-30"


@pytest.mark.parametrize("ending_day_included", [True, False])
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "UTC", "Asia/Kolkata", "Pacific/Kiritimati"])
@pytest.mark.parametrize("row_order", ["asc", "desc"])
def test_days_are_days_of_the_company(run_tap: RunTap, zone: str, row_order: str, *, ending_day_included: bool) -> None:
    with Sandbox(time_zone=zone, ending_day_included=ending_day_included, row_order=row_order) as east_or_west:
        run = run_tap(
            "kpi_daily_active_users",
            "canvases_analytics",
            endpoint=east_or_west.url,
            api_key=east_or_west.api_key,
            time_zone=zone,
        )
        assert days(run.records("kpi_daily_active_users")) == ALL_DAYS
        for canvas in parents(east_or_west, "canvases_analytics"):
            assert days(run.records("canvases_analytics"), "canvas_id", canvas) == ALL_DAYS
        for query in asked(east_or_west, "/canvas/data_series"):
            assert datetime.fromisoformat(query["ending_at"]).astimezone(ZoneInfo(zone)).hour == 0
            assert 1 <= int(query["length"]) <= 14


def test_a_row_is_what_braze_sent(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("campaigns_analytics")
    campaign, day = next(iter(sandbox.workspace.campaigns)), "2026-04-15"
    (record,) = [r for r in run.records("campaigns_analytics") if (r["campaign_id"], r["time"]) == (campaign, day)]
    answer = requests.get(
        f"{sandbox.url}/campaigns/data_series",
        params={"campaign_id": campaign, "length": "1", "ending_at": f"{day}T12:00:00Z"},
        headers={"Authorization": f"Bearer {sandbox.api_key}"},
        timeout=10,
    )
    assert record == {"campaign_id": campaign, **answer.json()["data"][0]}


def test_a_canvas_has_its_variants_and_steps(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("canvases_analytics")
    assert all(record["variant_stats"] and record["step_stats"] for record in run.records("canvases_analytics"))
    assert {record["name"] for record in run.records("canvases_analytics")} == {
        canvas.name for canvas in sandbox.workspace.canvases.values()
    }
    for query in asked(sandbox, "/canvas/data_series"):
        flags = ("include_variant_breakdown", "include_step_breakdown", "include_deleted_step_data")
        assert [query[flag] for flag in flags] == ["true"] * 3


def test_windows_come_oldest_first_and_parents_are_listed_once(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("campaigns", "campaigns_analytics", concurrency=1)
    ends = [query["ending_at"] for query in asked(sandbox, "/campaigns/data_series")]
    assert ends == ["2026-06-08T00:00:00+00:00"] * 5 + ["2026-07-01T00:00:00+00:00"] * 5
    assert asked(sandbox, "/campaigns/list") == [{"page": "0", "include_archived": "true"}]
    bookmarks = [state["bookmarks"].get("campaigns_analytics", {}).get("replication_key_value") for state in run.states]
    assert [value for value in dict.fromkeys(bookmarks) if value] == ["2026-06-07", "2026-06-30"]


def test_the_second_run_reads_the_lookback_again_and_no_more(sandbox: Sandbox, run_tap: RunTap) -> None:
    stream = "campaigns_analytics"
    first = run_tap(stream)
    campaign = next(iter(sandbox.workspace.campaigns))
    sandbox.workspace.restate("campaigns", campaign, date(2026, 6, 20), 1000)
    sandbox.workspace.restate("campaigns", campaign, date(2026, 6, 1), 1000)
    second = run_tap(stream, state=first.state)
    assert days(second.records(stream), "campaign_id", campaign) == ALL_DAYS[-15:]
    before = {(r["campaign_id"], r["time"]): r for r in first.records(stream)}
    changed = [r for r in second.records(stream) if before[r["campaign_id"], r["time"]] != r]
    assert {(r["campaign_id"], r["time"]) for r in changed} <= {(campaign, "2026-06-20")}
    assert second.bookmark(stream) == "2026-06-30"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"lookback_days": 0}, ALL_DAYS[-1:]),
        ({"lookback_days": 3}, ALL_DAYS[-4:]),
        ({"start_date": "2026-06-28"}, ALL_DAYS[-3:]),
        ({"start_date": "2025-01-01"}, ALL_DAYS[-15:]),
        ({"end_date": "2026-06-20"}, ["2026-06-16", "2026-06-17", "2026-06-18", "2026-06-19"]),
        ({"end_date": "2026-06-20T00:00:01Z"}, [f"2026-06-{day}" for day in range(16, 21)]),
        ({"end_date": "2026-05-01"}, []),
        ({"end_date": "2026-07-02"}, [*ALL_DAYS[-15:], "2026-07-01"]),
    ],
)
def test_what_is_read_after_a_bookmark(run_tap: RunTap, settings: dict[str, Any], expected: list[str]) -> None:
    stream = "kpi_daily_new_users"
    state = {"bookmarks": {stream: {"replication_key": "time", "replication_key_value": "2026-06-30"}}}
    run = run_tap(stream, state=state, **settings)
    assert run.exit_code == 0, run.stderr
    assert days(run.records(stream)) == expected
    assert run.bookmark(stream) == max("2026-06-30", *expected, "2026-06-30")


@pytest.mark.parametrize(("lookback", "requests_each"), [(11, 1), (12, 2), (14, 2)])
def test_a_daily_run_with_a_lookback_of_11_days_requests_each_canvas_once(
    sandbox: Sandbox, run_tap: RunTap, lookback: int, requests_each: int
) -> None:
    stream = "canvases_analytics"
    state = {"bookmarks": {stream: {"replication_key": "time", "replication_key_value": "2026-06-29"}}}
    run = run_tap(stream, state=state, lookback_days=lookback)
    expected = Counter(dict.fromkeys(parents(sandbox, stream), requests_each))
    assert Counter(query["canvas_id"] for query in asked(sandbox, "/canvas/data_series")) == expected
    for canvas in expected:
        assert days(run.records(stream), "canvas_id", canvas) == ALL_DAYS[-lookback - 2 :]


def test_a_run_without_an_end_reads_today(run_tap: RunTap) -> None:
    today = datetime.now(timezone.utc).date()
    run = run_tap("kpi_daily_new_users", start_date=(today - timedelta(days=2)).isoformat(), end_date=None)
    assert len(days(run.records("kpi_daily_new_users"))) >= 3
    assert run.bookmark("kpi_daily_new_users") >= today.isoformat()


def test_without_a_start_date_the_last_100_days_are_read(run_tap: RunTap) -> None:
    today = datetime.now(timezone.utc).date()
    run = run_tap("kpi_daily_new_users", start_date=None, end_date=None)
    assert days(run.records("kpi_daily_new_users"))[0] in {
        (today - timedelta(days=back)).isoformat() for back in (99, 100)
    }


@pytest.mark.parametrize(
    ("zone", "first"), [("America/New_York", "2026-02-28"), ("UTC", "2026-03-01"), ("Asia/Tokyo", "2026-03-01")]
)
def test_a_start_date_with_a_time_is_a_moment(run_tap: RunTap, zone: str, first: str) -> None:
    with Sandbox(time_zone=zone) as there:
        run = run_tap(
            "kpi_daily_new_users",
            start_date="2026-03-01T00:00:00Z",
            time_zone=zone,
            endpoint=there.url,
            api_key=there.api_key,
        )
    assert days(run.records("kpi_daily_new_users"))[0] == first


def test_full_table_reads_everything_whatever_the_bookmark(run_tap: RunTap) -> None:
    stream = "kpi_daily_new_users"
    catalog = {
        "streams": [
            {
                "tap_stream_id": stream,
                "stream": stream,
                "replication_method": "FULL_TABLE",
                "key_properties": ["time"],
                "schema": {"properties": {"time": {"type": "string"}, "new_users": {"type": "integer"}}},
                "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}],
            }
        ]
    }
    state = {"bookmarks": {stream: {"replication_key": "time", "replication_key_value": "2026-06-30"}}}
    assert days(run_tap(catalog=catalog, state=state).records(stream)) == ALL_DAYS


@pytest.mark.parametrize("stream", KPIS)
def test_kpis_per_app(sandbox: Sandbox, run_tap: RunTap, stream: str) -> None:
    apps = list(sandbox.workspace.apps)[:2]
    run = run_tap(stream, app_ids=apps)
    records = run.records(stream)
    assert {record["app_id"] for record in records} == set(apps)
    for app in apps:
        assert days(records, "app_id", app) == ALL_DAYS
    (schema,) = [message for message in run.messages if message["type"] == "SCHEMA"]
    assert schema["key_properties"] == ["app_id", "time"]


def test_events_per_app(sandbox: Sandbox, run_tap: RunTap) -> None:
    apps = list(sandbox.workspace.apps)[:2]
    run = run_tap("events_analytics", app_ids=[*apps, apps[0]])
    keys = Counter((r["app_id"], r["event_name"], r["time"]) for r in run.records("events_analytics"))
    assert len(keys) == 2 * len(sandbox.workspace.events) * len(ALL_DAYS)
    assert set(keys.values()) == {1}


def test_streams_that_know_no_apps_are_read_as_ever(sandbox: Sandbox, run_tap: RunTap) -> None:
    run_tap("campaigns_analytics", app_ids=list(sandbox.workspace.apps))
    assert all("app_id" not in query for query in asked(sandbox, "/campaigns/data_series"))


def test_oddly_named_events_are_asked_for_by_their_names(run_tap: RunTap) -> None:
    with Sandbox(seed="empty") as odd:
        odd.workspace.events |= {"a&b", "50% off", "plus+minus", "path/to", "注文完了", "#hash", 'x"y', "100%25", "a b"}
        run = run_tap("events_analytics", endpoint=odd.url, api_key=odd.api_key, start_date="2026-06-30")
        assert {record["event_name"] for record in run.records("events_analytics")} == odd.workspace.events


def test_days_without_a_row_are_no_hole(run_tap: RunTap) -> None:
    with Sandbox(zero_rows=False) as sparse:
        run = run_tap("campaigns_analytics", endpoint=sparse.url, api_key=sparse.api_key)
    assert run.exit_code == 0
    assert run.bookmark("campaigns_analytics") == "2026-06-30"


def test_twin_rows_of_an_answer_come_out_once(sandbox: Sandbox, run_tap: RunTap) -> None:
    row = {"time": "2026-06-30", "new_users": 5}
    sandbox.fault(path="/kpi/new_users/*", do="status", status=200, body={"data": [row, row]})
    run = run_tap("kpi_daily_new_users", start_date="2026-06-30")
    assert run.records("kpi_daily_new_users") == [row]


def test_nothing_there_is_no_error(run_tap: RunTap) -> None:
    with Sandbox(seed="empty") as empty:
        run = run_tap(endpoint=empty.url, api_key=empty.api_key)
    assert run.exit_code == 0, run.stderr
    assert run.records("campaigns_analytics") == []


def test_a_fault_between_windows_costs_nothing_but_a_second_run(sandbox: Sandbox, run_tap: RunTap) -> None:
    streams = ("campaigns_analytics", "canvases_analytics", "kpi_daily_active_users")
    whole = run_tap(*streams)
    for path, after in (("/campaigns/data_series", 7), ("/canvas/data_series", 11)):
        sandbox.fault(path=path, do="status", status=503, after=after)
        cut = run_tap(*streams, lookback_days=0)
        assert cut.exit_code == 1
        sandbox.clear_faults()
        resumed = run_tap(*streams, state=cut.state, lookback_days=0)
        assert resumed.exit_code == 0
        for stream in streams:
            expected = {_identity(record): record for record in whole.records(stream)}
            got = {_identity(record): record for record in cut.records(stream) + resumed.records(stream)}
            assert got == expected
        assert resumed.state == whole.state
    # The first window of the campaigns was done when the fault came, and is not read again but for its last day.
    assert "2026-04-01" not in days(resumed.records("campaigns_analytics"))


def test_the_sdks_flattening_maps_and_selection_work(run_tap: RunTap, cli: Callable[..., Any]) -> None:
    settings = {"start_date": "2026-06-30", "flattening_enabled": True, "flattening_max_depth": 1}
    (record, *_) = run_tap("canvases_analytics", **settings).records("canvases_analytics")
    assert record["total_stats__entries"] >= 0

    maps = {"segments_analytics": {"__alias__": "sizes", "day": "time", "time": "__NULL__", "__key_properties__": []}}
    run = run_tap("segments_analytics", start_date="2026-06-30", stream_maps=maps)
    assert {record["day"] for record in run.records("sizes")} == {"2026-06-30"}
    assert run.bookmark("segments_analytics") == "2026-06-30"

    catalog = json.loads(cli(["--discover"]).stdout)
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            item["metadata"]["selected"] = (
                entry["stream"] == "campaigns_analytics" and "messages" not in item["breadcrumb"]
            )
    run = run_tap(catalog=catalog, start_date="2026-06-30")
    assert run.records("campaigns_analytics")
    assert all("messages" not in record for record in run.records("campaigns_analytics"))


def _identity(record: dict[str, Any]) -> tuple[Any, ...]:
    return (record.get("campaign_id"), record.get("canvas_id"), record["time"])
