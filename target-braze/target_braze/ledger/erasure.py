"""Remove all traces of users from the ledger's file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.ledger.file import Database
    from target_braze.records import User


def erase(db: Database, users: Mapping[int, User]) -> int:
    """Delete the rows of users, by their numbers in the ledger, and return how many rows there were.

    Fingerprints of events and purchases stay: they are hashes that name nobody, also not to the ledger.
    """
    rows = 0
    # Overwrite what is deleted, in the file and then in its log: https://www.sqlite.org/pragma.html#pragma_secure_delete.
    db.execute("PRAGMA secure_delete = on")
    with db:
        streams = [number for (number,) in db.execute("SELECT id FROM streams")]
        for number, user in users.items():
            for table in ("users", "sample", "asked"):
                rows += db.execute(f"DELETE FROM {table} WHERE id = ?", (number,)).rowcount  # noqa: S608
            rows += db.execute("DELETE FROM messages WHERE user = ?", (msgspec.json.encode(user).decode(),)).rowcount
            # A member is a JSON array of the user and the cohort or group; all of a user's begin alike.
            first = msgspec.json.encode(user).decode().removesuffix("]") + ","
            beyond = first[:-1] + chr(ord(",") + 1)
            for stream in streams:
                rows += db.execute(
                    "DELETE FROM members WHERE stream = ? AND member >= ? AND member < ?", (stream, first, beyond)
                ).rowcount
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return rows
