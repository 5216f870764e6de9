"""The demo, with a look at every value that landed: CSV files -> Meltano -> Braze -> Meltano -> PostgreSQL."""

from __future__ import annotations

import json
import re
import urllib.request
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from psycopg import sql
from tap_braze.streams import STREAMS

from demo import dbt, run
from demo.machinery import Meltano, Postgres, Sandbox, postgres, sandbox, write_currents

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {stream.name: stream.primary_keys for stream in STREAMS if stream.selected_by_default}
KEYS["currents_events"] = ("event_type", "id")
# Nothing in the workspace changed in the last 100 days, nobody was suppressed, and no send is named.
EMPTY = {
    *("campaigns", "canvases", "email_templates", "content_blocks", "preference_centers"),
    *("email_templates_details", "content_blocks_details", "preference_centers_details"),
    *("hard_bounces", "unsubscribes", "invalid_phone_numbers", "cdi_sync_runs", "sends_analytics"),
}
SERIES = [name for name, key in KEYS.items() if "time" in key and name not in EMPTY]


# One test and not one per thing it looks at: each would need the same minute of Meltano before it.
def test_the_demo(tmp_path: Path) -> None:
    with sandbox(tmp_path, seed="small") as braze, postgres(tmp_path) as database:
        meltano = Meltano(tmp_path, braze, database)
        run.install(meltano)

        run.load(meltano, braze)
        the_customers_are_in_braze(braze)
        the_events_are_in_braze(braze)
        the_purchases_are_in_braze(braze)
        assert braze.get("/sandbox/violations") == {"violations": []}

        write_currents(tmp_path, seed="small")
        first, second = run.export_twice(meltano, braze, database)
        the_export_is_in_postgres(database)
        assert set(first.records()) == set(KEYS)
        for stream in SERIES:
            assert 0 < second.records()[stream] < first.records()[stream], stream

        run.model(tmp_path, database)
        if dbt.is_installed():
            the_models_say_what_braze_says(braze, database)
            the_page_needs_no_network((tmp_path / "braze.html").read_text("utf-8"))
        the_runs_are_reported(meltano)


def the_customers_are_in_braze(braze: Sandbox) -> None:
    profiles = {profile["external_id"]: profile for profile in braze.get("/sandbox/users")["users"]}
    for row in run.rows("customers"):
        profile = profiles[row["customer_id"]]
        assert profile["attributes"] == without_blanks(
            email=row["email"],
            first_name=row["first_name"],
            last_name=row["last_name"],
            dob=row["date_of_birth"],
            home_city=row["home_city"],
            country=row["country"],
            language=row["language"],
            time_zone=row["time_zone"],
            email_subscribe=row["email_subscribe"],
        )
        assert profile["custom_attributes"] == without_blanks(
            plan_name=row["plan_name"],
            loyalty_points=int(row["loyalty_points"]),
            average_basket=float(row["average_basket"]) if row["average_basket"] else "",
            vip=row["vip"] == "true",
            signed_up=row["signed_up"],
        )


def the_events_are_in_braze(braze: Sandbox) -> None:
    happened = by_user(braze.get("/sandbox/events")["events"])
    expected = by_user(
        {
            "external_id": row["user_id"],
            "name": row["event_type"],
            "time": row["occurred_at"],
            "properties": {
                "url": row["url"],
                "device": row["device"],
                "seconds_on_page": int(row["seconds_on_page"]),
                "logged_in": row["logged_in"] == "true",
                "utm_source": row["utm_source"],
                "utm_campaign": row["utm_campaign"],
            },
        }
        for row in run.rows("events")
    )
    assert {user: happened[user] for user in expected} == expected


def the_purchases_are_in_braze(braze: Sandbox) -> None:
    happened = by_user(braze.get("/sandbox/purchases")["purchases"])
    expected = by_user(
        {
            "external_id": row["customer_id"],
            "product_id": row["sku"],
            "price": float(row["unit_price"]),
            "currency": row["currency"],
            "quantity": int(row["quantity"]),
            "time": row["ordered_at"],
            "properties": {"order_id": row["order_id"], "coupon": row["coupon"], "gift": row["gift"] == "true"},
        }
        for row in run.rows("purchases")
    )
    assert {user: happened[user] for user in expected} == expected


