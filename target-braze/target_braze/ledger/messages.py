"""Messages: people who may or may not have received a message, and those who will at a scheduled time.

A row is written before the request and removed once Braze has accepted or refused it, or once the scheduled time has
passed. That the message was sent stays in the table `sent`, as for events. Rows name people in plain text, because
someone has to find out what they received.
"""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Sequence

    from target_braze.braze.changes import Change, Receipt
    from target_braze.ledger.file import Database
    from target_braze.records import User

TABLE: Final = """
CREATE TABLE IF NOT EXISTS messages (
    fingerprint BLOB PRIMARY KEY, stream TEXT NOT NULL, message TEXT NOT NULL, key TEXT NOT NULL, user TEXT NOT NULL,
    schedule_id TEXT, due INTEGER, run INTEGER NOT NULL, day INTEGER NOT NULL
) WITHOUT ROWID;
"""
# Key of the table `meta`: runs that the ledger does not know have sent messages.
_UNKNOWN: Final = "unknown messages"
# Outcomes of a fingerprint in the table `sent`.
UNDER_WAY: Final = 0
ACCEPTED: Final = 1

# A scheduled message is kept so long after its time, in seconds: Braze sends in local time over 26 hours.
_KEPT: Final = 172_800


class Message(NamedTuple):
    """A message to one person.

    Attributes:
        fingerprint: Identifies it in the ledger.
        stream: Stream of its record.
        message: What is sent, such as `campaign_id:7c9...`.
        key: Key columns of its record, with their values.
        user: The recipient.
        schedule_id: Braze's ID of the schedule; blank if it did not say; None if the outcome is unknown.
        due: When Braze may send it, in seconds since 1970, if it is scheduled.
        run: Number of the run.
        day: When the row was written, in days since 1970.
    """

    fingerprint: bytes
    stream: str
    message: str
    key: dict[str, Any]
    user: User
    schedule_id: str | None
    due: int | None
    run: int
    day: int

    @property
    def id(self) -> str:
        """The fingerprint as text."""
        return self.fingerprint.hex()

    def as_json(self) -> dict[str, Any]:
        """Return the message for people."""
        id_key, _, message = self.message.partition(":")
        alias = {"alias_label": self.user[1], "alias_name": self.user[-1]}
        return {
            "id": self.id,
            "stream": self.stream,
            "key": self.key,
            id_key: message,
            **(alias if self.user[0] == "user_alias" else {self.user[0]: self.user[1]}),
            "since": (date(1970, 1, 1) + timedelta(days=self.day)).isoformat(),
            **self._plan,
        }

    @property
    def _plan(self) -> dict[str, Any]:
        if self.schedule_id is None or self.due is None:
            return {}
        return {"schedule_id": self.schedule_id, "due": datetime.fromtimestamp(self.due, timezone.utc).isoformat()}


class Messages:
    """Reads and writes the table from any thread, with the ledger's connection and lock."""

    def __init__(self, db: Database, lock: threading.Lock) -> None:
        self._db = db
        self._lock = lock

    @property
    def may_begin(self) -> bool:
        """Whether the ledger knows all messages: not if an older copy of it was made usable."""
        with self._lock:
            return self._db.execute("SELECT 1 FROM meta WHERE key = ?", (_UNKNOWN,)).fetchone() is None

    # For commands.

    def allow(self) -> None:
        """Let runs send messages although the ledger does not know all that were sent."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM meta WHERE key = ?", (_UNKNOWN,))

    def in_doubt(self) -> list[Message]:
        """Return those that Braze may or may not have sent: their request got no answer that says."""
        return self._rows("schedule_id IS NULL")

    def scheduled(self) -> list[Message]:
        """Return those that Braze has accepted for a scheduled time, which may have passed."""
        return self._rows("schedule_id IS NOT NULL")

    def resolve(self, messages: Iterable[Message], outcome: Literal["sent", "not sent", "in doubt"]) -> None:
        """Record what happened to these. Those not sent are forgotten, so that a run can send them."""
        with self._lock, self._db:
            rows = [(one.fingerprint,) for one in messages]
            if outcome == "in doubt":
                self._db.executemany("UPDATE messages SET schedule_id = NULL WHERE fingerprint = ?", rows)
                self._db.executemany(f"UPDATE sent SET outcome = {UNDER_WAY} WHERE fingerprint = ?", rows)  # noqa: S608
                return
            self._db.executemany("DELETE FROM messages WHERE fingerprint = ?", rows)
            if outcome == "sent":
                self._db.executemany(f"UPDATE sent SET outcome = {ACCEPTED} WHERE fingerprint = ?", rows)  # noqa: S608
            else:
                self._db.executemany("DELETE FROM sent WHERE fingerprint = ?", rows)

    # The ledger calls these while it holds the lock, in a transaction.

    def forbid(self) -> None:
        """Let no run send messages until `allow`."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, '')", (_UNKNOWN,))

    def under_way(self, changes: Iterable[Change], run: int, day: int) -> None:
        """Add messages that are about to be sent."""
        self._db.executemany(
            "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, NULL, NULL, ?, ?)",
            [(*_row(change), run, day) for change in changes if change.semantics.sends_messages],
        )

    def withdraw(self, fingerprints: Sequence[tuple[bytes]]) -> None:
        """Remove messages that did not reach Braze."""
        self._db.executemany("DELETE FROM messages WHERE fingerprint = ?", fingerprints)

    def settle(self, changes: Iterable[Change], outcome: str, receipt: Receipt | None) -> None:
        """Keep those in doubt, and those that are scheduled."""
        rows = [(change.fingerprint,) for change in changes if change.semantics.sends_messages]
        if not rows or outcome == "in doubt":
            return
        if receipt is None or outcome == "rejected":
            self._db.executemany("DELETE FROM messages WHERE fingerprint = ?", rows)
        else:
            self._db.executemany(
                "UPDATE messages SET schedule_id = ?, due = ? WHERE fingerprint = ?", [(*receipt, *row) for row in rows]
            )

    def begin(self) -> None:
        """Forget scheduled messages whose time has passed."""
        self._db.execute("DELETE FROM messages WHERE schedule_id IS NOT NULL AND due < ?", (int(time.time()) - _KEPT,))

    def prune(self, oldest: int) -> None:
        """Forget rows from before the day `oldest`."""
        self._db.execute("DELETE FROM messages WHERE day < ?", (oldest,))

    def _rows(self, where: str) -> list[Message]:
        query = f"SELECT * FROM messages WHERE {where} ORDER BY day, stream, key"  # noqa: S608 - no value
        with self._lock:
            found = self._db.execute(query).fetchall()
        return [
            Message(fingerprint, stream, message, msgspec.json.decode(key), tuple(msgspec.json.decode(user)), *rest)
            for fingerprint, stream, message, key, user, *rest in found
        ]


def _row(change: Change) -> tuple[bytes | None, str, str, str, str]:
    record = change.records[0]
    values = record.message.get("record") or {}
    key = {column: values.get(column) for column in record.keys}
    return (
        change.fingerprint,
        record.stream,
        change.key or "",
        msgspec.json.encode(key, order="sorted").decode(),
        msgspec.json.encode(change.user).decode(),
    )
