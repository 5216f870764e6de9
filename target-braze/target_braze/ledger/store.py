"""The ledger: what Braze has accepted, in one SQLite file, so that only changes are sent and nothing is sent twice.

It keeps a hash of the last accepted value of each attribute of a user, and a fingerprint of each event and purchase. It
records a fingerprint as in flight before the request and as accepted after the answer, to detect a crash in between.
Braze has no idempotency key, and bills an unchanged value like a changed one
(https://www.braze.com/docs/user_guide/data/infrastructure/data_points/).
"""

from __future__ import annotations

import sqlite3
import struct
import threading
from collections import Counter, defaultdict
from contextlib import suppress
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from target_braze.ledger.erasure import erase
from target_braze.ledger.file import LedgerError, open_file, today
from target_braze.ledger.members import TABLES as MEMBERS
from target_braze.ledger.members import Members
from target_braze.ledger.runs import TABLE as RUN
from target_braze.ledger.runs import Runs
from target_braze.ledger.sample import TABLE as SAMPLE
from target_braze.ledger.sample import Sample
from target_braze.mapping.coalescing import accumulates
from target_braze.mapping.identifiers import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from target_braze.braze.changes import Change
    from target_braze.records import User


# Attribute name as a number, and hash of its value. Six-byte hashes of different values match once in 280 trillion
# comparisons, and ten million users with ten attributes fit into two gigabytes.
_ENTRY: Final = struct.Struct("<H6s")
_UNDER_WAY: Final = 0
_ACCEPTED: Final = 1

_TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS attributes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL, day INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sent (fingerprint BLOB PRIMARY KEY, outcome INTEGER NOT NULL, day INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS made (
    stream TEXT NOT NULL, name TEXT NOT NULL, replaced INTEGER NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (stream, name)
) WITHOUT ROWID;
{MEMBERS}
{SAMPLE}
{RUN}
"""


class Ledger:
    """The ledger file, open for one run; no other run can use it at the same time.

    A file belongs to one `workspace`, because what one workspace accepted means nothing for another. If `workspace` is
    None, the file must exist and name its workspace.
    """

    def __init__(self, path: Path, workspace: str | None = None, *, synchronous: str = "full") -> None:
        self.path = path
        self._lock = threading.Lock()
        self._db, self.workspace = open_file(path, workspace, synchronous)
        try:
            with self._db:
                for table in filter(str.strip, _TABLES.split(";")):
                    self._db.execute(table)
                self._runs = Runs(self._db)
            self._forget_asked()
        except LedgerError:
            self._db.close()
            raise
        # Number of records after the last run's last STATE that it sent changes from and this run may read again.
        self.stretch = self._runs.beyond
        self._ids: dict[str, int] = dict(self._db.execute("SELECT name, id FROM attributes"))
        # Number of unsettled changes by user: until they settle, what Braze has for these users is unknown.
        self._unsettled: Counter[User] = Counter()
        self._pending: set[bytes] = set()
        # Fields of each stream's changes that the table `made` already holds or that are not attributes.
        self._made: defaultdict[str, set[str]] = defaultdict(lambda: {*_NOT_VALUES})
        # Fingerprints that an earlier run left in doubt and this one sends again.
        self._doubted: set[bytes] = set()
        self.members = Members(self._db, self._lock)
        self._sample = Sample(self._db)

    def begin(self) -> None:
        """Count a new run.

        Raises:
            LedgerError: The file is an older copy of the ledger.
        """
        with self._lock:
            with self._db:
                self._runs.begin()
            self._runs.seal()

    def covered(self, position: int) -> None:
        """Record that a STATE was emitted that covers the records up to this position."""
        with self._lock:
            self._runs.covered(position)

    def completed(self) -> None:
        """Record that the run has read and settled all of its input."""
        with self._lock:
            self._runs.completed()

    def recover(self) -> None:
        """Make an older copy of the ledger usable by forgetting all attributes."""
        with self._lock:
            with self._db:
                for table in ("users", "sample"):
                    self._db.execute(f"DELETE FROM {table}")  # noqa: S608
                self._runs.catch_up()
            self._runs.seal()

    def made(self, stream: str, attributes: Mapping[str, bool]) -> frozenset[str]:
        """Record the attributes that a stream sets, and return those that only this stream has ever replaced."""
        day = today()
        self._made[stream] |= attributes.keys()
        rows = [(stream, name, replaced, day) for name, replaced in attributes.items()]
        with self._lock, self._db:
            self._db.executemany("INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?)", rows)
            query = """SELECT name FROM made WHERE stream = :stream AND replaced
                AND name NOT IN (SELECT name FROM made WHERE stream <> :stream)"""
            return frozenset(name for (name,) in self._db.execute(query, {"stream": stream}))

    def news(self, change: Change, absent: Iterable[str] = ()) -> bool:
        """Reduce the change to what Braze does not have. Return False if nothing is left.

        Remove the attributes that are `absent` from the record, if the user has them. Every change for which this
        returns True must be settled.
        """
        if change.semantics.sets_attributes:
            stream = change.records[0].stream
            if not self._made[stream].issuperset(change.fields):
                # For example traits, which no SCHEMA announces.
                self.made(stream, dict.fromkeys(change.fields.keys() - self._made[stream], False))
            fresh = self._fresh(change, absent)
        elif change.fingerprint is None:
            fresh = True
        elif change.fingerprint in self._pending:
            fresh = False
        else:
            # Look this up last, because a change that settles in the meantime is no longer pending.
            outcome = self._outcome(change.fingerprint)
            fresh = outcome != _ACCEPTED
            if outcome == _UNDER_WAY:
                self._doubted.add(change.fingerprint)
        if fresh:
            with self._lock:
                for user in change.users:
                    self._unsettled[user] += 1
                if change.fingerprint is not None:
                    self._pending.add(change.fingerprint)
        return fresh

    def in_doubt(self, change: Change) -> bool:
        """Return whether an earlier run sent the change without receiving the answer."""
        fingerprint = change.fingerprint
        return fingerprint is not None and fingerprint not in self._pending and self._outcome(fingerprint) == _UNDER_WAY

    def under_way(self, changes: Sequence[Change]) -> None:
        """Record changes before they are sent, in case of a crash before the answer, and members listed so far."""
        day = today()
        rows = [(change.fingerprint, _UNDER_WAY, day) for change in changes if change.fingerprint is not None]
        with self._lock, self._db:
            self.members.write()
            self._runs.sending(changes)
            self._db.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", rows)
            self._db.executemany("INSERT OR IGNORE INTO asked VALUES (?)", _askers(changes))

    def withdraw(self, changes: Sequence[Change]) -> None:
        """Undo `under_way` for changes that did not reach Braze."""
        rows = [(one.fingerprint,) for one in changes if one.fingerprint and one.fingerprint not in self._doubted]
        with self._lock, self._db:
            self._db.executemany("DELETE FROM sent WHERE fingerprint = ?", rows)
            self._db.executemany("DELETE FROM asked WHERE id = ?", _askers(changes))

    def doubt(self, changes: Iterable[Change]) -> None:
        """Forget the attributes that these changes may or may not have changed in Braze."""
        with self._lock, self._db:
            for change in changes:
                if change.fingerprint is None:
                    self._forget_users(change)

    def settle(self, changes: Sequence[Change], outcome: Literal["accepted", "rejected", "in doubt"]) -> None:
        """Write the outcome of changes to the file."""
        day = today()
        # If a power failure undoes this, the changes are still in flight in the file, so they are only sent once more.
        with self._lock, self._db.unsynced():
            self.members.settle(changes, accepted=outcome == "accepted")
            for change in changes:
                for user in change.users:
                    self._unsettled[user] -= len(change.records)
                    if not self._unsettled[user]:
                        del self._unsettled[user]
                if change.fingerprint is not None:
                    self._record_outcome(change.fingerprint, outcome, day)
                elif outcome == "rejected":
                    continue
                elif change.semantics.sets_attributes and outcome == "accepted":
                    self._learn(change, day)
                elif change.semantics.sets_attributes or change.semantics.moves_attributes:
                    self._forget_users(change)
            self._db.executemany("DELETE FROM asked WHERE id = ?", _askers(changes))

    def sample(self, count: int) -> list[str]:
        """Return the external IDs of up to `count` random users."""
        with self._lock:
            return self._sample.draw(count)

    def accepted(self, user: User) -> dict[str, bytes]:
        """Return the digests of a user's accepted values, by attribute."""
        names = {number: name for name, number in self._ids.items()}
        return {names[number]: value for number, value in (self._known(_id(user)) or {}).items()}

    def learn(self, changes: Iterable[Change]) -> None:
        """Record attributes that Braze is known to have."""
        day = today()
        with self._lock, self._db:
            for change in changes:
                self._learn(change, day)

    def forget(self, user: User, names: Iterable[str]) -> None:
        """Forget these attributes of a user."""
        key = _id(user)
        with self._lock, self._db:
            known = self._known(key) or {}
            for name in names:
                known.pop(self._ids[name], None)
            self._db.execute("UPDATE users SET hashes = ? WHERE id = ?", (_pack(known), key))

    def erase(self, users: Iterable[User]) -> int:
        """Remove all traces of these users from the file, and return how many rows there were."""
        with self._lock:
            return erase(self._db, {_id(user): user for user in users})

    def prune(self, days: int) -> dict[str, int]:
        """Forget rows that are older than `days` days, and return the number of deleted rows by table."""
        oldest = today() - days
        with self._lock, self._db:
            gone = {
                table: self._db.execute(f"DELETE FROM {table} WHERE day < ?", (oldest,)).rowcount  # noqa: S608
                for table in ("users", "sent")
            }
            self._db.execute("DELETE FROM made WHERE day < ?", (oldest,))
            self._sample.prune()
            gone["members"] = self.members.prune(oldest)
        self._db.execute("VACUUM")
        return gone

    def counts(self) -> dict[str, int]:
        """Return the number of rows by their content."""
        queries = {
            "runs": "SELECT number FROM run",
            "users": "SELECT count(*) FROM users",
            "attribute names": "SELECT count(*) FROM attributes",
            "events and purchases accepted": f"SELECT count(*) FROM sent WHERE outcome = {_ACCEPTED}",  # noqa: S608
            "events and purchases in doubt": f"SELECT count(*) FROM sent WHERE outcome = {_UNDER_WAY}",  # noqa: S608
            "members of streams": "SELECT count(*) FROM members",
            "users kept for verification": "SELECT count(*) FROM sample",
        }
        return {what: self._db.execute(query).fetchone()[0] for what, query in queries.items()}

    def close(self) -> None:
        """Close the file."""
        # If the file cannot be written, the run has already failed because of it, or the source repeats what is lost.
        with suppress(LedgerError):
            self.members.flush()
            with self._lock, self._db:
                self._runs.write()
        with self._lock, suppress(sqlite3.DatabaseError):
            self._db.close()

    def _fresh(self, change: Change, absent: Iterable[str]) -> bool:
        with self._lock:
            if self._unsettled[change.user]:
                return True  # the next record lacks the same attributes, so they can be removed then
            known = self._known(_id(change.user))
        if known is None:
            return True
        identifiers = _IDENTIFIERS[change.user[0]]
        numbers, fields = self._ids, change.fields
        for name in fields.keys() - identifiers:
            accepted = known.get(numbers.get(name, -1))
            if accepted is not None and accepted == digest(fields[name]) and not accumulates(fields[name]):
                del fields[name]
        for name in absent:
            if name not in identifiers and known.get(self._ids.get(name, -1), _NULL) != _NULL:
                fields.setdefault(name, None)
        return not identifiers.issuperset(fields)

    def _learn(self, change: Change, day: int) -> None:
        key = _id(change.user)
        known = self._known(key) or {}
        identifiers = _IDENTIFIERS[change.user[0]]
        numbers = self._ids
        for name, value in change.fields.items():
            if name in identifiers:
                continue
            number = numbers[name] if name in numbers else self._number(name)
            if accumulates(value):
                known.pop(number, None)
            else:
                known[number] = digest(value)
        self._db.execute("INSERT OR REPLACE INTO users VALUES (?, ?, ?)", (key, _pack(known), day))
        self._sample.add(key, change.user)

    def _forget_users(self, change: Change) -> None:
        """Forget the attributes of the change's users."""
        for number in map(_id, change.users):
            self._db.execute("DELETE FROM users WHERE id = ?", (number,))
            self._sample.forget(number)

    def _forget_asked(self) -> None:
        """Forget users whose answer an earlier run never received, because Braze may have newer values."""
        with self._db:
            for table in ("users", "sample"):
                self._db.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM asked)")  # noqa: S608
            self._db.execute("DELETE FROM asked")

    def _known(self, key: int) -> dict[int, bytes] | None:
        row = self._db.execute("SELECT hashes FROM users WHERE id = ?", (key,)).fetchone()
        return None if row is None else dict(_ENTRY.iter_unpack(row[0]))

    def _record_outcome(self, fingerprint: bytes, outcome: str, day: int) -> None:
        self._pending.discard(fingerprint)
        if outcome == "accepted":
            self._db.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", (fingerprint, _ACCEPTED, day))
        elif outcome == "rejected":
            self._db.execute("DELETE FROM sent WHERE fingerprint = ?", (fingerprint,))

    def _number(self, name: str) -> int:
        number = self._ids[name] = len(self._ids)
        self._db.execute("INSERT INTO attributes VALUES (?, ?)", (number, name))
        return number

    def _outcome(self, fingerprint: bytes) -> int | None:
        with self._lock:
            row = self._db.execute("SELECT outcome FROM sent WHERE fingerprint = ?", (fingerprint,)).fetchone()
        return None if row is None else int(row[0])


