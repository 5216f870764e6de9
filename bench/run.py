"""Run every benchmark beside its floor, and write the table of docs/benchmarks.md: `make bench`.

Each row runs the product and the least that the same work takes, one after the other on the same machine. So the ratio
says more than the seconds, which depend on the machine and on what else it does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import currents, tap, target
from bench.machinery import Cost, machine, sandbox, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"
START: Final = "<!-- `make bench` writes what is between these lines -->"
END: Final = "<!-- end -->"
_HEAD: Final = (
    "| work | time | floor | ratio | CPU | memory | stolen |\n|------|-----:|------:|------:|----:|-------:|-------:|\n"
)


@dataclass(frozen=True)
class Row:
    """A line of the table: the cost of some work, of its floor, and the number of records or runs in it."""

    work: str
    cost: Cost
    floor: Cost
    count: int

    def text(self) -> str:
        """Return the line in Markdown."""
        cost, floor = self.cost, self.floor
        return (
            f"| {self.work} | {cost.wall:.1f} s | {floor.wall:.1f} s | {cost.wall / floor.wall:.2f} "
            f"| {_cpu(cost.cpu / self.count)} | {cost.peak_mb:.0f} MB | {max(cost.stolen, floor.stolen):.0%} |"
        )


def main() -> None:
    """Measure and print each row. Write the page if all benchmarks ran, since its rows belong to one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", nargs="*", default=list(BENCHMARKS), help=f"any of {', '.join(BENCHMARKS)}")
    given = parser.parse_args()
    about = f"{datetime.now(timezone.utc).date()}, {machine()}"
    print(about)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.benchmarks:
            for row in BENCHMARKS[name](Path(folder)):
                lines.append(row.text())
                print(lines[-1], flush=True)
    if {*given.benchmarks} < {*BENCHMARKS}:
        return
    page = PAGE.read_text()
    before, after = page.partition(START)[0], page.partition(END)[2]
    PAGE.write_text(f"{before}{START}\n\nMeasured {about}.\n\n{_HEAD}" + "\n".join(lines) + f"\n\n{END}{after}")


def tap_rows(folder: Path) -> Iterator[Row]:
    """Read the workspace of `make bench-tap`; the floor is the same requests with nothing but sockets and json."""
    for latency, flat in ((50, False), (0, True)):
        result = tap.measure(folder, latency, 32, flat=flat)
        server = ", plain server" if flat else ""
        work = f"tap: {result.records:,} rows, {result.requests:,} requests of {latency} ms, `concurrency` 32{server}"
        yield Row(work, result.cost, result.floor, result.records)


def currents_rows(folder: Path) -> Iterator[Row]:
    """Read many small files in the lookback; the floor is the same events in few large files."""
    many = currents.measure(folder / "many", "currents_events", files=20_000, events=250, files_an_hour=120)
    few = currents.measure(folder / "few", "currents_events", files=1_000, events=5_000, files_an_hour=12)
    yield Row("Currents: 20,000 files of 250 events; the floor has 1,000 files of 5,000", many, few, 5_000_000)


def start_rows(folder: Path) -> Iterator[Row]:
    """Start the commands; the floor is Python with msgspec alone."""
    floor = _best([sys.executable, "-c", "import msgspec"], folder)
    for module in ("tap_braze", "target_braze"):
        yield Row(f"`{module.replace('_', '-')} --version`", _best(["-m", module, "--version"], folder), floor, 1)
    config = folder / "config.json"
    config.write_text('{"api_key": "k", "endpoint": "http://localhost:1"}')
    runs = {"`tap-braze --discover`": ["tap_braze", "--discover"], "`target-braze` without input": ["target_braze"]}
    for work, (module, *options) in runs.items():
        yield Row(work, _best(["-m", module, "--config", str(config), *options], folder), floor, 1)


# A benchmark of the target is one more function here that yields rows.
def target_rows(folder: Path) -> Iterator[Row]:
    """Deliver users; the floor is the same requests with nothing but sockets and json."""
    for latency, concurrency, text in ((0, 16, False), (0, 16, True), (50, 16, False), (200, 128, False)):
        users = target.Users(folder, _USERS, text=text)
        work = f"target: {_USERS:,} users of 20 columns, {latency} ms, `concurrency` {concurrency}"
        with sandbox("--latency-ms", str(latency), module="bench.null_server") as url:
            yield Row(work + (", times as text" if text else ""), *users.deliver(folder, url, concurrency), _USERS)
    users = target.Users(folder, _USERS, text=False)
    ledger = str(folder / "ledger.sqlite")
    # The same server, because a ledger belongs to one workspace.
    with sandbox("--latency-ms", "0", module="bench.null_server") as url:
        for which in ("new", "unchanged"):
            cost, floor = users.deliver(folder, url, 16, ledger_path=ledger)
            yield Row(f"target with a ledger: {_USERS:,} {which} users, 0 ms", cost, floor, _USERS)


_USERS: Final = 150_000
BENCHMARKS: Final[dict[str, Callable[[Path], Iterator[Row]]]] = {
    "tap": tap_rows,
    "target": target_rows,
    "currents": currents_rows,
    "start": start_rows,
}


def _best(command: list[str], folder: Path) -> Cost:
    """Return the cheapest of five runs."""
    command = command if command[0] == sys.executable else [sys.executable, *command]
    return min((timed(command, folder / "log") for _ in range(5)), key=lambda cost: cost.wall)


def _cpu(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds > 0.01 else f"{seconds * 1e6:.1f} us a record"  # noqa: PLR2004


if __name__ == "__main__":
    main()
