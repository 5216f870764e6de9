"""A ledger that lags behind Braze, is damaged, or cannot be written: said plainly, with what to do."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.ledger import file as ledger_file

from tests.target.support.singer import TEXT, Run, Stream, customers, run_cli, state, the

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    RunTarget = Callable[..., Run]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def plan(value: str, count: int = 1) -> Stream:
    return customers(*({"external_id": f"c-{n}", "plan": value} for n in range(1, count + 1)), plan=TEXT)


def plan_of(sandbox: Sandbox) -> Any:
    return the(sandbox.profile("c-1")).custom_attributes["plan"]


def go_back(run_target: RunTarget, ledger: Path, *, seal: bool = False) -> None:
    """Gold, a copy, silver, and the copy is put back."""
    files = [ledger, *([ledger.with_name(f"{ledger.name}.seal")] if seal else [])]
    run_target(plan("gold"), ledger_path=str(ledger))
    for file in files:
        shutil.copy(file, f"{file}.copy")
    run_target(plan("silver"), ledger_path=str(ledger))
    for file in files:
        shutil.copy(f"{file}.copy", file)


def test_an_older_copy_of_the_ledger_is_refused_until_it_is_recovered(
    sandbox: Sandbox, run_target: RunTarget, ledger: Path
) -> None:
    go_back(run_target, ledger)
    before = len(sandbox.requests)
    for _ in range(2):
        run = run_target(plan("gold"), ledger_path=str(ledger), expect=1)
        assert f"the ledger {ledger} is an older copy" in run.errors[0]
        assert f"target-braze ledger recover {ledger}" in run.errors[0]
    assert len(sandbox.requests) == before
    assert run_cli(["ledger", "recover", str(ledger)]).exit_code == 0
    run_target(plan("gold"), ledger_path=str(ledger))
    assert plan_of(sandbox) == "gold"


def test_a_ledger_may_move_without_its_seal(sandbox: Sandbox, run_target: RunTarget, ledger: Path) -> None:
    run_target(plan("gold"), ledger_path=str(ledger))
    moved = ledger.rename(ledger.with_name("moved.sqlite"))
    requests = len(sandbox.requests)
    run_target(plan("gold"), ledger_path=str(moved))
    assert len(sandbox.requests) == requests


def test_a_seal_that_is_none_is_said_to_be_none(run_target: RunTarget, ledger: Path) -> None:
    run_target(plan("gold"), ledger_path=str(ledger))
    ledger.with_name(f"{ledger.name}.seal").write_text("?")
    run = run_target(plan("gold"), ledger_path=str(ledger), expect=1)
    assert f"{ledger}.seal cannot be read" in run.errors[0]


def test_a_copy_that_came_with_its_seal_is_found_by_comparing_with_braze(
    sandbox: Sandbox, run_target: RunTarget, ledger: Path
) -> None:
    go_back(run_target, ledger, seal=True)
    run = run_target(plan("gold"), ledger_path=str(ledger), ledger_verify=10, expect=1)
    assert f"the ledger {ledger} differs from Braze for 1 of up to 10 users (plan)" in run.errors[0]
    run_cli(["ledger", "recover", str(ledger)])
    run_target(plan("gold"), ledger_path=str(ledger), ledger_verify=10)
    assert plan_of(sandbox) == "gold"
    run_target(plan("silver"), ledger_path=str(ledger), ledger_verify=10)
    assert plan_of(sandbox) == "silver"


def test_a_key_that_may_not_compare_is_named(sandbox: Sandbox, run_target: RunTarget, ledger: Path) -> None:
    run_target(plan("gold"), ledger_path=str(ledger))
    sandbox.fault(path="/users/export/ids", do="status", status=403)
    run = run_target(plan("gold"), ledger_path=str(ledger), ledger_verify=10, expect=1)
    sandbox.clear_faults()
    assert "users.export.ids" in run.errors[0]


@pytest.mark.parametrize("synchronous", ["full", "normal"])
def test_the_setting_reaches_sqlite(
    run_target: RunTarget, ledger: Path, monkeypatch: pytest.MonkeyPatch, synchronous: str
) -> None:
    said: list[str] = []
    execute = ledger_file.Database.execute

    def watched(self: ledger_file.Database, *given: Any) -> sqlite3.Cursor:
        said.append(given[0])
        return execute(self, *given)

    monkeypatch.setattr(ledger_file.Database, "execute", watched)
    run_target(plan("gold"), ledger_path=str(ledger), ledger_synchronous=synchronous)
    assert f"PRAGMA synchronous = {synchronous}" in said


# Damage.


@pytest.mark.parametrize("command", ["run", "inspect"])
def test_a_format_of_another_version_is_refused(run_target: RunTarget, ledger: Path, command: str) -> None:
    run_target(plan("gold"), ledger_path=str(ledger))
    with sqlite3.connect(ledger) as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    db.close()
    if command == "run":
        said = run_target(plan("gold"), ledger_path=str(ledger), expect=1).errors[0]
    else:
        said = run_cli(["ledger", command, str(ledger)]).stderr
    assert "has format 99, but this version of target-braze reads format 4" in said


def test_a_database_of_something_else_is_left_alone(run_target: RunTarget, ledger: Path) -> None:
    with sqlite3.connect(ledger) as db:
        db.execute("CREATE TABLE novels (name TEXT)")
    db.close()
    before = ledger.read_bytes()
    run = run_target(plan("gold"), ledger_path=str(ledger), expect=1)
    assert "is not a ledger" in run.errors[0]
    assert ledger.read_bytes() == before


def test_a_damaged_ledger_is_said_to_be_damaged(run_target: RunTarget, ledger: Path) -> None:
    run_target(plan("gold", 2_000), ledger_path=str(ledger))
    size = ledger.stat().st_size
    with ledger.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (size - 8192))
    run = run_target(plan("silver", 2_000), ledger_path=str(ledger), expect=1)
    assert f"the ledger {ledger} is damaged" in run.errors[0]
    assert "Traceback" not in run.stderr


def test_a_full_disk_ends_the_run_and_holds_the_state_back(
    run_target: RunTarget, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = ledger_file.open_file

    def small(*given: Any, **sharing: Any) -> Any:
        db, workspace = opened(*given, **sharing)
        db.execute("PRAGMA max_page_count = 20")
        return db, workspace

    monkeypatch.setattr("target_braze.ledger.store.open_file", small)
    run = run_target(plan("gold", 5_000), state(1), ledger_path=str(ledger), expect=1)
    assert f"the ledger {ledger} cannot be written because the disk is full" in run.errors[0]
    assert not run.states
    assert run.summary["ended"] == "failed"


def test_a_folder_that_is_not_there_is_named(run_target: RunTarget, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "ledger.sqlite"
    run = run_target(plan("gold"), ledger_path=str(path), expect=1)
    assert f"the ledger {path} cannot be used: unable to open database file" in run.errors[0]


@pytest.mark.parametrize("content", [None, b"a,b\n1,2\n" * 400], ids=["no folder", "no ledger"])
def test_a_run_whose_ledger_cannot_be_opened_ends_with_its_summary(
    content: bytes | None, run_target: RunTarget, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / ("missing/ledger.sqlite" if content is None else "ledger.sqlite")
    if content is not None:
        path.write_bytes(content)
    run = run_target(plan("gold"), state(1), ledger_path=str(path), expect=1)
    assert (run.summary["ended"], run.summary["total"]["sent"], run.summary["total"]["requests"]) == ("failed", 0, 0)
    assert run.summary["streams"] == {}
    assert run.states == []
    assert sandbox.profiles() == []
