"""Members: the users that each stream has loaded, with the version that listed them last.

Singer's ACTIVATE_VERSION means that a table was sent in full, so earlier users who are not listed again have left. The
table keeps plain identifiers, because requests to Braze need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze.ledger.file import today
from target_braze.records import Member

if TYPE_CHECKING:
    import sqlite3
    import threading
    from collections.abc import Iterable, Iterator, Sequence

    from target_braze.braze.changes import Change

TABLES: Final = """
CREATE TABLE IF NOT EXISTS streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, day INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS members (
    stream INTEGER NOT NULL, member TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (stream, member)
) WITHOUT ROWID;
"""

# Number of records whose members are written together.
_TOGETHER: Final = 1_000

_Row = tuple[int, str]


class Members:
    """Reads and writes the table from any thread, with the ledger's connection and lock.

    Listed users are in the file before any of their changes is sent and before a STATE that covers them. Users who left
    are forgotten once Braze has accepted the change.
    """

    def __init__(self, db: sqlite3.Connection, lock: threading.Lock) -> None:
        self._db = db
        self._lock = lock
        self._streams: dict[str, int] = dict(db.execute("SELECT name, id FROM streams"))
        self._listed: set[tuple[str, Any]] = set()
        self._named: list[tuple[int, str, Any]] = []
        self._also: list[tuple[Any, int, str]] = []
        # Rows to delete once the record at a position is accepted, unless the member has come back since.
        self._leaving: dict[int, _Row] = {}
        self._last: dict[_Row, int] = {}

    def record_listed(self, stream: str, members: Sequence[Member], version: Any) -> None:  # noqa: ANN401
        """Record that the version lists the first of these members; the rest are other identifiers of that user."""
        with self._lock:
            self._listed.add((stream, version))
            for place, member in enumerate(members):
                row = self._row(stream, member)
                self._last.pop(row, None)
                if place:
                    self._also.append((version, *row))
                else:
                    self._named.append((*row, version))
            if len(self._named) < _TOGETHER:
                return
        self.flush()

    def leave(self, stream: str, member: Member, position: int) -> None:
        """Record that the record at the position removes the member from Braze."""
        with self._lock:
            row = self._row(stream, member)
            self._leaving[position] = row
            self._last[row] = position

    def left(self, stream: str, version: Any) -> Iterator[Member]:  # noqa: ANN401
        """Yield members of earlier versions that this one lacks; none until this run has seen one of its records."""
        if (stream, version) not in self._listed:
            return
        self.flush()
        query = "SELECT member FROM members WHERE stream = ? AND version < ? AND member > ? ORDER BY member LIMIT ?"
        after = ""
        while True:
            with self._lock:
                rows = self._db.execute(query, (self._streams[stream], version, after, _TOGETHER)).fetchall()
            if not rows:
                return
            for (text,) in rows:
                *user, part = msgspec.json.decode(text)
                yield Member(tuple(user), part)
            after = rows[-1][0]

    def flush(self) -> None:
        """Write the listed members to the file."""
        with self._lock, self._db:
            self.write()

    def dropped(self, position: int) -> None:
        """Forget the member that the record at the position removes, when the removal needs no request."""
        if position in self._leaving:
            with self._lock, self._db:
                self.write()
                self._drop(position, forget=True)

    # The ledger calls these while it holds the lock, in a transaction.

    @property
    def has_listed(self) -> bool:
        """Whether there are listed members to write."""
        return bool(self._named)

    def write(self) -> None:
        """Write the listed members."""
        if self._named:
            self._db.executemany("UPDATE streams SET day = ? WHERE id = ?", {(today(), row[0]) for row in self._named})
            self._db.executemany(
                "INSERT INTO members VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET version = max(version, excluded.version)",
                self._named,
            )
            self._db.executemany(
                "UPDATE members SET version = max(version, ?) WHERE stream = ? AND member = ?", self._also
            )
            self._named, self._also = [], []

    def prune(self, oldest: int) -> int:
        """Forget the members of streams that have listed none since the day `oldest`, and return their number."""
        query = "DELETE FROM members WHERE stream IN (SELECT id FROM streams WHERE day < ?)"
        return self._db.execute(query, (oldest,)).rowcount

    def settle(self, changes: Iterable[Change], *, accepted: bool) -> None:
        """Forget the members that accepted changes removed."""
        if self._leaving:
            for change in changes:
                for record in change.records:
                    self._drop(record.position, forget=accepted)

    def _drop(self, position: int, *, forget: bool) -> None:
        row = self._leaving.pop(position, None)
        if row is not None and self._last.get(row) == position:
            del self._last[row]
            if forget:
                self._db.execute("DELETE FROM members WHERE stream = ? AND member = ?", row)

    def _row(self, stream: str, member: Member) -> _Row:
        number = self._streams.get(stream)
        if number is None:
            number = self._streams[stream] = len(self._streams)
            self._db.execute("INSERT INTO streams VALUES (?, ?, ?)", (number, stream, today()))
        return number, msgspec.json.encode([*member.user, member.part]).decode()
