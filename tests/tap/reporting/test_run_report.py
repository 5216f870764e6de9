"""The report of a run of the tap: a page that opens offline, and a line in the history."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "export.html"


def line_of(path: Path) -> dict[str, Any]:
    (line,) = path.with_suffix(".jsonl").read_text("utf-8").splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_run_is_reported(sandbox: Sandbox, run_tap: RunTap, path: Path) -> None:
    refused = next(iter(sandbox.workspace.campaigns))
    sandbox.fault(path="/campaigns/data_series", query={"campaign_id": refused}, do="status", status=400)
    run = run_tap("campaigns", "campaigns_analytics", "sends_analytics", report_path=str(path))
    assert run.exit_code == 0, run.stderr
    found = line_of(path)
    assert (found["program"], found["ended"], found["error"]) == ("tap-braze", "completed", None)
    assert found["streams"].keys() == {"campaigns", "campaigns_analytics", "sends_analytics"}
    for name, counts in found["streams"].items():
        assert counts["records"] == len(run.records(name))
    assert found["streams"]["campaigns_analytics"]["refused"] == 1
    assert found["total"]["records"] == sum(counts["records"] for counts in found["streams"].values())
    assert found["total"]["requests"] == len(sandbox.requests)
    page = path.read_text("utf-8")
    assert refused in page
    assert "HTTP 400" in page
    assert page.count("<svg") == 2
    assert not re.findall(r"https?:|src=|@import|url\(|<script", page)
    for file in (path, path.with_suffix(".jsonl")):
        assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(file.suffix for file in path.parent.glob("*export*")) == [".html", ".jsonl"]


def test_a_run_that_fails_is_reported(sandbox: Sandbox, run_tap: RunTap, path: Path) -> None:
    sandbox.fault(path="/kpi/dau/data_series", do="status", status=403)
    run = run_tap("kpi_daily_active_users", report_path=str(path))
    assert run.exit_code == 1
    found = line_of(path)
    assert found["ended"] == "failed"
    assert "permission 'kpi.dau.data_series'" in found["error"]
    assert "permission &#39;kpi.dau.data_series&#39;" in path.read_text("utf-8")


def test_a_run_that_a_signal_stops_is_reported(sandbox: Sandbox, run_tap: RunTap, path: Path) -> None:
    sandbox.after_request("/campaigns/list", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    run = run_tap("campaigns", "kpi_daily_active_users", report_path=str(path))
    assert run.exit_code == 128 + signal.SIGTERM
    found = line_of(path)
    assert (found["ended"], found["error"]) == ("stopped", "SIGTERM")
    assert "stopped" in path.read_text("utf-8")


def test_a_wrong_path_stops_the_run_before_it_begins(sandbox: Sandbox, run_tap: RunTap, tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("<p>mine")
    run = run_tap("campaigns", report_path=str(tmp_path / "mine.html"))
    assert run.exit_code == 1
    assert "is no run report" in run.errors[0]
    assert not sandbox.requests
    assert (tmp_path / "mine.html").read_text() == "<p>mine"
