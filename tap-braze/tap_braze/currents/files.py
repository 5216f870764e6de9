"""List the event files in a bucket, only for the days or hours needed.

…/dataexport.<cluster>.<type>.integration.<id>/event_type=<event type>/date=<YYYY-MM-DD-HH>/…/<name>.avro

The part between the hour and the name varies (formerly `<schema id>/<zone>`, now `version=<n>/<environment>`) and may
change again. A bucket can hold several integrations, each in its own folder.
https://www.braze.com/docs/user_guide/data/distribution/braze_currents/event_delivery_semantics/
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeVar

from tap_braze.currents.container import BrokenFileError
from tap_braze.currents.hours import moment_of
from tap_braze.currents.schemas import known_as
from tap_braze.fetching.ordered_pool import in_order
from tap_braze.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_braze.storage import Storage

T = TypeVar("T")
R = TypeVar("R")

_EVENT_TYPE: Final = "event_type="
_HOUR: Final = re.compile(r"date=(\d{4}-\d\d-\d\d)(?:-(\d\d))?", re.ASCII)
# Folder levels to list to find the event types: the URL's, two of a connector's folder path, and the integration's.
_LEVELS: Final = 4
_MARK_LETTERS: Final = 10
_DAY_LETTERS: Final = len("date=2026-03-01")
_LARGEST: Final = 1_073_741_824  # bytes; Braze's files are a few megabytes


@dataclass(frozen=True, order=True)
class File:
    """An event file: the UTC hour when Braze queued it (`2026-03-01-17`), its path below the URL, and its size."""

    hour: str
    path: str
    size: int

    @property
    def mark(self) -> str:
        """Return ten letters that identify the file at its current size."""
        digest = blake2b(f"{self.path}\n{self.size}".encode(), digest_size=8).digest()
        return urlsafe_b64encode(digest)[:_MARK_LETTERS].decode()


class Files:
    """The files of the wanted event types. Not thread-safe."""

    def __init__(
        self,
        storage: Storage,
        wants: Callable[[str], bool],
        threads: int,
        *,
        warn: Callable[[str], None],
        tick: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._tick = tick
        self._wants = wants
        self._threads = threads
        self._warn = warn

    @property
    def event_types(self) -> list[str]:
        """Return the event types that have files.

        Raises:
            StorageError: The bucket cannot be listed, or has no event types.
        """
        return sorted(filter(self._wants, self._folders))

    def since(self, event_type: str, hour: str) -> list[File]:
        """Return the files of an event type from this hour on, in order of hours.

        Raises:
            StorageError: The files cannot be listed.
        """
        hours: dict[str, str] = {}  # by folder
        days: dict[str, None] = {}
        for folder in self._folders.get(event_type, ()):
            for name in self._storage.folders(folder):
                if (found := self._hour(folder, name)) >= hour:
                    hours[f"{folder}/{name}"] = found
                    days[f"{folder}/{name[:_DAY_LETTERS]}"] = None
        # One request for each day instead of each hour, where the storage can.
        by_day = self._storage.lists_by_prefix
        plan, sizes_of = (days, self._storage.sizes_by_prefix) if by_day else (hours, self._storage.sizes)
        return sorted(
            File(hours[above], path, size)
            for start, sizes in self._each(plan, sizes_of)
            for path, size in sizes.items()
            if (above := path[: path.find("/", len(start))]) in hours and _is_of_events(path)
        )

    def at(self, paths: Iterable[str]) -> list[File]:
        """Return the files at these paths that still exist, in order of hours."""
        folders = sorted({path.rpartition("/")[0] for path in paths})
        sizes = {path: size for _, found in self._each(folders, self._storage.sizes) for path, size in found.items()}
        return sorted(File(_hour_of(path), path, sizes[path]) for path in set(paths) & set(sizes))

    def read(self, file: File) -> bytes:
        """Return the contents of a file.

        Raises:
            StorageError: The file cannot be read.
            BrokenFileError: The file's size has changed since it was listed.
        """
        if file.size > _LARGEST:
            raise BrokenFileError(f"it has {file.size:,} bytes, more than the {_LARGEST:,} that are read at once")
        data = bytearray()
        for chunk in self._storage.read(file.path):
            data += chunk
            if len(data) > file.size:
                break
        if len(data) != file.size:
            more = "more" if len(data) > file.size else f"{len(data):,}"
            raise BrokenFileError(f"it changed while it was read: from {file.size:,} to {more} bytes")
        return bytes(data)

    def _hour(self, folder: str, name: str) -> str:
        """Return the hour in a folder's name, or an empty string if it has none."""
        found = _hour_of(name)
        if not found:
            self._warn(f"{folder}/{name} is skipped: its folder is not named date=YYYY-MM-DD-HH")
        return found

    @property
    def _folders(self) -> dict[str, list[str]]:
        """Return the folders of each event type, one for each integration."""
        if isinstance(self._found, StorageError):
            raise self._found
        return self._found

    @cached_property
    def _found(self) -> dict[str, list[str]] | StorageError:
        """Return these folders, or the error: cached because every stream needs it and a failing bucket is slow."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        level = [""]
        try:
            for _ in range(_LEVELS):
                below, level = self._below(level), []
                for path in below:
                    name = path.rpartition("/")[2]
                    if name.startswith(_EVENT_TYPE):
                        found[known_as(name.removeprefix(_EVENT_TYPE))].append(path)
                    else:
                        level.append(path)
            return _without_case(found) if found else StorageError(self._why_none())
        except StorageError as error:
            return error

    def _below(self, level: Iterable[str]) -> list[str]:
        return [
            f"{folder}/{name}".lstrip("/")
            for folder, names in self._each(level, self._storage.folders)
            for name in names
            if not name.startswith("date=")
        ]

    def _why_none(self) -> str:
        if not self._storage.exists:
            return (
                f"setting 'currents.url': there is nothing at {self._storage.shown}; check the bucket and the folder "
                "path against the Currents connector in Braze"
            )
        return (
            f"setting 'currents.url': no folder at {self._storage.shown} is called event_type=…; give the folder path "
            "of the Currents connector in Braze, or a folder above it"
        )

    def _each(self, plan: Iterable[T], work: Callable[[T], R]) -> Iterator[tuple[T, R]]:
        return in_order(plan, work, threads=self._threads, capacity=4 * self._threads, tick=self._tick)


def _without_case(found: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Merge the folders of event types that differ only in case; Braze has changed the case of some types."""
    merged: dict[str, list[str]] = {}
    spelling: dict[str, str] = {}
    for event_type in sorted(found):  # uppercase sorts first
        merged.setdefault(spelling.setdefault(event_type.lower(), event_type), []).extend(found[event_type])
    return merged


def _hour_of(path: str) -> str:
    found = _HOUR.search(path)
    hour = f"{found[1]}-{found[2] or '00'}" if found else ""
    with suppress(ValueError):  # a day or an hour that does not exist
        moment_of(hour)
        return hour
    return ""


def _is_of_events(path: str) -> bool:
    """Return whether a file may be one of Braze's, by its name; other tools leave files such as `_SUCCESS`."""
    name = path.rpartition("/")[2]
    return bool(name) and not name.startswith((".", "_"))
