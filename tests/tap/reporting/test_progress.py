"""What a long run says of itself, and in which order streams are read."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING, Any

from braze_sandbox.currents import files
from braze_sandbox.testing import Sandbox
from tap_braze.currents import schemas
from tap_braze.currents.files import Files
from tap_braze.process import ticker
from tap_braze.reporting.progress import FIELDS, Progress
from tap_braze.streams import currents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from tap_braze.currents.files import File
    from tap_braze.streams.base.context import RunContext
    from tap_braze.streams.base.stream import BrazeStream

    RunTap = Callable[..., Any]


def lines(run: Any) -> list[str]:
    return [line for line in run.stderr.splitlines() if " requests/s, " in line]


def test_a_run_says_how_far_it_is(run_tap: RunTap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "EVERY", 0.05)
    with Sandbox(latency_ms=30) as slow:
        run = run_tap(
            "canvases_analytics", "kpi_daily_new_users", endpoint=slow.url, api_key=slow.api_key, concurrency=2
        )
    assert any(
        re.search(
            r"stream 1 of 2 'canvases_analytics': window \d+ of 10 \(to 2026-\d\d-\d\d\), \d+ of 31 requests", line
        )
        for line in lines(run)
    ), lines(run)


def test_a_run_is_quiet_and_ends_with_a_table(sandbox: Sandbox, run_tap: RunTap) -> None:
    refused = next(iter(sandbox.workspace.campaigns))
    sandbox.fault(path="/campaigns/data_series", query={"campaign_id": refused}, do="status", status=400)
    run = run_tap("campaigns", "campaigns_analytics", "kpi_daily_new_users", "sends_analytics")
    assert "METRIC" not in run.stderr
    assert "Skipping deselected" not in run.stderr
    table = [line.split(" | ")[-1].split() for line in run.stderr.splitlines() if "| INFO" in line]
    rows = {row[0]: row[1:] for row in table}
    assert rows["stream"] == ["records", "requests", "waited", "refused"]
    assert rows["campaigns"] == [str(len(run.records("campaigns"))), "1", "0.0", "s", "0"]
    assert rows["campaigns_analytics"][0] == str(len(run.records("campaigns_analytics")))
    assert rows["campaigns_analytics"][-1] == "1"
    assert rows["total"][-1] == "1"
    assert rows["without"] == ["records:", "sends_analytics"]
    assert len(run.stderr.splitlines()) < 30


def test_all_details_come_at_debug(run_tap: RunTap) -> None:
    run = run_tap("campaigns", env={"TAP_BRAZE_LOGLEVEL": "DEBUG"})
    assert any("DEBUG" in line and '"http_request_count"' in line for line in run.stderr.splitlines())


def test_warnings_of_one_kind_are_counted(sandbox: Sandbox, run_tap: RunTap) -> None:
    sandbox.fault(path="/kpi/dau/data_series", do="status", status=503, times=3)
    run = run_tap("kpi_daily_active_users")
    retries = [line for line in run.stderr.splitlines() if "HTTP 503" in line]
    assert len(retries) == 2
    assert retries[1].endswith("(and 2 more like this)")


def test_waiting_is_no_silence(run_tap: RunTap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "EVERY", 0.5)
    with Sandbox() as slow:
        slow.fault(path="/kpi/dau/*", do="latency", latency_ms=2500)
        run = run_tap("kpi_daily_active_users", endpoint=slow.url, api_key=slow.api_key)
    assert len(lines(run)) >= 2


def test_an_export_that_takes_long_is_no_silence(run_tap: RunTap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "EVERY", 0.05)
    with Sandbox(users=10, export_seconds=0.5) as slow:
        segment = next(iter(slow.workspace.segments))
        run = run_tap("users", endpoint=slow.url, api_key=slow.api_key, users={"segment_ids": [segment]})
    assert run.exit_code == 0, run.stderr
    assert any("0 of 1 requests" in line and "waiting for exports" in line for line in lines(run)), lines(run)
    (row,) = (line.split(" | ")[-1].split() for line in run.stderr.splitlines() if "| users  " in line)
    assert float(row[3]) > 0  # the closing table counts the wait


def test_files_of_currents_are_counted(run_tap: RunTap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ticker, "EVERY", 0.02)
    monkeypatch.setattr(Files, "read", read_slowly(Files.read))
    with Sandbox(seed="small", users=10) as braze:
        written = files.write(tmp_path, braze.instance, files.Options(hours=12))
        name = schemas.stream_name("users.messages.email.Send")
        settings = {"endpoint": braze.url, "api_key": braze.api_key, "currents": {"url": str(tmp_path / "currents")}}
        run = run_tap(name, concurrency=1, start_date="2020-01-01", end_date=None, **settings)
    there = len([file for file in written if file.event_type == "users.messages.email.Send"])
    assert there > 1
    assert any(f" of {there} files; " in line for line in lines(run)), lines(run)
    assert any(re.search(r"run: 0 requests, [1-9]\d* records", line) for line in lines(run)), lines(run)


def read_slowly(read: Callable[[Files, File], Any]) -> Callable[[Files, File], Any]:
    def slowly(files: Files, file: File) -> Any:
        time.sleep(0.05)
        return read(files, file)

    return slowly


def test_a_test_of_the_key_is_no_silence(run_tap: RunTap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "EVERY", 0.05)
    with Sandbox(seed="small", latency_ms=20) as slow:
        run = run_tap(options=("--test",), endpoint=slow.url, api_key=slow.api_key)
    assert "testing what the key may read, for " in run.stderr


def test_a_long_listing_of_files_is_no_silence(
    run_tap: RunTap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ticker, "EVERY", 0.01)
    listed = currents.streams

    def list_slowly(run: RunContext) -> list[BrazeStream]:
        time.sleep(0.2)
        return listed(run)

    monkeypatch.setattr(currents, "streams", list_slowly)
    run = run_tap(options=("--discover",), currents={"url": str(tmp_path)})
    assert "listing the files of Currents, for " in run.stderr


def test_all_fields_of_the_log_are_described(
    run_tap: RunTap, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ticker, "EVERY", 0.02)
    with Sandbox(latency_ms=20) as slow, caplog.at_level(logging.INFO):
        slow.fault(path="/kpi/dau/*", do="status", status=429, times=1, headers={"X-RateLimit-Reset": "1"})
        run_tap("campaigns_analytics", "kpi_daily_active_users", endpoint=slow.url, api_key=slow.api_key)
    usual = vars(logging.makeLogRecord({})).keys() | {"message", "asctime"}
    found = {
        name for record in caplog.records if "stream_number" in vars(record) for name in vars(record).keys() - usual
    }
    assert found == FIELDS.keys()


def test_the_facts_are_fields_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    telling = Progress(logging.getLogger("tap-braze"))
    with caplog.at_level(logging.INFO):
        telling.begin("a", "/a")
        telling.plan(100, 5)
        telling.record_answer(records=7)
        telling.log()
    (record,) = [record for record in caplog.records if record.name == "tap-braze"]
    facts = vars(record)
    assert (facts["stream"], facts["requests"], facts["records"]) == ("a", 1, 7)
    assert facts["requests_per_second"] >= 0


def test_who_waits_for_the_hour_holds_up_nobody(run_tap: RunTap) -> None:
    streams = ("events", "events_analytics", "products", "purchases_quantity", "segments", "sessions_analytics")
    with Sandbox(limits={"c": (2, 2.0)}) as limited:
        started = time.monotonic()
        run = run_tap(*streams, endpoint=limited.url, api_key=limited.api_key, rate_limit_reserve=0)
        assert run.exit_code == 0, run.stderr
        assert time.monotonic() - started > 1
        slow = [i for i, r in enumerate(limited.requests) if r.path.startswith(("/events", "/purchases"))]
        others = [i for i, r in enumerate(limited.requests) if r.path.startswith(("/segments", "/sessions"))]
    assert others
    assert max(others) < min(slow)
