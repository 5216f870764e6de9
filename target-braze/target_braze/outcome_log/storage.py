"""Folders of a log: on disk, where a file grows by appending, and in a bucket, where it consists of numbered parts."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# At level DEBUG these log requests and arguments, including tokens, signatures and keys.
for _name in ("adlfs", "aiobotocore", "azure", "botocore", "fsspec", "gcsfs", "google", "s3fs"):
    logging.getLogger(_name).setLevel(logging.INFO)

_LOCAL: Final = "file://"
# Drivers that the extras of this package install, by the scheme of the URL.
_EXTRAS: Final = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}


class OutcomeLogError(Exception):
    """The outcome log cannot be used. The message explains why and what to do."""


class LogFile(Protocol):
    """A file of a log that one attempt writes."""

    def add(self, lines: bytes) -> None:
        """Add whole lines. They survive a kill of this process at the latest when `sync` returns."""

    def sync(self) -> None:
        """Return once all lines are stored, so that others see them and a crash of the machine keeps them."""

    def close(self) -> None:
        """Store all lines and close the file."""


class Folder(Protocol):
    """A folder of a log, or a prefix in a bucket. Paths are relative to it."""

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a folder; none if it does not exist."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file; None if it does not exist."""

    def create(self, path: str, content: bytes) -> None:
        """Write a whole file, so that others see either all of it or nothing."""

    def open(self, path: str) -> LogFile:
        """Return a new log file."""

    def lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a log file, without what a killed process wrote of its last one."""


def open_folder(url: str, options: Mapping[str, Any]) -> Folder:
    """Return the folder or bucket at a path or URL of fsspec.

    Args:
        url: See above.
        options: Options of fsspec's file system, including credentials.

    Raises:
        OutcomeLogError: The driver for this kind of storage is not installed, or it refuses the options.
    """
    if "://" not in url or url.startswith(_LOCAL):
        return _LocalFolder(Path(url.removeprefix(_LOCAL)))
    return _Bucket(url, options)


class _LocalFolder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, path: str) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self._root / path) if not entry.name.endswith(".tmp"))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unusable(self._root / path, error) from None

    def read(self, path: str) -> bytes | None:
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self._root / path, error) from None

    def create(self, path: str, content: bytes) -> None:
        final = self._root / path
        # Tasks may be threads of one process.
        written = final.with_name(f"{final.name}.{uuid4().hex}.tmp")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            with _open(written) as file:
                file.write(content)
                os.fsync(file.fileno())
            written.replace(final)
            _sync_folder(final.parent)
        except OSError as error:
            raise _unusable(final, error) from None

    def open(self, path: str) -> LogFile:
        return _LocalFile(self._root / path)

    def lines(self, path: str) -> Iterator[bytes]:
        try:
            with (self._root / path).open("rb") as file:
                yield from (line for line in file if line.endswith(b"\n"))
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unusable(self._root / path, error) from None


def _open(path: Path) -> Any:  # noqa: ANN401 - an unbuffered binary file
    # A log holds rejected records.
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)  # noqa: PTH123


class _LocalFile:
    """Appends each line at once, because what the system has taken survives a kill of this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _open(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise _unusable(path, error) from None

    def add(self, lines: bytes) -> None:
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _unusable(self._path, error) from None

    def sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unusable(self._path, error) from None

    def close(self) -> None:
        self._file.close()


def _sync_folder(path: Path) -> None:
    """Keep a new name in a folder through a crash of the machine, where systems can."""
    with suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _unusable(path: Path, error: OSError) -> OutcomeLogError:
    return OutcomeLogError(f"outcome log: {path}: {error.strerror}; check the folder, its permissions and the disk")


class _Bucket:
    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        # Slow to import, and folders on disk do not need it.
        from fsspec import available_protocols  # noqa: PLC0415
        from fsspec.core import url_to_fs  # noqa: PLC0415

        scheme, _, place = url.partition("://")
        if scheme not in available_protocols():
            raise OutcomeLogError(f"outcome log: fsspec has no file system for {scheme}://; check the URL")
        # Without a user, a password and options.
        self._shown = f"{scheme}://{place.rpartition('@')[2].partition('?')[0]}"
        with self._explained("opened"):
            try:
                # Others write to it, so never use an older listing.
                self._files, self._root = url_to_fs(url, **{**options, "use_listings_cache": False})
            except ImportError as error:
                extra = _EXTRAS.get(scheme)
                advice = f"run: pip install 'target-braze[{extra}]'" if extra else str(error)
                raise OutcomeLogError(f"outcome log: {scheme}:// needs another package; {advice}") from None

    def names(self, path: str) -> list[str]:
        with self._explained("listed"), suppress(FileNotFoundError):
            found = self._files.ls(self._path(path), detail=False, refresh=True)
            names = (name.rstrip("/").rpartition("/")[2] for name in found)
            return sorted(name for name in names if name and name != path.rpartition("/")[2])
        return []

    def read(self, path: str) -> bytes | None:
        with self._explained("read"), suppress(FileNotFoundError):
            content: bytes = self._files.cat_file(self._path(path))
            return content
        return None

    def create(self, path: str, content: bytes) -> None:
        with self._explained("written"):
            self._files.pipe_file(self._path(path), content)

    def open(self, path: str) -> LogFile:
        return _Parts(self, path)

    def lines(self, path: str) -> Iterator[bytes]:
        for name in self.names(path):
            yield from (self.read(f"{path}/{name}") or b"").splitlines(keepends=True)

    def _path(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except OutcomeLogError:
            raise
        except Exception as error:  # noqa: BLE001 - each kind of storage raises its own
            # Without the error's text and cause, which may contain credentials.
            raise OutcomeLogError(
                f"outcome log: {self._shown} cannot be {what} ({type(error).__name__}); check the URL, and that the "
                "credentials permit listing, reading and writing"
            ) from None


class _Parts:
    """Stores the lines since the last `sync` as one more object, because objects cannot grow."""

    def __init__(self, bucket: _Bucket, path: str) -> None:
        self._bucket = bucket
        self._path = path
        self._lines: list[bytes] = []
        self._stored = 0

    def add(self, lines: bytes) -> None:
        self._lines.append(lines)

    def sync(self) -> None:
        # Other threads may add lines in the meantime.
        count = len(self._lines)
        if count:
            self._bucket.create(f"{self._path}/{self._stored:08d}", b"".join(self._lines[:count]))
            self._stored += 1
            del self._lines[:count]

    def close(self) -> None:
        self.sync()
