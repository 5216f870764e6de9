"""Currents files: what was queued in each hour, as Avro under the keys that Braze gives them (docs: Currents, storage).

Events are those of `currents_activity`; the same seed and window give the same files, byte for byte.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from hashlib import blake2b
from io import SEEK_END, BytesIO
from typing import TYPE_CHECKING, Any, Literal

import fastavro
from fsspec.core import url_to_fs

from braze_sandbox.currents.activity import activity, own
from braze_sandbox.currents.sent import sent
from braze_sandbox.currents.types import ADDED, EVENT_TYPES, fields, schema
from braze_sandbox.model.ids import key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from braze_sandbox.currents.diary import Event
    from braze_sandbox.state.instance import Instance

BEGINNING = datetime(2026, 3, 1, tzinfo=timezone.utc)
INTEGRATION = key("integration of Currents", 0).replace("-", "")[:24]

_VERSIONS = (10, 12)
"""The releases before and after a change."""
_CUT = 50
"""How many bytes a file lacks that is cut off."""
_LOWER_CASE = "users.messages.email."
"""Folders of these types are in lower case as recorded: one was seen, which others are is not known."""
_LATE = 32
"""Of 256 events, how many come in late files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a connector writes, and what goes wrong with it."""

    start: datetime = BEGINNING
    """The first hour of queueing, in UTC."""
    hours: int = 24
    event_types: tuple[str, ...] = ()
    """Globs; none: all types that the sandbox knows."""
    made_up: bool = True
    """Whether there is more than the custom events and purchases that the profiles hold."""
    prefix: str = "currents"
    """The connector's folder path. Empty: none, as Google's and Microsoft's stores allow."""
    cluster: str = "prod-01"
    integrations: tuple[str, ...] = (INTEGRATION,)
    """Ids of the connectors; each writes the same events into the same place."""
    layout: Literal["version", "schema-id"] = "version"
    """What follows `date=` in a key: `version=10`, or the bare number of a schema as in older ones."""
    files_per_hour: int = 1
    """How many files of each event type, unless there are fewer events."""
    padded: bool = False
    """Whether offsets are filled with zeros to ten digits, as they once were."""
    late_files: Literal["hold", "send"] | None = None
    """One event in eight comes in late files. `hold` leaves these out; `send` writes these and no others."""
    duplicates: float = 0
    """The share of events that come a second time, in a file of the next hour."""
    schema_change: bool = False
    """Whether fields are added and one may be null from the middle of the window on."""
    truncated: bool = False
    """Whether the last file is cut off in the middle."""
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    """For fsspec: credentials, `endpoint_url`."""

    def __post_init__(self) -> None:
        """Refuse event types that nobody knows."""
        for glob in self.event_types:
            if not any(fnmatchcase(name, glob) for name in EVENT_TYPES):
                raise ValueError(f"the sandbox writes no events of type {glob!r}, only {', '.join(EVENT_TYPES)}")


@dataclass(frozen=True, slots=True)
class File:
    """A file that was written: where, and the records in it."""

    path: str
    """Below `out`."""
    event_type: str
    records: list[dict[str, Any]]
    changed: bool = False
    """Whether it is of the later schema."""


def write(out: str | Path, instance: Instance, options: Options | None = None) -> list[File]:
    """Write the files of an instance's users below a folder or a bucket; answers which, in their order.

    Raises:
        OSError: nothing can be written there.
    """
    options = options or Options()
    filesystem, root = url_to_fs(str(out), **options.storage_options)
    files = list(_files(instance, options))
    for number, file in enumerate(files):
        path = f"{root}/{file.path}"
        if "file" in filesystem.protocol:
            filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        body = _container(file)
        cut_off = options.truncated and number == len(files) - 1
        # Amid the last record.
        filesystem.pipe_file(path, body[:-_CUT] if cut_off else body)
    return files


