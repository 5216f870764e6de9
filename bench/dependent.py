"""Measure a first load in which each user needs a dependent step: `make bench-dependent`.

Each user has a record with attributes and one with an identification, all users first or both in turns. The server only
counts. The floor is the same load without a delay, plus one delay.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.machinery import machine, sandbox, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.machinery import Cost

_TEXT = {"type": ["string", "null"]}
_STREAMS = {
    "customers": {"external_id": _TEXT, "plan": _TEXT, "city": _TEXT},
    "visitors": {"external_id": _TEXT, "alias_name": _TEXT, "alias_label": _TEXT},
}


def main() -> None:
    """Measure what the command line requests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--delay", type=float, default=20, help="setting dependency_delay")
    parser.add_argument("--latency-ms", type=float, default=0, help="of each answer")
    parser.add_argument("--in-turns", action="store_true", help="each user's two records follow each other")
    parser.add_argument("--ledger", action="store_true", help="with a ledger")
    given = parser.parse_args()
    print(machine())
    server = sandbox("--latency-ms", str(given.latency_ms), module="bench.null_server")
    with tempfile.TemporaryDirectory() as name, server as url:
        folder = Path(name)
        source = folder / "source.singer"
        with source.open("w") as file:
            file.writelines(_lines(given.users, in_turns=given.in_turns))
        for delay in (0, given.delay):
            _show(given.users, delay, load(folder, source, url, delay, ledger=given.ledger))


def load(folder: Path, source: Path, url: str, delay: float, *, ledger: bool) -> Cost:
    """Return the cost of a load."""
    alias = {"user_alias": {"name": "alias_name", "label_field": "alias_label"}}
    given: dict[str, Any] = {
        "api_key": "sandbox-key",
        "endpoint": url,
        "dependency_delay": delay,
        "streams": {"visitors": {"to": "identifications", "identify": [alias]}},
    }
    if ledger:
        given["ledger_path"] = str(folder / f"ledger-{delay}.sqlite")
    config = folder / "config.json"
    config.write_text(json.dumps(given))
    return timed([sys.executable, "-m", "target_braze", "--config", str(config)], folder / "log", source)


def _show(users: int, delay: float, cost: Cost) -> None:
    print(
        f"delay {delay:5.1f} s: {cost.wall:7.1f} s   {cost.wall - delay:7.1f} s without it   "
        f"{cost.cpu / users * 1e6:6.1f} us CPU a user   {cost.peak_mb:5.0f} MB",
        flush=True,
    )


def _lines(users: int, *, in_turns: bool) -> Iterator[str]:
    for stream, properties in _STREAMS.items():
        yield _line({"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []})
    if in_turns:
        for number in range(users):
            yield _customer(number)
            yield _visitor(number)
    else:
        yield from map(_customer, range(users))
        yield from map(_visitor, range(users))
    yield _line({"type": "STATE", "value": {"users": users}})


def _customer(number: int) -> str:
    record = {"external_id": f"user-{number:08}", "plan": "gold", "city": f"city {number % 997}"}
    return _line({"type": "RECORD", "stream": "customers", "record": record})


def _visitor(number: int) -> str:
    record = {"external_id": f"user-{number:08}", "alias_name": f"visitor-{number:012}", "alias_label": "web"}
    return _line({"type": "RECORD", "stream": "visitors", "record": record})


def _line(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    main()
