"""One schedule: run the target on the sandbox, cut it off, rerun until it finishes, and collect violations."""

from __future__ import annotations

import faulthandler
import gc
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from unittest import mock

from braze_sandbox.state.faults import Fault
from braze_sandbox.state.limits import Limits
from braze_sandbox.state.options import Options
from target_braze.braze.client import BrazeError
from target_braze.ledger.store import Ledger
from target_braze.process.signals import handle
from target_braze.singer.target import TargetBraze

from tests.target.chaos import invariants
from tests.target.chaos.clock import hurried
from tests.target.chaos.invariants import Held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from braze_sandbox.testing import Sandbox

    from tests.target.chaos.schedule import Schedule, Stop

# A schedule takes a fraction of a second; after this many seconds, it is stuck.
STUCK = 60

# Number of runs after which to restore an older copy of the ledger.
_COPIED = 2

# Processes forked from one that has already loaded the target and has no threads.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


@dataclass
class Ended:
    """A finished run: exit code, STATEs, standard error."""

    code: int
    states: list[int]
    said: str


class _Source:
    """Standard input of lines; None: a pause."""

    def __init__(self, messages: list[bytes | None]) -> None:
        self._messages = iter(messages)

    def readline(self) -> bytes:
        while (line := next(self._messages, b"")) is None:
            time.sleep(0.015)
        return line


class _Output:
    """Standard output that passes on each STATE as soon as it is written."""

    def __init__(self, see: Callable[[int], None]) -> None:
        self._see = see

    @property
    def buffer(self) -> _Output:
        return self

    def write(self, line: memoryview) -> int:
        self._see(json.loads(bytes(line))["upto"])
        return len(line)


