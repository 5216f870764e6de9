"""The files of dead letters: retries that are killed, files that are not ours, one file for two settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.reporting.dead_letter_file import Retry

from tests.target.support.singer import INTEGER, customers, lines, many, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    return tmp_path / "dead.singer"


@pytest.fixture
def settings(letters: Path) -> dict[str, Any]:
    return {"on_error": "dead_letter", "dead_letter_path": str(letters)}


def found(path: Path) -> list[tuple[str, int]]:
    """The users of the letters in a file, and at which try each is."""
    messages = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [
        (one["record"]["external_id"], one["dead_letter"]["attempt"]) for one in messages if one["type"] == "RECORD"
    ]


def killed_retry(sandbox: Sandbox, letters: Path, settings: dict[str, Any]) -> str:
    """Pipe the letters in and kill the target at its first request; return what it logged."""
    config = letters.with_name("killed.json")
    config.write_text(
        json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url, "max_objects_per_request": 2, **settings})
    )
    command = [sys.executable, "-m", "target_braze", "--config", str(config)]
    with subprocess.Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=PIPE) as process:
        sandbox.after_request("/users/track", lambda _request: process.kill(), times=1)
        _, said = process.communicate(letters.read_bytes())
    return said.decode()


@pytest.fixture
def aside(run_target: Callable[..., Run], sandbox: Sandbox, letters: Path, settings: dict[str, Any]) -> Path:
    """The letters of five records after a retry was killed, in which some were rejected again."""
    bad = [{"external_id": f"c-{n}", "n": "x"} for n in range(3)]
    good = [{"external_id": f"c-{n}", "n": "x"} for n in (3, 4)]
    run_target(customers(*bad, *good, n=INTEGER), **settings)
    # The last two are mended; the others die again before anything is sent.
    text = letters.read_bytes()
    for user in (b"c-3", b"c-4"):
        text = text.replace(b'"%s","n":"x"' % user, b'"%s","n":1' % user)
    letters.write_bytes(text)
    said = killed_retry(sandbox, letters, settings)
    (path,) = letters.parent.glob("dead.singer.retrying-*")
    assert path.read_bytes() == text
    assert f"so the file is named {path} until the run ends. If the run is killed" in said
    assert found(letters) == [(f"c-{n}", 2) for n in range(3)]
    return path


def test_the_letters_of_a_retry_that_was_killed_are_back_in_their_file_after_the_next_run(
    run_target: Callable[..., Run], letters: Path, settings: dict[str, Any], aside: Path
) -> None:
    run = run_target(customers({"external_id": "d", "n": 1}, n=INTEGER), state(1), **settings)
    assert any(
        f"a run that retried the dead letters of {letters} failed" in line and str(aside) in line
        for line in run.warnings
    )
    assert any(
        f"the dead letters of {aside} are back in {letters}. Pipe it in to retry them" in line for line in run.warnings
    )
    assert not list(letters.parent.glob("dead.singer.*"))
    # Those rejected in the retry are in it once, in their present form.
    assert found(letters) == [("c-0", 2), ("c-1", 2), ("c-2", 2), ("c-3", 1), ("c-4", 1)]
    assert run.states == [{"bookmarks": 1}]


def test_the_renamed_file_itself_may_come_in_again(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path, settings: dict[str, Any], aside: Path
) -> None:
    run = run_target(aside.read_bytes().rstrip(), **settings)
    (done,) = letters.parent.glob("dead.singer.*")
    assert done.name == aside.name.replace("retrying", "retried")
    assert any(f"{done}, which can be deleted" in line for line in run.warnings)
    assert sandbox.profile("c-4")
    assert found(letters) == [(f"c-{n}", 2) for n in range(3)] * 2


def test_letters_of_a_retry_that_failed_are_put_back_by_the_next_run(
    run_target: Callable[..., Run], letters: Path, settings: dict[str, Any]
) -> None:
    run_target(customers({"external_id": "c-1", "n": "x"}, n=INTEGER), **settings)
    before = letters.read_bytes()
    letters.write_bytes(before.replace(b'"n":"x"', b'"n":1'))
    run_target(letters.read_bytes().rstrip(), api_key="wrong", expect=1, **settings)
    assert not letters.exists()
    run_target(customers(n=INTEGER), **settings)
    assert letters.read_bytes() == before.replace(b'"n":"x"', b'"n":1')
    assert list(letters.parent.glob("dead*")) == [letters]


def test_a_retry_that_another_process_is_at_is_left_to_it(
    run_target: Callable[..., Run], letters: Path, settings: dict[str, Any]
) -> None:
    run_target(customers({"external_id": "c-1", "n": "x"}, n=INTEGER), **settings)
    retry = Retry.begin(letters)
    run = run_target(customers({"external_id": "c-2", "n": 1}, n=INTEGER), **settings)
    assert retry.path.exists()
    assert not any("a run that retried" in line for line in run.warnings)
    retry.close()
    run_target(customers({"external_id": "c-2", "n": 1}, n=INTEGER), **settings)
    assert found(letters) == [("c-1", 1)]


def test_looking_ahead_leaves_an_unfinished_retry_alone(
    run_target: Callable[..., Run], settings: dict[str, Any], aside: Path
) -> None:
    before = aside.read_bytes()
    run_target(customers({"external_id": "d", "n": 1}, n=INTEGER), dry_run=True, **settings)
    assert aside.read_bytes() == before


OTHERS = [
    b"a novel\nwithout an end",
    b'{"my": "settings"}',
    b'{"my": "settings"',
    lines(customers({"external_id": "c-1"}))[:-9],
    lines(customers({"external_id": "c-1"}), state(1)),
    lines(customers()),
    b"SQLite format 3\0" + bytes(4_096),
    b"\xff\xfe",
    b"\n",
]


@pytest.mark.parametrize("content", OTHERS, ids=range(len(OTHERS)))
@pytest.mark.parametrize("link", [None, "symlink", "hardlink"])
def test_a_file_that_holds_no_dead_letters_is_left_as_it_is(
    content: bytes, link: str | None, run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    letters.write_bytes(content)
    path = letters.with_name("link") if link else letters
    if link == "symlink":
        path.symlink_to(letters)
    elif link == "hardlink":
        path.hardlink_to(letters)
    run = run_target(
        customers({"external_id": "c-1", "n": "x"}, n=INTEGER),
        on_error="dead_letter",
        dead_letter_path=str(path),
        expect=1,
    )
    assert f"setting 'dead_letter_path': {path} exists and is not a dead-letter file" in run.stderr
    assert letters.read_bytes() == content
    assert not sandbox.requests


def test_a_folder_is_no_file_for_letters(run_target: Callable[..., Run], tmp_path: Path) -> None:
    run = run_target(customers(), on_error="dead_letter", dead_letter_path=str(tmp_path), expect=1)
    assert "is not a dead-letter file" in run.stderr


@pytest.mark.parametrize("content", [None, b""])
def test_letters_go_into_a_file_that_is_empty_and_through_a_link(
    content: bytes | None, run_target: Callable[..., Run], letters: Path
) -> None:
    if content is not None:
        letters.write_bytes(content)
    folder = letters.parent / "elsewhere"
    folder.mkdir()
    link = folder / "link.singer"
    link.symlink_to(letters)
    settings = {"on_error": "dead_letter", "dead_letter_path": str(link)}
    run_target(customers({"external_id": "c-1", "n": "x"}, n=INTEGER), **settings)
    assert found(letters) == [("c-1", 1)]
    # A retry renames the file, not the link to it.
    run_target(letters.read_bytes().rstrip(), **settings)
    assert link.is_symlink()
    assert found(letters) == [("c-1", 2)]
    assert len(list(letters.parent.glob("dead.singer.retried-*"))) == 1


def test_letters_may_be_thrown_away(run_target: Callable[..., Run]) -> None:
    run = run_target(
        customers(*many(3, 3), {"external_id": "x", "n": "x"}, n=INTEGER),
        state(1),
        on_error="dead_letter",
        dead_letter_path=os.devnull,
    )
    assert run.states == [{"bookmarks": 1}]


@pytest.mark.parametrize("form", ["same", "relative", "symlink", "hardlink", "dangling", "folder", "wal"])
def test_ledger_and_letters_in_one_file_are_refused(
    form: str, run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, path = tmp_path / "ledger.sqlite", tmp_path / "other"
    if form == "same":
        path = ledger
    elif form == "relative":
        monkeypatch.chdir(tmp_path)
        path = Path("./ledger.sqlite")
    elif form == "wal":
        path = tmp_path / "ledger.sqlite-wal"
    elif form == "folder":
        (tmp_path / "folder").symlink_to(tmp_path)
        path = tmp_path / "folder" / "ledger.sqlite"
    else:
        if form != "dangling":
            ledger.touch()
        if form == "hardlink":
            path.hardlink_to(ledger)
        else:
            path.symlink_to(ledger)
    run = run_target(
        customers({"external_id": "c-1"}),
        on_error="dead_letter",
        dead_letter_path=str(path),
        ledger_path=str(ledger),
        expect=1,
    )
    assert "settings 'dead_letter_path' and 'ledger_path' name the same file" in run.stderr
    assert not sandbox.requests
    assert not ledger.exists() or not ledger.read_bytes()
