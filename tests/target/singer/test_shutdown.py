"""The end of a run: a signal at whichever step of it leaves the summary, the last STATE and the exit code whole."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import target_braze
from typing_extensions import Self

from tests.target.support.singer import customers, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

PACKAGE = str(Path(target_braze.__file__).parent)
# Steps are shared out among tests, which run side by side.
PARTS = 4
# Handlers do not raise, so that one instruction of a line is like another; with 1, each is tried.
STRIDE = int(os.environ.get("STRIDE", "7"))
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


class Steps:
    """Counts the instructions that the main thread runs in the target, and sends signals at one of them."""

    def __init__(self, at: int, signals: list[signal.Signals], since: str) -> None:
        self.count = 0
        self._at = at
        self._signals = signals
        # The function with which the counting begins.
        self._since = since
        self._begun = False

    def __enter__(self) -> Self:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        self._begun = self._begun or frame.f_code.co_name == self._since
        frame.f_trace_opcodes = self._begun
        if self._begun and event == "opcode":
            self.count += 1
            if self.count == self._at:
                for number in self._signals:
                    signal.raise_signal(number)
        return self._trace


@pytest.fixture
def interrupted(run_target: Callable[..., Run], sandbox: Sandbox) -> Callable[..., tuple[Run, int]]:
    """Run a short stream with signals at a step; return the run and how many steps there were."""

    def run(at: int, *signals: signal.Signals, since: str = "process_endofpipe", **settings: Any) -> tuple[Run, int]:
        sandbox.reset()
        messages = [customers({"external_id": "c-1"}), state(1), customers({"external_id": "c-2"}), state(2)]
        with Steps(at, list(signals), since) as steps:
            outcome = run_target(*messages, expect=None, **settings)
        return outcome, steps.count

    return run


def check(run: Run, sandbox: Sandbox, number: signal.Signals, at: int) -> None:
    """The run ended in one of two ways, and everything that it left behind agrees."""
    ended = run.summary["ended"]
    assert (ended, run.exit_code) in [("completed", 0), ("stopped", 128 + number)], at
    users = {profile.external_id for profile in sandbox.profiles()}
    last = run.states[-1]["bookmarks"] if run.states else 0
    assert len(users) >= last, at
    if ended == "completed":
        assert last == 2, at


@pytest.mark.parametrize("part", range(PARTS))
def test_no_step_of_the_end_can_be_cut(
    part: int, interrupted: Callable[..., tuple[Run, int]], sandbox: Sandbox
) -> None:
    _, steps = interrupted(0)
    for at in range(1 + STRIDE * part, steps + 1, STRIDE * PARTS):
        run, _ = interrupted(at, signal.SIGTERM)
        check(run, sandbox, signal.SIGTERM, at)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_step_of_a_run_with_ledger_and_dead_letters_can_be_cut(
    part: int, interrupted: Callable[..., tuple[Run, int]], sandbox: Sandbox, tmp_path: Path
) -> None:
    def run(at: int, *signals: signal.Signals) -> tuple[Run, int]:
        files = {"ledger_path": tmp_path / f"ledger-{at}.sqlite", "dead_letter_path": tmp_path / f"dead-{at}.singer"}
        settings = {name: str(path) for name, path in files.items()}
        return interrupted(at, *signals, since="run", on_error="dead_letter", **settings)

    _, steps = run(0)
    # Signals of all kinds at once, as a closing terminal sends them.
    for at in range(1 + 20 * STRIDE * part, steps + 1, 20 * STRIDE * PARTS):
        outcome, _ = run(at, *SIGNALS)
        check(outcome, sandbox, SIGNALS[0], at)


def test_a_hang_up_stops_a_run(interrupted: Callable[..., tuple[Run, int]]) -> None:
    run, _ = interrupted(1, signal.SIGHUP, since="process_lines")
    assert (run.exit_code, run.summary["ended"]) == (128 + signal.SIGHUP, "stopped")


def test_nohup_keeps_a_run_going(interrupted: Callable[..., tuple[Run, int]]) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run, _ = interrupted(1, signal.SIGHUP, since="process_lines")
    assert (run.exit_code, run.summary["ended"]) == (0, "completed")
