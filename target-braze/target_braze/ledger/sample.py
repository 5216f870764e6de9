"""Sample: the external IDs of some users in the ledger, to look up their attributes in Braze."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

    from target_braze.records import User

TABLE: Final = "CREATE TABLE IF NOT EXISTS sample (id INTEGER PRIMARY KEY, external_id TEXT NOT NULL);"

# The ledger's number of a user is effectively random; the sample holds the users with the lowest numbers.
SIZE: Final = 10_000
_SLACK: Final = 1_000


class Sample:
    """Keeps the table, in the ledger's transactions and under its lock."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._highest = math.inf
        with db:
            self._trim()

    def add(self, number: int, user: User) -> None:
        """Add the user if its number is low enough."""
        if number <= self._highest and user[0] == "external_id":
            self._count += self._db.execute("INSERT OR IGNORE INTO sample VALUES (?, ?)", (number, user[1])).rowcount
            if self._count > SIZE + _SLACK:
                self._trim()

    def forget(self, number: int) -> None:
        """Remove the user."""
        self._db.execute("DELETE FROM sample WHERE id = ?", (number,))

    def prune(self) -> None:
        """Remove users that the ledger no longer knows."""
        self._db.execute("DELETE FROM sample WHERE id NOT IN (SELECT id FROM users)")

    def draw(self, count: int) -> list[str]:
        """Return up to `count` random external IDs."""
        return [
            row[0] for row in self._db.execute("SELECT external_id FROM sample ORDER BY random() LIMIT ?", (count,))
        ]

    def _trim(self) -> None:
        row = self._db.execute("SELECT id FROM sample ORDER BY id LIMIT 1 OFFSET ?", (SIZE - 1,)).fetchone()
        if row is not None:
            self._highest = row[0]
            self._db.execute("DELETE FROM sample WHERE id > ?", row)
        self._count: int = self._db.execute("SELECT count(*) FROM sample").fetchone()[0]
