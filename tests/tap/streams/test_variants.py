"""Long forms, hours, apps, segments, products, sends, summaries: the ways besides one row a day and parent."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from braze_sandbox.model.objects import Send
from braze_sandbox.testing import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    RunTap = Callable[..., Any]

WEEK = {"start_date": "2026-06-24"}
LONG_FORMS = {
    "campaigns_messages_analytics": "campaigns_analytics",
    "canvases_variants_analytics": "canvases_analytics",
    "canvases_steps_analytics": "canvases_analytics",
    "canvases_messages_analytics": "canvases_analytics",
}
KEYS = {
    "campaigns_messages_analytics": ("campaign_id", "time", "channel", "variation"),
    "canvases_variants_analytics": ("canvas_id", "time", "variant_id"),
    "canvases_steps_analytics": ("canvas_id", "time", "step_id"),
    "canvases_messages_analytics": ("canvas_id", "time", "step_id", "channel", "variation"),
}


def paths(sandbox: Sandbox) -> Counter[str]:
    return Counter(request.path for request in sandbox.requests)


def test_the_long_forms_say_what_the_nested_rows_say(run_tap: RunTap) -> None:
    run = run_tap(*LONG_FORMS, *set(LONG_FORMS.values()), **WEEK)
    assert run.exit_code == 0, run.stderr
    for nested in run.records("campaigns_analytics"):
        expected = [
            (channel, stats.get("variation_api_id") or stats["variation_name"], stats.get("sent"))
            for channel, variations in nested["messages"].items()
            for stats in variations
        ]
        got = [
            (record["channel"], record["variation"], record.get("sent"))
            for record in run.records("campaigns_messages_analytics")
            if (record["campaign_id"], record["time"]) == (nested["campaign_id"], nested["time"])
        ]
        assert got == expected
    for nested in run.records("canvases_analytics"):
        both = (nested["canvas_id"], nested["time"])
        flat = {
            stream: [r for r in run.records(stream) if (r["canvas_id"], r["time"]) == both]
            for stream in KEYS
            if stream.startswith("canvases")
        }
        variants = {r["variant_id"]: r["entries"] for r in flat["canvases_variants_analytics"]}
        assert variants == {key: stats["entries"] for key, stats in nested["variant_stats"].items()}
        steps = {r["step_id"]: r["conversions"] for r in flat["canvases_steps_analytics"]}
        assert steps == {key: stats["conversions"] for key, stats in nested["step_stats"].items()}
        messages = sum(r["sent"] for r in flat["canvases_messages_analytics"])
        assert messages == sum(
            element["sent"]
            for stats in nested["step_stats"].values()
            for elements in stats["messages"].values()
            for element in elements
        )
    for stream, key in KEYS.items():
        records = run.records(stream)
        assert records
        assert len({tuple(record[name] for name in key) for record in records}) == len(records)
        assert not any(
            isinstance(value, (dict, list))
            for record in records
            for name, value in record.items()
            if name != "other_metrics"
        )


def test_nothing_that_braze_sends_is_dropped_from_the_long_form(run_tap: RunTap) -> None:
    run = run_tap("campaigns_analytics", "campaigns_messages_analytics", "canvases_messages_analytics", **WEEK)
    by_key = {
        (record["campaign_id"], record["time"], record["channel"], record["variation"]): record
        for record in run.records("campaigns_messages_analytics")
    }
    seen = set()
    for nested in run.records("campaigns_analytics"):
        for channel, variations in nested["messages"].items():
            for stats in variations:
                name = stats.get("variation_api_id") or stats["variation_name"]
                record = by_key[nested["campaign_id"], nested["time"], channel, name]
                whole = {**record, **record.get("other_metrics", {})}
                assert stats.items() <= whole.items()
                seen |= record.keys()
    assert {"machine_open", "machine_amp_open"} <= seen
    others = {name for record in by_key.values() for name in record.get("other_metrics", ())}
    assert others == {"notif_button_1_Track_click", "carousel_slide_1_Parcel_click"}


@pytest.mark.parametrize(
    "streams", [("campaigns_messages_analytics",), ("campaigns_analytics", "campaigns_messages_analytics")]
)
def test_a_long_form_costs_no_request_more(sandbox: Sandbox, run_tap: RunTap, streams: tuple[str, ...]) -> None:
    alone = run_tap("campaigns_analytics")
    count = paths(sandbox)
    run = run_tap(*streams)
    assert paths(sandbox) == Counter({path: 2 * number for path, number in count.items()})
    for stream in streams:
        assert run.bookmark(stream) == alone.bookmark("campaigns_analytics")
    table = [line.split(" | ")[-1].split() for line in run.stderr.splitlines() if "| INFO" in line]
    counts = {row[0]: row[1] for row in table if len(row) > 4 and row[0] in streams}
    assert counts == {stream: f"{len(run.records(stream)):,}" for stream in streams}
    assert "0" not in counts.values()


def test_a_schema_comes_before_the_records_of_its_stream(run_tap: RunTap) -> None:
    run = run_tap(*LONG_FORMS, "campaigns_analytics", "canvases_analytics", "canvases_details", **WEEK)
    described: Counter[str] = Counter()
    for message in run.messages:
        described[message.get("stream", "")] += message["type"] == "SCHEMA"
        if message["type"] == "RECORD":
            assert described[message["stream"]] == 1
    assert set(described.values()) - {0} == {1}


def test_a_long_form_that_is_selected_later_is_read_from_the_start(run_tap: RunTap) -> None:
    nested, flat = "campaigns_analytics", "campaigns_messages_analytics"
    whole = run_tap(nested, flat)
    first = run_tap(nested)
    both = run_tap(nested, flat, state=first.state)
    assert both.records(flat) == whole.records(flat)
    assert {record["time"] for record in both.records(nested)} == {f"2026-06-{day}" for day in range(16, 31)}
    assert both.state == whole.state


def test_what_is_not_selected_of_the_nested_row_is_in_the_long_form(run_tap: RunTap, cli: Callable[..., Any]) -> None:
    import json  # noqa: PLC0415

    catalog = json.loads(cli(["--discover"]).stdout)
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            wanted = entry["stream"] in {"campaigns_analytics", "campaigns_messages_analytics"}
            nested = entry["stream"] == "campaigns_analytics" and "messages" in item["breadcrumb"]
            item["metadata"]["selected"] = wanted and not nested
    run = run_tap(catalog=catalog, **WEEK)
    assert all("messages" not in record for record in run.records("campaigns_analytics"))
    assert all("channel" in record for record in run.records("campaigns_messages_analytics"))
    assert any(record.get("sent") for record in run.records("campaigns_messages_analytics"))


def test_variations_without_an_id_have_a_key_all_the_same(sandbox: Sandbox, run_tap: RunTap) -> None:
    messages = {
        "sms": [{"sent": 1}, {"sent": 2}],
        "email": [{"variation_name": "A", "sent": 3}, {"variation_name": "A", "sent": 4}],
        "push": [{"variation_api_id": "v", "variation_name": "A", "sent": 5}, None],
        "odd": {"sent": 6},
    }
    row = {"time": "2026-06-30", "messages": messages}
    sandbox.fault(path="/campaigns/data_series", do="status", status=200, body={"data": [row, {"time": "2026-06-29"}]})
    run = run_tap("campaigns_messages_analytics", start_date="2026-06-29")
    campaign = next(iter(sandbox.workspace.campaigns))
    got = {
        (r["channel"], r["variation"]): r["sent"]
        for r in run.records("campaigns_messages_analytics")
        if r["campaign_id"] == campaign
    }
    assert got == {
        ("sms", "#1"): 1,
        ("sms", "#2"): 2,
        ("email", "A"): 3,
        ("email", "A #2"): 4,
        ("push", "v"): 5,
        ("odd", "#1"): 6,
    }


@pytest.mark.parametrize("ending_day_included", [True, False])
@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Kolkata", "Pacific/Auckland", "Australia/Lord_Howe"])
def test_every_hour_comes_once(run_tap: RunTap, zone: str, *, ending_day_included: bool) -> None:
    stream = "sessions_analytics"
    # New York and New Zealand set their clocks in these days: one has 25 hours in a day, the other 23.
    span = {"start_date": "2025-09-20", "end_date": "2025-11-10", "series_unit": "hour", "time_zone": zone}
    with Sandbox(time_zone=zone, ending_day_included=ending_day_included) as there:
        place = {"endpoint": there.url, "api_key": there.api_key}
        run = run_tap(stream, **span, **place)
        assert run.exit_code == 0, run.stderr
        cut = run_tap(stream, **(span | {"end_date": "2025-11-02"}), **place)
        rest = run_tap(stream, state=cut.state, lookback_days=0, **span, **place)
        assert all(int(r.query["length"]) <= 100 for r in there.requests if r.path == "/sessions/data_series")
    hours = [datetime.fromisoformat(record["time"]).astimezone(timezone.utc) for record in run.records(stream)]
    midnights = [datetime(2025, month, day, tzinfo=ZoneInfo(zone)) for month, day in ((9, 20), (11, 10))]
    first, last = (midnight.astimezone(timezone.utc) for midnight in midnights)
    assert hours == sorted(set(hours))
    assert len(hours) == -(-(last - first) // timedelta(hours=1)) or zone == "Australia/Lord_Howe"
    assert run.bookmark(stream) == "2025-11-09"
    assert {r["time"] for r in cut.records(stream) + rest.records(stream)} == {r["time"] for r in run.records(stream)}


def test_days_stay_days_where_there_are_no_hours(run_tap: RunTap) -> None:
    run = run_tap("kpi_daily_new_users", "events_analytics", series_unit="hour", **WEEK)
    assert len(run.records("kpi_daily_new_users")) == 7
    assert len(run.records("events_analytics")) == 4 * 7 * 24


def test_a_catalog_of_another_unit(run_tap: RunTap, cli: Callable[..., Any]) -> None:
    import json  # noqa: PLC0415

    catalog = json.loads(cli(["--discover"]).stdout)
    run = run_tap(catalog=catalog, series_unit="hour")
    assert run.exit_code == 1
    assert "the catalog was made with another setting 'series_unit'" in run.errors[0]


def test_segments_apps_and_products_one_by_one(sandbox: Sandbox, run_tap: RunTap) -> None:
    apps, segments = list(sandbox.workspace.apps)[:2], list(sandbox.workspace.segments)[:2]
    run = run_tap(
        *("sessions_analytics", "events_analytics", "purchases_quantity", "purchases_revenue"),
        app_ids=apps,
        segment_ids=segments,
        product_ids=["*"],
        **WEEK,
    )
    assert run.exit_code == 0, run.stderr
    keys = Counter((r["app_id"], r["segment_id"]) for r in run.records("sessions_analytics"))
    assert keys == Counter({(app, segment): 7 for app in apps for segment in segments})
    assert len(run.records("events_analytics")) == 2 * 2 * 4 * 7
    for stream in ("purchases_quantity", "purchases_revenue"):
        products = Counter(r["product_id"] for r in run.records(stream))
        assert products == Counter(dict.fromkeys(sandbox.workspace.products, 2 * 7))


def test_all_together_without_such_settings(run_tap: RunTap) -> None:
    run = run_tap("sessions_analytics", "purchases_quantity", "purchases_revenue", **WEEK)
    assert [set(run.records(s)[0]) for s in ("sessions_analytics", "purchases_quantity", "purchases_revenue")] == [
        {"time", "sessions"},
        {"time", "purchase_quantity"},
        {"time", "revenue"},
    ]


def test_sends(run_tap: RunTap) -> None:
    with Sandbox(today=datetime(2026, 7, 1, tzinfo=timezone.utc).date()) as there:
        campaign = next(c.id for c in there.workspace.campaigns.values() if c.is_api_campaign)
        sent = datetime(2026, 6, 25, tzinfo=timezone.utc)
        there.workspace.sends["s-1"] = Send(id="s-1", campaign_id=campaign, sent_at=sent)
        sends = [{"campaign_id": campaign, "send_id": name} for name in ("s-1", "s-1", "gone")]
        run = run_tap("sends_analytics", endpoint=there.url, api_key=there.api_key, send_ids=sends, **WEEK)
    assert run.exit_code == 0, run.stderr
    assert {(r["campaign_id"], r["send_id"]) for r in run.records("sends_analytics")} == {(campaign, "s-1")}
    assert len(run.records("sends_analytics")) == 7
    assert "send_id 'gone' was refused" in run.stderr


def test_summaries_of_14_days(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("canvases_summary", "canvases_analytics")
    canvas = next(iter(sandbox.workspace.canvases))
    summaries = [r for r in run.records("canvases_summary") if r["canvas_id"] == canvas]
    days = {
        r["time"]: r["total_stats"]["entries"] for r in run.records("canvases_analytics") if r["canvas_id"] == canvas
    }
    assert summaries[-1]["last_day"] == "2026-06-30"
    for summary in summaries[1:]:
        entries = sum(count for day, count in days.items() if summary["time"] <= day <= summary["last_day"])
        assert summary["total_stats"]["entries"] == entries
    cut = run_tap("canvases_summary", end_date="2026-05-05")
    rest = run_tap("canvases_summary", state=cut.state, lookback_days=0, start_date="2026-03-05")
    whole = {(r["canvas_id"], r["time"]): r for r in run.records("canvases_summary")}
    assert {
        (r["canvas_id"], r["time"]): r for r in cut.records("canvases_summary") + rest.records("canvases_summary")
    } == whole


def test_an_end_in_the_future_that_is_refused(run_tap: RunTap) -> None:
    today = datetime.now(timezone.utc).date()
    start = (today - timedelta(days=3)).isoformat()
    with Sandbox() as strict:
        midnight = (today + timedelta(days=1)).isoformat()
        query = {"ending_at": f"{midnight}T00:00:00+00:00"}
        strict.fault(path="/kpi/dau/data_series", query=query, do="status", status=400)
        run = run_tap(
            "kpi_daily_active_users", endpoint=strict.url, api_key=strict.api_key, start_date=start, end_date=None
        )
    assert run.exit_code == 0, run.stderr
    assert len(run.records("kpi_daily_active_users")) == 4


def test_details_of_each_kind(sandbox: Sandbox, run_tap: RunTap) -> None:
    kinds = {"campaigns": "campaign_id", "canvases": "canvas_id", "segments": "segment_id", "cards": "card_id"}
    run = run_tap(*(f"{kind}_details" for kind in kinds))
    assert run.exit_code == 0, run.stderr
    assert "is skipped" not in run.stderr
    for kind, key in kinds.items():
        objects = getattr(sandbox.workspace, kind)
        assert {record[key] for record in run.records(f"{kind}_details")} == set(objects)
        assert run.bookmark(f"{kind}_details")
    edited = next(iter(sandbox.workspace.campaigns))
    sandbox.workspace.edit("campaigns", edited, name="new")
    before = paths(sandbox)["/campaigns/details"]
    again = run_tap("campaigns_details", "segments_details", state=run.state)
    names = {record["campaign_id"]: record["name"] for record in again.records("campaigns_details")}
    assert names[edited] == "new"
    assert paths(sandbox)["/campaigns/details"] - before == len(names) < 5
    assert len(again.records("segments_details")) < 3
