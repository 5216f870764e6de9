"""Unsettled users: those with changes that wait, or that are sent and not answered yet.

Before a change to a user's attributes is sent, the file marks the user as asked. If the run crashes before the answer,
the next one finds the mark and forgets what it knew of the user. Each write waits for the disk, so a write also marks
users whose changes still wait. A crash then makes the next run send more values that Braze has, never fewer. A user
without a row needs no mark, because the next run knows nothing of it either.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from target_braze.braze.changes import Change
    from target_braze.ledger.file import Database
    from target_braze.records import User

TABLE: Final = "CREATE TABLE IF NOT EXISTS asked (id INTEGER PRIMARY KEY);"

# Number of waiting users to mark together with those of a request.
_AHEAD: Final = 1_000


class Unsettled(msgspec.Struct):
    """A user with unsettled changes.

    Attributes:
        number: Number of the user's row.
        changes: Number of unsettled changes, before they are merged.
        is_new: The file has no row, and no change has settled since.
        is_marked: The file has the mark.
        is_sent: A change has been sent since the mark.
    """

    number: int
    changes: int = 0
    is_new: bool = False
    is_marked: bool = False
    is_sent: bool = False


class UnsettledUsers(dict["User", Unsettled]):
    """The users with unsettled changes, and the table of marks, in the ledger's transactions and under its lock."""

    def __init__(self, db: Database, unwritten: Container[int]) -> None:
        super().__init__()
        self._db = db
        # Numbers of users whose rows in the file are older than what Braze has accepted, and those whose marks the file
        # keeps for that reason alone.
        self._unwritten = unwritten
        self._kept: set[int] = set()
        # Users to mark, oldest first; the values have no meaning.
        self._unmarked: dict[User, None] = {}

    def add(self, change: Change) -> None:
        """Add a change of users who may have others."""
        marks = changes_attributes(change)
        for user in change.users:
            unsettled = self.get(user)
            if unsettled is None:
                unsettled = self[user] = Unsettled(row_number(user))
            unsettled.changes += 1
            if marks and not (unsettled.is_marked or unsettled.is_new):
                self._unmarked[user] = None

    def number(self, user: User) -> int:
        """Return the number of a user's row."""
        unsettled = self.get(user)
        return row_number(user) if unsettled is None else unsettled.number

    def are_marked(self, users: Iterable[User]) -> bool:
        """Return whether the file has the marks of all these users that need one."""
        return not any(map(self._needs_mark, users))

    def mark(self, users: Iterable[User]) -> None:
        """Mark users, and others that wait."""
        together = dict.fromkeys([*filter(self._needs_mark, users), *islice(self._unmarked, _AHEAD)])
        rows = [(self.number(user),) for user in together]
        self._db.executemany("INSERT OR IGNORE INTO asked VALUES (?)", rows)
        for user in together:
            self._unmarked.pop(user, None)
            if (unsettled := self.get(user)) is not None:
                unsettled.is_marked = True

    def sent(self, users: Iterable[User]) -> None:
        """Record that changes of these users are about to be sent."""
        for user in users:
            if (unsettled := self.get(user)) is not None:
                unsettled.is_sent = True

    def unmark(self, users: Iterable[User]) -> None:
        """Remove the marks of users whose changes settled or were not sent."""
        rows = []
        for user in users:
            unsettled = self.get(user)
            if unsettled is not None:
                if not unsettled.is_marked:
                    continue
                unsettled.is_marked = unsettled.is_sent = False
            number = self.number(user)
            if number in self._unwritten:
                self._kept.add(number)
            else:
                rows.append((number,))
        self._delete(rows)

    def unmark_written(self) -> None:
        """Remove the marks of users whose rows have been written, unless they have newer marks."""
        newer = {one.number for one in self.values() if one.is_marked}
        self._delete([(number,) for number in self._kept - newer])
        self._kept.clear()

    def unmark_unsent(self) -> None:
        """Remove the marks of users whose changes were not sent."""
        self._delete([(one.number,) for one in self.values() if one.is_marked and not one.is_sent])

    def release(self, change: Change) -> None:
        """Remove a settled change."""
        for user in change.users:
            if (unsettled := self.get(user)) is not None:
                unsettled.changes -= len(change.records)
                if unsettled.changes <= 0:
                    del self[user]
                    self._unmarked.pop(user, None)
                elif unsettled.is_new:
                    unsettled.is_new = False
                    self._unmarked[user] = None

    def _delete(self, rows: list[tuple[int]]) -> None:
        if rows:
            self._db.executemany("DELETE FROM asked WHERE id = ?", rows)

    def _needs_mark(self, user: User) -> bool:
        unsettled = self.get(user)
        return unsettled is None or not (unsettled.is_marked or unsettled.is_new)


def changes_attributes(change: Change) -> bool:
    """Return whether the change sets or moves attributes of its users."""
    return change.semantics.sets_attributes or change.semantics.moves_attributes


def row_number(user: User) -> int:
    """Return the user's row number: 63 bits of a hash. Of 180,000 files of ten million users, one has a collision."""
    return int.from_bytes(blake2b("\0".join(user).encode(), digest_size=8).digest(), "big") >> 1
