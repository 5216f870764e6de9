"""Export files: JSON lines in a zip to download, or in objects written to a bucket one by one."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest timestamp a zip can hold, so that equal exports have equal bytes."""


class Archive:
    """An in-memory zip that grows file by file."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._zip = zipfile.ZipFile(self._bytes, "w")

    def add(self, name: str, lines: bytes) -> None:
        """Add a file of JSON lines."""
        self._zip.writestr(zipfile.ZipInfo(f"{name}.json", FIRST_DAY), lines, zipfile.ZIP_DEFLATED, 1)

    def close(self) -> bytes:
        """Return the complete zip."""
        self._zip.close()
        return self._bytes.getvalue()


def packed(name: str, lines: bytes, suffix: str) -> bytes:
    """Return one object: `gz` compresses the lines themselves, `zip` holds one file."""
    if suffix == "gz":
        return gzip.compress(lines, 1, mtime=0)
    archive = Archive()
    archive.add(name, lines)
    return archive.close()


def truncated(content: bytes) -> bytes:
    """Return the first two thirds of a file."""
    return content[: len(content) * 2 // 3]


def with_a_broken_line(lines: bytes) -> bytes:
    """Return the same lines, with only half of the first one."""
    first, _, rest = lines.partition(b"\n")
    return first[: len(first) // 2] + b"\n" + rest


class Bucket:
    """A place for objects by fsspec URL or path, with the storage's options.

    Raises:
        ValueError: The kind of storage is unknown, or its package is not installed.
    """

    def __init__(self, url: str, storage: Mapping[str, Any]) -> None:
        try:
            self._storage, root = fsspec.core.url_to_fs(url, **storage)
        except (ImportError, ValueError) as error:
            raise ValueError(f"exports cannot go there: {error}") from None
        self._root = root.rstrip("/")

    def put(self, key: str, content: bytes) -> None:
        """Write an object atomically."""
        path = f"{self._root}/{key}"
        if not isinstance(self._storage, LocalFileSystem):
            self._storage.pipe_file(path, content)
            return
        # In a folder, a reader could otherwise see half a file.
        unfinished = f"{self._root}/.{PurePosixPath(key).name}"
        self._storage.makedirs(self._storage._parent(path), exist_ok=True)  # noqa: SLF001 - fsspec has no other way
        self._storage.pipe_file(unfinished, content)
        self._storage.mv(unfinished, path)
