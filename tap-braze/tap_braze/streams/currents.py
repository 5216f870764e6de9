"""Streams of Currents: one for each event type, and one for all events."""

from __future__ import annotations

import fnmatch
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_braze.currents import schemas
from tap_braze.currents.container import BrokenFileError
from tap_braze.currents.dedupe import RecentDedupe
from tap_braze.currents.hours import hour_of
from tap_braze.currents.lines import FIELDS, IDS, Task, read_frames
from tap_braze.currents.position import Position
from tap_braze.currents.workers import Workers
from tap_braze.fetching.ordered_pool import in_order
from tap_braze.storage import StorageError
from tap_braze.streams.base.stream import BrazeStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.currents.files import File
    from tap_braze.streams.base.context import RunContext

_BYTES_AHEAD: Final = 33_554_432  # of files read before their turn; their lines take two to five times as much
_RECORDS_BETWEEN_STATES: Final = 50_000
_OF_COLUMN: Final = 2  # parts of a breadcrumb: `properties` and the name


def streams(run: RunContext) -> list[BrazeStream]:
    """Return the streams of Currents, if the settings name the location of its files.

    Include all known event types, so that a catalog has them before the first file arrives, and those that have files.
    The types with files are selected by default; `currents_events`, which repeats all events, is not.
    """
    settings = run.settings.currents
    if settings.url is None:
        return []
    known = set(filter(settings.wants, schemas.EVENT_TYPES))
    try:
        there = set(run.files.event_types)
    except StorageError as error:
        run.refusals.record_missing("currents_events", "the listing of all files", error)
        there = known
    event_types = sorted(known | there)
    for pattern in settings.event_types:
        if not fnmatch.filter(event_types, pattern):  # its first file may not exist yet
            run.tap.logger.warning(
                "setting 'currents.event_types': %r matches no known event type and no folder of files", pattern
            )
    names = schemas.stream_names(event_types)
    return [
        CurrentsEvents(run),
        *(CurrentsStream(run, names[each], each, by_default=each in there) for each in sorted(names)),
    ]


