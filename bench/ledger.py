"""Measure the ledger's size and speed: `make bench-ledger`.

Users with ten attributes go through the class as in a run: first all are new and Braze accepts them, one request at a
time; then the same records arrive again and are looked up. `--others` first adds that many users on a fast path, to
measure the speed of a large file without filling it for minutes; the file is then slightly smaller than one that grew.
Figures are in wall-clock and CPU time, because the machine may be busy with other things.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections import deque
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze.changes import Change
from target_braze.braze.endpoints import TRACK
from target_braze.ledger.store import Ledger
from target_braze.mapping.kinds import attributes
from target_braze.records import Record

from bench.machinery import machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OBJECTS_A_REQUEST: Final = 75
# Number of requests that wait while one is sent, as in a run with the default concurrency.
_READ_AHEAD: Final = 48
_MB: Final = 1_000_000
_ENTRY_BYTES: Final = 8  # Size of an attribute.
_WORKSPACE: Final = "https://rest.iad-01.braze.com"
# Random numbers, like user hashes, in sorted order so that the file is written front to back.
_FILL: Final = """
WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted LIMIT ?)
INSERT OR IGNORE INTO users SELECT random() & 0x7fffffffffffffff AS id, randomblob(?), 20000 FROM counted ORDER BY id
"""


def main() -> None:
    """Measure what the command line requests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=500_000)
    parser.add_argument("--attributes", type=int, default=10, help="of each user")
    parser.add_argument("--others", type=int, default=0, help="users who are in the file before")
    parser.add_argument("--synchronous", choices=["full", "normal"], default="full", help="as ledger_synchronous")
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        Ledger(path, _WORKSPACE).close()
        if given.others:
            with sqlite3.connect(path) as db:
                db.execute(_FILL, (given.others, given.attributes * _ENTRY_BYTES))
            db.close()
        ledger = Ledger(path, synchronous=given.synchronous)
        accepted, looked_up = _Watch("accepted"), _Watch("looked up")
        changes = (_change(number, given.attributes) for number in range(given.users))
        waiting: deque[list[Change]] = deque()
        while True:
            if read := list(islice(changes, _OBJECTS_A_REQUEST)):
                with accepted:
                    waiting.append([change for change in read if ledger.news(change)])
            if waiting and (not read or len(waiting) == _READ_AHEAD):
                with accepted:
                    _deliver(ledger, waiting.popleft())
            elif not read:
                break
        accepted.report(given.users)
        for number in range(given.users):
            change = _change(number, given.attributes)
            with looked_up:
                fresh = ledger.news(change)
            if fresh:
                raise SystemExit(f"user {number} is not as it was accepted")
        looked_up.report(given.users)
        ledger.close()
        size, users = path.stat().st_size, given.users + given.others
        print(f"file: {size / _MB:,.0f} MB, {size / users:.0f} bytes a user of {given.attributes} attributes")


def _deliver(ledger: Ledger, request: Sequence[Change]) -> None:
    """Have the ledger process a request as in a run, from before it is sent to the response."""
    ledger.under_way(request)
    ledger.settle(request, "accepted")


class _Watch:
    """Adds up the time between entering and leaving, as wall-clock and process time."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._clock = self._cpu = 0.0

    def __enter__(self) -> None:
        self._clock -= time.perf_counter()
        self._cpu -= time.process_time()

    def __exit__(self, *_: object) -> None:
        self._cpu += time.process_time()
        self._clock += time.perf_counter()

    def report(self, count: int) -> None:
        """Print the results."""
        print(
            f"{self._what}: {count:,} users, {count / self._clock:,.0f} a second by the clock, "
            f"{count / self._cpu:,.0f} of CPU",
            flush=True,
        )


def _change(number: int, count: int) -> Change:
    user = f"user-{number:010}"
    values = _values(number)
    fields: dict[str, Any] = {"external_id": user} | {f"attribute_{n}": next(values) for n in range(count)}
    record = Record("users", number, number, (), {}, {})
    return Change("attributes", ("external_id", user), fields, attributes.SEMANTICS, TRACK, [record])


def _values(number: int) -> Iterator[Any]:
    while True:
        yield from (f"text {number % 9973}", number, number / 7, number % 2 == 0, "2026-03-04T09:10:11+00:00")


if __name__ == "__main__":
    main()