def _files(instance: Instance, options: Options) -> Iterator[File]:
    recorded = instance.options.behavior == "recorded"
    end = options.start + timedelta(hours=options.hours)
    middle = options.start + timedelta(hours=options.hours) / 2 if options.schema_change else end + timedelta(hours=1)
    folders: defaultdict[tuple[datetime, str, bool], list[Event]] = defaultdict(list)
    for event in _chosen(_events(instance, options.start, end, made_up=options.made_up), options):
        hour = event.queued.replace(minute=0, second=0, microsecond=0)
        folders[hour, event.type, event.queued >= middle].append(event)
    for (hour, event_type, changed), events in sorted(folders.items()):
        events.sort(key=lambda event: event.queued)
        names = fields(event_type, changed=changed)
        records = [{name: event.known.get(name) for name in names} for event in events]
        size = -(-len(records) // options.files_per_hour)
        for integration in options.integrations:
            for number, first in enumerate(range(0, len(records), size)):
                path = _path(options, integration, event_type, hour, number, changed=changed, recorded=recorded)
                yield File(path, event_type, records[first : first + size], changed)


def _events(instance: Instance, start: datetime, end: datetime, *, made_up: bool) -> Iterator[Event]:
    for profile in instance.profiles:
        yield from own(profile, start, end)
    yield from sent(instance.workspace, instance.profiles, start, end)
    if made_up:
        yield from activity(instance.workspace, instance.profiles, start, end)


def _chosen(events: Iterable[Event], options: Options) -> Iterator[Event]:
    for event in events:
        if options.event_types and not any(fnmatchcase(event.type, glob) for glob in options.event_types):
            continue
        noise = blake2b(event.known["id"].encode(), digest_size=2).digest()
        if options.late_files and (noise[0] < _LATE) != (options.late_files == "send"):
            continue
        yield replace(event, known={**event.known, ADDED: f"trace-{noise.hex()}"})
        if noise[1] < options.duplicates * 256:
            yield replace(event, queued=event.queued + timedelta(hours=1))


def _path(
    options: Options, integration: str, event_type: str, hour: datetime, number: int, *, changed: bool, recorded: bool
) -> str:
    cluster = options.cluster
    name = f"dataexport.{cluster}.S3.integration.{integration}"
    if options.layout == "version":
        release = f"version={_VERSIONS[changed]}"
    else:
        # Numbers of schemas are global, and every change takes the next one.
        release = str(304 + EVENT_TYPES.index(event_type) + changed * len(EVENT_TYPES))
    # Late files take numbers of their own.
    offset = int(hour.timestamp()) // 3600 * 1000 + number + (500 if options.late_files == "send" else 0)
    return "/".join(
        [
            *([options.prefix.strip("/")] if options.prefix.strip("/") else []),
            name,
            f"event_type={event_type.lower() if recorded and event_type.startswith(_LOWER_CASE) else event_type}",
            f"date={hour:%Y-%m-%d-%H}",
            release,
            cluster,
            f"{name}+{number % 3}+{offset:010}.avro" if options.padded else f"{name}+{number % 3}+{offset}.avro",
        ]
    )


def _container(file: File) -> bytes:
    """Return an Avro object container as Braze writes it: one block, and no codec in its header.

    Not by fastavro's writer, which always names a codec.
    """
    declared = schema(file.event_type, changed=file.changed)
    parsed = fastavro.parse_schema(declared)
    block = BytesIO()
    for record in file.records:
        fastavro.schemaless_writer(block, parsed, record)
    sync = blake2b(file.path.encode(), digest_size=16).digest()
    out = BytesIO(b"Obj\x01")
    out.seek(0, SEEK_END)
    fastavro.schemaless_writer(out, {"type": "map", "values": "bytes"}, {"avro.schema": json.dumps(declared).encode()})
    out.write(sync)
    fastavro.schemaless_writer(out, "long", len(file.records))
    fastavro.schemaless_writer(out, "bytes", block.getvalue())
    out.write(sync)
    return out.getvalue()
