"""Run the target on the sandbox, in this process or in one of its own, and cut it off."""

from __future__ import annotations

import faulthandler
import gc
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from typing import IO, TYPE_CHECKING, Any, cast
from unittest import mock

from braze_sandbox.state.faults import Fault
from target_braze.braze.client import BrazeError
from target_braze.loader.errors import ChildError
from target_braze.process.signals import handle
from target_braze.records import MappingError
from target_braze.singer.input_lines import InputLines
from target_braze.singer.target import TargetBraze

from tests.target.chaos.clock import hurried
from tests.target.chaos.forks import children_of, forked, lives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.chaos.schedule import Stop, StreamsSchedule

# A schedule takes a fraction of a second; after this many seconds, it is stuck.
STUCK = 60

# Processes forked from one that has already loaded the target and has no threads.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__, "braze_sandbox.testing", "tests.target.support.messages"])


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

    def groups(self, lines: InputLines) -> Iterator[list[bytes]]:
        """Yield the lines between two pauses together, as a pipe does."""
        group: list[bytes] = []
        for line in self._messages:
            if lines.interruption is not None:
                return
            if line is not None:
                group.append(line.removesuffix(b"\n"))
                continue
            yield group
            group = []
            time.sleep(0.015)
        yield group

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


class Runner:
    """Runs of one schedule, with their files in a folder; `problems` lists the violations."""

    def __init__(self, sandbox: Sandbox, folder: Path, skew: float, span: int) -> None:
        self.problems: list[str] = []
        self.runs: list[Ended] = []
        self._sandbox = sandbox
        self._folder = folder
        self._skew, self._span = skew, span
        self._config: dict[str, Any] = {"api_key": sandbox.api_key, "endpoint": sandbox.url}

    def _see(self, upto: int, states: list[int]) -> None:
        """Check a STATE as it is written: everything before it must be in the sandbox."""
        raise NotImplementedError

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
            target=_child, args=(self._config, source, self._skew, self._span, str(out), str(err))
        )
        # Otherwise joblib, which comes with the SDK, uses semaphores and warns about those of killed processes.
        with mock.patch.dict(os.environ, JOBLIB_MULTIPROCESSING="0"):
            process.start()
        children: set[int] = set()

        def send(number: signal.Signals) -> None:
            children.update(children_of(process.pid))
            aims = sorted(children) if stop is not None and stop.of_child else []
            with suppress(ProcessLookupError):
                os.kill(aims[stop.request % len(aims)] if stop is not None and aims else process.pid or 0, number)

        with self._stopping(stop, send):
            process.join(STUCK / 2)
        if process.exitcode is None:
            process.kill()
            process.join()
            self.problems.append("a run got stuck")
        while any(map(lives, children)):
            time.sleep(0.002)
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


class StreamsRunner(Runner):
    """Runs of one schedule whose input begins again after the last STATE, until a run ends well."""

    _schedule: StreamsSchedule

    def _run_until_through(self) -> None:
        schedule = self._schedule
        cuts = list(schedule.stops)
        start = last = 0
        for _ in range(len(cuts) + schedule.ends + 3):
            ended = self._run_once(start, cuts.pop(0) if cuts else None)
            last = max([*ended.states, last])
            start = max(0, last - schedule.overlap)
            if not ended.code:
                if last != len(schedule.rows):
                    self.problems.append(f"the last STATE is {last}, of {len(schedule.rows)} records")
                return
        self.problems.append(f"the runs never get through the input; the last says: {ended.said}")

    def _run_once(self, start: int, stop: Stop | None) -> Ended:
        source = self._schedule.input(start)
        ended = self._in_process(source, stop) if self._schedule.processes else self._here(source, stop)
        self.runs.append(ended)
        if ended.code in {2, 70} or "Traceback" in ended.said:
            self.problems.append(f"a run ended with {ended.code}: {ended.said}")
        return ended


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
    # Half of the sources yield line by line.
    together = mock.patch.object(InputLines, "read", lambda lines, source: source.groups(lines))
    try:
        with together if len(source) % 2 else nullcontext():
            target.run(cast("IO[str]", _Source(source)))
    except SystemExit as exit_:
        return int(cast("int", exit_.code))
    except (BrazeError, ChildError, MappingError) as error:
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
        with redirect_stdout(output), redirect_stderr(errors), forked():
            code = _run(config, source, lambda target: handle(target.stop))
    sys.exit(code)
