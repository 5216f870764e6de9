"""Measure the ways to load more than one process does, beside the command line in the same run: `make bench-scale`.

Each way loads the same users of 20 columns into a server that only counts. It shares this machine's cores with them, so
on two cores several processes show less than they can do: compare CPU per record too, and check the machine's load.
Sail and PySpark count from when they are warm; their CPU includes their start, and that of PySpark lacks its workers.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from target_braze import Loader

from bench.machinery import machine, sandbox, timed
from bench.target import Users

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Concurrent requests of each way, however many processes share them.
_CONCURRENCY: Final = 16
# The Makefile makes it where Java is.
_PYSPARK: Final = Path(__file__).parents[1] / ".venv-pyspark" / "bin" / "python"


def main() -> None:
    """Measure what the command line requests."""
    given = _arguments()
    if given.load:
        _load(*map(Path, given.load))
        return
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        users = Users(folder, given.records, text=False)
        for turn in range(given.turns):
            first = 0.0
            for way, command in WAYS.items():
                rate = _measure(folder, users, way, command, first)
                first = first or rate
            print(f"turn {turn + 1} of {given.turns}; {machine()}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=1, help="how often to measure all ways")
    parser.add_argument("--load", nargs=2, metavar=("CONFIG", "LINES"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _processes(count: int) -> Callable[[Path, Users, str], Sequence[str]]:
    def command(folder: Path, _users: Users, url: str) -> Sequence[str]:
        return [sys.executable, "-m", "target_braze", "--config", str(_config(folder, url, processes=count))]

    return command


def _loader(folder: Path, users: Users, url: str) -> Sequence[str]:
    return [sys.executable, "-m", "bench.scale", "--load", str(_config(folder, url)), str(users.lines)]


def _config(folder: Path, url: str, **settings: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({"api_key": "sandbox-key", "endpoint": url, "concurrency": _CONCURRENCY, **settings}))
    return path


def _spark(python: Path | str, engine: str, partitions: int) -> Callable[[Path, Users, str], Sequence[str]]:
    def command(folder: Path, users: Users, url: str) -> Sequence[str]:
        file = folder / "users.parquet"
        if not file.exists():
            users.write_parquet(file)
        return [str(python), "-m", "bench.spark_job", engine, url, str(file), str(partitions)]

    return command


# The first one is what the others are compared with.
WAYS: Final[dict[str, Callable[[Path, Users, str], Sequence[str]]]] = {
    "command line, 1 process": _processes(1),
    "command line, 2 processes": _processes(2),
    "command line, 4 processes": _processes(4),
    "Loader": _loader,
    **{f"Sail, {n} partitions": _spark(sys.executable, "sail", n) for n in (1, 2)},
    **({f"PySpark, {n} partitions": _spark(_PYSPARK, "pyspark", n) for n in (1, 2)} if _PYSPARK.exists() else {}),
}


def _load(config: Path, lines: Path) -> None:
    """Load Singer lines with a Loader, as a program of its own."""
    with lines.open("rb") as source, Loader(json.loads(config.read_text())) as loader:
        schema = json.loads(source.readline())
        loader.open(schema["stream"], schema["schema"]).write(source)


def _measure(
    folder: Path, users: Users, way: str, command: Callable[[Path, Users, str], Sequence[str]], first: float
) -> float:
    """Print the figures of one way, and return its records a second."""
    with sandbox("--latency-ms", "0", module="bench.null_server") as url:
        cost = timed(command(folder, users, url), folder / "log", users.lines)
    warm = re.search(r"^seconds: ([\d.]+)$", (folder / "log").read_text(), re.MULTILINE)
    seconds = float(warm[1]) if warm else cost.wall
    rate = users.count / seconds
    figures = (
        f"{seconds:6.1f} s",
        f"{rate:7,.0f} records/s",
        f"{rate / (first or rate):4.2f} of one process",
        f"{cost.cpu / users.count * 1e6:5.1f} us CPU a record",
        f"{cost.peak_mb:4.0f} MB in the first process",
        f"{cost.stolen:3.0%} of the machine stolen",
    )
    print(f"{way:26}", "   ".join(figures), flush=True)
    return rate


if __name__ == "__main__":
    main()
