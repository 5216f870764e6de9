"""Measure how fast the tap reads Currents files from a local disk, 1,000 of 5,000 events: `make bench-currents`.

The tap and its processes share this machine's cores with everything else, so check its load before comparing figures.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import fastavro
from tap_braze.currents.schemas import of_event_type, stream_name
from tap_braze.singer.tap import TapBraze

from bench.machinery import machine, records_in, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.machinery import Cost

EVENT_TYPE: Final = "users.messages.email.Open"
NAME: Final = "dataexport.prod-01.S3.integration.5f1e5f1e5f1e5f1e5f1e5f1e"
START: Final = 1_780_272_000  # 2026-06-01 00:00 UTC
AVRO: Final = {"integer": "int", "number": "float", "boolean": "boolean", "string": "string"}
TEXTS: Final = {
    "email_address": "user-{}@example.com",
    "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) #{}",
    "timezone": "America/New_York",
    "campaign_name": "Spring sale, week {}",
    "external_user_id": "customer-{}",
}
# A message belongs to a campaign or a Canvas, and a few fields are rarely filled.
NULL: Final = {
    "canvas_id",
    "canvas_name",
    "canvas_variation_id",
    "canvas_variation_name",
    "canvas_step_id",
    "canvas_step_name",
    "machine_open",
    "is_amp",
    "ip_pool",
}


def main() -> None:
    """Write the files and read them as given on the command line."""
    given = _arguments()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        bucket = Path(folder) / "bucket"
        size, fields = write(bucket, given.files, given.events, files_an_hour=given.files_an_hour)
        total = given.files * given.events
        print(f"{given.files:,} files, {total:,} events of {fields} fields, {size / 1e6:,.0f} MB", flush=True)
        for stream in given.streams:
            for _ in range(given.repeat):
                print(_line(stream, _read(Path(folder), stream, total), total), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--events", type=int, default=5000, help="of each file")
    parser.add_argument("--files-an-hour", type=int, default=12, help="120 puts 20,000 files into the lookback")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each stream")
    parser.add_argument("--streams", nargs="+", default=["currents_events", stream_name(EVENT_TYPE)])
    return parser.parse_args()


def write(
    bucket: Path, files: int, events: int, *, files_an_hour: int, event_type: str = EVENT_TYPE
) -> tuple[int, int]:
    """Write files of one event type, all with the same events, which the tap cannot know; return bytes and fields."""
    properties = of_event_type(event_type)["properties"]
    fields = [{"name": name, "type": _avro(name, kind["type"])} for name, kind in properties.items()]
    declared = {"type": "record", "name": f"dataexport.S3.inner.{event_type}", "fields": fields}
    schema = fastavro.parse_schema(declared)
    chance = random.Random(1)  # noqa: S311 - no secret
    block = BytesIO()
    for _ in range(events):
        fastavro.schemaless_writer(block, schema, _event(properties, chance))
    data = _container(declared, events, block.getvalue())
    for number in range(files):
        hour = time.strftime("%Y-%m-%d-%H", time.gmtime(START + number // files_an_hour * 3600))
        path = bucket / NAME / f"event_type={event_type}" / f"date={hour}" / "version=12" / "prod-01"
        path.mkdir(parents=True, exist_ok=True)
        (path / f"{NAME}+{number % 3}+{number}.avro").write_bytes(data)
    return files * len(data), len(fields)


def _event(properties: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    number = chance.randrange(1_000_000)
    event: dict[str, Any] = {}
    for name, described in properties.items():
        kind = described["type"][0]
        if name in NULL:
            event[name] = None
        elif kind == "string":
            event[name] = TEXTS.get(name, str(uuid.UUID(int=number))).format(number)
        else:
            event[name] = {"integer": START + number, "number": 9.99, "boolean": True}[kind]
    return {**event, "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)), "user_id": f"{number:024x}"}


def _avro(name: str, kinds: list[str]) -> Any:  # noqa: ANN401 - a schema
    return AVRO[kinds[0]] if name in {"id", "user_id", "time", "email_address"} else ["null", AVRO[kinds[0]]]


def _container(schema: dict[str, Any], count: int, body: bytes) -> bytes:
    """Return a file of one block, as Braze writes it."""
    sync = blake2b(body, digest_size=16).digest()  # Spark rejects zeros
    out = BytesIO()
    out.write(b"Obj\x01")
    fastavro.schemaless_writer(out, {"type": "map", "values": "bytes"}, {"avro.schema": json.dumps(schema).encode()})
    out.write(sync)
    fastavro.schemaless_writer(out, "long", count)
    fastavro.schemaless_writer(out, "bytes", body)
    out.write(sync)
    return out.getvalue()


def measure(folder: Path, stream: str, *, files: int, events: int, files_an_hour: int) -> Cost:
    """Write files and read them once."""
    folder.mkdir(parents=True)
    write(folder / "bucket", files, events, files_an_hour=files_an_hour)
    return _read(folder, stream, files * events)


def _read(folder: Path, stream: str, events: int) -> Cost:
    """Read the files; the peak is that of all processes together."""
    config = {"api_key": "k", "endpoint": "http://localhost", "start_date": "2026-06-01"}
    settings = {**config, "currents": {"url": str(folder / "bucket")}}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "catalog.json").write_text(json.dumps(_catalog(settings, stream)))
    command = [sys.executable, "-m", "tap_braze"]
    command += ["--config", str(folder / "config.json"), "--catalog", str(folder / "catalog.json")]
    with _memory() as peak:
        cost = timed(command, folder / "log")
    read = records_in((folder / "log").read_text())
    if read != events:
        sys.exit(f"{stream}: {read:,} events instead of {events:,}")
    return replace(cost, peak_mb=max(peak))


def _line(stream: str, cost: Cost, events: int) -> str:
    return (
        f"{stream:40} {cost.wall:6.1f} s   {events / cost.wall:8,.0f} events/s   "
        f"{cost.cpu / events * 1e6:5.1f} us CPU an event   {cost.cpu / cost.wall:3.1f} cores   "
        f"{cost.peak_mb:4.0f} MB in all processes"
    )


def _catalog(config: dict[str, Any], stream: str) -> dict[str, Any]:
    catalog = TapBraze(config=config, setup_mapper=False).catalog_dict
    for entry in catalog["streams"]:
        root = next(item for item in entry["metadata"] if not item["breadcrumb"])
        root["metadata"]["selected"] = entry["tap_stream_id"] == stream
    return catalog


@contextmanager
def _memory() -> Iterator[list[float]]:
    """Measure the combined memory of processes started meanwhile, in MB, ten times per second; Linux only."""
    seen, done = [0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            seen.append(sum(map(_resident, _descendants(os.getpid()))) / 1e6)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _descendants(process: int) -> Iterator[int]:
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                yield child
                yield from _descendants(child)


def _resident(process: int) -> float:
    with suppress(OSError):
        return float(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


if __name__ == "__main__":
    main()
