"""The ledger: what Braze has accepted, in one SQLite file, so that only changes are sent and nothing is sent twice.

It keeps a hash of the last accepted value of each attribute of a user, and a fingerprint of each event and purchase. It
records a fingerprint as in flight before the request and as accepted after the answer, to detect a crash in between.
Braze has no idempotency key, and bills an unchanged value like a changed one
(https://www.braze.com/docs/user_guide/data/infrastructure/data_points/).
"""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal

from target_braze.ledger.attributes import NOT_VALUES, Attributes, object_hash
from target_braze.ledger.attributes import TABLES as ATTRIBUTES
from target_braze.ledger.erasure import erase
from target_braze.ledger.file import LedgerError, open_file, today
from target_braze.ledger.learned import Learned
from target_braze.ledger.lookups import Lookups
from target_braze.ledger.members import TABLES as MEMBERS
from target_braze.ledger.members import Members
from target_braze.ledger.messages import ACCEPTED, UNDER_WAY, Messages
from target_braze.ledger.messages import TABLE as MESSAGES
from target_braze.ledger.runs import TABLE as RUN
from target_braze.ledger.runs import Runs, RunsElsewhere
from target_braze.ledger.sample import TABLE as SAMPLE
from target_braze.ledger.sample import Sample
from target_braze.ledger.unsettled import TABLE as ASKED
from target_braze.ledger.unsettled import Unsettled, UnsettledUsers, changes_attributes, row_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from target_braze.braze.changes import Change, Receipt
    from target_braze.records import User


_TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS sent (fingerprint BLOB PRIMARY KEY, outcome INTEGER NOT NULL, day INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS made (
    stream TEXT NOT NULL, name TEXT NOT NULL, replaced INTEGER NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (stream, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS loaded (stream TEXT PRIMARY KEY) WITHOUT ROWID;
{ATTRIBUTES}
{ASKED}
{MEMBERS}
{SAMPLE}
{MESSAGES}
{RUN}
"""


class Ledger:
    """The ledger file, open for one run; no other run can use it at the same time.

    A file belongs to one `workspace`, because what one workspace accepted means nothing for another. If `workspace` is
    None, the file must exist and name its workspace.

    Processes of one run can share the file if each user's changes go to the same one: the parent opens the ledger alone
    to begin the run, and again with `shared`; the children open it with the parent's `stretch`.
    """

    def __init__(
        self,
        path: Path,
        workspace: str | None = None,
        *,
        synchronous: str = "full",
        shared: bool = False,
        stretch: int | None = None,
    ) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._db, self.workspace = open_file(path, workspace, synchronous, shared=shared or stretch is not None)
        try:
            with self._db:
                for table in filter(str.strip, _TABLES.split(";")):
                    self._db.execute(table)
                self._runs = Runs(self._db) if stretch is None else RunsElsewhere(self._db, stretch)
            if not shared and stretch is None:
                self._forget_asked()
        except LedgerError:
            self._db.close()
            raise
        # Number of records after the last run's last STATE that it sent changes from and this run may read again.
        self.stretch = self._runs.beyond
        self._attributes = Attributes(self._db)
        self._unsettled = UnsettledUsers(self._db, self._attributes.unwritten)
        self._lookups = Lookups(self._db, self._attributes.unwritten)
        # Position of the last record with a change that a later one can replace.
        self._last = 0
        self._pending: set[bytes] = set()
        # Fields of each stream's changes that the table `made` already holds or that are not attributes.
        self._made: defaultdict[str, set[str]] = defaultdict(lambda: {*NOT_VALUES})
        # Fingerprints that an earlier run left in doubt and this one sends again.
        self._doubted: set[bytes] = set()
        self.members = Members(self._db, self._lock)
        self._sample = Sample(self._db)
        self._learned = Learned(self._attributes, self._sample, self._unsettled)
        self.messages = Messages(self._db, self._lock)
        self._loaded: set[str] = {stream for (stream,) in self._db.execute("SELECT stream FROM loaded")}

    def has_loaded(self, stream: str) -> bool:
        """Return whether Braze has accepted a change of this stream."""
        return stream in self._loaded

    def begin(self) -> None:
        """Count a new run.

        Raises:
            LedgerError: The file is an older copy of the ledger.
        """
        with self._lock:
            with self._db:
                self._runs.begin()
                self.messages.begin()
            self._runs.seal()

    def dealing(self, position: int) -> None:
        """Record that processes that share the file may send changes up to this position."""
        with self._lock, self._db.unsynced():
            self._runs.sending(position)

    def covered(self, position: int) -> None:
        """Record that a STATE was emitted that covers the records up to this position."""
        with self._lock:
            self._runs.covered(position)

    def completed(self) -> None:
        """Record that the run has read and settled all of its input."""
        with self._lock:
            self._runs.completed()

    def recover(self) -> None:
        """Make an older copy of the ledger usable, but not for messages, by forgetting all attributes."""
        with self._lock:
            with self._db:
                for table in ("users", "sample"):
                    self._db.execute(f"DELETE FROM {table}")  # noqa: S608
                self._runs.catch_up()
                self.messages.forbid()
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

    @contextmanager
    def looked_up(self, changes: Sequence[Change]) -> Iterator[None]:
        """Read what the file has about changes, with their fingerprints, for the calls of `news` in this block."""
        with self._lock:
            # What is open may be settled before such a call.
            self._lookups.read(
                {one.user for one in changes if one.semantics.sets_attributes and one.user not in self._unsettled},
                {one.fingerprint for one in changes if one.fingerprint is not None} - self._pending,
            )
        try:
            yield
        finally:
            self._lookups.clear()

    def news(self, change: Change, absent: Iterable[str] = (), *, is_announced: bool = True) -> bool:
        """Reduce the change to what Braze does not have. Return False if nothing is left.

        Remove the attributes that are `absent` from the record, if the user has them. Every change for which this
        returns True must be settled. If `is_announced`, the stream's SCHEMA names the attributes of encoded changes.
        """
        if change.semantics.sets_attributes:
            stream = change.records[0].stream
            # A SCHEMA does not name, for example, traits.
            if (change.encoded is None or not is_announced) and not self._made[stream].issuperset(change.fields):
                self.made(stream, dict.fromkeys(change.fields.keys() - self._made[stream], False))
            change.object_hash = object_hash(change)
            return self._has_new_values(change, absent)
        if change.fingerprint is None:
            fresh = True
        elif change.fingerprint in self._pending:
            fresh = False
        else:
            # Look this up last, because a change that settles in the meantime is no longer pending.
            outcome = self._outcome(change.fingerprint)
            fresh = outcome != ACCEPTED
            if outcome == UNDER_WAY:
                self._doubted.add(change.fingerprint)
        if fresh:
            with self._lock:
                self._add_unsettled(change)
                if change.fingerprint is not None:
                    self._pending.add(change.fingerprint)
        return fresh

    def in_doubt(self, change: Change) -> bool:
        """Return whether an earlier run sent the change without receiving the answer."""
        fingerprint = change.fingerprint
        return fingerprint is not None and fingerprint not in self._pending and self._outcome(fingerprint) == UNDER_WAY

    def under_way(self, changes: Sequence[Change]) -> None:
        """Record changes before they are sent, in case of a crash before the answer, and members listed so far."""
        day = today()
        rows = [(change.fingerprint, UNDER_WAY, day) for change in changes if change.fingerprint is not None]
        users = _users(changes)
        last = max((one.records[-1].position for one in changes if one.semantics.coalesce is not None), default=0)
        with self._lock:
            # An earlier write may have covered all of this.
            if rows or self.members.has_listed or self._runs.is_beyond(last) or not self._unsettled.are_marked(users):
                with self._db:
                    self.members.write()
                    self._runs.sending(max(last, self._last))
                    self._db.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", rows)
                    self.messages.under_way(changes, self._runs.number, day)
                    self._unsettled.mark(users)
            self._unsettled.sent(users)

    def withdraw(self, changes: Sequence[Change]) -> None:
        """Undo `under_way` for changes that did not reach Braze."""
        rows = [(one.fingerprint,) for one in changes if one.fingerprint and one.fingerprint not in self._doubted]
        with self._lock, self._db:
            self._db.executemany("DELETE FROM sent WHERE fingerprint = ?", rows)
            self.messages.withdraw(rows)
            self._unsettled.unmark(_users(changes))

    def doubt(self, changes: Iterable[Change]) -> None:
        """Forget the attributes that these changes may or may not have changed in Braze."""
        with self._lock, self._db:
            for change in changes:
                if change.fingerprint is None or change.semantics.moves_attributes:
                    self._forget_users(change)

    def settle(
        self,
        changes: Sequence[Change],
        outcome: Literal["accepted", "rejected", "in doubt"],
        receipt: Receipt | None = None,
    ) -> None:
        """Record the outcome of changes. The file has the attributes later; see `Learned`."""
        day = today()
        # If a power failure undoes this, the changes are still in flight in the file, so they are only sent once more.
        with self._lock, self._db.unsynced():
            self.members.settle(changes, accepted=outcome == "accepted")
            if outcome == "accepted":
                self._learned.add([change for change in changes if change.semantics.sets_attributes], day)
                if new := {change.records[0].stream for change in changes} - self._loaded:
                    self._db.executemany("INSERT OR IGNORE INTO loaded VALUES (?)", [(stream,) for stream in new])
                    self._loaded |= new
            for change in changes:
                semantics = change.semantics
                if change.fingerprint is not None:
                    self._record_outcome(change.fingerprint, outcome, day)
                if (outcome != "rejected" and semantics.moves_attributes) or (
                    outcome == "in doubt" and semantics.sets_attributes
                ):
                    self._forget_users(change)
            self.messages.settle(changes, outcome, receipt)
            self._unsettled.unmark(_users(changes))
            for change in changes:
                self._unsettled.release(change)

    def flush(self) -> None:
        """Write the attributes that Braze has accepted so far, before a STATE that covers them is emitted."""
        with self._lock, self._db.unsynced():
            self._learned.write(today())

    def sample(self, count: int) -> list[str]:
        """Return the external IDs of up to `count` random users."""
        with self._lock:
            return self._sample.draw(count)

    def accepted(self, user: User) -> dict[str, bytes]:
        """Return the digests of a user's accepted values, by attribute."""
        return self._attributes.by_name(row_number(user))

    def learn(self, changes: Sequence[Change]) -> None:
        """Record attributes that Braze is known to have."""
        with self._lock, self._db:
            self._learned.add(changes, today())
            self._learned.write(today())

    def forget(self, user: User, names: Iterable[str]) -> None:
        """Forget these attributes of a user."""
        with self._lock, self._db:
            self._attributes.forget(row_number(user), names)

    def erase(self, users: Iterable[User]) -> int:
        """Remove all traces of these users from the file, and return how many rows there were."""
        with self._lock:
            return erase(self._db, {row_number(user): user for user in users})

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
            self.messages.prune(oldest)
            gone["members"] = self.members.prune(oldest)
        self._db.execute("VACUUM")
        return gone

    def counts(self) -> dict[str, int]:
        """Return the number of rows by their content."""
        queries = {
            "runs": "SELECT number FROM run",
            "users": "SELECT count(*) FROM users",
            "attribute names": "SELECT count(*) FROM attributes",
            "events, purchases and messages accepted": f"SELECT count(*) FROM sent WHERE outcome = {ACCEPTED}",  # noqa: S608
            "events, purchases and messages in doubt": f"SELECT count(*) FROM sent WHERE outcome = {UNDER_WAY}",  # noqa: S608
            "messages scheduled": "SELECT count(*) FROM messages WHERE schedule_id IS NOT NULL",
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
                self._learned.write(today())
                self._unsettled.unmark_unsent()
        with self._lock, suppress(sqlite3.DatabaseError):
            self._db.close()

    def _has_new_values(self, change: Change, absent: Iterable[str]) -> bool:
        """Reduce the change to the values that Braze does not have. Return False if nothing is left."""
        user = change.user
        with self._lock:
            if user in self._unsettled:
                # The next record lacks the same attributes, so they can be removed then.
                self._add_unsettled(change)
                return True
            number, hashes = self._lookups.user(user)
            unsettled = Unsettled(number)
            if hashes is None:
                unsettled.is_new = True
                self._unsettled[user] = unsettled
                self._add_unsettled(change)
                return True
        if not self._attributes.reduce(change, hashes, absent):
            return False
        with self._lock:
            self._unsettled[user] = unsettled
            self._add_unsettled(change)
        return True

    def _add_unsettled(self, change: Change) -> None:
        self._unsettled.add(change)
        self._lookups.forget(change)
        if change.semantics.coalesce is not None:
            self._last = change.records[-1].position

    def _forget_users(self, change: Change) -> None:
        """Forget the attributes of the change's users."""
        for user in change.users:
            self._learned.forget(user)

    def _forget_asked(self) -> None:
        """Forget users whose answer an earlier run never received, because Braze may have newer values."""
        with self._db:
            for table in ("users", "sample"):
                self._db.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM asked)")  # noqa: S608
            self._db.execute("DELETE FROM asked")

    def _record_outcome(self, fingerprint: bytes, outcome: str, day: int) -> None:
        self._pending.discard(fingerprint)
        if outcome == "accepted":
            self._db.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", (fingerprint, ACCEPTED, day))
        elif outcome == "rejected":
            self._db.execute("DELETE FROM sent WHERE fingerprint = ?", (fingerprint,))

    def _outcome(self, fingerprint: bytes) -> int | None:
        with self._lock:
            return self._lookups.outcome(fingerprint)


def _users(changes: Iterable[Change]) -> list[User]:
    """Return the users whose attributes the changes set or move."""
    return [user for change in changes if changes_attributes(change) for user in change.users]
