"""Marks of unsettled users: in the file before anything is sent, and gone when it is clear what Braze has."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from target_braze.ledger import learned, unsettled
from target_braze.ledger.store import Ledger
from target_braze.ledger.unsettled import row_number

from tests.target.delivery.test_dispatcher import change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_braze.braze.changes import Change


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.sqlite", "x")
    yield ledger
    ledger.close()


@pytest.fixture(autouse=True)
def _written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "_TOGETHER", 1)


def marked(ledger: Ledger, *changes: Change) -> list[bool]:
    ids = {number for (number,) in ledger._db.execute("SELECT id FROM asked")}
    return [row_number(one.user) in ids for one in changes]


def waiting(ledger: Ledger, *users: str, known: bool = True) -> list[Change]:
    if known:
        ledger.learn([change(0, user) for user in users])
    changes = [change(position, user) for position, user in enumerate(users, 1)]
    assert all(map(ledger.news, changes))
    return changes


def test_one_write_marks_users_who_wait_as_well(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsettled, "_AHEAD", 3)
    changes = waiting(ledger, "a", "b", "c", "d", "e")
    ledger.under_way(changes[3:4])
    assert marked(ledger, *changes) == [True, True, True, True, False]
    before = ledger._db.total_changes
    ledger.under_way(changes[:2])
    assert ledger._db.total_changes == before
    ledger.under_way(changes[4:])
    assert marked(ledger, *changes) == [True] * 5


@pytest.mark.parametrize("known", [True, False])
def test_a_user_with_another_change_is_marked_again(ledger: Ledger, *, known: bool) -> None:
    first, second, _ = waiting(ledger, "a", "a", "b", known=known)
    ledger.under_way([first])
    assert marked(ledger, first) == [known]
    ledger.settle([first], "accepted")
    assert marked(ledger, second) == [False]
    ledger.under_way([second])
    assert marked(ledger, second) == [True]


def test_a_user_whom_the_file_does_not_have_needs_no_mark(ledger: Ledger) -> None:
    changes = waiting(ledger, "a", "b", known=False)
    ledger.under_way(changes)
    assert marked(ledger, *changes) == [False, False]
    # Users of other kinds of changes may be in the file.
    deletion = change(3, "c", "external_ids")
    assert ledger.news(deletion)
    ledger.under_way([deletion])
    assert marked(ledger, deletion) == [True]


def test_a_crash_before_the_answer_leaves_nothing_known_of_a_new_user(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path, "x")
    first, second = waiting(ledger, "a", "a", known=False)
    ledger.under_way([first])
    ledger._db.close()
    ledger = Ledger(path)
    assert not ledger.accepted(first.user)
    first, second = waiting(ledger, "a", "a", known=False)
    ledger.under_way([first])
    ledger.settle([first], "accepted")
    ledger.under_way([second])
    ledger._db.close()
    ledger = Ledger(path)
    assert not ledger.accepted(first.user)
    ledger.close()


def test_a_change_that_did_not_reach_braze_is_marked_again(ledger: Ledger) -> None:
    [one] = waiting(ledger, "a")
    ledger.under_way([one])
    ledger.withdraw([one])
    assert marked(ledger, one) == [False]
    ledger.under_way([one])
    assert marked(ledger, one) == [True]


def test_accepted_users_keep_their_marks_until_their_rows_are_written(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "_TOGETHER", 3)
    changes = waiting(ledger, "a", "b", "c")
    ledger.under_way(changes)
    ledger.settle(changes[:2], "accepted")
    assert marked(ledger, *changes) == [True, True, True]
    assert not ledger.news(change(1, "a"))
    again = change(0, "b")
    assert ledger.news(again)
    ledger.settle(changes[2:], "accepted")
    assert marked(ledger, *changes) == [False, False, False]
    assert not ledger.news(change(1, "a"))
    ledger.settle([again], "rejected")


@pytest.mark.parametrize("sent", [True, False])
def test_a_newer_change_keeps_the_mark_when_the_row_is_written(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, sent: bool
) -> None:
    monkeypatch.setattr(learned, "_TOGETHER", 2)
    first, other = waiting(ledger, "a", "b")
    ledger.under_way([first, other])
    ledger.settle([first], "accepted")
    second = change(3, "a")
    assert ledger.news(second)
    ledger.under_way([second])
    if not sent:
        # The file's row is still older than what Braze has.
        ledger.withdraw([second])
        assert marked(ledger, second) == [True]
    ledger.settle([other], "accepted")
    assert marked(ledger, second) == [sent]


def test_a_crash_forgets_users_whose_rows_were_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path, "x")
    changes = waiting(ledger, "a", "b")
    monkeypatch.setattr(learned, "_TOGETHER", 100)
    ledger.under_way(changes)
    ledger.settle(changes, "accepted")
    ledger._db.close()
    ledger = Ledger(path)
    assert [bool(ledger.accepted(one.user)) for one in changes] == [False, False]
    ledger.close()


def test_a_run_that_ends_writes_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "_TOGETHER", 100)
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path, "x")
    changes = waiting(ledger, "a", "b")
    ledger.under_way(changes)
    ledger.settle(changes, "accepted")
    ledger.close()
    ledger = Ledger(path)
    assert not any(map(ledger.news, [change(1, "a"), change(2, "b")]))
    ledger.close()


def test_a_run_that_ends_keeps_only_the_marks_of_what_it_sent(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", "x")
    changes = waiting(ledger, "a", "b", "c")
    ledger.under_way(changes[:1])
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        assert db.execute("SELECT id FROM asked").fetchall() == [(row_number(changes[0].user),)]
    db.close()


def test_a_crash_forgets_users_who_waited(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path, "x")
    for number, users in enumerate([("a", "b", "c"), ("a", "b")]):
        changes = [change(position, user, round=number) for position, user in enumerate(users, 1)]
        assert all(map(ledger.news, changes))
        ledger.under_way(changes[: 3 if number == 0 else 1])
        if number == 0:
            ledger.settle(changes, "accepted")
    # As after a kill: nothing is closed in order.
    ledger._db.close()
    ledger = Ledger(path)
    assert [bool(ledger.accepted(("external_id", user))) for user in "abc"] == [False, False, True]
    ledger.close()


def test_the_last_position_is_recorded_for_requests_without_a_write_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path, "x")
    changes = waiting(ledger, "a", "b", "c")
    ledger.under_way(changes[:1])
    ledger.under_way(changes[2:])
    ledger._db.close()
    ledger = Ledger(path)
    assert ledger.stretch >= 3
    ledger.close()
