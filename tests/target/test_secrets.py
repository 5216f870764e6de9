"""Secrets and people: files only their owner can read, and no key or personal value in a message."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from target_braze.ledger import Ledger

from tests.target.singer import INTEGER, Run, customers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.name != "config.json"}


def test_a_ledger_and_the_files_beside_it_are_their_owners_alone(tmp_path: Path, sandbox: Sandbox) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", sandbox.url)
    modes = _modes(tmp_path)
    ledger.close()
    assert len(modes) > 1
    assert set(modes.values()) == {0o600}, modes


def test_dead_letters_are_their_owners_alone(tmp_path: Path, run_target: Callable[..., Run]) -> None:
    letters = tmp_path / "dead.singer"
    settings = {"on_error": "dead_letter", "dead_letter_path": str(letters)}
    bad = customers({"external_id": "c-1", "n": "x"}, n=INTEGER)
    run_target(bad, **settings)
    assert _modes(tmp_path) == {"dead.singer": 0o600}
    # Letters that come in are set aside under another name, and those that fail again begin a new file.
    run_target(
        bad.schema, customers({"external_id": "c-2", "n": "y"}, n=INTEGER), letters.read_bytes().rstrip(), **settings
    )
    assert len(_modes(tmp_path)) > 1
    assert set(_modes(tmp_path).values()) == {0o600}, _modes(tmp_path)


def test_a_key_in_an_error_is_short_and_on_one_line(run_target: Callable[..., Run]) -> None:
    secret = "x" * 50_000
    run = run_target(customers({"external_id": f"c\n{secret}", "n": "x"}, n=INTEGER), expect=1)
    assert "external_id=c xxx" in run.errors[0]
    assert len(run.errors[0]) < 500
