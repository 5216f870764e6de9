"""Measure how the tap's cost grows with its work: `make bench-growth`.

Each row multiplies one kind of work by 3 and by 10, and shows the CPU time without that of starting, the largest size
of the process, and the exponent: 1 means that ten times the work costs ten times as much.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tap_braze.currents.schemas import EVENT_TYPES, stream_name
from tap_braze.singer.tap import TapBraze

from bench.currents import EVENT_TYPE, write
from bench.machinery import machine, records_in, sandbox, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.machinery import Cost

TIMES: Final = (1, 3, 10)
HIGHEST: Final = 1.05


class Tap:
    """Runs of the tap, with files in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.records = 0

    def run(self, streams: tuple[str, ...], **settings: Any) -> Cost:  # noqa: ANN401 - any setting
        """Run the tap on these streams to completion."""
        config = {"api_key": "sandbox-key", "endpoint": "http://localhost", "start_date": "2026-06-01", **settings}
        catalog = TapBraze(config=dict(config), validate_config=False, setup_mapper=False).catalog_dict
        for entry in catalog["streams"]:
            root = next(item for item in entry["metadata"] if not item["breadcrumb"])
            root["metadata"]["selected"] = entry["tap_stream_id"] in streams
        command = [sys.executable, "-m", "tap_braze"]
        for name, content in {"config": config, "catalog": catalog}.items():
            (self._folder / f"{name}.json").write_text(json.dumps(content))
            command += [f"--{name}", str(self._folder / f"{name}.json")]
        cost = timed(command, self._folder / "log")
        self.records = records_in((self._folder / "log").read_text())
        return cost

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Return a folder for files to read."""
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            yield Path(name)


def campaigns(tap: Tap, number: int, days: int, metrics: int = 20) -> Cost:
    """Read so many days of so many campaigns with so many metrics."""
    start = datetime.now(timezone.utc) - timedelta(days=days - 1)
    with sandbox("--campaigns", str(number), "--metrics", str(metrics), module="bench.plain_server") as url:
        return tap.run(("campaigns_analytics",), endpoint=url, start_date=start.date().isoformat())


def events(tap: Tap, types: int, files: int, each: int) -> Cost:
    """Read so many Currents files of so many types, all in the lookback."""
    event_types = [EVENT_TYPE, *(each for each in sorted(EVENT_TYPES) if each != EVENT_TYPE)][:types]
    with tap.folder() as bucket:
        for event_type in event_types:
            write(bucket, files, each, files_an_hour=math.ceil(files / 100), event_type=event_type)
        streams = tuple(map(stream_name, event_types))
        return tap.run(streams, currents={"url": str(bucket), "event_types": event_types})


def profiles(tap: Tap, users: int) -> Cost:
    """Export so many users."""
    options = ("--users", str(users), "--export-seconds", "0", "--export-file-users", "500")
    with sandbox(*options, "--seed", "small") as url:
        return tap.run(("users",), endpoint=url, include_profiles=True)


AXES: Final[dict[str, tuple[str, Callable[[Tap, int], Cost]]]] = {
    "parents": ("1,000 campaigns of 30 days", lambda tap, times: campaigns(tap, 1_000 * times, 30)),
    "days": ("300 campaigns of 100 days", lambda tap, times: campaigns(tap, 300, 100 * times)),
    "columns": ("300 campaigns of 99 days and 30 metrics", lambda tap, times: campaigns(tap, 300, 99, 30 * times)),
    "streams": ("4 event types of 4 files of 2,000 events", lambda tap, times: events(tap, 4 * times, 4, 2_000)),
    "files": ("4,000 files of 20 events", lambda tap, times: events(tap, 1, 4_000 * times, 20)),
    "users": ("4,000 profiles", lambda tap, times: profiles(tap, 4_000 * times)),
}


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("axes", nargs="*", default=list(AXES), help=f"any of {', '.join(AXES)}")
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        tap = Tap(Path(folder))
        start = campaigns(tap, 1, 1)
        print(f"start of a run: {start.cpu:.2f} s of CPU, {start.peak_mb:.0f} MB; it is subtracted below")
        for name in given.axes:
            what, run = AXES[name]
            costs, records = [], []
            for times in TIMES:
                costs.append(run(tap, times))
                records.append(tap.records)
            print(f"{name:8} {what:40} {row(start, costs, records)}", flush=True)


def row(start: Cost, costs: list[Cost], records: list[int]) -> str:
    """Return the figures of one kind of work."""
    seconds = [max(cost.cpu - start.cpu, 0.001) for cost in costs]
    found = exponent(seconds)
    figures = [
        f"{cpu:6.2f} s {count:9,} records {cost.peak_mb:4.0f} MB"
        for cpu, count, cost in zip(seconds, records, costs, strict=True)
    ]
    return f"{'   '.join(figures)}   exponent {found:.2f}{'  TOO HIGH' if found > HIGHEST else ''}"


def exponent(seconds: list[float]) -> float:
    """Return the slope of the line through the logarithms of the work and of its cost."""
    xs, ys = [math.log(times) for times in TIMES], [math.log(each) for each in seconds]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


if __name__ == "__main__":
    main()