def the_export_is_in_postgres(database: Postgres) -> None:
    counts = database.counts(run.SCHEMA)
    assert set(counts) == set(KEYS)
    assert {table for table, count in counts.items() if count == 0} <= EMPTY
    for table, key in KEYS.items():
        distinct = sql.SQL("select count(*) from (select distinct {} from {}) as keys").format(
            sql.SQL(", ").join(map(sql.Identifier, key)), sql.Identifier(run.SCHEMA, table)
        )
        assert database.rows(distinct) == [(counts[table],)], f"{table} has rows with the same key"
    # What the first half sent to Braze comes back in the second.
    events = {name for (name,) in database.rows(sql.SQL("select event_name from tap_braze.events"))}
    assert {row["event_type"] for row in run.rows("events")} <= events
    products = {name for (name,) in database.rows(sql.SQL("select product_id from tap_braze.products"))}
    assert {row["sku"] for row in run.rows("purchases")} <= products


def the_models_say_what_braze_says(braze: Sandbox, database: Postgres) -> None:
    # The lookback reads the last days again: what Braze says of the day that is not over may have grown since.
    for column, path in (("daily_active_users", "/kpi/dau"), ("sessions", "/sessions")):
        query = sql.SQL("select day::text, {} from {}").format(sql.Identifier(column), mart("app_kpis_daily"))
        days = dict(database.rows(query))
        said = {day["time"][:10]: day[path.rpartition("/")[2]] for day in series(braze, f"{path}/data_series")}
        assert said.items() <= days.items()
        assert len(said) == 100
    rows = {
        stream: (read, sent)
        for stream, read, sent in database.rows(
            sql.SQL("select stream, read, sent from {}").format(mart("target_runs"))
        )
    }
    assert rows == {name: (len(run.rows(name)), len(run.rows(name))) for name in run.LANDS_AS}
    reads = sql.SQL("select count(distinct run_id), count(distinct stream) from {}").format(mart("tap_runs"))
    assert database.rows(reads) == [(2, len(KEYS))]
    # Every message in Currents, once.
    sent = sql.SQL("select count(*) from tap_braze.currents_events where event_type ~ {}").format(
        r"messages\.(.*\.Send|(inappmessage|banner)\.Impression)$"
    )
    attributed = sql.SQL("select count(*) from {}").format(mart("message_attribution"))
    assert database.rows(attributed) == database.rows(sent) != [(0,)]


def the_page_needs_no_network(page: str) -> None:
    assert page.count("<svg") == 3
    assert "Braze in your warehouse" in page
    assert not re.findall(r"https?:|src=|@import|url\(", page)


def the_runs_are_reported(meltano: Meltano) -> None:
    for plugin, runs in (("target-braze", 1), ("tap-braze", 2)):
        report = meltano.report(plugin)
        assert f"<title>{plugin}" in report.read_text("utf-8")
        history = [json.loads(line) for line in report.with_suffix(".jsonl").read_text("utf-8").splitlines()]
        assert [(line["program"], line["ended"]) for line in history] == [(plugin, "completed")] * runs


def mart(name: str) -> sql.Identifier:
    return sql.Identifier(dbt.MARTS, f"braze__{name}")


def series(braze: Sandbox, path: str) -> Any:
    request = urllib.request.Request(f"{braze.url}{path}?length=100", headers={"Authorization": f"Bearer {braze.key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["data"]


def by_user(happenings: Any) -> dict[str, list[dict[str, Any]]]:
    """What each user did, by time; without what only the sandbox knows."""
    users = defaultdict(list)
    for one in happenings:
        users[one["external_id"]].append({name: value for name, value in one.items() if name not in SANDBOX_ONLY})
    return {user: sorted(did, key=lambda one: (one["time"], str(one))) for user, did in users.items()}


# "external_id" is what the happenings are gathered by, and the demo names no app.
SANDBOX_ONLY = {"braze_id", "external_id", "app_id"}


def without_blanks(**values: Any) -> dict[str, Any]:
    """Values as a mapping leaves them where it types them: no text is no number and no date."""
    return {name: value for name, value in values.items() if value != ""}
