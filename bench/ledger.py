"""How large the ledger becomes and how fast it answers: `make bench-ledger`.

Users of ten attributes go through the class as a run lets them: first all are new and Braze accepts them, a request at
a time, then the same records come again and are looked up. Look at the load of the machine before you compare figures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from target_braze.ledger import Ledger
from target_braze.records import Change, Record

from bench.machinery import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECTS_A_REQUEST: Final = 75
_MB: Final = 1_000_000


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=500_000)
    parser.add_argument("--attributes", type=int, default=10, help="of each user")
    parser.add_argument("--look-ups", type=int, default=200_000, help="of users all over the file")
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        ledger = Ledger(path, "https://rest.iad-01.braze.com")
        _report("accepted", given.users, _accept(ledger, given.users, given.attributes))
        ledger.close()
        size = path.stat().st_size
        print(f"file: {size / _MB:,.0f} MB, {size / given.users:.0f} bytes a user of {given.attributes} attributes")
        ledger = Ledger(path)
        steps = max(1, given.users // given.look_ups)
        count = len(range(0, given.users, steps))
        _report("looked up", count, _look_up(ledger, range(0, given.users, steps), given.attributes))
        ledger.close()


def _accept(ledger: Ledger, users: int, attributes: int) -> float:
    """Seconds for users whom the ledger does not know, by the request as Braze accepts them."""
    changes = (_change(number, attributes) for number in range(users))
    seconds = 0.0
    while request := list(islice(changes, _OBJECTS_A_REQUEST)):
        started = time.perf_counter()
        news = [change for change in request if ledger.news(change)]
        ledger.under_way([])
        ledger.settle(news, "accepted")
        seconds += time.perf_counter() - started
    return seconds


def _look_up(ledger: Ledger, numbers: range, attributes: int) -> float:
    """Seconds for users who come again without a change."""
    seconds = 0.0
    for number in numbers:
        change = _change(number, attributes)
        started = time.perf_counter()
        if ledger.news(change):
            raise SystemExit(f"user {number} is not as it was accepted")
        seconds += time.perf_counter() - started
    return seconds


def _change(number: int, attributes: int) -> Change:
    user = f"user-{number:010}"
    values = _values(number)
    fields: dict[str, Any] = {"external_id": user} | {f"attribute_{n}": next(values) for n in range(attributes)}
    return Change("attributes", ("external_id", user), fields, [Record("users", number, number, (), {}, {})])


def _values(number: int) -> Iterator[Any]:
    while True:
        yield from (f"text {number % 9973}", number, number / 7, number % 2 == 0, "2026-03-04T09:10:11+00:00")


def _report(what: str, count: int, seconds: float) -> None:
    print(
        f"{what}: {count:,} users in {seconds:,.1f} s, {count / seconds:,.0f} a second, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
