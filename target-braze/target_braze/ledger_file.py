"""The ledger's file: opened for one process at a time and one workspace, with an error that says what to do else."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT: Final = 1
_SECONDS_A_DAY: Final = 86_400
_META: Final = "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"


class LedgerError(Exception):
    """The file of setting `ledger_path` cannot be used; says why and what to do."""


def today() -> int:
    """The day, as rows are dated with it."""
    return int(time.time()) // _SECONDS_A_DAY


def open_file(path: Path, workspace: str | None) -> tuple[sqlite3.Connection, str]:
    """The database and the workspace that it is of; without one given, the file has to be there and to say so itself.

    Raises:
        LedgerError: it is no ledger, of another workspace, or another process has it.
    """
    if workspace is not None:
        # SQLite gives the files beside it (-wal, -shm) the same mode.
        with suppress(OSError):  # sqlite3.connect says what is wrong
            path.touch(mode=0o600)
    try:
        db = sqlite3.connect(path, timeout=0, check_same_thread=False, isolation_level="IMMEDIATE")
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        # What is committed survives the end of this process; that of the machine may cost the last commits, which
        # are then sent again.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA cache_size = -65536")
        # 40 MB instead of 4: users lie all over the file, and every checkpoint waits for the disk.
        db.execute("PRAGMA wal_autocheckpoint = 10000")
        if workspace is not None:
            with db:
                db.execute(_META)
                for key, value in (("format", str(_FORMAT)), ("workspace", workspace)):
                    db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))
        meta = dict(db.execute("SELECT key, value FROM meta"))
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            raise LedgerError(f"{path} is no ledger") from None
        if "locked" in str(error):
            raise LedgerError(
                f"the ledger {path} is in use by another run; wait for its end, or give each its own file"
            ) from None
        raise LedgerError(f"the ledger {path} cannot be opened: {error}") from None
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"the ledger {path} is no ledger: {error}; move it away to begin a new one") from None
    found: str = meta["workspace"]
    if workspace not in {None, found}:
        db.close()
        raise LedgerError(
            f"the ledger {path} is of {found}, but setting 'endpoint' is {workspace}: what one "
            "has says nothing of the other; give each workspace its own file"
        )
    return db, found
