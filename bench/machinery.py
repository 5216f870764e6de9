"""What the benchmarks share: a sandbox of their own, and a command timed as a whole process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds by the clock and of CPU, and its largest size in MB.

    `stolen` is the share of the machine's time that went to other virtual machines meanwhile, where Linux knows it.
    """

    wall: float
    cpu: float
    peak_mb: float
    stolen: float


@contextmanager
def sandbox(*options: str, module: str | None = None) -> Iterator[str]:
    """Serve a sandbox on a free port, or what a module of the benchmarks serves; yields its URL."""
    command = [str(Path(sys.executable).parent / "braze-sandbox"), "serve", "--port", "0", *options]
    if module:
        command = [sys.executable, "-m", module, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            found = re.search(r"http://\S+", process.stdout.readline() if process.stdout else "")
            if found is None:
                sys.exit("the sandbox did not start")
            yield found[0]
        finally:
            process.terminate()


def timed(command: Sequence[str], log: Path, stdin: Path | None = None) -> Cost:
    """Run a command to its end, its standard error into `log`; exits with the log's end if it fails."""
    with log.open("wb") as stderr, (stdin or Path(os.devnull)).open("rb") as source:
        started, before = time.monotonic(), _ticks()
        process = subprocess.Popen(command, stdin=source, stdout=subprocess.DEVNULL, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        wall, after = time.monotonic() - started, _ticks()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(log.read_text()[-2000:])
    # Linux counts the size in KB, macOS in bytes.
    peak = usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
    stolen = (after[0] - before[0]) / max(1, after[1] - before[1])
    return Cost(wall=wall, cpu=usage.ru_utime + usage.ru_stime, peak_mb=peak, stolen=stolen)


def records_in(log: str) -> int:
    """Return how many records the table at the end of the tap's log counts."""
    (count,) = re.findall(r"total in [\d.,]+ s +([\d,]+)", log)
    return int(count.replace(",", ""))


def machine() -> str:
    """How busy the machine is, without which no figure means much."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, Python {sys.version.split()[0]}"


def _ticks() -> tuple[int, int]:
    """The machine's time that was stolen, and all of it: https://docs.kernel.org/filesystems/proc.html."""
    try:
        line = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return 0, 0
    ticks = [int(number) for number in line.split()[1:9]]
    return ticks[7], sum(ticks)
