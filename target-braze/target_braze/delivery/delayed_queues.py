"""Delayed queues: what waits for a dependency delay is in a temporary file, so that any number of users can wait.

SQLite creates the file only when its cache is full, in the folder that TMPDIR names, or else in /var/tmp or /tmp. Only
this user can read it. On Unix, SQLite deletes it while it is open, so that it never outlives the process
(https://www.sqlite.org/tempfiles.html).
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from target_braze.delivery.stored_changes import ChangeStore
from target_braze.delivery.user_queue import UserQueue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_braze.braze.changes import Change
    from target_braze.records import User

# Users are hashes; two with the same one would only wait for each other.
_TABLES: Final = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, queue INTEGER NOT NULL)",
    """CREATE TABLE queues (size INTEGER NOT NULL, number INTEGER PRIMARY KEY, until REAL NOT NULL,
        answered_by INTEGER, answered_at REAL NOT NULL, users BLOB NOT NULL)""",
    "CREATE INDEX queues_until ON queues (until)",
    """CREATE TABLE changes (queue INTEGER, position INTEGER, place INTEGER, change BLOB,
        PRIMARY KEY (queue, position, place)) WITHOUT ROWID""",
)

# Maximum bytes in the file, and in one queue, because a queue returns to memory as a whole.
_MOST_BYTES: Final = 1_000_000_000
_MOST_BYTES_OF_QUEUE: Final = 1_000_000

_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(list[tuple[str, ...]]).decode


class _Row(NamedTuple):
    """A row of `queues`."""

    size: int
    number: int
    until: float
    answered_by: int | None
    answered_at: float
    users: bytes


class DelayedQueues:
    """Queues that wait, even if empty, because the next change of their users must wait. For one thread only.

    Attributes:
        changes: Number of changes.
        records: Number of records of these changes; one with several changes counts several times.
        size: Bytes of the input lines of these records, counted likewise.
        next_until: Time when the first queue may go on, or None if there is none.
    """

    def __init__(self) -> None:
        self.changes = self.records = self.size = 0
        self.next_until: float | None = None
        self._next = 0
        self._store = ChangeStore()
        self._connection: sqlite3.Connection | None = None
        # The last queue's number and the last change's place.
        self._number = self._place = 0
        self._bytes = 0
        # Numbers of queues that hold as much as one may.
        self._full: set[int] = set()

    def __bool__(self) -> bool:
        """Return whether there are queues."""
        return self.next_until is not None

    @property
    def is_full(self) -> bool:
        """Whether more changes must wait elsewhere until some of these have been sent."""
        return self._bytes >= _MOST_BYTES or bool(self._full)

    def add(self, queue: UserQueue) -> None:
        """Add a queue."""
        self._number += 1
        number, users = self._number, _pack(queue.users)
        size = len(users) + self._insert(number, queue.changes)
        answered_by = None if queue.answered_by is None else self._store.number(queue.answered_by)
        row = _Row(size, number, queue.delayed_until, answered_by, queue.answered_at, users)
        self._execute("INSERT INTO queues VALUES (?, ?, ?, ?, ?, ?)", row)
        self._set_users(number, queue.users)
        self._grow(number, size, size)
        if self.next_until is None or queue.delayed_until < self.next_until:
            self._next, self.next_until = number, queue.delayed_until

    def queue_of(self, user: User) -> int | None:
        """Return the number of the user's queue, which is not 0."""
        row = self._execute("SELECT queue FROM users WHERE id = ?", (hash(user),)).fetchone()
        return None if row is None else int(row[0])

    def append(self, change: Change, numbers: Sequence[int], answered_at: float) -> None:
        """Add a change to the queues of its users, which become one.

        Args:
            change: The change.
            numbers: Numbers of the queues.
            answered_at: When another endpoint answered about its users who have no queue.
        """
        number = self._join(numbers) if len(numbers) > 1 else numbers[0]
        self._extend(number, [change])
        if change.others:
            self._set_users(number, change.users)
        if answered_at > self._row(number).answered_at:
            query = "UPDATE queues SET answered_by = NULL, answered_at = ? WHERE number = ?"
            self._execute(query, (answered_at, number))

    def take_next(self) -> tuple[UserQueue, list[Change]]:
        """Take the queue that may go on first; see `take`."""
        return self.take(self._next)

    def take(self, number: int) -> tuple[UserQueue, list[Change]]:
        """Remove a queue. Return it without its changes, and these, oldest first."""
        row = self._row(number)
        query = "SELECT change FROM changes WHERE queue = ? ORDER BY position, place"
        changes = [self._store.unpack(change) for (change,) in self._execute(query, (number,))]
        users = [*dict.fromkeys([*_unpack(row.users), *(user for change in changes for user in change.users)])]
        self._execute("DELETE FROM queues WHERE number = ?", (number,))
        if changes:
            self._execute("DELETE FROM changes WHERE queue = ?", (number,))
        ids = [(hash(user), number) for user in users]
        self._executemany("DELETE FROM users WHERE id = ? AND queue = ?", ids)
        self._bytes -= row.size
        self._full.discard(number)
        self._count(changes, -1)
        self._find_next()
        queue = UserQueue(users, [], {}, delayed_until=row.until, answered_at=row.answered_at)
        if row.answered_by is not None:
            queue.answered_by = self._store.endpoint(row.answered_by)
        return queue, changes

    def close(self) -> None:
        """Delete the file."""
        if self._connection is not None:
            self._connection.close()

    def _row(self, number: int) -> _Row:
        query = "SELECT * FROM queues WHERE number = ?"
        return _Row(*self._execute(query, (number,)).fetchone())

    def _join(self, numbers: Sequence[int]) -> int:
        """Move all queues into the largest one, and return its number."""
        whole = max(map(self._row, numbers))
        number, users, until, answered_at = whole.number, _unpack(whole.users), whole.until, whole.answered_at
        for other in numbers:
            if other == number:
                continue
            queue, changes = self.take(other)
            until, answered_at = max(until, queue.delayed_until), max(answered_at, queue.answered_at)
            users += queue.users
            self._extend(number, changes)
        self._set_users(number, users)
        query = "UPDATE queues SET until = ?, answered_by = NULL, answered_at = ?, users = ? WHERE number = ?"
        self._execute(query, (until, answered_at, _pack(users), number))
        self._find_next()
        return number

    def _extend(self, number: int, changes: Sequence[Change]) -> None:
        size = self._insert(number, changes)
        self._execute("UPDATE queues SET size = size + ? WHERE number = ?", (size, number))
        self._grow(number, size, self._row(number).size)

    def _insert(self, number: int, changes: Sequence[Change]) -> int:
        """Insert changes into a queue, in the order of their first records, and return their bytes."""
        rows = []
        for change in changes:
            self._place += 1
            rows.append((number, change.records[0].position, self._place, self._store.pack(change)))
        self._executemany("INSERT INTO changes VALUES (?, ?, ?, ?)", rows)
        self._count(changes, 1)
        return sum(len(packed) for *_, packed in rows)

    def _set_users(self, number: int, users: Iterable[User]) -> None:
        rows = [(hash(user), number) for user in users]
        self._executemany("INSERT OR REPLACE INTO users VALUES (?, ?)", rows)

    def _grow(self, number: int, by: int, whole: int) -> None:
        self._bytes += by
        if whole >= _MOST_BYTES_OF_QUEUE:
            self._full.add(number)

    def _count(self, changes: Sequence[Change], sign: int) -> None:
        self.changes += sign * len(changes)
        for change in changes:
            self.records += sign * len(change.records)
            self.size += sign * sum(record.size for record in change.records)

    def _find_next(self) -> None:
        row = self._execute("SELECT number, until FROM queues ORDER BY until LIMIT 1").fetchone()
        self._next, self.next_until = row or (0, None)

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            # An empty name makes it a temporary file.
            self._connection = sqlite3.connect("", isolation_level=None)
            for pragma in ("temp_store = FILE", "journal_mode = OFF", "synchronous = OFF", "cache_size = -8192"):
                self._connection.execute(f"PRAGMA {pragma}")
            # One transaction without an end, because nobody else reads the file: five times as fast.
            for statement in ("BEGIN", *_TABLES):
                self._connection.execute(statement)
        return self._connection

    def _execute(self, *given: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3
        try:
            return self._db.execute(*given)
        except sqlite3.Error as error:
            raise _unusable(error) from None

    def _executemany(self, *given: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3
        try:
            return self._db.executemany(*given)
        except sqlite3.Error as error:
            raise _unusable(error) from None


def _unusable(error: sqlite3.Error) -> OSError:
    return OSError(
        f"the temporary file for changes that wait for 'dependency_delay' cannot be used: {error}. Free some space, or "
        "set the environment variable TMPDIR to another folder, and run again from the last STATE"
    )
