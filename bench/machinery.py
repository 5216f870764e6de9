"""Shared helpers of the benchmarks: a private sandbox and a command timed as a whole process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Cost:
    """Cost of a process: wall-clock seconds, CPU seconds, and peak size in MB.

    `stolen` is the share of machine time that meanwhile went to other virtual machines, if Linux reports it.
    """

    wall: float
    cpu: float
    peak_mb: float
    stolen: float


@contextmanager
def sandbox(*options: str, module: str | None = None) -> Iterator[str]:
    """Serve a sandbox, or one of the benchmarks' server modules, on a free port; yield its URL."""
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
    """Run a command to completion with standard error in `log`; if it fails, exit with the end of the log."""
    with log.open("wb") as stderr, (stdin or Path(os.devnull)).open("rb") as source:
        started, before = time.monotonic(), _ticks()
        process = subprocess.Popen(command, stdin=source, stdout=subprocess.DEVNULL, stderr=stderr)
        with _peak_of(process.pid) as peaks:
            _, status, usage = os.wait4(process.pid, 0)
        wall, after = time.monotonic() - started, _ticks()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(log.read_text()[-2000:])
    # In bytes on macOS; on Linux in KB, but at least the size of this process, from which the other was split off.
    used = usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
    stolen = (after[0] - before[0]) / max(1, after[1] - before[1])
    peak = max(peaks, default=used)
    return Cost(wall=wall, cpu=usage.ru_utime + usage.ru_stime, peak_mb=peak, stolen=stolen)


@contextmanager
def _peak_of(process: int) -> Iterator[list[float]]:
    """Collect the peak size of a process in MB, two hundred times a second while it runs; Linux only."""
    status = Path(f"/proc/{process}/status")
    peaks: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.005):
            with suppress(OSError):
                peaks.extend(int(size) / 1024 for size in re.findall(r"VmHWM:\s+(\d+) kB", status.read_text()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def records_in(log: str) -> int:
    """Return the number of records from the table at the end of the tap's log."""
    (count,) = re.findall(r"total in [\d.,]+ s +([\d,]+)", log)
    return int(count.replace(",", ""))


def machine() -> str:
    """Describe the machine's load, without which the figures mean little."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, Python {sys.version.split()[0]}"


def _ticks() -> tuple[int, int]:
    """Return the machine's stolen and total time: https://docs.kernel.org/filesystems/proc.html."""
    try:
        line = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return 0, 0
    ticks = [int(number) for number in line.split()[1:9]]
    return ticks[7], sum(ticks)
