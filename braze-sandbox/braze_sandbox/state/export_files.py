"""The files of an export: JSON lines in a zip to download, or in objects that are put into a bucket one by one."""

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
"""The earliest time that a zip can give its files: the same export has the same bytes."""


class Archive:
    """A zip in memory that grows file by file."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._zip = zipfile.ZipFile(self._bytes, "w")

    def add(self, name: str, lines: bytes) -> None:
        """Put in a file of JSON lines."""
        self._zip.writestr(zipfile.ZipInfo(f"{name}.json", FIRST_DAY), lines, zipfile.ZIP_DEFLATED, 1)

    def close(self) -> bytes:
        """Return all of the zip."""
        self._zip.close()
        return self._bytes.getvalue()


def packed(name: str, lines: bytes, suffix: str) -> bytes:
    """Return one object: `gz` is the compressed lines themselves, `zip` holds one file."""
    if suffix == "gz":
        return gzip.compress(lines, 1, mtime=0)
    archive = Archive()
    archive.add(name, lines)
    return archive.close()


def truncated(content: bytes) -> bytes:
    """Return the first two thirds of a file."""
    return content[: len(content) * 2 // 3]


def with_a_broken_line(lines: bytes) -> bytes:
    """Return the same lines, but of the first one only half."""
    first, _, rest = lines.partition(b"\n")
    return first[: len(first) // 2] + b"\n" + rest


class Bucket:
    """A place for objects by an fsspec URL, or a path, with the options of its kind of storage.

    ValueError: there is no such kind, or nothing is installed that knows it.
    """

    def __init__(self, url: str, storage: Mapping[str, Any]) -> None:
        try:
            self._storage, root = fsspec.core.url_to_fs(url, **storage)
        except (ImportError, ValueError) as error:
            raise ValueError(f"exports cannot go there: {error}") from None
        self._root = root.rstrip("/")

    def put(self, key: str, content: bytes) -> None:
        """Write an object, which is there wholly or not at all."""
        path = f"{self._root}/{key}"
        if not isinstance(self._storage, LocalFileSystem):
            self._storage.pipe_file(path, content)
            return
        # In a folder half a file could be seen.
        unfinished = f"{self._root}/.{PurePosixPath(key).name}"
        self._storage.makedirs(self._storage._parent(path), exist_ok=True)  # noqa: SLF001 - fsspec has no other way
        self._storage.pipe_file(unfinished, content)
        self._storage.mv(unfinished, path)
