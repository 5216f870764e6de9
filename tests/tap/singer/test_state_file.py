"""The forms in which people have a state, and files that hold none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.tap.support.singer import Run

    RunTap = Callable[..., Run]

VALUE: dict[str, Any] = {
    "bookmarks": {"hard_bounces": {"replication_key": "hard_bounced_at", "replication_key_value": "2026-06-30"}}
}
OLD: dict[str, Any] = {
    "bookmarks": {"hard_bounces": {"replication_key": "hard_bounced_at", "replication_key_value": "2026-01-01"}}
}


def line(value: Any) -> str:
    return json.dumps({"type": "STATE", "value": value})


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(VALUE),
        json.dumps(VALUE, indent=2),
        "\ufeff" + json.dumps(VALUE) + "\n",
        line(VALUE),
        json.dumps(json.loads(line(VALUE)), indent=2),
        f"{line(OLD)}\n{line(VALUE)}\n\n",
        f"{json.dumps(OLD)}\r\n{json.dumps(VALUE)}\r\n",
        line(VALUE) + '\n{"type": "RECORD", "stream": "s", "record": {}}\n',
        json.dumps({"singer_state": VALUE}),
        json.dumps({"completed": {"singer_state": OLD}, "singer_state": VALUE}),
    ],
)
def test_each_form_is_read(tmp_path: Path, run_tap: RunTap, text: str) -> None:
    path = tmp_path / "given.json"
    path.write_text(text, "utf-8")
    run = run_tap("hard_bounces", options=("--state", str(path)))
    assert run.exit_code == 0, run.stderr
    assert run.states[0] == VALUE


@pytest.mark.parametrize("text", ["{}", line({}), '{"bookmarks": {}}'])
def test_an_empty_state_is_a_first_run(tmp_path: Path, run_tap: RunTap, text: str) -> None:
    (tmp_path / "given.json").write_text(text)
    run = run_tap("hard_bounces", options=("--state", str(tmp_path / "given.json")))
    assert run.exit_code == 0, run.stderr


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "the file is empty; a first run needs no state"),
        (" \n", "the file is empty"),
        ('{"api_key": "x"}', "this is not a state"),
        ('{"bookmarks": []}', "this is not a state"),
        ('{"bookmarks": {"segments": "2026-01-01"}}', "this is not a state"),
        ("[]", "this is not a state"),
        ("null", "this is not a state"),
        (line(None), "this is not a state"),
        (line(VALUE)[:-9], "is not JSON"),
        (line(OLD) + "\n" + line(VALUE)[:-9], "is not JSON"),
        ('{"type": "RECORD", "stream": "s", "record": {}}', "this is not a state"),
        ('{"type": "SCHEMA"}\n{"type": "RECORD"}', "no STATE among them"),
    ],
)
def test_what_holds_no_state_is_an_error(tmp_path: Path, run_tap: RunTap, text: str, error: str) -> None:
    (tmp_path / "given.json").write_text(text)
    run = run_tap("segments", options=("--state", str(tmp_path / "given.json")))
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert run.errors[0].startswith("option --state: ")
    assert error in run.errors[0]
    assert not run.stdout


def test_a_missing_file_says_that_a_first_run_needs_none(tmp_path: Path, run_tap: RunTap) -> None:
    run = run_tap("segments", options=("--state", str(tmp_path / "none.json")))
    assert run.exit_code != 0
    assert "a first run needs no state" in " ".join(run.stderr.split())
    assert not run.stdout
