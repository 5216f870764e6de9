"""Runs: how many the ledger has seen, how far the last one had got, and whether the file is that of the last one.

Both are kept in the ledger. A small file beside it, the seal, has the number of the last run, too: where the ledger has
a lower number, an older copy was put in its place, and what it says of attributes may be wrong.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from target_braze.ledger.file import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_braze.braze.changes import Change
    from target_braze.ledger.file import Database

TABLE: Final = "CREATE TABLE IF NOT EXISTS run (number INTEGER NOT NULL, beyond INTEGER NOT NULL);"


class Runs:
    """Keeps the table, within the transactions of the ledger and under its lock.

    `beyond` is how many records after its last STATE the last run had sent changes of, which may be sent again with
    older values before newer ones.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._seal = Path(f"{db.path}.seal")
        row = db.execute("SELECT number, beyond FROM run").fetchone()
        if row is None:
            db.execute("INSERT INTO run VALUES (0, 0)")
            row = (0, 0)
        self.number, self.beyond = row
        # Positions of records: the last one sent, also by the run before as long as this one is not as far; the last
        # that a STATE covers, None before the first STATE.
        self._sent = 0
        self._reach: int = self.beyond
        self._covered: int | None = None

    def begin(self) -> None:
        """Count a run that begins.

        Raises:
            LedgerError: the file is an older copy of the ledger.
        """
        sealed = self._sealed()
        if sealed > self.number:
            path = self._db.path
            raise LedgerError(
                f"the ledger {path} is an older copy: it knows {self.number:,} runs, {self._seal.name} beside it "
                f"{sealed:,}. What Braze has accepted since, it does not know. Put the newest file back; or run "
                f"`target-braze ledger recover {path}`, which forgets all attributes, so that each is sent once more. "
                "Events of the runs that it does not know count twice if they come again"
            )
        self.number += 1
        self._db.execute("UPDATE run SET number = ?", (self.number,))

    def seal(self) -> None:
        """Write the number of the run beside the ledger; call it when the ledger has it."""
        new = self._seal.with_name(f"{self._seal.name}.new")
        try:
            new.touch(mode=0o600)
            with new.open("w", encoding="utf-8") as file:
                json.dump({"run": self.number}, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._seal)
        except OSError as error:
            raise LedgerError(
                f"{self._seal} cannot be written ({error.strerror}); the target needs it to tell an old copy of the "
                "ledger from the newest"
            ) from None

    def catch_up(self) -> None:
        """Take the number of the seal, if it is higher."""
        self.number = max(self.number, self._sealed())
        self._db.execute("UPDATE run SET number = ?", (self.number,))

    def sending(self, changes: Iterable[Change]) -> None:
        """Note how far the changes reach that are about to be sent, of those that a later one can replace."""
        sent = self._sent
        for change in changes:
            if change.semantics.coalesce is not None:
                sent = max(sent, change.records[-1].position)
        self._sent = sent
        self._reach = max(self._reach, self._sent)
        self.write()

    def covered(self, position: int) -> None:
        """A STATE is out that covers the records up to this position."""
        self._covered = position

    def completed(self) -> None:
        """The run has read all there was: what the run before had read beyond it is gone from the source."""
        self._reach = self._sent if self._covered is not None else 0

    def write(self) -> None:
        """Write down how far this run had got beyond its last STATE."""
        beyond = max(0, self._reach - (self._covered or 0))
        if beyond != self.beyond:
            self.beyond = beyond
            self._db.execute("UPDATE run SET beyond = ?", (beyond,))

    def _sealed(self) -> int:
        try:
            return int(json.loads(self._seal.read_text(encoding="utf-8"))["run"])
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise LedgerError(
                f"{self._seal} cannot be read ({error}); if the ledger {self._db.path} is its newest copy, delete that "
                "file"
            ) from None
