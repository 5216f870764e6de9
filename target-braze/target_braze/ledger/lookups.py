"""Rows of users and outcomes of fingerprints, read for many changes with one query.

Each query hands Python's lock to another thread, and to get it back costs more than the query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze.ledger.unsettled import row_number

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_braze.braze.changes import Change
    from target_braze.ledger.file import Database
    from target_braze.records import User


class Lookups:
    """Reads the tables under the ledger's lock. What `read` has found counts until a change makes it outdated."""

    def __init__(self, db: Database, unwritten: Mapping[int, bytes]) -> None:
        self._db = db
        self._unwritten = unwritten
        self._users: dict[User, tuple[int, bytes | None]] = {}
        self._outcomes: dict[bytes, int | None] = {}

    def read(self, users: Collection[User], fingerprints: Collection[bytes]) -> None:
        """Read the rows of users and fingerprints, for the methods below."""
        numbers = {user: row_number(user) for user in users}
        hashes = self._rows("SELECT id, hashes FROM users WHERE id", numbers.values()) | {
            number: self._unwritten[number] for number in numbers.values() if number in self._unwritten
        }
        self._users = {user: (number, hashes.get(number)) for user, number in numbers.items()}
        outcomes = self._rows("SELECT fingerprint, outcome FROM sent WHERE fingerprint", fingerprints)
        self._outcomes = {one: outcomes.get(one) for one in fingerprints}

    def clear(self) -> None:
        """Forget everything that `read` has found."""
        self._users, self._outcomes = {}, {}

    def forget(self, change: Change) -> None:
        """Forget what the change will make outdated."""
        self._users.pop(change.user, None)
        if change.fingerprint is not None:
            self._outcomes.pop(change.fingerprint, None)

    def user(self, user: User) -> tuple[int, bytes | None]:
        """Return the number of a user's row, and its hashes, or None if there is no row."""
        if (found := self._users.get(user)) is not None:
            return found
        number = row_number(user)
        if (newer := self._unwritten.get(number)) is not None:
            return number, newer
        row = self._db.execute("SELECT hashes FROM users WHERE id = ?", (number,)).fetchone()
        return number, None if row is None else row[0]

    def outcome(self, fingerprint: bytes) -> int | None:
        """Return the outcome of a fingerprint, or None if there is no row."""
        if fingerprint in self._outcomes:
            return self._outcomes[fingerprint]
        row = self._db.execute("SELECT outcome FROM sent WHERE fingerprint = ?", (fingerprint,)).fetchone()
        return None if row is None else row[0]

    def _rows(self, select: str, keys: Collection[Any]) -> dict[Any, Any]:
        if not keys:
            return {}
        return dict(self._db.execute(f"{select} IN ({', '.join('?' * len(keys))})", (*keys,)))