def fingerprint(change: Change, key: Sequence[Any], place: int) -> bytes | None:
    """Return a hash that identifies an event or purchase, or None for a change that can safely be sent twice.

    Two changes are the same if everything sent for them is equal and so is their stream's `key`: the values of its
    columns, after stream maps and flattening. The key alone is not enough: it may be blank, made by a stream map, or
    not unique. `place` is the change's index among the changes of its record.
    """
    if not change.semantics.counted:
        return None
    text = msgspec.json.encode(
        [change.records[0].stream, change.payload_key, change.user, place, key, change.fields], order="sorted"
    )
    return blake2b(text, digest_size=16).digest()


_NOT_VALUES: Final = frozenset({"_merge_objects", "_update_existing_only", "braze_id", "external_id", "user_alias"})


_IDENTIFIERS: Final = {kind: _NOT_VALUES | {kind} for kind in DEFAULT}
_ENCODE: Final = msgspec.json.Encoder(order="sorted").encode


def _pack(known: Mapping[int, bytes]) -> bytes:
    return struct.pack("<" + "H6s" * len(known), *chain.from_iterable(known.items()))


def digest(value: object) -> bytes:
    """Return the hash that the ledger keeps of a value."""
    return blake2b(_ENCODE(value), digest_size=6).digest()


_NULL: Final = digest(None)


def _askers(changes: Iterable[Change]) -> list[tuple[int]]:
    """Return the row numbers of users whose attributes the changes set or move."""
    return [
        (_id(user),)
        for change in changes
        if change.semantics.sets_attributes or change.semantics.moves_attributes
        for user in change.users
    ]


def _id(user: User) -> int:
    """Return the user's row number: 63 bits of a hash. Of 180,000 files of ten million users, one has a collision."""
    return int.from_bytes(blake2b("\0".join(user).encode(), digest_size=8).digest(), "big") >> 1
