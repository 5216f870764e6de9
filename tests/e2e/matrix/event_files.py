"""A few event files of Currents for every type that the tap knows."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import fastavro
from braze_sandbox.currents import files as currents
from braze_sandbox.state.instance import Instance
from braze_sandbox.state.options import Options
from tap_braze.currents.schemas import EVENT_TYPES, of_event_type

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

PER_TYPE = 2
NEWER = "users.messages.rcs.Send"
"""A type whose events have a field that the tap does not know."""
VALUES: dict[str, Any] = {
    "string": 'Zoë said "hi",\n\tor so \\',
    "integer": 2**31,
    "number": 1.5,
    "boolean": False,
    "array": ["a", 'b"'],
}
AVRO: dict[str, Any] = {
    "string": "string",
    "integer": "long",
    "number": "double",
    "boolean": "boolean",
    "array": {"type": "array", "items": "string"},
}


def write(folder: Path, day: date) -> list[tuple[str, Path]]:
    """Write the files of a day; return the event type and the path of each."""
    instance = Instance(Options(seed="demo", users=60))
    start = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    kept: dict[str, list[Path]] = {}
    for file in currents.write(folder, instance, currents.Options(start=start, hours=24)):
        of_type = kept.setdefault(file.event_type, [])
        if len(of_type) < PER_TYPE:
            of_type.append(folder / file.path)
        else:
            (folder / file.path).unlink()
    for event_type in EVENT_TYPES.keys() - kept.keys():
        kept[event_type] = [_write(folder, event_type, start)]
    return [(event_type, path) for event_type, paths in kept.items() for path in paths]


def _write(folder: Path, event_type: str, start: datetime) -> Path:
    """Write two events of a type that the sandbox does not write: one with all fields, one with the required ones."""
    kinds = {name: field["type"][0] for name, field in of_event_type(event_type)["properties"].items()}
    if event_type == NEWER:
        kinds["field_of_tomorrow"] = "string"
    common = {"time": int((start + timedelta(hours=1)).timestamp())}
    full = {name: VALUES[kind] for name, kind in kinds.items()} | common | {"id": f"{event_type} of {start:%d}"}
    bare = common | {"id": f"{event_type} of {start:%d}, bare"}
    declared = [
        {"name": name, "type": AVRO[kind] if name in bare else ["null", AVRO[kind]]} for name, kind in kinds.items()
    ]
    name = "dataexport.prod-01.S3.integration.other"
    path = folder / f"currents/{name}/event_type={event_type}/date={start:%Y-%m-%d-%H}/version=10/prod-01"
    path.mkdir(parents=True)
    file = path / f"{name}+0+{start:%d}.avro"
    with file.open("wb") as opened:
        fastavro.writer(
            opened, fastavro.parse_schema({"type": "record", "name": "e", "fields": declared}), [full, bare]
        )
    return file
