"""What goes wrong: one line that says what and what next, a non-zero exit, and a state that stays valid."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tap_braze.braze import client as braze_api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]

KEY = "k-3f1c9e"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"api_key": None}, "setting 'api_key' is missing"),
        ({"endpoint": None}, "setting 'endpoint' is missing"),
        ({"api_key": f'"{KEY}"'}, "setting 'api_key': it contains characters"),
        ({"api_key": f"{KEY}\n"}, "setting 'api_key': it contains characters"),
        ({"api_key": ""}, "setting 'api_key': it contains characters"),
        ({"api_key": 471147}, "setting 'api_key': it contains characters"),
        ({"endpoint": "US-09"}, "setting 'endpoint': 'US-09' is not a Braze instance"),
        ({"endpoint": "http://rest.iad-01.braze.com"}, "would send the API key unencrypted"),
        ({"time_zone": "Mars/Olympus"}, "setting 'time_zone': 'Mars/Olympus' is not a time zone"),
        ({"time_zone": "America"}, "setting 'time_zone': 'America' is not a time zone"),
        ({"start_date": "yesterday"}, "setting 'start_date': 'yesterday' is neither a date"),
        ({"start_date": "2026-02-30"}, "setting 'start_date': '2026-02-30' is neither a date"),
        ({"start_date": "2999-01-01"}, "setting 'start_date': '2999-01-01' is in the future"),
        ({"end_date": "31.12.2026"}, "setting 'end_date': '31.12.2026' is neither a date"),
        ({"end_date": "2026-03-01"}, "setting 'end_date': '2026-03-01' is not after the start date"),
        ({"lookback_days": -1}, "setting 'lookback_days': -1 is less than the minimum of 0"),
        ({"lookback_days": "two"}, "setting 'lookback_days': 'two' is not of type 'integer'"),
        ({"concurrency": 0}, "setting 'concurrency': 0 is less than the minimum of 1"),
        ({"rate_limit_reserve": 1}, "setting 'rate_limit_reserve': 1 is greater than the maximum of 0.9"),
        ({"app_ids": "one"}, "setting 'app_ids': 'one' is not of type 'array'"),
        ({"app_ids": [""]}, "setting 'app_ids.0': '' should be non-empty"),
        ({"series_unit": "week"}, "setting 'series_unit': 'week' is not one of ['day', 'hour']"),
    ],
)
def test_a_wrong_setting(sandbox: Sandbox, run_tap: RunTap, settings: dict[str, Any], said: str) -> None:
    run = run_tap(**settings)
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert said in run.errors[0]
    assert "471147" not in run.stderr
    assert KEY not in run.stderr
    assert run.stdout == ""
    assert sandbox.requests == []


def test_null_is_as_good_as_nothing(cli: Callable[..., Any], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    names = ("start_date", "end_date", "lookback_days", "time_zone", "include_archived", "app_ids", "concurrency")
    config.write_text(json.dumps({"api_key": KEY, "endpoint": "US-01", **dict.fromkeys(names)}))
    assert cli(["--config", str(config), "--test=schema"]).exit_code == 0


def test_each_mistake_is_named(run_tap: RunTap) -> None:
    assert len(run_tap(api_key=None, concurrency=0).errors) == 2


@pytest.mark.parametrize("name", ["config", "state", "catalog"])
def test_a_file_that_is_not_json(run_tap: RunTap, tmp_path: Path, name: str) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    run = run_tap(options=(f"--{name}", str(broken)))
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert "not JSON" in run.errors[0]


def test_a_config_that_is_not_there(cli: Callable[..., Any]) -> None:
    run = cli(["--config", "nowhere.json"])
    assert run.exit_code == 1
    assert "'nowhere.json' was not found" in run.errors[0]


def test_the_environment_may_hold_the_settings(sandbox: Sandbox, cli: Callable[..., Any]) -> None:
    env = {
        "TAP_BRAZE_API_KEY": sandbox.api_key,
        "TAP_BRAZE_ENDPOINT": sandbox.url,
        "TAP_BRAZE_START_DATE": "2026-06-29",
        "TAP_BRAZE_END_DATE": "2026-07-01",
        "TAP_BRAZE_CONCURRENCY": "2",
        "TAP_BRAZE_RATE_LIMIT_RESERVE": "0.5",
        "TAP_BRAZE_INCLUDE_ARCHIVED": "false",
        "TAP_BRAZE_APP_IDS": json.dumps(list(sandbox.workspace.apps)),
    }
    run = cli(["--config", "ENV"], env=env, secret=sandbox.api_key)
    assert run.exit_code == 0, run.stderr
    assert len(run.records("kpi_daily_new_users")) == 6
    wrong = cli(["--config", "ENV"], env={**env, "TAP_BRAZE_CONCURRENCY": "many"}, secret=sandbox.api_key)
    assert wrong.errors == ["setting 'concurrency': 'many' is not of type 'integer', 'null'"]


def test_a_wrong_key(run_tap: RunTap) -> None:
    run = run_tap("campaigns_analytics", api_key=KEY)
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert "HTTP 401" in run.errors[0]
    assert "check settings 'api_key' and 'endpoint'" in run.errors[0]
    assert "stream 'campaigns' (read for 'campaigns_analytics')" in run.errors[0]


@pytest.mark.parametrize(
    ("missing", "stream", "said"),
    [
        ("campaigns.data_series", "campaigns_analytics", "stream 'campaigns_analytics'"),
        ("campaigns.list", "campaigns_analytics", "stream 'campaigns' (read for 'campaigns_analytics')"),
        ("canvas.list", "canvases", "stream 'canvases':"),
        ("kpi.mau.data_series", "kpi_monthly_active_users", "stream 'kpi_monthly_active_users'"),
    ],
)
def test_a_permission_that_is_missing(sandbox: Sandbox, run_tap: RunTap, missing: str, stream: str, said: str) -> None:
    permissions = {"campaigns.list", "campaigns.data_series", "canvas.list", "kpi.mau.data_series"} - {missing}
    sandbox.add_key(KEY, permissions=sorted(permissions))
    run = run_tap(stream, api_key=KEY)
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert said in run.errors[0]
    assert f"permission '{missing}'" in run.errors[0]


def test_a_host_that_is_not_there(run_tap: RunTap) -> None:
    run = run_tap("segments", endpoint="http://localhost:9")
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert "no answer from http://localhost:9" in run.errors[0]
    assert "check setting 'endpoint'" in run.errors[0]


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "status", "status": 500, "times": 2},
        {"do": "status", "status": 503, "after": 3, "times": 1},
        {"do": "drop_before", "times": 2},
        {"do": "drop_after", "after": 1, "times": 2},
        {"do": "garbage", "times": 2},
        {"do": "status", "status": 429, "times": 1, "reset_in": 0.3},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_what_passes_leaves_no_trace(
    sandbox: Sandbox, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(braze_api, "RETRY_FOR", 20)
    monkeypatch.setattr(braze_api, "FIRST_ANSWER_WITHIN", 20)
    whole = run_tap("campaigns_analytics", start_date="2026-06-01")
    sandbox.fault(path="/campaigns/*", **fault)
    run = run_tap("campaigns_analytics", start_date="2026-06-01")
    assert run.exit_code == 0, run.stderr
    assert run.records("campaigns_analytics") == whole.records("campaigns_analytics")
    assert run.state == whole.state


def test_an_outage_ends_the_run_with_the_last_state(sandbox: Sandbox, run_tap: RunTap) -> None:
    sandbox.fault(path="/campaigns/data_series", do="status", status=503, after=5)
    run = run_tap("campaigns_analytics", concurrency=1)
    assert run.exit_code == 1
    assert len(run.errors) == 1
    campaign = next(iter(sandbox.workspace.campaigns))
    assert (
        f"stream 'campaigns_analytics', campaign_id '{campaign}': GET /campaigns/data_series: HTTP 503" in run.errors[0]
    )
    assert "continues from the last STATE" in run.errors[0]
    assert run.bookmark("campaigns_analytics") == "2026-06-07"


def test_garbage_for_ever_ends_the_run(sandbox: Sandbox, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    sandbox.fault(path="/segments/list", do="garbage")
    run = run_tap("segments")
    assert run.exit_code == 1
    assert "no 'segments' in the answer" in run.errors[0]


def test_the_rate_limit_is_kept(run_tap: RunTap) -> None:
    from braze_sandbox.testing import Sandbox  # noqa: PLC0415 - at run time here only

    with Sandbox(limits={"b": (20, 1.0)}) as limited:
        before = time.monotonic()
        run = run_tap("campaigns_analytics", endpoint=limited.url, api_key=limited.api_key, start_date="2025-01-01")
        assert run.exit_code == 0, run.stderr
        series = [request for request in limited.requests if request.path == "/campaigns/data_series"]
    assert len([request for request in series if request.status == 200]) == 30
    assert time.monotonic() - before > 1
    assert len(run.records("campaigns_analytics")) == 5 * 546


def test_streams_that_braze_counts_together_leave_one_reserve(run_tap: RunTap, monkeypatch: pytest.MonkeyPatch) -> None:
    from braze_sandbox.state.limits import Pool  # noqa: PLC0415 - at run time here only
    from braze_sandbox.testing import Sandbox  # noqa: PLC0415

    used = []
    take = Pool.take

    def taken(pool: Pool) -> bool:
        allowed = take(pool)
        if pool.limit == 10:
            used.append(pool._used)
        return allowed

    monkeypatch.setattr(Pool, "take", taken)
    streams = ("events", "events_details", "custom_attributes", "products", "purchases_quantity", "purchases_revenue")
    # Three requests per window are enough for the first three streams; the fourth must wait.
    with Sandbox(limits={"c": (10, 1.0)}) as limited:
        run = run_tap(*streams, endpoint=limited.url, api_key=limited.api_key, concurrency=1, rate_limit_reserve=0.7)
        assert run.exit_code == 0, run.stderr
        assert [request.status for request in limited.requests if request.status != 200] == []
    assert max(used) <= 3
    assert len(used) > 6


@pytest.mark.parametrize("status", [400, 404])
def test_a_parent_that_is_refused_is_passed_over(sandbox: Sandbox, run_tap: RunTap, status: int) -> None:
    refused, *others = sandbox.workspace.campaigns
    query = {"campaign_id": refused}
    sandbox.fault(path="/campaigns/data_series", query=query, do="status", status=status, body={"message": "No such"})
    run = run_tap("campaigns_analytics")
    assert run.exit_code == 0, run.stderr
    assert {record["campaign_id"] for record in run.records("campaigns_analytics")} == set(others)
    assert run.stderr.count(f"campaign_id '{refused}' was refused and is skipped") == 1
    assert "No such" in run.stderr
    assert "1 in total were refused" in run.stderr
    assert run.bookmark("campaigns_analytics") == "2026-06-30"


def test_an_app_that_braze_does_not_know_ends_the_run(run_tap: RunTap) -> None:
    run = run_tap("kpi_daily_new_users", app_ids=["nobodys"])
    assert run.exit_code == 1
    assert "stream 'kpi_daily_new_users', app_id 'nobodys'" in run.errors[0]


@pytest.mark.parametrize(("stream", "key"), [("kpi_daily_new_users", "time"), ("campaigns", "last_edited")])
def test_a_bookmark_that_is_no_date(run_tap: RunTap, stream: str, key: str) -> None:
    state = {"bookmarks": {stream: {"replication_key": key, "replication_key_value": "last week"}}}
    run = run_tap(stream, state=state)
    assert run.exit_code == 1
    assert run.errors == [
        f"stream '{stream}': the bookmark 'last week' in the state is not a date; remove or correct it"
    ]


def test_a_catalog_of_other_app_ids(run_tap: RunTap, cli: Callable[..., Any]) -> None:
    catalog = json.loads(cli(["--discover"]).stdout)
    run = run_tap(catalog=catalog, app_ids=["one"])
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert "--discover" in run.errors[0]
