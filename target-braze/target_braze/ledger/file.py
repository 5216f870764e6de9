"""Open the ledger's file for one process and one workspace, with errors that explain what to do."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_FORMAT: Final = "4"
_SECONDS_A_DAY: Final = 86_400
# A process that shares the file waits this long to write: longer than the disk ever takes for one transaction.
_TURN_SECONDS: Final = 120.0
_META: Final = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"


class LedgerError(Exception):
    """The file of setting `ledger_path` cannot be used. The message explains why and what to do."""


def today() -> int:
    """Return today's number of days since 1970, which dates the rows."""
    return int(time.time()) // _SECONDS_A_DAY


class Database(sqlite3.Connection):
    """A connection that raises LedgerError, also during a run, for example when the disk is full."""

    path = Path()
    synchronous = "full"

    @contextmanager
    def unsynced(self) -> Iterator[None]:
        """Open a transaction that a power failure may undo."""
        self.execute("PRAGMA synchronous = normal")
        try:
            with self:
                yield
        finally:
            self.execute(f"PRAGMA synchronous = {self.synchronous}")

    @override
    def execute(self, *given: Any) -> sqlite3.Cursor:
        try:
            return super().execute(*given)
        except sqlite3.DatabaseError as error:
            _explain(self.path, error)

    @override
    def executemany(self, *given: Any) -> sqlite3.Cursor:
        try:
            return super().executemany(*given)
        except sqlite3.DatabaseError as error:
            _explain(self.path, error)

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> Any:
        try:
            return super().__exit__(kind, error, trace)
        except sqlite3.DatabaseError as failure:
            _explain(self.path, failure)


def open_file(path: Path, workspace: str | None, synchronous: str, *, shared: bool = False) -> tuple[Database, str]:
    """Return the database and its workspace. If `workspace` is None, the file must exist and name its workspace.

    No other process can use the file meanwhile, except those that open it `shared`; they take turns in writing.

    `synchronous` is SQLite's setting: with `full`, committed data survives a power failure; with `normal`, it survives
    only the end of this process (https://www.sqlite.org/pragma.html#pragma_synchronous).

    Raises:
        LedgerError: The file is not a ledger, has another workspace or format, or is in use by another process.
    """
    if workspace is not None:
        # SQLite gives the files next to it (-wal, -shm) the same mode.
        with suppress(OSError):  # sqlite3.connect reports the error
            path.touch(mode=0o600)
    try:
        db = sqlite3.connect(
            path,
            timeout=_TURN_SECONDS if shared else 0,
            check_same_thread=False,
            isolation_level="IMMEDIATE",
            factory=Database,
        )
    except sqlite3.DatabaseError as error:
        _explain(path, error)
    db.path, db.synchronous = path, synchronous
    try:
        if not shared:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
        # Check before writing anything, to leave another program's database unchanged.
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if workspace is not None and not tables:
            db.execute("PRAGMA journal_mode = WAL")
            with db:
                db.execute(_META)
                db.executemany("INSERT INTO meta VALUES (?, ?)", [("format", _FORMAT), ("workspace", workspace)])
            tables = {"meta"}
        found = _workspace(db, path, tables, workspace)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute("PRAGMA cache_size = -65536")
        # 40 MB instead of 4: users are spread over the whole file, and every checkpoint waits for the disk.
        db.execute("PRAGMA wal_autocheckpoint = 10000")
    except LedgerError:
        db.close()
        raise
    return db, found


class Claim:
    """Keeps other runs of several processes away from a ledger, as long as this process lives or until it is released.

    Processes that share the ledger's file cannot lock it, so the parent locks a database next to it, which stays empty.

    Raises:
        LedgerError: Another run has claimed the ledger.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(
            path.with_name(f"{path.name}.claim"), timeout=0, check_same_thread=False, isolation_level=None
        )
        try:
            self._db.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            self._db.close()
            _explain(path, error)

    def release(self) -> None:
        """Let other runs use the ledger."""
        self._db.close()


def _workspace(db: Database, path: Path, tables: set[str], expected: str | None) -> str:
    """Return the workspace of the ledger, after checking its format version and the expected workspace, if any."""
    if "meta" not in tables:
        raise LedgerError(f"{path} is not a ledger; set 'ledger_path' to another file")
    with closing(db.execute("SELECT key, value FROM meta")) as rows:
        meta: dict[str, str] = dict(rows)
    if "workspace" not in meta or "format" not in meta:
        raise LedgerError(f"{path} is not a ledger; set 'ledger_path' to another file")
    if meta["format"] != _FORMAT:
        raise LedgerError(
            f"the ledger {path} has format {meta['format']}, but this version of target-braze reads format {_FORMAT}; "
            "use the version that wrote it, or move the file away to start a new ledger, which sends every record again"
        )
    found = meta["workspace"]
    if expected not in {None, found}:
        raise LedgerError(
            f"the ledger {path} is of {found}, but setting 'endpoint' is {expected}; a ledger belongs to one "
            "workspace, so give each its own file"
        )
    return found


def _explain(path: Path, error: sqlite3.DatabaseError) -> NoReturn:
    """Raise a LedgerError that explains what to do. Match SQLite's text, because Python 3.10 has no error codes."""
    text = str(error)
    if "locked" in text:
        raise LedgerError(
            f"the ledger {path} is in use by another run; wait for it to end, or give each run its own ledger"
        ) from None
    if "not a database" in text:
        raise LedgerError(f"{path} is not a ledger ({text}); set 'ledger_path' to another file") from None
    if "malformed" in text or "corrupt" in text:
        raise LedgerError(
            f"the ledger {path} is damaged ({text}). Restore its newest copy and run `target-braze ledger recover` on "
            "it, or move it away to start a new ledger, which sends every record again"
        ) from None
    if "full" in text:
        raise LedgerError(
            f"the ledger {path} cannot be written because the disk is full ({text}); free some space and run again "
            "from the last STATE"
        ) from None
    raise LedgerError(f"the ledger {path} cannot be used: {text}; check its folder, permissions and disk") from None
