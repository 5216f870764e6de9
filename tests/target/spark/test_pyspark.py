"""The data source `braze` on PySpark, where Java is: found by name, without a key in any log, and under kill -9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from target_braze import OutcomeLog

from tests.target.support.singer import sent

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-pyspark" / "bin" / "python"
# The Makefile makes the environment only where it finds Java.
pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="PySpark needs Java, which is not installed"),
    pytest.mark.skipif(not PYTHON.exists(), reason="`make test` makes the environment of PySpark, .venv-pyspark"),
    pytest.mark.skipif(sys.platform != "linux", reason="the test finds Spark's processes in /proc"),
]
EVENT: dict[str, Any] = {"to": "events", "time_field": "at"}
CONFIG: dict[str, Any] = {
    "streams": {name: {**EVENT, "event": {"name": name}} for name in ("seen", "orders")},
    "on_unknown_outcome": "hold",
    "on_error": "dead_letter",
    "dependency_delay": 0,
    "acknowledge_live_campaigns": True,
    # Small requests, so that a kill comes in the middle of a task.
    "max_objects_per_request": 5,
    "concurrency": 2,
}
COUNT = 400


def test_on_pyspark_the_format_has_its_name_no_log_has_the_key_and_kill_9_loses_and_doubles_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """One job does it all, because each start of Spark takes seconds."""
    events, log, stdout, stderr = (tmp_path / name for name in ("events", "log", "stdout", "stderr"))
    events.mkdir()
    given = {
        "count": COUNT,
        "config": {**CONFIG, "endpoint": sandbox.url},
        "outcome_log": str(log),
        "spark": {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": events.as_uri(),
            "spark.eventLog.compress": "false",
        },
    }
    # The session of Sail has left variables of Spark's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK", "PYSPARK"))}
    environment |= {"TARGET_BRAZE_API_KEY": sandbox.api_key, "PYSPARK_PYTHON": str(PYTHON)}
    command = [str(PYTHON), str(Path(__file__).with_name("pyspark_job.py")), json.dumps(given)]
    with stdout.open("wb") as out, stderr.open("wb") as err:
        job = subprocess.Popen(command, env=environment, stdout=out, stderr=err, cwd=tmp_path)
        try:
            kill_workers_twice(job, stdout, stderr, sandbox)
            assert job.wait() == 0, stderr.read_text()
        finally:
            job.kill()

    refused, _, first, second = stdout.read_text().splitlines()
    assert json.loads(refused).keys() == {"overwrite", "error", "ignore"}
    assert 'write with .mode("append")' in json.loads(refused)["overwrite"]
    assert arrived(sandbox, "seen") == Counter(range(COUNT))

    assert "Python worker exited unexpectedly" in stderr.read_text()
    found = arrived(sandbox, "orders")
    letters = OutcomeLog(str(log), run_id="orders").merge().table().to_pylist()
    held = {json.loads(one["record"])["id"] for one in letters}
    assert max(found.values()) == 1
    assert found.keys() | held == {*range(COUNT)}
    # Each user's events came in their order, through kills and repeated tasks.
    by_user: defaultdict[str, list[int]] = defaultdict(list)
    for one in sent(sandbox, "events"):
        if one["name"] == "orders":
            by_user[one["external_id"]].append(one["properties"]["id"])
    assert all(ids == sorted(ids) for ids in by_user.values())
    # Only the two requests that each of two tasks had under way at each of two kills are in doubt.
    assert len(held) <= 2 * 2 * 2 * CONFIG["max_objects_per_request"]
    assert json.loads(first)["read"] == json.loads(second)["read"] == COUNT
    assert json.loads(second)["unchanged"] + json.loads(second)["in_doubt"] == COUNT

    files = [path for folder in (events, log) for path in folder.rglob("*") if path.is_file()]
    assert any(b"SparkListenerSQLExecutionStart" in path.read_bytes() for path in files), "no plan was logged"
    key = sandbox.api_key.encode()
    assert [path for path in [*files, stdout, stderr] if key in path.read_bytes()] == []


def arrived(sandbox: Sandbox, name: str) -> Counter[int]:
    return Counter(one["properties"]["id"] for one in sent(sandbox, "events") if one["name"] == name)


def kill_workers_twice(job: subprocess.Popen[bytes], stdout: Path, stderr: Path, sandbox: Sandbox) -> None:
    """Kill all Python workers when the job has sent a fourth and a half of its orders: Spark repeats the tasks."""
    before = None
    for share in (4, 2):
        while job.poll() is None:
            if before is None and b"writing orders" in stdout.read_bytes():
                before = len(sandbox.requests)
            requests = COUNT / CONFIG["max_objects_per_request"] / share
            if before is not None and len(sandbox.requests) >= before + requests and (found := workers(job.pid)):
                for worker in found:
                    os.kill(worker, signal.SIGKILL)
                break
            time.sleep(0.01)
    assert job.poll() is None, f"the job ended before the kills: {stderr.read_text()[-2000:]}"


def workers(process: int) -> list[int]:
    """Return the Python workers of a job: forks of the daemon that the JVM below the process has started."""
    parents: dict[int, int] = {}
    daemons: set[int] = set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            number = int(path.name)
            parents[number] = int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            if b"pyspark.daemon" in path.joinpath("cmdline").read_bytes():
                daemons.add(number)

    def is_ours(number: int) -> bool:
        while number in parents and number != process:
            number = parents[number]
        return number == process

    return [one for one, parent in parents.items() if parent in daemons and one in daemons and is_ours(one)]
