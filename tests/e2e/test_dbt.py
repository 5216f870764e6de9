"""dbt-braze: its marts say what Braze says."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import requests
from braze_sandbox.currents import files as currents
from braze_sandbox.testing import Sandbox
from tap_braze.currents import schemas
from tap_braze.streams import STREAMS

from demo import dbt
from demo.machinery import ROOT
from tests.e2e.support import tap, target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START, END = date(2026, 3, 1), date(2026, 3, 4)
LOADED = (
    *("campaigns", "campaigns_details", "campaigns_messages_analytics"),
    *("canvases", "canvases_details", "canvases_variants_analytics", "canvases_steps_analytics"),
    *("canvases_messages_analytics", "unsubscribes", "users", "sessions_analytics", "purchases_revenue"),
    *("kpi_daily_new_users", "kpi_daily_active_users", "kpi_monthly_active_users", "kpi_daily_app_uninstalls"),
)
CARD_SEEN = "users.messages.contentcard.Impression"
needs_dbt = pytest.mark.skipif(not dbt.is_installed(), reason="dbt needs a Python from 3.10 to 3.13")


@needs_dbt
def test_what_was_not_loaded_is_empty_and_fails_nothing(tmp_path: Path) -> None:
    # One table, with a few of its columns, a metric that older catalogs do not name, and rows marked as deleted.
    file = tmp_path / "part.duckdb"
    table = """
        create schema tap_braze; create table tap_braze.campaigns_messages_analytics as
        select 'c' as campaign_id, date '2026-03-01' as time, channel, 'v' as variation, 100 as sent, 80 as delivered,
            opens, total_opens, machine_open, 5 as clicks, _sdc_deleted_at
        from (values
            ('email', 40, null, 20, null),
            ('ios_push', null, 8, null, null),
            ('webhook', null, null, null, timestamp '2026-03-02')
        ) as rows (channel, opens, total_opens, machine_open, _sdc_deleted_at)
    """
    duckdb_rows(file, table)
    # A table with history: two versions of a campaign, and one that was deleted.
    versions = """
        create table tap_braze.campaigns as select * from (values
            ('c', 'Old', timestamp '2026-03-01', null),
            ('c', 'New', timestamp '2026-03-02', null),
            ('gone', 'Gone', timestamp '2026-03-01', null),
            ('gone', null, timestamp '2026-03-02', timestamp '2026-03-02')
        ) as rows (id, name, valid_from, deleted_at)
    """
    duckdb_rows(file, versions)
    dbt.build_in_duckdb(tmp_path, file)
    tables = f"select table_name as name from information_schema.tables where table_schema = '{dbt.MARTS}'"
    counts = " union all ".join(
        f"select '{row['name']}' as name, count(*) as n from {dbt.MARTS}.{row['name']}"
        for row in duckdb_rows(file, tables)
    )
    filled = {row["name"]: row["n"] for row in duckdb_rows(file, counts)}
    assert len(filled) == 11
    assert {name for name, n in filled.items() if n} == {
        "braze__campaign_daily_performance",
        "braze__deliverability_daily",
    }
    rates = "delivery_rate, open_rate, other_open_rate, unique_open_rate, click_rate, campaign_name"
    rows = duckdb_rows(file, f"select channel, {rates} from {dbt.MARTS}.braze__campaign_daily_performance order by 1")
    assert [list(row.values()) for row in rows] == [
        ["email", 0.8, 0.5, 0.25, None, 0.0625, "New"],
        ["ios_push", 0.8, 0.1, 0.1, None, 0.0625, "New"],
    ]


@needs_dbt
def test_marts_in_duckdb_say_what_braze_says(tmp_path: Path) -> None:
    with Sandbox(seed="small", users=20, today=date(2026, 3, 20)) as braze:
        workspace = braze.instance.workspace
        files = currents.write(tmp_path, braze.instance, currents.Options(hours=96, duplicates=0.1))
        apps = list(workspace.apps)
        segment = next(iter(workspace.segments))
        config = {
            "api_key": braze.api_key,
            "endpoint": braze.url,
            "start_date": START.isoformat(),
            "end_date": END.isoformat(),
            "include_archived": True,
            "app_ids": apps,
            "currents": {"url": str(tmp_path / "currents")},
            "include_profiles": True,
            "users": {"segment_ids": [segment]},
            "report_path": str(tmp_path / "reports" / "export.html"),
        }
        (tmp_path / "reports").mkdir()
        events = {record["id"]: {**record, "type": file.event_type} for file in files for record in file.records}
        by_type = {
            schemas.stream_name(event["type"]) for event in events.values() if event["type"].startswith("users.")
        }
        file = load_into_duckdb(tmp_path, config, [*LOADED, *by_type])
        counts = run_target(tmp_path, braze)
        load_history(tmp_path, file)
        dbt.build_in_duckdb(tmp_path, file)

        def mart(name: str) -> list[dict[str, Any]]:
            return duckdb_rows(file, f"select * from {dbt.MARTS}.braze__{name}")

        campaigns_say_what_braze_says(mart("campaign_daily_performance"), braze)
        canvases_say_what_braze_says(mart, braze)
        kpis_say_what_braze_says(mart("app_kpis_daily"), braze, apps)
        messages_are_followed_by_what_followed(mart, list(events.values()))
        created = {profile.braze_id: profile.created_at for profile in braze.instance.profiles}
        people_are_in_their_cohort(mart("user_cohort_engagement"), list(events.values()), created)
        (run,) = mart("target_runs")
        assert (run["stream"], run["sent"], run["ended"]) == ("people", 3, "completed")
        assert run.items() >= counts.items()
        reads = {row["stream"]: row["records"] for row in mart("tap_runs")}
        assert reads.keys() == {*LOADED, *by_type}
        assert reads["campaigns"] == len(braze.instance.workspace.campaigns)


def campaigns_say_what_braze_says(rows: list[dict[str, Any]], braze: Sandbox) -> None:
    expected: defaultdict[tuple[str, date, str], Counter[str]] = defaultdict(Counter)
    for campaign in braze.instance.workspace.campaigns.values():
        for day in braze_get(braze, "/campaigns/data_series", campaign_id=campaign.id)["data"]:
            for channel, variations in day["messages"].items():
                for stats in variations:
                    numbers = {name: value for name, value in stats.items() if isinstance(value, (int, float))}
                    expected[campaign.id, date.fromisoformat(day["time"][:10]), channel].update(numbers)
    assert {(row["campaign_id"], row["day"], row["channel"]) for row in rows} == expected.keys()
    with_machines = 0
    for row in rows:
        stats = expected[row["campaign_id"], row["day"], row["channel"]]
        assert (row["sent"] or 0) == stats["sent"]
        assert (row["opens"] or 0) == stats["opens"] + stats["total_opens"] + stats["read"]
        assert (row["unique_clicks"] or 0) == stats["unique_clicks"]
        assert (row["revenue"] or 0) == pytest.approx(stats["revenue"])
        if row["machine_opens"] is not None and row["delivered"]:
            with_machines += 1
            assert row["machine_opens"] == stats["machine_open"]
            assert row["open_rate"] == pytest.approx(stats["opens"] / stats["delivered"])
            assert row["other_open_rate"] == pytest.approx(
                (stats["opens"] - stats["machine_open"]) / stats["delivered"]
            )
    (stream,) = (stream for stream in STREAMS if stream.name == "campaigns_messages_analytics")
    assert bool(with_machines) == ("machine_open" in stream.schema["properties"])


def canvases_say_what_braze_says(mart: Callable[[str], list[dict[str, Any]]], braze: Sandbox) -> None:
    entries: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    for canvas in braze.instance.workspace.canvases.values():
        breakdowns = {
            f"include_{name}": "true" for name in ("variant_breakdown", "step_breakdown", "deleted_step_data")
        }
        for day in braze_get(braze, "/canvas/data_series", canvas_id=canvas.id, **breakdowns)["data"]["stats"]:
            entries.update({variant: stats["entries"] for variant, stats in day["variant_stats"].items()})
            for step, stats in day["step_stats"].items():
                for messages in stats.get("messages", {}).values():
                    sent[step] += sum(message.get("sent", 0) for message in messages)
    daily: Counter[str] = Counter()
    for row in mart("canvas_daily_performance"):
        daily[row["variant_id"]] += row["entries"]
    assert daily == entries
    funnel = mart("canvas_funnel")
    assert {row["variant_id"]: row["variant_entries"] for row in funnel if row["step_position"] == 0} == entries
    assert {row["step_id"]: row["step_sent"] for row in funnel if row["step_sent"]} == +sent
    # Every step is where the definition has it, and those that were deleted are on no way.
    for canvas in braze.instance.workspace.canvases.values():
        steps = [row for row in funnel if row["canvas_id"] == canvas.id and row["step_position"] != 0]
        deleted = {step["id"] for step in canvas.deleted_steps}
        assert {row["step_id"] for row in steps if row["variant_id"] == "none"} == deleted
        for variant in canvas.variants:
            on_the_way = {row["step_id"]: row["step_position"] for row in steps if row["variant_id"] == variant["id"]}
            assert {step for step, position in on_the_way.items() if position == 1} == set(variant["first_step_ids"])


def kpis_say_what_braze_says(rows: list[dict[str, Any]], braze: Sandbox, apps: list[str]) -> None:
    assert {row["app_id"] for row in rows} == set(apps)
    for column, path in (
        ("daily_active_users", "/kpi/dau"),
        ("monthly_active_users", "/kpi/mau"),
        ("new_users", "/kpi/new_users"),
        ("uninstalls", "/kpi/uninstalls"),
        ("sessions", "/sessions"),
        ("revenue", "/purchases/revenue_series"),
    ):
        for app in apps:
            whole = path if path.endswith("_series") else f"{path}/data_series"
            expected = {
                date.fromisoformat(day.pop("time")[:10]): next(iter(day.values()))
                for day in braze_get(braze, whole, app_id=app)["data"]
            }
            assert {row["day"]: row[column] for row in rows if row["app_id"] == app} == pytest.approx(expected)


def messages_are_followed_by_what_followed(
    mart: Callable[[str], list[dict[str, Any]]], events: list[dict[str, Any]]
) -> None:
    """The attribution by another way: for each event, search what was sent before it."""
    sends = [event for event in events if is_send(event) and event["user_id"]]
    expected: defaultdict[str, Counter[str]] = defaultdict(Counter)
    bought: dict[str, str | None] = {}
    for event in events:
        if not event.get("user_id"):
            continue
        end = event["type"].rpartition(".")[2]
        before = [send for send in sends if send["user_id"] == event["user_id"] and send["time"] <= event["time"]]
        if event["type"] == "users.behaviors.Purchase":
            recent = [send for send in before if send["time"] >= event["time"] - timedelta(days=7).total_seconds()]
            bought[event["id"]] = latest(recent)
        elif end == "Conversion":
            same = [send for send in before if whole(send) == whole(event)]
            expected[latest(same) or ""]["conversions"] += 1
        elif end in ("Open", "Read", "Click", "ShortLinkClick") or event["type"] == CARD_SEEN:
            same = [send for send in before if message(send) == message(event)]
            if end in ("Open", "Read", "Impression"):
                what = "machine_opens" if event.get("machine_open") == "true" else "opens"
            else:
                what = "bot_clicks" if event.get("is_suspected_bot_click") else "clicks"
            expected[latest(same) or ""][what] += 1
    rows = {row["send_event_id"]: row for row in mart("message_attribution")}
    assert rows.keys() == {send["id"] for send in sends}
    for what in ("opens", "machine_opens", "clicks", "bot_clicks", "conversions"):
        got = {send: row[what] for send, row in rows.items() if row[what]}
        assert got == {send: counts[what] for send, counts in expected.items() if send and counts[what]}
        assert got or what == "bot_clicks"
    purchases = mart("purchase_attribution")
    assert {row["purchase_event_id"]: row["send_event_id"] for row in purchases} == bought
    assert any(bought.values())
    prices = {event["id"]: round(event["price"], 2) for event in events if event["id"] in bought}
    assert {row["purchase_event_id"]: float(row["price"]) for row in purchases} == prices


def people_are_in_their_cohort(
    rows: list[dict[str, Any]], events: list[dict[str, Any]], created: dict[str, datetime]
) -> None:
    did: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event.get("user_id"):
            did[event["user_id"]].append(event)
    cohorts = {user: monday(created[user]) for user in created}
    cohorts |= {user: monday(min(map(when, done))) for user, done in did.items() if user not in created}
    buyers: defaultdict[tuple[date, int], set[str]] = defaultdict(set)
    present = set()
    for user, done in did.items():
        for event in done:
            weeks = (when(event).date() - cohorts[user]).days // 7
            present.add((cohorts[user], weeks))
            if event["type"] == "users.behaviors.Purchase":
                buyers[cohorts[user], weeks].add(user)
    sizes = Counter(cohorts.values())
    assert {(row["cohort_week"], row["weeks_since"]) for row in rows} == present
    for row in rows:
        assert row["cohort_size"] == sizes[row["cohort_week"]]
        assert row["buying_users"] == len(buyers[row["cohort_week"], row["weeks_since"]])
        assert row["active_rate"] == row["active_users"] / row["cohort_size"]
    assert any(row["buying_users"] for row in rows)


def when(event: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(event["time"], timezone.utc)


def monday(moment: datetime) -> date:
    return moment.date() - timedelta(days=moment.weekday())


def is_send(event: dict[str, Any]) -> bool:
    shown = ("users.messages.inappmessage.Impression", "users.messages.banner.Impression")
    return (event["type"].startswith("users.messages.") and event["type"].endswith(".Send")) or event["type"] in shown


def whole(event: dict[str, Any]) -> str:
    return event.get("campaign_id") or event.get("canvas_id") or ""


def message(event: dict[str, Any]) -> tuple[str, str, str]:
    return (
        whole(event),
        event["type"].split(".")[2],
        event.get("message_variation_id") or event.get("canvas_step_id") or "",
    )


def latest(sends: list[dict[str, Any]]) -> str | None:
    return max(sends, key=lambda send: (send["time"], send["id"]))["id"] if sends else None


def braze_get(braze: Sandbox, path: str, **query: Any) -> dict[str, Any]:
    """What the sandbox answers of the days that were read."""
    last = datetime(END.year, END.month, END.day, tzinfo=timezone.utc) - timedelta(seconds=1)
    query = {"length": (END - START).days, "ending_at": last.isoformat(), **query}
    answer = requests.get(braze.url + path, query, headers={"Authorization": f"Bearer {braze.api_key}"}, timeout=30)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def load_into_duckdb(folder: Path, config: dict[str, Any], streams: list[str]) -> Path:
    """Load what the tap writes, one row for each key.

    No loader of PyPI does it: target-duckdb 0.8.0 loses the first row of tables that have nothing but text, which
    DuckDB takes for their header.
    """
    reads = subprocess.run(tap(folder, config, streams), capture_output=True, check=True)
    declared: dict[str, dict[str, Any]] = {}
    rows: defaultdict[str, dict[tuple[Any, ...], dict[str, Any]]] = defaultdict(dict)
    for message in map(json.loads, reads.stdout.splitlines()):
        if message["type"] == "SCHEMA":
            declared[message["stream"]] = message
        elif message["type"] == "RECORD":
            key = tuple(message["record"][name] for name in declared[message["stream"]]["key_properties"])
            rows[message["stream"]][key] = message["record"]
    statements = ["create schema tap_braze"]
    for stream, schema in declared.items():
        records = folder / f"{stream}.jsonl"
        records.write_text("\n".join(map(json.dumps, rows[stream].values())), "utf-8")
        types = {name: duckdb_type(column) for name, column in schema["schema"]["properties"].items()}
        columns = ", ".join(f'"{name}": {kind!r}' for name, kind in types.items())
        read = f"from read_json('{records}', format = 'newline_delimited', columns = {{{columns}}})"
        empty = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in types.items())
        read = f"select * {read}" if rows[stream] else f"select {empty} where false"
        statements.append(f'create table tap_braze."{stream}" as {read}')
    file = folder / "braze.duckdb"
    duckdb_rows(file, "; ".join(statements))
    return file


def duckdb_type(column: dict[str, Any]) -> str:
    kinds = [kind for kind in column["type"] if kind != "null"]
    formats = {"date": "date", "date-time": "timestamp"}
    names = {"integer": "bigint", "number": "double", "boolean": "boolean", "string": "varchar"}
    return formats.get(column.get("format", "")) or (names.get(kinds[0], "json") if len(kinds) == 1 else "varchar")


def run_target(folder: Path, braze: Sandbox) -> dict[str, int]:
    """Run the target with a report, and return the counts of its stream."""
    schema = {"properties": {"external_id": {"type": "string"}, "plan": {"type": "string"}}}
    lines = [{"type": "SCHEMA", "stream": "people", "schema": schema, "key_properties": ["external_id"]}]
    lines += [
        {"type": "RECORD", "stream": "people", "record": {"external_id": f"new-{n}", "plan": "a"}} for n in range(3)
    ]
    config: dict[str, Any] = {"api_key": braze.api_key, "endpoint": braze.url, "acknowledge_live_campaigns": True}
    config |= {"report_path": str(folder / "reports" / "load.html")}
    done = subprocess.run(
        target(folder, config), input="\n".join(map(json.dumps, lines)).encode(), capture_output=True, check=True
    )
    (line,) = [line for line in done.stderr.decode().splitlines() if line.startswith('{"summary":')]
    counts: dict[str, int] = json.loads(line)["summary"]["streams"]["people"]
    return counts


def load_history(folder: Path, file: Path) -> None:
    """Load the history of all runs, as the README of the package says, and some of it twice."""
    reports = folder / "reports"
    (reports / "again.jsonl").write_bytes((reports / "load.jsonl").read_bytes())
    (statement,) = re.findall(
        r"```sql\n(create schema if.*?)```", (dbt.PROJECT / "README.md").read_text("utf-8"), re.DOTALL
    )
    duckdb_rows(file, statement.replace("reports/*.jsonl", str(reports / "*.jsonl")))
    (query,) = re.findall(r"```sql\n(.*?);\n```", (ROOT / "docs" / "run-report.md").read_text("utf-8"), re.DOTALL)
    (row,) = duckdb_rows(file, query.replace("reports/load.jsonl", str(reports / "load.jsonl")))
    assert (row["ended"], row["sent"], row["rejected"]) == ("completed", 3, 0)


def duckdb_rows(file: Path, query: str) -> list[dict[str, Any]]:
    """What a query answers in DuckDB, whose Python package is in dbt's virtual environment."""
    script = (
        "import duckdb, json, sys\n"
        "found = duckdb.connect(sys.argv[1]).execute(sys.argv[2])\n"
        "names = [column[0] for column in found.description]\n"
        "print(json.dumps([dict(zip(names, row)) for row in found.fetchall()], default=str))"
    )
    python = str(ROOT / ".venv-dbt" / "bin" / "python")
    done = subprocess.run([python, "-c", script, str(file), query], capture_output=True, check=True, text=True)
    rows = json.loads(done.stdout)
    for row in rows:
        for name in row.keys() & {"day", "cohort_week"}:
            row[name] = date.fromisoformat(row[name])
    return rows  # type: ignore[no-any-return]
