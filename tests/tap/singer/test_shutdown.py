"""The end of a run: a signal at any step of it leaves whole lines and a last STATE that is not ahead of the records."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tap_braze
from tap_braze.singer.signals import StopSignal
from typing_extensions import Self

from tests.tap.support.currents import OPENS, Bucket, events, ids

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from tests.tap.support.singer import Run

PACKAGE = str(Path(tap_braze.__file__).parent)
SERIES = "campaigns_analytics"
# Steps are shared out among tests, which run side by side; POINTS=1000000 tries each of them.
PARTS = 4
POINTS = int(os.environ.get("POINTS", "12"))
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


class Steps:
    """Counts the instructions that the main thread runs in the tap, and sends signals at one of them."""

    def __init__(self, at: int, signals: list[signal.Signals]) -> None:
        self.count = 0
        self._at = at
        self._signals = signals
        self._begun = False

    def __enter__(self) -> Self:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        # From the first step after the handlers are there.
        self._begun = self._begun or frame.f_code is StopSignal.check.__code__
        frame.f_trace_opcodes = self._begun
        if self._begun and event == "opcode":
            self.count += 1
            if self.count == self._at:
                for number in self._signals:
                    signal.raise_signal(number)
        return self._trace


def check(run: Run, at: int) -> None:
    """The run ended in one of two ways, and every line of it is whole."""
    assert run.exit_code in {0, 128 + signal.SIGTERM}, at
    assert run.stdout.endswith("\n"), at
    assert run.messages[-1]["type"] == "STATE", at
    assert "Traceback" not in run.stderr, at


def points(steps: int, part: int) -> range:
    stride = max(1, steps // (POINTS * PARTS))
    return range(1 + stride * part, steps + 1, stride * PARTS)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_step_of_a_run_can_be_cut(part: int, run_tap: Callable[..., Run]) -> None:
    settings = {"start_date": "2026-01-01", "concurrency": 2}

    def run(at: int, *signals: signal.Signals) -> tuple[Run, int]:
        with Steps(at, list(signals)) as steps:
            return run_tap(SERIES, **settings), steps.count

    whole, steps = run(0)
    days = {(row["campaign_id"], row["time"]) for row in whole.records(SERIES)}
    stopped = 0
    for at in points(steps, part):
        # Signals of all kinds at once, as a closing terminal sends them.
        outcome, _ = run(at, *SIGNALS)
        check(outcome, at)
        stopped += outcome.exit_code != 0
        read = {(row["campaign_id"], row["time"]) for row in outcome.records(SERIES)}
        # Before the first stream begins, STATE is as empty as it was.
        bookmark = outcome.state.get("bookmarks", {}).get(SERIES, {}).get("replication_key_value", "")
        assert {day for day in days if day[1] <= bookmark} <= read, at
        if outcome.exit_code == 0:
            assert read == days, at
    assert stopped


@pytest.mark.parametrize("part", range(PARTS))
def test_no_step_of_a_run_through_files_can_be_cut(part: int, tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    bucket = Bucket(tmp_path / "bucket")
    for hour in ("10", "11", "12"):
        bucket.write(events(f"{hour}-1", f"{hour}-2"), hour=f"2026-03-01-{hour}")

    def run(at: int, *signals: signal.Signals) -> tuple[Run, int]:
        bucket.state = None
        with Steps(at, list(signals)) as steps:
            return bucket.run(OPENS), steps.count

    whole, steps = run(0)
    stopped = 0
    for at in points(steps, part):
        outcome, _ = run(at, signal.SIGTERM)
        check(outcome, at)
        stopped += outcome.exit_code != 0
        # The next run reads what this one did not: STATE is not ahead of the records.
        assert sorted({*ids(outcome), *ids(bucket.run(OPENS))}) == sorted(ids(whole)), at
    assert stopped


def test_a_hang_up_stops_a_run(run_tap: Callable[..., Run]) -> None:
    with Steps(1, [signal.SIGHUP]):
        assert run_tap(SERIES).exit_code == 128 + signal.SIGHUP


def test_nohup_keeps_a_run_going(run_tap: Callable[..., Run]) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Steps(1, [signal.SIGHUP]):
            assert run_tap(SERIES).exit_code == 0
    finally:
        signal.signal(signal.SIGHUP, before)