class Trial:
    """A schedule on a running sandbox, with its files in a folder; `problems` lists the violations."""

    def __init__(self, schedule: Schedule, sandbox: Sandbox, folder: Path) -> None:
        self.problems: list[str] = []
        self.runs: list[Ended] = []
        self._schedule = schedule
        self._sandbox = sandbox
        self._folder = folder
        self._dead = folder / "dead.singer"
        self._users = {item.user for item in schedule.items}
        self._config = {
            **schedule.settings,
            "api_key": sandbox.api_key,
            "endpoint": sandbox.url,
            **({"dead_letter_path": str(self._dead)} if schedule.settings["on_error"] == "dead_letter" else {}),
            **({"ledger_path": str(folder / "ledger.sqlite")} if schedule.ledger else {}),
        }

    def run(self) -> list[str]:
        """Run until the stream is finished; return the violations."""
        alarm = threading.Timer(STUCK, self._give_up)
        alarm.start()
        try:
            with hurried(self._schedule.skew, self._schedule.span):
                self._prepare()
                self._run_until_through()
        finally:
            alarm.cancel()
            self._sandbox.instance.hooks.clear()
        dead = {n for n, _ in invariants.letters(self._dead)}
        held = Held.by(self._sandbox, self._users)
        self.problems += invariants.not_settled(self._schedule, held, dead, len(self._schedule.items))
        self.problems += invariants.violations(self._sandbox)
        self.problems += invariants.not_as_it_should_be(self._schedule, held, dead, runs=len(self.runs))
        self.problems += invariants.mixed_up(held, dead)
        return self.problems

    def _give_up(self) -> None:
        """End the process: deadlocked threads cannot be ended."""
        sys.__stderr__.write(f"stuck for {STUCK} s: {self._schedule}\n")  # type: ignore[union-attr] # we have one
        faulthandler.dump_traceback(sys.__stderr__ or 2)
        os._exit(1)

    def _prepare(self) -> None:
        given, instance = self._schedule, self._sandbox.instance
        instance.options = Options(
            seed="empty",
            track_reset=cast("Any", given.reset),
            track_objects=given.most,
            bulk_objects=given.most,
        )
        instance.limits = Limits({"track": given.limit, "track_bulk": given.limit})
        self._sandbox.reset()
        for rule in given.rules:
            self._sandbox.fault(**rule)

    def _run_until_through(self) -> None:
        schedule = self._schedule
        stops, again = list(schedule.stops), schedule.again
        start = last = 0
        for number in range(len(stops) + schedule.fatal + 3):
            if schedule.restored:
                self._go_back(number, start)
            ended = self._run_once(start, stops.pop(0) if stops else None)
            last = max([*ended.states, last])
            start = max(0, last - schedule.overlap)
            if ended.code:
                continue
            if last != len(schedule.items):
                self.problems.append(f"the last STATE is {last}, of {len(schedule.items)} records")
            if not again:
                if not schedule.again:
                    self._check_order()
                return
            self._check_order()
            # Starting over means discarding the STATE.
            start, last, again = 0, 0, False
        self.problems.append(f"the runs never get through the stream; the last says: {ended.said}")

    def _check_order(self) -> None:
        """Check that requests so far did not go backwards despite cutoffs: the ledger tracks each run's progress."""
        schedule = self._schedule
        if schedule.ledger and not schedule.overlap and not (schedule.restored and len(self.runs) > _COPIED):
            self.problems += invariants.gone_backwards(schedule, self._sandbox.requests)

    def _go_back(self, runs: int, start: int) -> None:
        """Copy the ledger after the first run; restore it after the second, which the target must detect."""
        path = self._folder / "ledger.sqlite"
        files = [path, path.with_name(f"{path.name}-wal")]
        if runs == 1:
            for file in filter(Path.exists, files):
                shutil.copy(file, self._folder / f"{file.name}.copy")
        elif runs == _COPIED:
            for file in files:
                file.unlink(missing_ok=True)
            for file in files:
                if (copy := self._folder / f"{file.name}.copy").exists():
                    shutil.copy(copy, file)
            ended = self._here(self._schedule.input(start), None)
            if not ended.code or "is an older copy" not in ended.said or ended.states:
                self.problems.append(f"an older copy of the ledger was not noticed: {ended}")
            ledger = Ledger(path)
            ledger.recover()
            ledger.close()

    def _run_once(self, start: int, stop: Stop | None) -> Ended:
        before = len(invariants.letters(self._dead))
        requests = len(self._sandbox.requests)
        source = self._schedule.input(start)
        ended = self._in_process(source, stop) if self._schedule.processes else self._here(source, stop)
        self.runs.append(ended)
        found = invariants.letters(self._dead)[before:]
        self.problems += invariants.wrong_letters(self._schedule, found)
        self.problems += invariants.wrong_states(ended.states)
        self.problems += invariants.wrong_requests(self._schedule, self._sandbox.requests[requests:])
        if len(self.runs) == 1 and not self._schedule.ledger:
            sent = self._sandbox.requests[requests:]
            self.problems += invariants.read_too_far(self._schedule, sent)
        if ended.code >= 0:
            self.problems += invariants.wrong_counts(ended.said, len(found))
        self._check_code(ended, stop)
        if ended.code == 128 + signal.SIGTERM and len(self.runs) == 1 and not self._schedule.doubtful:
            held = Held.by(self._sandbox, self._users)
            last = max(ended.states, default=0)
            self.problems += invariants.held_back(self._schedule, held, {n for n, _ in found}, last)
        return ended

    def _check_code(self, ended: Ended, stop: Stop | None) -> None:
        allowed = {0}
        if stop is not None:
            allowed.add(-signal.SIGKILL if stop.signal == signal.SIGKILL else 128 + stop.signal)
        if self._schedule.rules:
            allowed.add(1)
        if ended.code not in allowed:
            self.problems.append(f"a run ended with {ended.code}: {ended.said}")

    def _see(self, upto: int, states: list[int]) -> None:
        """Check a STATE as it is written: everything before it must be in the sandbox."""
        states.append(upto)
        dead = {n for n, _ in invariants.letters(self._dead)}
        held = Held.by(self._sandbox, self._users)
        for problem in invariants.not_settled(self._schedule, held, dead, upto):
            self.problems.append(f"when STATE {upto} left: {problem}")

    # A run in this process.

    def _here(self, source: list[bytes | None], stop: Stop | None) -> Ended:
        states: list[int] = []
        output = cast("IO[str]", _Output(lambda upto: self._see(upto, states)))
        with (
            _own_signals(),
            redirect_stdout(output),
            redirect_stderr(StringIO()) as said,
            self._stopping(stop, _send_here),
        ):
            code = _run(self._config, source)
        return Ended(code, states, said.getvalue())

    # A run in its own process.

    def _in_process(self, source: list[bytes | None], stop: Stop | None) -> Ended:
        out, err = self._folder / "out", self._folder / "err"
        for path in (out, err):
            path.write_bytes(b"")
        process = _processes.Process(
            target=_child, args=(self._config, source, self._schedule.skew, self._schedule.span, str(out), str(err))
        )
        # Otherwise joblib, which comes with the SDK, uses semaphores and warns about those of killed processes.
        with mock.patch.dict(os.environ, JOBLIB_MULTIPROCESSING="0"):
            process.start()
        with self._stopping(stop, lambda number: process.kill() if number == signal.SIGKILL else process.terminate()):
            process.join(STUCK / 2)
        if process.exitcode is None:
            process.kill()
            process.join()
            self.problems.append("a run got stuck")
        states = [json.loads(line)["upto"] for line in out.read_text().splitlines()]
        if states:
            seen: list[int] = []
            self._see(states[-1], seen)
        self._settle()
        return Ended(process.exitcode or 0, states, err.read_text())

    def _settle(self) -> None:
        """Let the sandbox finish requests sent by a dead process."""
        recorder = self._sandbox.instance.recorder
        before = -1
        while recorder.is_busy or len(recorder.requests) > before:
            before = len(recorder.requests)
            time.sleep(0.02)

    @contextmanager
    def _stopping(self, stop: Stop | None, send: Callable[[signal.Signals], object]) -> Iterator[None]:
        timers: list[threading.Timer] = []
        seen = 0

        def count(_request: object) -> None:
            nonlocal seen
            seen += 1
            if stop is None or seen != stop.request:
                return
            if not stop.delay_ms:
                send(stop.signal)
                return
            timers.append(threading.Timer(stop.delay_ms / 1000, send, (stop.signal,)))
            timers[0].start()

        if stop is not None and stop.lost:
            rules = self._sandbox.instance.faults.rules
            rules.insert(0, Fault(do="drop_before", after=stop.request - 1, times=1))
        self._sandbox.after_request("*", count)
        try:
            yield
        finally:
            self._sandbox.instance.hooks.clear()
            for timer in timers:
                timer.cancel()
                timer.join()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Let a target handle signals, and ignore any that arrive after it ends."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, _ignore) for number in numbers]
    # pytest reports exceptions that signals raise in finalizers, some left over from earlier schedules' processes.
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _ignore(_signum: int, _frame: object) -> None:
    """Do nothing: signals before or after the run do not matter to it."""


def _send_here(number: signal.Signals) -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, number)


def _run(
    config: dict[str, Any], source: list[bytes | None], before_run: Callable[[TargetBraze], object] = lambda _: None
) -> int:
    """Run the target as its command line does; return the exit code."""
    target = TargetBraze(config=config)
    before_run(target)
    try:
        target.run(cast("IO[str]", _Source(source)))
    except SystemExit as exit_:
        return int(cast("int", exit_.code))
    except BrazeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BaseException:  # noqa: BLE001 - whatever it is, it is a finding
        traceback.print_exc()
        return 70
    return 0


def _child(  # noqa: PLR0917
    config: dict[str, Any], source: list[bytes | None], skew: float, span: int, out: str, err: str
) -> None:
    """Run in a separate process."""
    with open(out, "w") as output, open(err, "w", buffering=1) as errors, hurried(skew, span):  # noqa: PTH123
        faulthandler.dump_traceback_later(STUCK / 3, file=errors)
        with redirect_stdout(output), redirect_stderr(errors):
            code = _run(config, source, lambda target: handle(target.stop))
    sys.exit(code)
