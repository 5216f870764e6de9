"""Measure how fast the tap reads 500 campaigns and 400 days from the sandbox: `make bench-tap`.

The floor is the same requests with nothing but sockets and json. The sandbox and the tap share this machine's cores, so
check its load before comparing figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from tap_braze.singer.tap import TapBraze
from typing_extensions import override

from bench import floor
from bench.machinery import Cost, machine, records_in, sandbox, timed

DAYS: Final = 400
# Series nested as Braze sends them; the long forms would write the same figures again.
STREAMS: Final = (
    "campaigns_analytics",
    "canvases_analytics",
    "segments_analytics",
    "events_analytics",
    "cards_analytics",
    "kpi_daily_new_users",
    "kpi_daily_active_users",
    "kpi_monthly_active_users",
    "kpi_daily_app_uninstalls",
)
LONG_FORMS: Final = (
    "campaigns_messages_analytics",
    "canvases_variants_analytics",
    "canvases_steps_analytics",
    "canvases_messages_analytics",
)


@dataclass
class Result:
    """Results of one run of the tap."""

    cost: Cost
    floor: Cost
    requests: int
    records: int
    in_flight: float

    @override
    def __str__(self) -> str:
        cost, records = self.cost, self.records
        return (
            f"{cost.wall:6.1f} s (floor {self.floor.wall:.1f} s)   {self.requests:6,} requests   "
            f"{records:8,} records   {records / cost.wall:7,.0f} records/s   "
            f"{cost.cpu / records * 1e6:5.1f} us CPU a record   {cost.peak_mb:4.0f} MB   "
            f"{self.in_flight:4.1f} in flight"
        )


def main() -> None:
    """Measure what the command line requests."""
    given = _arguments()
    print(machine())
    streams = (*STREAMS, *LONG_FORMS) if given.long_forms else STREAMS
    with tempfile.TemporaryDirectory() as folder:
        for latency in given.latency_ms:
            for concurrency in given.concurrency:
                results = [
                    measure(Path(folder), latency, concurrency, flat=given.flat, streams=streams)
                    for _ in range(given.repeat)
                ]
                middle = sorted(results, key=lambda result: result.cost.wall)[len(results) // 2]
                print(f"latency {latency:3} ms, concurrency {concurrency:3}: {middle}", flush=True)


def measure(folder: Path, latency: int, concurrency: int, *, flat: bool, streams: tuple[str, ...] = STREAMS) -> Result:
    """Read the workspace with the tap, then send the same requests with nothing but sockets and json."""
    server = "bench.flat_server" if flat else None
    with sandbox("--seed", "bench", "--latency-ms", str(latency), module=server) as url:
        return _run(folder, url, concurrency, streams)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-ms", type=int, nargs="+", default=[50, 0], help="of each answer")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16, 32], help="requests under way")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the median is shown")
    parser.add_argument("--flat", action="store_true", help="read from a server that spends less on them")
    parser.add_argument("--long-forms", action="store_true", help="read the long forms too, out of the same answers")
    return parser.parse_args()


def _run(folder: Path, url: str, concurrency: int, streams: tuple[str, ...]) -> Result:
    start = (datetime.now(timezone.utc) - timedelta(days=DAYS - 1)).date().isoformat()
    config = {
        "api_key": "sandbox-key",
        "endpoint": url,
        "start_date": start,
        "concurrency": concurrency,
        "include_costly_streams": True,  # cards_analytics
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "catalog.json").write_text(json.dumps(_catalog(config, streams)))
    command = [sys.executable, "-m", "tap_braze"]
    command += ["--config", str(folder / "config.json"), "--catalog", str(folder / "catalog.json")]
    cost = timed(command, folder / "log")
    records = records_in((folder / "log").read_text())
    with urlopen(f"{url}/sandbox/requests") as answer:  # noqa: S310 - a sandbox of our own
        requests: list[dict[str, Any]] = json.load(answer)["requests"]
    (folder / "requests").write_bytes(floor.lines(requests))
    command = [sys.executable, "-m", "bench.floor", url, str(concurrency)]
    return Result(
        cost=cost,
        floor=timed(command, folder / "log", folder / "requests"),
        requests=len(requests),
        records=records,
        in_flight=_in_flight(requests),
    )


def _catalog(config: dict[str, Any], streams: tuple[str, ...]) -> dict[str, Any]:
    catalog = TapBraze(config=dict(config), validate_config=False, setup_mapper=False).catalog_dict
    for entry in catalog["streams"]:
        root = next(item for item in entry["metadata"] if not item["breadcrumb"])
        root["metadata"]["selected"] = entry["tap_stream_id"] in streams
    return catalog


def _in_flight(requests: list[dict[str, Any]]) -> float:
    """Return the average number of requests in progress, by the sandbox's clock."""
    span = max(request["finished"] for request in requests) - min(request["started"] for request in requests)
    return float(sum(request["finished"] - request["started"] for request in requests) / span)


if __name__ == "__main__":
    main()
