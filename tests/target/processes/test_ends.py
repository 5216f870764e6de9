"""How a run of several processes ends when one of them is stopped or killed, as the operating system sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox

from tests.target.support.singer import TEXT, Stream, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNT = 3000
EVENTS = Stream("events", {"external_id": TEXT, "name": TEXT, "time": TEXT})
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are found in /proc")


@pytest.fixture
def slow() -> Iterator[Sandbox]:
    with Sandbox(seed="empty", latency_ms=150) as sandbox:
        yield sandbox


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def children_of(pid: int) -> list[int]:
    """Return the processes that deliver: those that a process has started, without Python's own helper."""
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z"
    except OSError:
        return True


@pytest.fixture
def run(slow: Sandbox, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run in the middle of its input, with requests under way."""
    config, source = tmp_path / "config.json", tmp_path / "source"
    settings = {"concurrency": 4, "processes": 2, "max_objects_per_request": 20}
    config.write_text(json.dumps({"api_key": slow.api_key, "endpoint": slow.url, **settings}))
    messages: list[Any] = [EVENTS]
    for number in range(COUNT):
        user = f"c-{number % 500}"
        messages.append(EVENTS.record({"external_id": user, "name": f"{number}", "time": "2026-03-04T12:00:00Z"}))
        if number % 10 == 9:
            messages.append({"type": "STATE", "value": {"upto": number}})
    source.write_bytes(lines(*messages))
    with source.open("rb") as stdin:
        process = subprocess.Popen(
            [sys.executable, "-m", "target_braze", "--config", str(config)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    wait_for(lambda: len(slow.requests) >= 12)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def holds(sandbox: Sandbox) -> set[int]:
    return {int(event["name"]) for profile in sandbox.profiles() for event in profile.events}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_stops_the_run_once(
    number: signal.Signals, run: subprocess.Popen[bytes], slow: Sandbox
) -> None:
    children = children_of(run.pid)
    os.killpg(run.pid, number)
    stdout, stderr = run.communicate(timeout=60)
    assert run.returncode == 128 + number
    assert len(children) == 2
    assert all(map(is_gone, children))
    states = [json.loads(line)["upto"] for line in stdout.splitlines()]
    assert holds(slow).issuperset(range(max(states, default=-1) + 1))
    summary = json.loads(stderr.splitlines()[-1])["summary"]
    assert summary["ended"] == "stopped"
    assert summary["total"]["sent"] == len(holds(slow))


def test_a_killed_child_ends_the_run_and_what_it_had_settled_counts(
    run: subprocess.Popen[bytes], slow: Sandbox
) -> None:
    children = children_of(run.pid)
    os.kill(children[1], signal.SIGKILL)
    stdout, stderr = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "process 2 of 2 ended early with signal 9" in stderr.decode()
    assert "Traceback" not in stderr.decode()
    states = [json.loads(line)["upto"] for line in stdout.splitlines()]
    assert holds(slow).issuperset(range(max(states, default=-1) + 1))


def test_children_end_with_a_killed_parent(run: subprocess.Popen[bytes], slow: Sandbox) -> None:
    children = children_of(run.pid)
    run.kill()
    run.wait()
    wait_for(lambda: all(map(is_gone, children)))
    before = len(slow.requests)
    time.sleep(0.3)
    # Requests that were under way may have been applied, but no more are sent.
    assert len(slow.requests) <= before + 4
