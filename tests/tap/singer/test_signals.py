"""Signals: the program ends at once, between two messages, with a state from which the next run continues."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.tap.support.singer import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from braze_sandbox.testing import Sandbox

STREAM = "campaigns_analytics"


@pytest.fixture
def start(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """The tap as a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(stdout: Any = subprocess.PIPE, **settings: Any) -> subprocess.Popen[str]:
        config = {
            "api_key": sandbox.api_key,
            "endpoint": sandbox.url,
            "start_date": "2025-01-01",
            "end_date": "2026-07-01",
            **settings,
        }
        (tmp_path / "config.json").write_text(json.dumps(config))
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "tap_braze", "--config", str(tmp_path / "config.json")],
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (signal.SIGTERM, {"do": "latency", "latency_ms": 30_000}),
        (signal.SIGINT, {"do": "status", "status": 429, "reset_in": 1800}),
        (signal.SIGHUP, {"do": "status", "status": 503}),
    ],
    ids=["while an answer is awaited", "while a limit is waited out", "between retries"],
)
def test_a_signal_ends_the_run_at_once(
    sandbox: Sandbox,
    tmp_path: Path,
    *,
    start: Callable[..., subprocess.Popen[str]],
    run_tap: Callable[..., Any],
    number: signal.Signals,
    fault: dict[str, Any],
) -> None:
    # Two of the six windows of five campaigns pass.
    sandbox.fault(path="/campaigns/data_series", after=12, **fault)
    # Into a file, because a pipe that nobody reads would block it.
    output = tmp_path / "output"
    with output.open("w") as stdout:
        process = start(stdout, concurrency=2)
    wait_for(lambda: len([request for request in sandbox.requests if "data_series" in request.path]) >= 12)
    time.sleep(0.3)
    before = time.monotonic()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    assert time.monotonic() - before < 3
    written = output.read_text()
    assert process.returncode == 128 + number
    assert "Traceback" not in stderr
    assert sandbox.api_key not in written + stderr

    messages = [json.loads(line) for line in written.splitlines()]
    state = [message["value"] for message in messages if message["type"] == "STATE"][-1]
    assert state["bookmarks"][STREAM]["replication_key_value"] == "2025-07-17"

    sandbox.clear_faults()
    settings = {"start_date": "2025-01-01", "lookback_days": 0}
    whole, rest = run_tap(STREAM, **settings), run_tap(STREAM, state=state, **settings)
    records = [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == STREAM]
    got = {(r["campaign_id"], r["time"]): r for r in records + rest.records(STREAM)}
    assert got == {(r["campaign_id"], r["time"]): r for r in whole.records(STREAM)}


def test_a_signal_while_the_reader_is_slow_tears_no_line(
    sandbox: Sandbox, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start()
    # Nobody reads, the pipe fills, and the program blocks in the middle of a line.
    wait_for(lambda: len([request for request in sandbox.requests if "data_series" in request.path]) >= 20)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode in {128 + signal.SIGTERM, 128 + signal.SIGINT}
    assert [json.loads(line) for line in stdout.splitlines()]
    assert stdout.endswith("\n")
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("redirection", "error"),
    [
        (">&-", "standard output is closed"),
        pytest.param(
            ">/dev/full",
            "standard output cannot be written: No space left",
            marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full"),
        ),
    ],
)
def test_a_standard_output_that_takes_nothing_is_named_in_one_line(
    redirection: str, error: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url, "start_date": "2026-01-01"}))
    command = f'exec "{sys.executable}" -m tap_braze --config "{config}" {redirection}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert error in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    "redirection",
    [
        "2>&-",
        pytest.param("2>/dev/full", marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")),
    ],
)
def test_standard_error_is_not_needed(redirection: str, sandbox: Sandbox, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url, "start_date": "2026-01-01"}))
    command = f'exec "{sys.executable}" -m tap_braze --config "{config}" {redirection}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0
    assert '"STATE"' in done.stdout
