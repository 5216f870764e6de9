"""Measure how fast the target delivers a million records to a counting-only sandbox: `make bench-target`.

Half of them are attributes, a quarter events, and a quarter purchases, with 20 columns and about 400 bytes each; with
`--digits 17`, their fractions have all the digits of a double, which makes them larger and slower to read. The sandbox
and the target share this machine's cores, so check its load before comparing figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

import pyarrow as pa
import pyarrow.parquet as pq

from bench.machinery import machine, sandbox, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.machinery import Cost

STATE_EVERY: Final = 10_000

_TEXT: Final = {"type": ["string", "null"]}
_TIME: Final = {"type": ["string", "null"], "format": "date-time"}
_COLUMNS: Final[dict[str, Any]] = {
    "external_id": _TEXT,
    **{f"text_{n}": _TEXT for n in range(7)},
    **{f"count_{n}": {"type": ["integer", "null"]} for n in range(5)},
    **{f"share_{n}": {"type": ["number", "null"]} for n in range(3)},
    "vip": {"type": ["boolean", "null"]},
    "seen_at": _TIME,
}
_STREAMS: Final[dict[str, dict[str, Any]]] = {
    "attributes": {**_COLUMNS, "changed_at": _TIME, "note": _TEXT},
    "events": {**_COLUMNS, "name": _TEXT, "time": _TIME},
    "purchases": {**_COLUMNS, "product_id": _TEXT, "currency": _TEXT, "price": {"type": "number"}, "time": _TIME},
}


_OBJECTS_A_REQUEST: Final = 75


class Users:
    """Files with users of 20 columns: as a tap writes them, and as requests for `bench.floor`."""

    def __init__(self, folder: Path, count: int, *, text: bool) -> None:
        self.count = count
        self.lines, self.requests = folder / "users.singer", folder / "users.requests"
        columns = _STREAMS["attributes"]
        if text:
            columns = {name: _TEXT if column == _TIME else column for name, column in columns.items()}
        schema = {"type": "SCHEMA", "stream": "attributes", "schema": {"properties": columns}, "key_properties": []}
        records = user_records(count)
        with self.lines.open("wb") as lines, self.requests.open("wb") as requests:
            lines.write(_line(schema))
            while some := list(islice(records, _OBJECTS_A_REQUEST)):
                lines.writelines(_line({"type": "RECORD", "stream": "attributes", "record": one}) for one in some)
                requests.write(_line({"method": "POST", "path": "/users/track", "body": {"attributes": some}}))

    def write_parquet(self, file: Path) -> None:
        """Write the users as a warehouse does: with times, and without a column that is always null."""
        records, writer = user_records(self.count), None
        while some := list(islice(records, 50_000)):
            table = pa.Table.from_pylist(some).drop_columns(["note"])
            for name in ("seen_at", "changed_at"):
                times = table[name].cast(pa.timestamp("us", "UTC"))
                table = table.set_column(table.column_names.index(name), name, times)
            writer = writer or pq.ParquetWriter(file, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()

    def deliver(self, folder: Path, url: str, concurrency: int, **settings: object) -> tuple[Cost, Cost]:
        """Return the cost of the target and of its floor, against a server that only counts."""
        config = folder / "config.json"
        given = {"api_key": "sandbox-key", "endpoint": url, "concurrency": concurrency, **settings}
        given["acknowledge_live_campaigns"] = True
        config.write_text(json.dumps(given))
        cost = timed([sys.executable, "-m", "target_braze", "--config", str(config)], folder / "log", self.lines)
        floor = timed([sys.executable, "-m", "bench.floor", url, str(concurrency)], folder / "log", self.requests)
        return cost, floor


def user_records(count: int) -> Iterator[dict[str, Any]]:
    """Yield the records of users."""
    return (_record("attributes", number, 2) for number in range(count))


def main() -> None:
    """Measure what the command line requests."""
    given = _arguments()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "records.singer"
        with source.open("wb") as file:
            file.writelines(_lines(given.records, given.digits))
        print(f"{given.records:,} records, {source.stat().st_size / given.records:.0f} bytes each")
        for latency in given.latency_ms:
            for concurrency in given.concurrency:
                _measure(folder, source, latency, concurrency, given.records)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--latency-ms", type=int, nargs="+", default=[0, 50], help="of each answer")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16], help="most requests under way")
    parser.add_argument("--digits", type=int, default=2, help="after the point of a fraction")
    return parser.parse_args()


def _measure(folder: Path, source: Path, latency: int, concurrency: int, records: int) -> None:
    with sandbox("--latency-ms", str(latency), module="bench.null_server") as url:
        config = folder / "config.json"
        given = {"api_key": "sandbox-key", "endpoint": url, "concurrency": concurrency}
        config.write_text(json.dumps({**given, "acknowledge_live_campaigns": True}))
        cost = timed([sys.executable, "-m", "target_braze", "--config", str(config)], folder / "log", source)
        with urlopen(f"{url}/bench/null") as answer:  # noqa: S310 - a sandbox of our own
            requests = json.load(answer)["requests"]
    figures = (
        f"{cost.wall:6.1f} s",
        f"{records / cost.wall:7,.0f} records/s",
        f"{requests / cost.wall:5,.0f} requests/s",
        f"{records / requests:4.1f} objects a request",
        f"{cost.cpu / records * 1e6:5.1f} us CPU a record",
        f"{cost.peak_mb:4.0f} MB",
        f"{cost.stolen:3.0%} of the machine stolen",
    )
    print(f"latency {latency:3} ms, concurrency {concurrency:3}:", "   ".join(figures), flush=True)


def _lines(count: int, digits: int) -> Iterator[bytes]:
    for stream, columns in _STREAMS.items():
        yield _line({"type": "SCHEMA", "stream": stream, "schema": {"properties": columns}, "key_properties": []})
    for number in range(count):
        stream = ("attributes", "events", "attributes", "purchases")[number % 4]
        yield _line({"type": "RECORD", "stream": stream, "record": _record(stream, number, digits)})
        if number % STATE_EVERY == STATE_EVERY - 1:
            yield _line({"type": "STATE", "value": {"read": number}})


def _record(stream: str, number: int, digits: int) -> dict[str, Any]:
    record: dict[str, Any] = {"external_id": f"user-{number:08}", "vip": number % 2 == 0}
    record |= {f"text_{n}": f"text {number * (n + 1) % 9973}" for n in range(7)}
    record |= {f"count_{n}": number * n for n in range(5)}
    record |= {f"share_{n}": round(number / (n + 7), digits) for n in range(3)}
    record["seen_at"] = "2026-03-04T09:10:11+00:00"
    if stream == "attributes":
        record |= {"changed_at": "2026-03-04T09:10:11Z", "note": None}
    elif stream == "events":
        record |= {"name": "viewed", "time": "2026-03-04T09:10:11Z"}
    else:
        record |= {
            "product_id": f"p-{number % 50}",
            "currency": "EUR",
            "price": 9.5,
            "time": "2026-03-04T09:10:11Z",
        }
    return record


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


if __name__ == "__main__":
    main()
