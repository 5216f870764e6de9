"""One schedule: run the target on the sandbox, cut it off, rerun until it finishes, and collect violations."""

from __future__ import annotations

import faulthandler
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from braze_sandbox.state.limits import Limits
from braze_sandbox.state.options import Options
from target_braze.ledger.store import Ledger
from typing_extensions import override

from tests.target.chaos import invariants
from tests.target.chaos.clock import hurried
from tests.target.chaos.invariants import Held
from tests.target.chaos.runner import STUCK, Ended, Runner

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox

    from tests.target.chaos.schedule import Schedule, Stop

# Number of runs after which to restore an older copy of the ledger.
_COPIED = 2


class Trial(Runner):
    """A schedule on a running sandbox, with its files in a folder; `problems` lists the violations."""

    def __init__(self, schedule: Schedule, sandbox: Sandbox, folder: Path) -> None:
        super().__init__(sandbox, folder, schedule.skew, schedule.span)
        self._schedule = schedule
        self._dead = folder / "dead.singer"
        self._users = {item.user for item in schedule.items}
        self._config = {
            **self._config,
            **schedule.settings,
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
        # Several processes read ahead by what their pipes hold, which here is everything.
        if len(self.runs) == 1 and not self._schedule.ledger and self._schedule.dealt == 1:
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
            if stop.of_child:
                allowed.add(1)
        if self._schedule.rules:
            allowed.add(1)
        if ended.code not in allowed:
            self.problems.append(f"a run ended with {ended.code}: {ended.said}")

    @override
    def _see(self, upto: int, states: list[int]) -> None:
        """Check a STATE as it is written: everything before it must be in the sandbox."""
        states.append(upto)
        dead = {n for n, _ in invariants.letters(self._dead)}
        held = Held.by(self._sandbox, self._users)
        for problem in invariants.not_settled(self._schedule, held, dead, upto):
            self.problems.append(f"when STATE {upto} left: {problem}")
