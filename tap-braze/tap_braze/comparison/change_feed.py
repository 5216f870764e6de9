"""Find the rows that are new, different or gone since the last export, among tens of millions."""

from __future__ import annotations

import os
import sqlite3
import uuid
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Final, NoReturn

import msgspec
from typing_extensions import override

from tap_braze.braze.client import BrazeError
from tap_braze.comparison.comparison import Comparison
from tap_braze.comparison.tombstones import DELETED_AT, Tombstones, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from singer_sdk.helpers.types import Record

EXPORT: Final = "export"  # in STATE: the file with the rows of the last export, and the version of the rows

_DIGEST: Final = 8  # bytes; two versions of a profile have the same hash once in 10^19 cases
_CACHE: Final = 32_768  # KiB
_PART: Final = ".part"
_SENT: Final = ".sent"
_ROWS: Final = "(key TEXT PRIMARY KEY, hash BLOB NOT NULL) WITHOUT ROWID"
_TABLES: Final = f"""
CREATE TABLE rows {_ROWS};
CREATE TABLE doubtful (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE covered (token TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_GONE: Final = """
SELECT key FROM last.rows AS before WHERE NOT EXISTS (SELECT 1 FROM rows WHERE key = before.key)
UNION ALL
SELECT key FROM doubtful AS before WHERE NOT EXISTS (SELECT 1 FROM rows WHERE key = before.key)
    AND NOT EXISTS (SELECT 1 FROM last.rows WHERE key = before.key)
