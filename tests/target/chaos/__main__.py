"""Run random schedules for some minutes with `make soak`, or repeat one by its seed."""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from itertools import count
from pathlib import Path

from braze_sandbox.state.limits import Limits
from braze_sandbox.state.options import Options
from braze_sandbox.testing import Sandbox
from target_braze import OutcomeLog

from tests.target.chaos.messages import MessageSchedule, MessageTrial, message_schedule
from tests.target.chaos.schedule import Schedule, schedule
from tests.target.chaos.steps import StepsSchedule, StepsTrial, steps_schedule
from tests.target.chaos.trial import Trial
from tests.target.chaos.workspace import WorkspaceSchedule, WorkspaceTrial, workspace_schedule
from tests.target.outcome_log import attempts

# Schedules of their own, each a flag.
_STREAMS = ("messages", "workspace", "steps", "attempts")


def main() -> int:
    """Run the command line and return the exit code."""
    given = _arguments()
    if not given.verbose:
        logging.getLogger().addHandler(logging.NullHandler())
    else:
        logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(threadName)s %(message)s")
    with Sandbox(seed="empty") as sandbox:
        if given.seed is None:
            return _soak(sandbox, given.minutes, only=next((name for name in _STREAMS if getattr(given, name)), None))
        failures = 0
        for _ in range(given.repeat):
            flags = {name for name in ("processes", "dealt", *_STREAMS) if getattr(given, name)}
            problems = _one(sandbox, given.seed, flags, tell=given.repeat == 1)
            failures += bool(problems)
        print(f"{failures} of {given.repeat} times something did not hold")
        return int(failures > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.target.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long to try new seeds (10)")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--processes", action="store_true", help="with --seed: its runs are processes, to be killed")
    parser.add_argument("--dealt", action="store_true", help="with --processes: they deal to further processes")
    parser.add_argument("--messages", action="store_true", help="only streams that send messages")
    parser.add_argument("--workspace", action="store_true", help="only streams that are not about users")
    parser.add_argument("--steps", action="store_true", help="only streams whose changes depend on each other")
    parser.add_argument("--attempts", action="store_true", help="only attempts at a task with an outcome log")
    parser.add_argument(
        "--repeat",
        type=int,
        default=1,
        help="with --seed: number of repetitions",
    )
    parser.add_argument("--verbose", action="store_true", help="with --seed: the log of the target")
    return parser.parse_args()


def _soak(sandbox: Sandbox, minutes: float, *, only: str | None) -> int:
    first = random.SystemRandom().randrange(10**9)
    until = time.monotonic() + 60 * minutes
    done: Counter[str] = Counter()
    failed: list[str] = []
    for seed in count(first):
        if time.monotonic() > until:
            break
        flags = {"processes"} if seed % 4 < 2 else set()
        if (name := only or dict(enumerate(_STREAMS)).get(seed % 5)) is not None:
            flags.add(name)
        elif seed % 4 == 1:
            flags.add("dealt")
        if _one(sandbox, seed, flags):
            failed.append(" ".join([f"--seed {seed}", *(f"--{name}" for name in sorted(flags))]))
        done[" ".join(sorted(flags)) or "in process"] += 1
        _progress(done, failed, until)
    print(f"\n{done.total():,} schedules from seed {first} on, {len(failed)} in which something did not hold")
    for arguments in failed:
        print(f"again: make soak ARGS='{arguments}'")
    return int(bool(failed))


def _progress(done: Counter[str], failed: list[str], until: float) -> None:
    if sys.stdout.isatty() or not done.total() % 100:
        text = ", ".join(f"{number:,} {what}" for what, number in done.items())
        left = max(0.0, until - time.monotonic())
        print(f"{text}; {len(failed)} failed; {left:.0f} s left", end="\r" if sys.stdout.isatty() else "\n", flush=True)


def _one(sandbox: Sandbox, seed: int, flags: set[str], *, tell: bool = False) -> list[str]:
    processes = "processes" in flags
    given: Schedule | MessageSchedule | WorkspaceSchedule | StepsSchedule | attempts.Schedule
    trial: Trial | MessageTrial | WorkspaceTrial | StepsTrial | attempts.Trial
    with tempfile.TemporaryDirectory() as folder:
        if "messages" in flags:
            given = message_schedule(seed, processes=processes)
            trial = MessageTrial(given, sandbox, Path(folder))
        elif "workspace" in flags:
            given = workspace_schedule(seed, processes=processes)
            trial = WorkspaceTrial(given, sandbox, Path(folder))
        elif "steps" in flags:
            given = steps_schedule(seed, processes=processes)
            trial = StepsTrial(given, sandbox, Path(folder))
        elif "attempts" in flags:
            sandbox.instance.options, sandbox.instance.limits = Options(seed="empty"), Limits({})
            sandbox.reset()
            given = attempts.schedule(seed)
            trial = attempts.Trial(given, sandbox, OutcomeLog(folder, "run"))
        else:
            given = schedule(seed, processes=processes, dealt="dealt" in flags)
            trial = Trial(given, sandbox, Path(folder))
        problems = trial.run()
    if problems or tell:
        print(given, *trial.runs, *problems, sep="\n")
    return problems


if __name__ == "__main__":
    sys.exit(main())
