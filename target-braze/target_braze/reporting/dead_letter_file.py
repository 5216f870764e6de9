"""Files of dead letters: recognize them, repair a cut-off end, and recover the letters of an unfinished retry."""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from contextlib import suppress
from datetime import datetime, timezone
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final

from target_braze.damaged_json import UNDECODABLE, decode_damaged
from target_braze.encode import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

if sys.platform != "win32":
    import fcntl

# Next to `record` in the message, where targets ignore unknown fields.
FIELD: Final = "dead_letter"
# Maximum bytes to read: the first line of a file that is not ours may have any length.
_LONGEST_LINE: Final = 64_000_000
# https://www.sqlite.org/tempfiles.html: the files that SQLite keeps next to a database.
SUFFIXES_OF_LEDGER: Final = ("", "-wal", "-shm", "-journal")


class Retry:
    """Dead letters being retried, in a renamed file that this process locks until it closes the file.

    The lock ends with the process, so the next run can detect the file of a killed run.
    """

    def __init__(self, path: Path, held: IO[bytes]) -> None:
        self.path = path
        self._held = held

    @classmethod
    def begin(cls, letters: Path) -> Retry:
        """Rename a file of letters.

        Raises:
            OSError: The file cannot be renamed.
        """
        file = letters.open("rb")
        _hold(file)
        aside = letters.with_name(f"{letters.name}.retrying-{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}")
        letters.rename(aside)
        return cls(aside, file)

    @classmethod
    def unfinished(cls, letters: Path) -> Iterator[Retry]:
        """Yield the retries of a file of letters whose process ended early, oldest first."""
        prefix = f"{letters.name}.retrying-"
        with suppress(OSError):
            for name in sorted(name for name in os.listdir(letters.parent) if name.startswith(prefix)):  # noqa: PTH208
                path = letters.with_name(name)
                file = path.open("rb")
                if _hold(file):
                    yield cls(path, file)
                else:
                    file.close()

    def finish(self) -> Path:
        """Rename the file to mark that it can be deleted, and return its new path."""
        done = self.path.with_name(self.path.name.replace(".retrying-", ".retried-"))
        self.path.rename(done)
        self.close()
        return done

    def put_back(self, letters: Path) -> None:
        """Put the letters back into their file, except those that were rejected again and are already in it.

        Raises:
            OSError: A file cannot be read or written.
        """
        if letters.exists():
            repair_end(letters)
            known = Counter(_digests(letters))
            with self.path.open("rb") as lines, letters.open("ab") as file:
                schemas: list[bytes] = []
                for line in lines:
                    message = _message(line)
                    if message.get("type") == "SCHEMA":
                        schemas.append(line)
                        continue
                    again = {**message, FIELD: attempts(message) + 1}
                    if known.get(key := _digest(message)) or known.get(key := _digest(again)):
                        known[key] -= 1
                        continue
                    file.writelines([*schemas, line])
                    schemas.clear()
            self.path.unlink()
        else:
            self.path.rename(letters)
        self.close()

    def close(self) -> None:
        """Close the file, which unlocks it."""
        self._held.close()


def mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the errors in the settings' file paths, without changing the files."""
    path, ledger = config.get("dead_letter_path"), config.get("ledger_path")
    if path and ledger and any(is_same_file(path, ledger + suffix) for suffix in SUFFIXES_OF_LEDGER):
        yield "settings 'dead_letter_path' and 'ledger_path' name the same file; give each a file of its own"
    elif path and config["on_error"] == "dead_letter" and not _is_ours(Path(path)):
        yield (
            f"setting 'dead_letter_path': {path} exists and is not a dead-letter file. Name another file, or move this "
            "one away"
        )


def holds(path: Path, note: Any) -> bool:  # noqa: ANN401 - someone may have edited it
    """Return whether a letter in the file has this note, however its JSON is formatted."""
    with path.open("rb") as lines:
        return any(_message(line).get(FIELD) == note for line in lines)


def repair_end(path: Path) -> None:
    """Terminate the last line of a dead-letter file, or remove the line if a killed run wrote only part of it."""
    with path.open("r+b") as file:
        last, at = b"", 0
        for line in file:
            at += len(last)
            last = line
        if not last or last.endswith(b"\n"):
            return
        if _message(last):
            file.write(b"\n")
        else:
            file.truncate(at)


def files_of(letters: Path) -> Iterator[Path]:
    """Yield a dead-letter file, if it exists, and the files of its retries, finished or not."""
    if letters.is_file():
        yield letters
    for kind in ("retrying", "retried"):
        yield from sorted(letters.parent.glob(f"{glob.escape(letters.name)}.{kind}-*"))


def remove_letters(path: Path, is_unwanted: Callable[[Mapping[str, Any]], bool]) -> int:
    """Remove letters from a file, and return how many there were.

    Replace the file at once, so a crash leaves either the old or the new one. `is_unwanted` gets all messages in order,
    SCHEMA messages too.

    Raises:
        OSError: A file cannot be read or written.
    """
    found = 0
    with path.open("rb") as lines, NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", delete=False) as kept:
        try:
            for line in lines:
                if is_unwanted(_message(line)):
                    found += 1
                else:
                    kept.write(line)
            kept.flush()
            os.fsync(kept.fileno())
            if found:
                Path(kept.name).replace(path)
        finally:
            Path(kept.name).unlink(missing_ok=True)
    return found


def attempts(message: Mapping[str, Any]) -> int:
    """Return how often the record of a message has become a dead letter."""
    note = message.get(FIELD)
    attempt = note.get("attempt") if isinstance(note, dict) else None
    return attempt if isinstance(attempt, int) else 0


def _is_ours(path: Path) -> bool:
    """Return whether letters may be added: the file is missing, empty, or begins with a SCHEMA and a letter."""
    if path.is_dir():
        return False
    if not path.is_file():
        return True  # missing, or a device such as /dev/null
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_LINE)
            if not line:
                return True
            while (message := _message(line)).get("type") == "SCHEMA":
                line = file.readline(_LONGEST_LINE)
    except OSError:
        return False
    return message.get("type") == "RECORD" and FIELD in message


def is_same_file(one: str, other: str) -> bool:
    """Return whether two paths lead to the same file, through links of any kind, even if the file does not exist."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return Path(one).samefile(other)
    except OSError:
        return False


def _hold(file: IO[bytes]) -> bool:
    """Lock a file until it is closed. Return False if another process has locked it."""
    if sys.platform == "win32":  # Windows cannot rename an open file, so do not lock it
        file.close()
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # the file system has no locks
        return True
    return True


def _message(line: bytes) -> dict[str, Any]:
    """Return the message of a line, or an empty one if the line is not a message."""
    try:
        message = decode_damaged(line)
    except UNDECODABLE:
        return {}
    return message if isinstance(message, dict) else {}


def _digests(letters: Path) -> Iterator[bytes]:
    """Yield two digests of each letter: as it is, and with only its attempt number, to match the letter retried."""
    with letters.open("rb") as lines:
        for line in lines:
            if FIELD in (message := _message(line)):
                yield _digest(message)
                yield _digest({**message, FIELD: attempts(message)})


def _digest(message: Mapping[str, Any]) -> bytes:
    return blake2b(encode(message), digest_size=16).digest()
