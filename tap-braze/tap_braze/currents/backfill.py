"""Let another program, such as Spark, read the event files of the past, and the tap continue after them."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tap_braze.currents import schemas
from tap_braze.currents.container import BrokenFileError
from tap_braze.currents.decode import AvroFile
from tap_braze.currents.files import Files
from tap_braze.currents.position import Position
from tap_braze.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_braze.currents.files import File

_log = logging.getLogger("tap-braze")

_THREADS: Final = 16
# Before every hour, but not before folders without one.
_FIRST_HOUR: Final = "0000-00-00-00"
# Types that values of the files become in the tap's tables: in Avro, and in Spark's SQL.
_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "string": ("string", "STRING"),
    "integer": ("long", "BIGINT"),
    "number": ("double", "DOUBLE"),
    "boolean": ("boolean", "BOOLEAN"),
}


class Backfill:
    """The event files in a bucket at this moment, for another program to read once.

    Each file belongs either to the other program or to the tap that starts from `state`: the former reads those that
    are listed here, the latter those that appear later, even under an hour that is over.

    Args:
        url: As setting `currents.url`.
        start_date: First hour of files, such as `2026-03-01` or `2026-03-01-17`; all files by default. Give the tap the
            same `currents.start_date`.
        event_types: As setting `currents.event_types`.
        storage_options: As setting `currents.storage_options`.
        lookback_hours: As setting `currents.lookback_hours`.

    Raises:
        StorageError: The bucket cannot be listed, or has no event types.
    """

    def __init__(
        self,
        url: str,
        *,
        start_date: str = _FIRST_HOUR,
        event_types: Iterable[str] = ("*",),
        storage_options: Mapping[str, Any] | None = None,
        lookback_hours: int = 168,
    ) -> None:
        patterns = [*event_types]

        def wants(event_type: str) -> bool:
            return any(fnmatchcase(event_type, pattern) for pattern in patterns)

        storage = Storage("currents.url", url, storage_options or {})
        self._url = (url if "://" in url else str(Path(url).absolute())).rstrip("/")
        self._lookback = timedelta(hours=lookback_hours)
        self._files = Files(storage, wants, _THREADS, warn=_log.warning, tick=lambda: None)
        # Unknown types must not take a name that the tap gives to a known one.
        self._tables = schemas.stream_names({*filter(wants, schemas.EVENT_TYPES), *self._files.event_types})
        self._listed: dict[str, list[File]] = {}
        for event_type in self._files.event_types:
            if listed := self._files.since(event_type, start_date):
                self._listed[event_type] = listed

    @property
    def event_types(self) -> list[str]:
        """Return the event types that have files."""
        return [*self._listed]

    def table(self, event_type: str) -> str:
        """Return the name of the stream, and so of the table, that the tap loads an event type into."""
        return self._tables[event_type]

    def files(self, event_type: str) -> list[list[str]]:
        """Return the URLs of an event type's files, in a list for each version of its schema, oldest version first."""
        return [[self._url_of(file) for file in files] for files in self._versions(event_type)]

    def avro_schema(self, event_type: str) -> str:
        """Return the Avro schema to read an event type's files with, as JSON.

        It has all fields that the tap's table has, and those that the files declare, with the types that the tap sends.
        The files of one version, which their paths name, have one schema.

        Raises:
            StorageError: A file cannot be read.
            ValueError: A field has a type that Spark cannot read as the tap does.
        """
        fields = [
            {"name": name, "type": avro, **({} if name in schemas.REQUIRED else {"default": None})}
            for name, avro, _ in self._columns(event_type)
        ]
        return json.dumps({"type": "record", "name": "Event", "fields": fields})

    def columns(self, event_type: str) -> str:
        """Return the same schema as columns of Spark's SQL, `id STRING, time BIGINT`.

        Raises:
            StorageError: A file cannot be read.
            ValueError: A field has a type that Spark cannot read as the tap does.
        """
        return ", ".join(f"`{name}` {sql}" for name, _, sql in self._columns(event_type))

    def state(self, *, broken: Iterable[str] = (), all_events: bool = False) -> dict[str, Any]:
        """Return the STATE for the tap's first run, once the other program has read the files.

        Args:
            broken: Those of the URLs in `files` that could not be read. The tap tries them again.
            all_events: The other program filled one table, as the stream `currents_events`, and not one for each type.
        """
        aside = {*broken}
        positions: dict[str, Any] = {}
        for event_type, listed in self._listed.items():
            position = Position({}, self._lookback)
            for file in listed:
                (position.set_aside if self._url_of(file) in aside else position.done)(file)
            positions[event_type] = position.state()
        if all_events:
            return {"bookmarks": {"currents_events": {"event_types": positions}}}
        return {"bookmarks": {self.table(event_type): state for event_type, state in positions.items()}}

    def _columns(self, event_type: str) -> Iterator[tuple[str, Any, str]]:
        """Yield each column with its types in Avro and in SQL."""
        properties: Any = schemas.of_event_type(event_type)["properties"]
        for declared in self._declared(event_type):
            properties = schemas.extended(properties, declared) or properties
        for name, described in properties.items():
            kinds = [kind for kind in described["type"] if kind != "null"]
            if kinds == ["array"] and "items" in described:
                avro: Any = {"type": "array", "items": ["null", "string"]}
                sql = "ARRAY<STRING>"
            elif len(kinds) == 1 and kinds[0] in _TYPES:
                avro, sql = _TYPES[kinds[0]]
            else:
                raise ValueError(
                    f"event type {event_type}, field '{name}': files declare the types {', '.join(kinds)}, which Spark "
                    "cannot read as one; read this event type with the tap"
                )
            yield name, avro if name in schemas.REQUIRED else ["null", avro], sql

    def _declared(self, event_type: str) -> Iterator[Mapping[str, list[str]]]:
        """Yield the fields that the files of each version declare, by the newest readable file."""
        for files in self._versions(event_type):
            for file in reversed(files):
                try:
                    yield AvroFile(self._files.read(file)).fields
                except BrokenFileError:
                    continue
                break

    def _versions(self, event_type: str) -> list[list[File]]:
        found: dict[str, list[File]] = {}
        for file in self._listed[event_type]:
            found.setdefault(_version(file), []).append(file)
        return [*found.values()]

    def _url_of(self, file: File) -> str:
        return f"{self._url}/{file.path}"


def _version(file: File) -> str:
    """Return what a path names between the hour and the file: the version of the schema, and the environment."""
    _, _, below = file.path.partition("/date=")
    return below.partition("/")[2].rpartition("/")[0]
