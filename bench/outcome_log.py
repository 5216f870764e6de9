"""Measure what the outcome log and the ledger cost an event: `make bench-outcome-log`.

A Loader sends events to a server that answers without reading them: with neither, with the log in a folder, in memory
as a bucket, with the ledger, and again with the log after a first attempt sent everything. All take turns, and the
figures are medians of CPU time, because the machine may be busy with other things.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from target_braze import Loader, OutcomeLog

from bench.machinery import machine, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.outcome_log.log import Partition

_TEXT: Final = {"type": ["string", "null"]}
_SCHEMA: Final = {
    "properties": {
        **dict.fromkeys(("event_id", "external_id", "name", "plan", "shop"), _TEXT),
        "time": {"type": ["string", "null"], "format": "date-time"},
        "total": {"type": ["number", "null"]},
        "items": {"type": ["integer", "null"]},
    }
}
_NUMBERS: Final = count()


def main() -> None:
    """Measure what the command line requests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    lines = [
        b'{"event_id":"e-%d","external_id":"c-%d","name":"ordered","time":"2026-01-01T00:00:00Z","plan":"gold",'
        b'"shop":"berlin","total":%d.5,"items":3}' % (n, n % 20_000, n)
        for n in range(given.events)
    ]
    print(machine())
    with tempfile.TemporaryDirectory() as folder, sandbox(module="bench.null_server") as url:
        load = partial(_load, url, lines)
        ways: dict[str, Callable[[], float]] = {
            "neither": load,
            "outcome log in a folder": lambda: load(log=_log(folder)),
            "outcome log in a bucket (memory)": lambda: load(log=_log("memory://bench")),
            "outcome log, all sent before": lambda: _twice(load, _log(folder)),
            "ledger": lambda: load(ledger_path=str(Path(folder) / f"{next(_NUMBERS)}.sqlite")),
        }
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(given.rounds):
            for way, measure in ways.items():
                found[way].append(measure() / given.events * 1e6)
        least = median(found["neither"])
        print("| events | CPU us | more than with neither |")
        print("|---|---:|---:|")
        for way, figures in found.items():
            print(f"| {way} | {median(figures):.1f} | {median(figures) - least:.1f} |")


def _log(folder: str) -> Partition:
    return OutcomeLog(folder, f"run-{next(_NUMBERS)}").partition(0)


def _twice(load: Callable[..., float], log: Partition) -> float:
    load(log=log)
    return load(log=log)


def _load(url: str, lines: list[bytes], log: Partition | None = None, **settings: str) -> float:
    config = {"api_key": "null", "endpoint": url, "streams": {"events": {"to": "events"}}, **settings}
    before = time.process_time()
    with Loader(config, outcome_log=log) as loader:
        loader.open("events", _SCHEMA, keys=["event_id"]).write(lines)
    return time.process_time() - before


if __name__ == "__main__":
    main()
