"""Series: statistics by day, nested and flat, and lists by day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.e2e.matrix.tables import Row, Table, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.matrix.api import Api


PER_APP: dict[str, tuple[str, str]] = {
    "kpi_daily_active_users": ("/kpi/dau/data_series", "dau"),
    "kpi_daily_new_users": ("/kpi/new_users/data_series", "new_users"),
    "kpi_daily_app_uninstalls": ("/kpi/uninstalls/data_series", "uninstalls"),
    "kpi_monthly_active_users": ("/kpi/mau/data_series", "mau"),
    "sessions_analytics": ("/sessions/data_series", "sessions"),
    "purchases_quantity": ("/purchases/quantity_series", "purchase_quantity"),
    "purchases_revenue": ("/purchases/revenue_series", "revenue"),
}


def suppressed(api: Api) -> dict[str, Table]:
    # The last day of a window is a part of it, and a window of one day is none.
    window = {"start_date": api.scope.days[0].isoformat(), "end_date": str(api.scope.days[-1] + timedelta(1))}
    end = window["end_date"]

    def listed(path: str, payload: str, at: str) -> list[Row]:
        return [row for row in api.get(path, **window)[payload] if row[at] < end]

    bounces = listed("/email/hard_bounces", "emails", "hard_bounced_at")
    unsubscribes = listed("/email/unsubscribes", "emails", "unsubscribed_at")
    numbers = listed("/sms/invalid_phone_numbers", "sms", "invalid_detected_at")
    return {
        "hard_bounces": table(bounces, "email", "hard_bounced_at", kept=True),
        "unsubscribes": table(unsubscribes, "email", kept=True),
        "invalid_phone_numbers": table(numbers, "phone", "invalid_detected_at", "reason", kept=True),
    }


def _days(api: Api, path: str, **query: str) -> list[Row]:
    days = api.scope.days
    window = {"length": str(len(days)), "ending_at": f"{days[-1]}T23:59:59Z"}
    data = api.get(path, **query, **window)["data"]
    found: list[Row] = data if isinstance(data, list) else [{"name": data["name"], **row} for row in data["stats"]]
    assert [row["time"][:10] for row in found] == [day.isoformat() for day in days]
    return found


def series(api: Api) -> dict[str, Table]:
    found = {
        stream: table(
            ({"app_id": app, **row} for app in api.scope.apps for row in _days(api, path, app_id=app)),
            *("app_id", "time"),
            kept=True,
        )
        for stream, (path, _) in PER_APP.items()
    }
    found["events_analytics"] = table(
        (
            {"app_id": app, "event_name": name, **row}
            for app in api.scope.apps
            for name in api.get("/events/list")["events"]
            for row in _days(api, "/events/data_series", event=name, app_id=app)
        ),
        *("app_id", "event_name", "time"),
        kept=True,
    )
    for stream, path, parent, name in (
        ("cards_analytics", "/feed/data_series", "cards", "card_id"),
        ("segments_analytics", "/segments/data_series", "segments", "segment_id"),
    ):
        rows = [{name: key, **row} for key in api.ids(parent) for row in _days(api, path, **{name: key})]
        found[stream] = table(rows, name, "time", kept=True)
    sends = [{**send, **row} for send in api.scope.sends for row in _days(api, "/sends/data_series", **send)]
    found["sends_analytics"] = table(sends, "campaign_id", "send_id", "time", kept=True)
    return found


def statistics(api: Api) -> dict[str, Table]:
    """Statistics of campaigns and Canvases, nested and flat."""
    campaigns = [
        {"campaign_id": key, **row}
        for key in api.ids("campaigns")
        for row in _days(api, "/campaigns/data_series", campaign_id=key)
    ]
    parts = {f"include_{name}": "true" for name in ("variant_breakdown", "step_breakdown", "deleted_step_data")}
    canvases: list[Row] = []
    summaries: list[Row] = []
    for key in api.ids("canvases"):
        canvases += [{"canvas_id": key, **row} for row in _days(api, "/canvas/data_series", canvas_id=key, **parts)]
        first, last = api.scope.days[0], api.scope.days[-1]
        window = {"starting_at": f"{first}T00:00:00Z", "ending_at": f"{last}T23:59:59Z"}
        whole = api.get("/canvas/data_summary", canvas_id=key, **window, **parts)["data"]
        summaries.append({"canvas_id": key, "time": str(first), "last_day": str(last), **whole})
    variants = [
        {**stats, "canvas_id": row["canvas_id"], "time": row["time"], "variant_id": variant}
        for row in canvases
        for variant, stats in row["variant_stats"].items()
    ]
    steps = [
        {**stats, "canvas_id": row["canvas_id"], "time": row["time"], "step_id": step}
        for row in canvases
        for step, stats in row["step_stats"].items()
    ]
    of_steps = [
        {"canvas_id": row["canvas_id"], "time": row["time"], "step_id": row["step_id"], "step_name": row["name"]}
        | message
        for row in steps
        for message in by_variation(row.get("messages") or {})
    ]
    of_campaigns = [
        {"campaign_id": row["campaign_id"], "time": row["time"], **message}
        for row in campaigns
        for message in by_variation(row["messages"])
    ]
    for row in steps:
        row.pop("messages", None)
    return {
        "campaigns_analytics": table(campaigns, "campaign_id", "time", kept=True),
        "campaigns_messages_analytics": table(of_campaigns, "campaign_id", "time", "channel", "variation", kept=True),
        "canvases_summary": table(summaries, "canvas_id", "time", kept=True),
        "canvases_analytics": table(canvases, "canvas_id", "time", kept=True),
        "canvases_variants_analytics": table(variants, "canvas_id", "time", "variant_id", kept=True),
        "canvases_steps_analytics": table(steps, "canvas_id", "time", "step_id", kept=True),
        "canvases_messages_analytics": table(
            of_steps, "canvas_id", "time", "step_id", "channel", "variation", kept=True
        ),
    }


def by_variation(messages: dict[str, list[Row]]) -> Iterator[Row]:
    """Yield the statistics of each message with its channel and what tells its variation apart."""
    for channel, variations in messages.items():
        for place, stats in enumerate(variations, 1):
            name = stats.get("variation_api_id") or stats.get("variation_name") or f"#{place}"
            yield {**stats, "channel": channel, "variation": name}