"""


class ChangeFeedError(BrazeError):
    """Raised when the files of a change feed cannot be used; the message says what to do."""


class ChangeFeed(Comparison):
    """Yields the rows that differ from those of the last export, and a record for each row that is gone.

    Each export has a file with the key and a hash of each row. A file is never changed, and STATE names it. If a run
    is killed, or its STATE is lost, the file that the earlier STATE names is still there, and another one has the keys
    of the rows that the run sent. Nobody knows whether they arrived, so the next run sends these rows again. Memory
    does not grow with the number of rows.

    The hashes need a secret, so that nobody can find out what a profile holds by trying. A row that is gone is named by
    its key, so the file holds the keys as they are.
    """

    columns: ClassVar[Mapping[str, Any]] = Tombstones.columns
    setting = "users.changes_only"

    def __init__(
        self,
        state: dict[str, Any],
        files: tuple[Path, str],
        names: Sequence[str],
        compared: Iterable[str],
        *,
        secret: str,
        version: int,
        closes: bool,
        replaces: bool,
        warn: Callable[[str], None],
    ) -> None:
        """Open the file of the last export, and begin that of this one.

        Args:
            state: The stream's, which this keeps up to date.
            files: The folder, and how names of files begin.
            names: The columns of the key.
            compared: The columns whose changes count.
            secret: The key of the hashes.
            version: The version of the rows if there is no last export.
            closes: Whether rows that are gone are sent once more.
            replaces: Whether loaders drop what a first export does not have.
            warn: Logs a warning about the stream.

        Raises:
            ChangeFeedError: The folder cannot be written, or the file is damaged.
            ValueError: The state is damaged.
        """
        self._state, self._names, self._compared = state, names, frozenset(compared)
        (self._folder, self._prefix), self._closes, self._warn = files, closes, warn
        self._secret = blake2b(secret.encode(), digest_size=32).digest()
        self._token = uuid.uuid4().hex[:16]
        self._sent: BinaryIO | None = None
        self.version = version
        self._last = self._last_file()
        self._is_replaced = self.is_first and replaces
        try:
            self._db = self._begin()
        except (OSError, sqlite3.Error) as error:
            self._fail(error)

    @property
    def is_first(self) -> bool:
        """Return whether there is no last export to compare with, so that all rows are sent."""
        return self._last is None

    @override
    def changes(self, row: Record) -> Iterator[Record]:
        key, digest = self._key(row), self._hash(row)
        try:
            if self._known(key) == digest:
                self._db.execute("INSERT OR IGNORE INTO rows VALUES (?, ?)", (key, digest))
                return
            self._db.execute("REPLACE INTO rows VALUES (?, ?)", (key, digest))
            row[DELETED_AT] = None
            self._record_sent(key)
            yield row
        except (OSError, sqlite3.Error) as error:
            self._fail(error)

    @override
    def settle(self, *, complete: bool) -> Iterator[Record]:
        if self.is_first and not complete:
            # Rows that loaders have from before would stay for ever.
            self._warn("sends all rows again in the next run, because this one was not complete")
            return
        try:
            if not complete:
                self._db.execute("INSERT OR IGNORE INTO rows SELECT key, x'' FROM doubtful")
                self._db.execute("INSERT OR IGNORE INTO rows SELECT key, hash FROM last.rows")
            elif self._closes and not self._is_replaced:
                now = utc_now()
                for (key,) in self._db.execute(_GONE):
                    self._record_sent(key)
                    yield {**self._columns_of(key), DELETED_AT: now}
            self._finish()
        except (OSError, sqlite3.Error) as error:
            self._fail(error)
        self._state[EXPORT] = {"file": self._token, "version": self.version}

    @override
    def close(self) -> None:
        self._db.close()
        if self._sent is not None:
            self._sent.close()

    def _known(self, key: str) -> bytes | None:
        """Return the hash of the row that loaders have; None if they have none or nobody knows."""
        for query in ("SELECT hash FROM rows WHERE key = ?", "SELECT x'' FROM doubtful WHERE key = ?"):
            if found := self._db.execute(query, (key,)).fetchone():
                return found[0]  # type: ignore[no-any-return]
        found = self._db.execute("SELECT hash FROM last.rows WHERE key = ?", (key,)).fetchone()
        return found and found[0]  # type: ignore[no-any-return]

    def _record_sent(self, key: str) -> None:
        if not self._is_replaced:
            if self._sent is None:
                self._sent = _create(self._file(_SENT))
            self._sent.write(msgspec.json.encode(key) + b"\n")

    def _last_file(self) -> Path | None:
        last = self._state.get(EXPORT)
        if last is None:
            return None
        if not isinstance(last, dict) or not isinstance(last.get("file"), str) or type(last.get("version")) is not int:
            raise ValueError(f"'{EXPORT}' is damaged")
        path = self._folder / f"{self._prefix}-{last['file']}.sqlite"
        if not path.exists():
            self._warn(f"sends all rows, because setting 'users.changes_path' has no file '{path.name}'")
            return None
        self.version = last["version"]
        return path

    def _file(self, suffix: str) -> Path:
        return self._folder / f"{self._prefix}-{self._token}{suffix}"

    def _begin(self) -> sqlite3.Connection:
        """Return the database of this export, with the last one attached; remove the files that it does not need."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._folder.glob(f"{self._prefix}-*{_PART}"):
            path.unlink()
        if self._last is not None:  # otherwise the STATE of a backup may name any of them
            for path in self._folder.glob(f"{self._prefix}-*.sqlite"):
                if path.name != self._last.name:
                    path.unlink()
        _create(part := self._file(_PART)).close()
        db = sqlite3.connect(part, isolation_level=None)
        # An export that is interrupted is made anew, so its file needs no protection.
        for pragma in ("journal_mode = off", "synchronous = off", f"cache_size = -{_CACHE}"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("ATTACH ? AS last", (str(self._last) if self._last else ":memory:",))
        db.execute(f"PRAGMA last.cache_size = -{_CACHE}")
        db.execute("BEGIN")
        if self._last is None:
            db.execute(f"CREATE TABLE last.rows {_ROWS}")
            db.execute("CREATE TABLE last.covered (token TEXT)")
        for table in filter(str.strip, _TABLES.split(";")):
            db.execute(table)
        covered = {token for (token,) in db.execute("SELECT token FROM last.covered")}
        db.execute("INSERT INTO covered VALUES (?)", (self._token,))
        for path in self._folder.glob(f"{self._prefix}-*{_SENT}"):
            token = path.stem.removeprefix(f"{self._prefix}-")
            if token in covered:
                path.unlink()
                continue
            db.execute("INSERT INTO covered VALUES (?)", (token,))
            with path.open("rb") as lines:
                db.executemany("INSERT OR IGNORE INTO doubtful VALUES (?)", ((_decoded(line),) for line in lines))
        return db

    def _finish(self) -> None:
        self._db.execute("COMMIT")
        self._db.close()
        with (part := self._file(_PART)).open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(self._file(".sqlite"))

    def _key(self, row: Record) -> str:
        if len(self._names) == 1:
            return str(row[self._names[0]])
        return msgspec.json.encode([row[name] for name in self._names]).decode()

    def _columns_of(self, key: str) -> Record:
        values = [key] if len(self._names) == 1 else msgspec.json.decode(key)
        return dict(zip(self._names, values, strict=True))

    def _hash(self, row: Record) -> bytes:
        content = {name: value for name, value in row.items() if value is not None and name in self._compared}
        return blake2b(msgspec.json.encode(content, order="sorted"), digest_size=_DIGEST, key=self._secret).digest()

    def _fail(self, error: Exception) -> NoReturn:
        text = error.strerror if isinstance(error, OSError) else str(error)
        raise ChangeFeedError(
            f"setting 'users.changes_path': {self._folder} cannot be used: {text}. Check the folder and its disk; "
            f"without the file '{self._last.name if self._last else self._prefix}' the next run sends all rows"
        ) from None


def _create(path: Path) -> BinaryIO:
    """Return a new file that only this user can read, without a buffer: what is written survives the process."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb", buffering=0)


def _decoded(line: bytes) -> str:
    try:
        return str(msgspec.json.decode(line))
    except msgspec.DecodeError:
        return ""  # the disk was full, so the row was not sent
