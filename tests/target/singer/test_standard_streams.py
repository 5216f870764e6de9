"""Standard input, output and error that are closed or full."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.target.support.singer import Run, customers, lines, state

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox

INPUT = lines(customers({"external_id": "c-1"}), state(1))
HAS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")


def run(sandbox: Sandbox, tmp_path: Path, redirections: str) -> Run:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url}))
    command = f'exec "{sys.executable}" -m target_braze --config "{config}" {redirections}'
    done = subprocess.run(["sh", "-c", command], input=INPUT, capture_output=True, check=False, timeout=60)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize(
    ("redirections", "error", "sent"),
    [
        ("<&-", "standard input is closed", 0),
        (">&-", "standard output is closed", 0),
        pytest.param(">/dev/full", "cannot be written to standard output: No space left", 1, marks=HAS_FULL),
    ],
)
def test_a_stream_that_is_needed_is_missed_in_one_line(
    redirections: str, error: str, sent: int, sandbox: Sandbox, tmp_path: Path
) -> None:
    ended = run(sandbox, tmp_path, redirections)
    assert ended.exit_code == 1
    assert [error in line for line in ended.errors] == [True]
    assert len(sandbox.profiles()) == sent


@pytest.mark.parametrize("redirections", ["2>&-", pytest.param("2>/dev/full", marks=HAS_FULL)])
def test_standard_error_is_not_needed(redirections: str, sandbox: Sandbox, tmp_path: Path) -> None:
    ended = run(sandbox, tmp_path, redirections)
    assert (ended.exit_code, ended.states) == (0, [{"bookmarks": 1}])
    assert len(sandbox.profiles()) == 1


def test_what_is_opened_later_does_not_take_the_place_of_a_closed_stream(sandbox: Sandbox, tmp_path: Path) -> None:
    ended = run(sandbox, tmp_path, "<&- >&- 2>&-")
    assert ended.exit_code == 1
    assert not sandbox.profiles()