class _FilesStream(BrazeStream):
    """Events from files, each read once, in order of hours.

    Workers encode the record lines while they decode the files. The lines bypass the SDK's handling of single records
    unless stream maps or flattening require it.
    """

    path = "event_type=…"
    permission = ""
    in_one = False  # whether it has events of all types

    def __init__(self, run: RunContext, schema: dict[str, Any]) -> None:
        super().__init__(run, schema)
        # No field shows what was read: an event can be much older than its file.
        self.forced_replication_method = REPLICATION_INCREMENTAL
        self._events = self._files = self._repeated = 0
        self._under_way: tuple[str, Position] | None = None  # the event type being read

    def event_types(self) -> list[str]:
        """Return the stream's event types that have files."""
        raise NotImplementedError

    def kept(self, event_type: str) -> dict[str, Any]:
        """Return the part of STATE for an event type, to be changed in place."""
        raise NotImplementedError

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record:
        return row  # a SCHEMA message declares new fields before their first record

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for lines, _ in self._chunks(bare=True):
            for line in lines.splitlines():
                yield msgspec.json.decode(line)

    @override
    @contextmanager
    def reading(self) -> Iterator[None]:
        try:
            with super().reading():
                yield
        finally:
            self._keep()

    @cached_property
    @override
    def deselected(self) -> frozenset[str]:
        return frozenset()  # the workers leave them out

    @override
    def write_all(self) -> Iterator[int]:
        if not self.is_plain:
            yield from super().write_all()
            return
        for lines, events in self._chunks(bare=False):
            self.run.writer.write_lines(lines)
            self.wrote(events)
            yield events

    def _chunks(self, *, bare: bool) -> Iterator[tuple[bytes, int]]:
        """Yield the lines of all events to read, in chunks, with the number of events in each chunk."""
        try:
            event_types = self.event_types()
        except StorageError:
            return  # logged when the streams were created
        started = time.monotonic()
        with Workers() as workers:
            for event_type in event_types:
                for chunk in self._of_type(event_type, workers, bare=bare):
                    yield chunk
                    self._events += chunk[1]
                    self.run.progress.read(chunk[1])
        if self._files:
            self._log_progress(time.monotonic() - started)

    def _of_type(self, event_type: str, workers: Workers, *, bare: bool) -> Iterator[tuple[bytes, int]]:
        settings = self.run.settings
        position = self._position(event_type)
        try:
            plan = self._plan(event_type, position)
        except StorageError as error:
            self.run.refusals.record_missing(self.name, f"the listing of {event_type}", error)
            return
        self._keep()
        self._under_way = (event_type, position)
        self.run.progress.plan_files(None if self.in_one else len(plan))  # further types have more
        task = Task(
            stream=self.name,
            extracted=datetime.now(timezone.utc).isoformat(),
            event_type=event_type if self.in_one else None,
            deselected=[path[1] for path, wanted in self.mask.items() if len(path) == _OF_COLUMN and not wanted],
            with_ids=settings.currents.deduplicate,
            bare=bare,
        )
        dedupe = RecentDedupe() if settings.currents.deduplicate else None
        read = partial(self._read, workers, task)
        since_state = 0
        for file, found in in_order(
            plan,
            read,
            threads=settings.concurrency,
            capacity=_BYTES_AHEAD,
            weigh=lambda file: file.size,
            tick=self.run.progress.tick,
        ):
            if isinstance(found, Exception):
                if not self._set_aside(file, found, position):
                    return
            else:
                with found:
                    for chunk in self._chunks_of(found, dedupe):
                        yield chunk
                        since_state += chunk[1]
                position.done(file)
                self._files += 1
                self.run.progress.record_file()
            # STATE marks every file in the lookback, so making it must not take more than as many events.
            if since_state >= max(_RECORDS_BETWEEN_STATES, position.marks):
                since_state = 0
                self._keep()
                self.flush_state()

    def _read(self, workers: Workers, task: Task, file: File) -> IO[bytes] | Exception:
        """Return the contents of a file, or its error."""
        try:
            return workers.frames_of(task, self.run.files.read(file))
        except (StorageError, BrokenFileError) as error:
            return error

    def _chunks_of(self, frames: IO[bytes], dedupe: RecentDedupe | None) -> Iterator[tuple[bytes, int]]:
        ids = b""
        for kind, content, events in read_frames(frames):
            if kind == FIELDS:
                if not self.in_one:
                    self._admit(msgspec.json.decode(content))
            elif kind == IDS:
                ids = bytes(content)
            elif dedupe is None:
                yield bytes(content), events
            else:
                lines, new = dedupe.keep_new(bytes(content), ids)
                self._repeated += events - new
                yield lines, new

    def _plan(self, event_type: str, position: Position) -> list[File]:
        """Return the files to read, starting with those set aside in earlier runs."""
        settings, files = self.run.settings.currents, self.run.files
        since = position.since or hour_of(settings.start)
        if settings.not_before is not None:
            since = max(since, hour_of(settings.not_before))
        pending = position.pending
        aside = files.at(pending)
        if gone := set(pending) - {file.path for file in aside}:
            self.logger.info(
                "stream '%s': these files no longer exist and are not tried again: %s", self.name, sorted(gone)
            )
        listed = []
        for file in files.since(event_type, since):
            if _is_utf8(file.path):  # STATE names files that are set aside
                listed.append(file)
            else:
                self.run.refusals.record_missing(
                    self.name, file.path, BrokenFileError("its name is not UTF-8; rename it")
                )
        return position.plan(listed, aside)

    def _set_aside(self, file: File, error: Exception, position: Position) -> bool:
        """Set a file aside for the next run; return whether there was room for it."""
        if not position.has_room(file):
            named = (
                f"{file.path} and all files after it, because {len(position.pending)} files before it are broken too,"
            )
            self.run.refusals.record_missing(self.name, named, error)
            return False
        self.run.refusals.record_missing(self.name, file.path, error)
        position.set_aside(file)
        return True

    def _admit(self, declared: Mapping[str, list[str]]) -> None:
        """Declare a file's new fields in another SCHEMA message."""
        schema = self.effective_schema
        properties = schemas.extended(schema["properties"], declared)
        if properties is not None:
            self.replace_schema({**schema, "properties": properties})

    def _position(self, event_type: str) -> Position:
        incremental = self.replication_method == REPLICATION_INCREMENTAL
        try:
            return Position(self.kept(event_type) if incremental else {}, self.run.settings.currents.lookback)
        except (TypeError, ValueError, AttributeError):
            text = f"stream '{self.name}': the position of {event_type} in the state is malformed; remove or correct it"
            raise ConfigValidationError("Wrong state", errors=[text], schema={}) from None

    def _keep(self) -> None:
        """Put the position in the files being read into STATE."""
        if self._under_way is None or self.replication_method != REPLICATION_INCREMENTAL:
            return
        event_type, position = self._under_way
        kept = self.kept(event_type)
        kept.update(position.state())
        if not position.pending:
            kept.pop("pending", None)
        self.mark_state_changed()

    def _log_progress(self, seconds: float) -> None:
        repeated = f", {self._repeated:,} duplicates left out" if self._repeated else ""
        self.logger.info(
            "stream '%s': %s files, %s events%s in %.0f s",
            self.name,
            f"{self._files:,}",
            f"{self._events:,}",
            repeated,
            seconds,
        )


def _is_utf8(path: str) -> bool:
    """Return whether a name is valid UTF-8; file systems allow any bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class CurrentsStream(_FilesStream):
    """Events of one type, as written by Braze."""

    primary_keys = ("id",)

    def __init__(self, run: RunContext, name: str, event_type: str, *, by_default: bool) -> None:
        self.name = name
        self.selected_by_default = by_default
        self._event_type = event_type
        super().__init__(run, schemas.of_event_type(event_type))

    @override
    def event_types(self) -> list[str]:
        return [self._event_type] if self._event_type in self.run.files.event_types else []

    @override
    def kept(self, event_type: str) -> dict[str, Any]:
        return self.stream_state


class CurrentsEvents(_FilesStream):
    """Events of all types, with common fields as columns and the other fields in an object."""

    name = "currents_events"
    # Braze documents IDs as unique across all types; in its sample files, all types share the same ID.
    primary_keys = ("event_type", "id")
    selected_by_default = False
    in_one = True

    def __init__(self, run: RunContext) -> None:
        super().__init__(run, schemas.of_all_events())

    @override
    def event_types(self) -> list[str]:
        return self.run.files.event_types

    @override
    def kept(self, event_type: str) -> dict[str, Any]:
        kept: dict[str, Any] = self.stream_state.setdefault("event_types", {}).setdefault(event_type, {})
        return kept
