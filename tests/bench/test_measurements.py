"""The benchmarks measure what they say: the floor does the tap's work, and the exponent is that of the work."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.request import urlopen

import fastavro
import pytest

from bench import currents, floor, growth, run, target
from bench.machinery import Cost, sandbox, timed

if TYPE_CHECKING:
    from pathlib import Path


def test_the_floor_writes_the_rows_of_all_requests() -> None:
    query = {"campaign_id": "campaign-1", "ending_at": "2026-03-31T00:00:00Z"}
    requests = [{"method": "GET", "path": "/campaigns/data_series", "query": query | {"length": "9"}}] * 5
    requests.append({"method": "GET", "path": "/campaigns/list", "query": {"page": "0"}})
    with sandbox("--campaigns", "3", "--metrics", "2", module="bench.plain_server") as url:
        command = [sys.executable, "-m", "bench.floor", url, "2"]
        done = subprocess.run(command, input=floor.lines(requests), capture_output=True, check=True, timeout=60)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 5 * 9
    assert {row["time"] for row in rows} == {f"2026-03-{day}" for day in range(23, 32)}
    assert rows[0]["messages"] == {"email": [{"metric_0": 0, "metric_1": 1}]}


def test_the_tap_reads_all_of_the_plain_server(tmp_path: Path) -> None:
    tap = growth.Tap(tmp_path)
    growth.campaigns(tap, number=120, days=30, metrics=2)
    assert tap.records == 120 * 30


def test_the_target_and_its_floor_send_the_same_requests(tmp_path: Path) -> None:
    users = target.Users(tmp_path, 160, text=True)
    with sandbox("--latency-ms", "0", module="bench.null_server") as url:
        users.deliver(tmp_path, url, 2)
        with urlopen(f"{url}/bench/null") as answer:
            requests = json.load(answer)["requests"]
    assert requests == 2 * 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is at least the size of this process")
def test_the_peak_is_that_of_the_command(tmp_path: Path) -> None:
    own = b"x" * 200_000_000
    program = "import time; held = b'x' * 60_000_000; time.sleep(0.5)"
    peak = timed([sys.executable, "-c", program], tmp_path / "log").peak_mb
    assert 57 < peak < len(own) / 1_000_000


@pytest.mark.parametrize(("power", "marked"), [(0.9, False), (1.0, False), (2.0, True)])
def test_the_exponent_is_that_of_the_cost(power: float, *, marked: bool) -> None:
    start = Cost(wall=1, cpu=0.5, peak_mb=1, stolen=0)
    costs = [Cost(wall=1, cpu=0.5 + 2 * times**power, peak_mb=1, stolen=0) for times in growth.TIMES]
    text = growth.row(start, costs, [1, 3, 10])
    assert f"exponent {power:.2f}" in text
    assert ("TOO HIGH" in text) == marked


def test_a_row_of_the_table_compares_with_the_floor() -> None:
    row = run.Row(
        "work", Cost(wall=3, cpu=2, peak_mb=70, stolen=0.1), Cost(wall=2, cpu=1, peak_mb=9, stolen=0), 100_000
    )
    assert row.text() == "| work | 3.0 s | 2.0 s | 1.50 | 20.0 us a record | 70 MB | 10% |"


def test_files_of_currents_are_such_as_spark_reads(tmp_path: Path) -> None:
    currents.write(tmp_path, files=1, events=3, files_an_hour=1)
    (path,) = tmp_path.rglob("*.avro")
    data = path.read_bytes()
    assert len([*fastavro.reader(BytesIO(data))]) == 3
    assert data[-16:] != bytes(16)  # Spark rejects a sync marker of zeros
