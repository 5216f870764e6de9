"""Currents files: each hour's queued events as Avro, under Braze's keys (docs: Currents, storage).

The events come from `currents.activity`; the same seed and window produce the same files, byte for byte.
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
"""The schema releases before and after a change."""
_CUT = 50
"""How many bytes a truncated file is missing."""
_LOWER_CASE = "users.messages.email."
"""Types whose folders are in lower case, as recorded: one was observed; which others are is unknown."""
_LATE = 32
"""How many of 256 events arrive in late files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a connector writes and what goes wrong with it."""

    start: datetime = BEGINNING
    """The first hour of queueing, in UTC."""
    hours: int = 24
    event_types: tuple[str, ...] = ()
    """Globs; empty means all types that the sandbox supports."""
    made_up: bool = True
    """Whether to write more than the custom events and purchases in the profiles."""
    prefix: str = "currents"
    """The connector's folder path; empty means none, which Google's and Microsoft's stores allow."""
    cluster: str = "prod-01"
    integrations: tuple[str, ...] = (INTEGRATION,)
    """Connector ids; each connector writes the same events to the same place."""
    layout: Literal["version", "schema-id"] = "version"
    """What follows `date=` in a key: `version=10`, or the bare schema number of older keys."""
    files_per_hour: int = 1
    """Number of files per event type; fewer if there are fewer events."""
    padded: bool = False
    """Whether offsets are zero-padded to ten digits, as in older files."""
    late_files: Literal["hold", "send"] | None = None
    """One event in eight arrives in late files. `hold` leaves these files out; `send` writes only these."""
    duplicates: float = 0
    """The share of events that appear a second time, in a file of the next hour."""
    schema_change: bool = False
    """Whether the second half of the window adds fields and makes one field nullable."""
    truncated: bool = False
    """Whether to cut the last file off in the middle."""
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    """fsspec options: credentials, `endpoint_url`."""

    def __post_init__(self) -> None:
        """Reject unknown event types."""
        for glob in self.event_types:
            if not any(fnmatchcase(name, glob) for name in EVENT_TYPES):
                raise ValueError(f"the sandbox writes no events of type {glob!r}, only {', '.join(EVENT_TYPES)}")


@dataclass(frozen=True, slots=True)
class File:
    """A written file: its location and its records."""

    path: str
    """Relative to `out`."""
    event_type: str
    records: list[dict[str, Any]]
    changed: bool = False
    """Whether it uses the later schema."""


def write(out: str | Path, instance: Instance, options: Options | None = None) -> list[File]:
    """Write the files of an instance's users to a folder or a bucket, and return them in order.

    Raises:
        OSError: The destination is not writable.
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
        # In the middle of the last record.
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
        whole = replace(event, known={**event.known, ADDED: f"trace-{noise.hex()}"})
        yield whole
        if noise[1] < options.duplicates * 256:
            yield replace(whole, queued=event.queued + timedelta(hours=1))


def _path(
    options: Options, integration: str, event_type: str, hour: datetime, number: int, *, changed: bool, recorded: bool
) -> str:
    cluster = options.cluster
    name = f"dataexport.{cluster}.S3.integration.{integration}"
    if options.layout == "version":
        release = f"version={_VERSIONS[changed]}"
    else:
        # Schema numbers are global, and every change takes the next one.
        release = str(304 + EVENT_TYPES.index(event_type) + changed * len(EVENT_TYPES))
    # Late files have numbers of their own.
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

    fastavro's writer does not work here because it always names a codec.
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
