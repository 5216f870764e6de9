"""Attempts at a partition are killed, overtaken by newer ones, and repeated: nothing is lost and nothing doubled."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock
from uuid import uuid4

import pytest
from target_braze import Loader, OutcomeLog

from tests.target.outcome_log.attempts import SCHEMA, Trial, schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from braze_sandbox.testing import Sandbox
    from target_braze.outcome_log.log import Partition

# Processes forked from one that has already loaded the target and has no threads.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_lost_or_doubled(seed: int, sandbox: Sandbox, tmp_path: Path) -> None:
    given = schedule(seed)
    url = f"memory://{uuid4().hex}" if seed % 2 else str(tmp_path)
    trial = Trial(given, sandbox, OutcomeLog(url, "run"))
    problems = trial.run()
    assert not problems, f"{given}\n{trial.runs}"


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_or_doubled_though_processes_are_killed(seed: int, sandbox: Sandbox, tmp_path: Path) -> None:
    rng = random.Random(seed)
    given = schedule(seed)
    given = replace(given, attempts=(), settings={**given.settings, "max_objects_per_request": rng.choice([1, 5])})
    trial = Trial(given, sandbox, OutcomeLog(str(tmp_path), "run"))
    for _ in range(rng.randint(1, 3)):
        records = rng.sample(given.records, len(given.records))
        _kill(
            sandbox,
            rng.randint(1, 12),
            trial.config(holds=True),
            trial.log.partition(0),
            given.stream,
            given.keys,
            records,
        )
    _load(trial.config(holds=True), trial.log.partition(0), given.stream, given.keys, given.records)
    problems = trial.problems()
    assert not problems, given


def _kill(sandbox: Sandbox, request: int, *task: Any) -> None:
    """Run a task in a process that is killed after a request, if it makes so many."""
    process = _processes.Process(target=_load, args=task)
    left = request

    def count(_request: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            process.kill()

    # Otherwise joblib, which comes with the SDK, uses semaphores and warns about those of killed processes.
    with mock.patch.dict(os.environ, JOBLIB_MULTIPROCESSING="0"):
        process.start()
    sandbox.after_request("/users/track", count)
    process.join(60)
    assert process.exitcode in {0, -9}
    # Let the sandbox finish requests that a dead process has sent.
    recorder, before = sandbox.instance.recorder, -1
    while recorder.is_busy or len(recorder.requests) > before:
        before = len(recorder.requests)
        time.sleep(0.02)
    sandbox.instance.hooks.clear()


def _load(
    config: dict[str, Any],
    partition: Partition,
    stream: str,
    keys: tuple[str, ...],
    records: Sequence[Mapping[str, Any]],
) -> None:
    with Loader(config, outcome_log=partition) as loader:
        loader.open(stream, SCHEMA, keys=keys).write(records)
