"""Runs: count them, track how far the last one got, and detect an older copy of the ledger.

A small file next to the ledger, the seal, also holds the number of the last run. If the ledger's number is lower, the
ledger is an older copy, and its attributes may be outdated.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from target_braze.ledger.file import LedgerError

if TYPE_CHECKING:
    from target_braze.ledger.file import Database

TABLE: Final = "CREATE TABLE IF NOT EXISTS run (number INTEGER NOT NULL, beyond INTEGER NOT NULL);"


class Runs:
    """Keeps the table, in the ledger's transactions and under its lock.

    `beyond` is the number of records that the last run sent changes from after its last STATE. They may arrive again,
    with older values before newer ones.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._seal = Path(f"{db.path}.seal")
        row = db.execute("SELECT number, beyond FROM run").fetchone()
        if row is None:
            db.execute("INSERT INTO run VALUES (0, 0)")
            row = (0, 0)
        self.number, self.beyond = row
        # Positions of records: the last one sent, the last one that this run or the one before sent, and the last one
        # that a STATE covers, or None before the first STATE.
        self._sent = 0
        self._reach: int = self.beyond
        self._covered: int | None = None

    def begin(self) -> None:
        """Count a new run.

        Raises:
            LedgerError: The file is an older copy of the ledger.
        """
        sealed = self._sealed()
        if sealed > self.number:
            path = self._db.path
            raise LedgerError(
                f"the ledger {path} is an older copy: it knows of {self.number:,} runs, and {self._seal.name} of "
                f"{sealed:,}. It lacks what Braze has accepted since. Restore the newest file; or run `target-braze "
                f"ledger recover {path}`, which forgets all attributes, so that each is sent again. Events of the "
                "missing runs count twice if they are sent again"
            )
        self.number += 1
        self._db.execute("UPDATE run SET number = ?", (self.number,))

    def seal(self) -> None:
        """Write the run's number next to the ledger. Call it after the ledger has stored the number."""
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
                f"{self._seal} cannot be written ({error.strerror}); the target needs it to detect an old copy of the "
                "ledger"
            ) from None

    def catch_up(self) -> None:
        """Adopt the seal's number if it is higher."""
        self.number = max(self.number, self._sealed())
        self._db.execute("UPDATE run SET number = ?", (self.number,))

    def sending(self, position: int) -> None:
        """Record that changes up to this position may be sent, counting only those that a later one can replace."""
        self._sent = max(self._sent, position)
        self._reach = max(self._reach, self._sent)
        self.write()

    def is_beyond(self, position: int) -> bool:
        """Return whether the position is beyond those recorded by `sending`."""
        return position > self._sent

    def covered(self, position: int) -> None:
        """Record that a STATE was emitted that covers the records up to this position."""
        self._covered = position

    def completed(self) -> None:
        """Record the end of the input: records that the previous run read beyond it are no longer in the source."""
        self._reach = self._sent if self._covered is not None else 0

    def write(self) -> None:
        """Write how far this run got beyond its last STATE."""
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
                f"{self._seal} cannot be read ({error}); delete it if the ledger {self._db.path} is its newest copy"
            ) from None


class RunsElsewhere(Runs):
    """Stands in for `Runs` in a process that shares the ledger with its parent, which tracks the run."""

    def __init__(self, db: Database, beyond: int) -> None:
        super().__init__(db)
        self.beyond = beyond

    @override
    def sending(self, position: int) -> None:
        """Do nothing."""

    @override
    def is_beyond(self, position: int) -> bool:
        """Return False: the parent has recorded that changes up to this position may be sent."""
        return False

    @override
    def write(self) -> None:
        """Do nothing."""
