"""Check all invariants under faults, signals, and kills, in schedules derived from a seed; more with `make soak`.

Takes about half a minute on two cores. See `chaos/invariants.py` for the invariants and `chaos/schedule.py` for the
faults.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from braze_sandbox.testing import Sandbox

from tests.target.chaos.messages import MessageTrial, message_schedule
from tests.target.chaos.schedule import schedule
from tests.target.chaos.steps import StepsTrial, steps_schedule
from tests.target.chaos.trial import Trial
from tests.target.chaos.workspace import WorkspaceTrial, workspace_schedule

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _short_waits() -> None:
    """Keep the waits of production, because the clock is fast here."""


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    """Serve a private sandbox, because schedules change its options."""
    with Sandbox(seed="empty") as sandbox:
        yield sandbox


@pytest.mark.parametrize("seed", range(200))
def test_all_holds_through_faults_and_signals(seed: int, served: Sandbox, tmp_path: Path) -> None:
    _hold(seed, served, tmp_path, processes=False)


@pytest.mark.parametrize("seed", range(24))
def test_all_holds_though_processes_are_killed(seed: int, served: Sandbox, tmp_path: Path) -> None:
    _hold(seed, served, tmp_path, processes=True)


@pytest.mark.parametrize("seed", range(30))
def test_nobody_receives_a_message_twice_through_faults_and_signals(seed: int, served: Sandbox, tmp_path: Path) -> None:
    _send(seed, served, tmp_path, processes=False)


@pytest.mark.parametrize("seed", range(10))
def test_nobody_receives_a_message_twice_though_processes_are_killed(
    seed: int, served: Sandbox, tmp_path: Path
) -> None:
    _send(seed, served, tmp_path, processes=True)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="kills children, which are listed in /proc")
@pytest.mark.parametrize("seed", range(24))
def test_all_holds_though_processes_that_deliver_are_killed(seed: int, served: Sandbox, tmp_path: Path) -> None:
    _hold(seed, served, tmp_path, processes=True, dealt=True)


@pytest.mark.parametrize("seed", range(32))
def test_objects_are_as_the_input_says_through_faults_and_signals(seed: int, served: Sandbox, tmp_path: Path) -> None:
    _keep(seed, served, tmp_path, processes=False)


@pytest.mark.parametrize("seed", range(8))
def test_objects_are_as_the_input_says_though_processes_are_killed(seed: int, served: Sandbox, tmp_path: Path) -> None:
    _keep(seed, served, tmp_path, processes=True)


@pytest.mark.parametrize("seed", range(30))
def test_dependent_changes_keep_order_and_delay_through_faults_and_signals(
    seed: int, served: Sandbox, tmp_path: Path
) -> None:
    _wait(seed, served, tmp_path, processes=False)


@pytest.mark.parametrize("seed", range(8))
def test_dependent_changes_keep_order_and_delay_though_processes_are_killed(
    seed: int, served: Sandbox, tmp_path: Path
) -> None:
    _wait(seed, served, tmp_path, processes=True)


def _wait(seed: int, sandbox: Sandbox, folder: Path, *, processes: bool) -> None:
    given = steps_schedule(seed, processes=processes)
    problems = StepsTrial(given, sandbox, folder).run()
    flags = f"--steps --seed {seed}{' --processes' if processes else ''}"
    assert not problems, f"{given}\nagain: make soak ARGS='{flags}'"


def _keep(seed: int, sandbox: Sandbox, folder: Path, *, processes: bool) -> None:
    given = workspace_schedule(seed, processes=processes)
    problems = WorkspaceTrial(given, sandbox, folder).run()
    flags = f"--workspace --seed {seed}{' --processes' if processes else ''}"
    assert not problems, f"{given}\nagain: make soak ARGS='{flags}'"


def _send(seed: int, sandbox: Sandbox, folder: Path, *, processes: bool) -> None:
    given = message_schedule(seed, processes=processes)
    problems = MessageTrial(given, sandbox, folder).run()
    flags = f"--messages --seed {seed}{' --processes' if processes else ''}"
    assert not problems, f"{given}\nagain: make soak ARGS='{flags}'"


def _hold(seed: int, sandbox: Sandbox, folder: Path, *, processes: bool, dealt: bool = False) -> None:
    given = schedule(seed, processes=processes, dealt=dealt)
    problems = Trial(given, sandbox, folder).run()
    arguments = f"--seed {seed}{' --processes' if processes else ''}{' --dealt' if dealt else ''}"
    assert not problems, f"{given}\nagain: make soak ARGS='{arguments}'"
