"""Run `make demo-spark`: CSV files to Braze as DataFrames, on Sail, which runs Spark's API without Java."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any, Final

import yaml
from pyspark.errors import PySparkException

from demo.machinery import ROOT, StepError, sandbox, signals_end_it
from demo.run import LANDS_AS, print_table, say, say_more

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from demo.machinery import Sandbox

# The columns that name a user, order the user's rows, and name a row.
COLUMNS: Final = {
    "customers": ("customer_id", "customer_id", "customer_id"),
    "events": ("user_id", "occurred_at", "event_id"),
    "purchases": ("customer_id", "ordered_at", "order_id"),
}
PARTITIONS: Final = 2


def main() -> int:
    """Run the demo and return the exit code."""
    folder = ROOT / ".demo-spark"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    started = time.monotonic()
    try:
        with signals_end_it(), contextlib.ExitStack() as servers:
            say("Starting Braze (braze-sandbox) and Sail on this machine")
            braze = servers.enter_context(sandbox(folder))
            spark = servers.enter_context(sail())
            say_more(f"took {time.monotonic() - started:.1f} s")
            say("Writing demo/data/*.csv to Braze: target_braze.spark.write, the mapping is that of meltano.yml")
            load(spark, braze, folder, "first")
            say("Writing the same run again: the outcome log knows its events and purchases")
            load(spark, braze, folder, "again")
            say(f"The outcome log of the run, which a failed job leaves as well: {folder / 'outcomes'}")
    except (StepError, PySparkException, OSError) as fault:
        print(f"\nThe demo failed: {fault}", file=sys.stderr)
        return 1
    except SystemExit as end:
        print("\nStopped; nothing is left running.", file=sys.stderr)
        return int(end.code or 1)
    say(f"Done in {time.monotonic() - started:.0f} s; nothing is left running")
    return 0


@contextlib.contextmanager
def sail() -> Iterator[SparkSession]:
    """Serve Sail in this process, and yield a session."""
    with warnings.catch_warnings():
        # PySpark warns of pandas 3, which nothing here uses.
        warnings.simplefilter("ignore")
        from pysail.spark import SparkConnectServer  # noqa: PLC0415
        from pyspark.sql import SparkSession  # noqa: PLC0415

        os.environ["RUST_LOG"] = "error"  # of Sail's own log
        server = SparkConnectServer()
        server.start(background=True)
        host, port = server.listening_address
        session = SparkSession.builder.remote(f"sc://{host}:{port}").getOrCreate()
        session.range(1).collect()
    try:
        yield session
    finally:
        session.stop()
        server.stop()


def load(spark: SparkSession, braze: Sandbox, folder: Path, title: str) -> None:
    """Write each file, and print what became of its rows."""
    from target_braze.spark import write  # noqa: PLC0415

    # Spark's options never hold the key: the tasks take it from their environment.
    os.environ["TARGET_BRAZE_API_KEY"] = braze.key
    settings = {name: target_settings()[name] for name in ("streams", "acknowledge_live_campaigns")}
    config = {**settings, "endpoint": braze.url, "on_unknown_outcome": "hold", "on_error": "dead_letter"}
    outcomes = {}
    for stream, (user, order, key) in COLUMNS.items():
        rows = spark.read.option("header", "true").csv(str(ROOT / "demo" / "data" / f"{stream}.csv"))
        outcomes[stream] = write(
            rows,
            stream,
            config=config,
            outcome_log=str(folder / "outcomes"),
            run_id=f"demo-{stream}",
            user=user,
            order=order,
            keys=[key],
            partitions=PARTITIONS,
        ).summary["total"]
    held = braze.get("/sandbox/summary")
    print_table(
        f"{title}: rows of each file, and what Braze holds now",
        ("file", "rows", "sent", "unchanged", "rejected", "requests", "in Braze"),
        [
            (
                f"demo/data/{stream}.csv",
                total["read"],
                total["sent"] + total["coalesced"],
                total["unchanged"],
                total["rejected"],
                total["requests"],
                held[LANDS_AS[stream]],
            )
            for stream, total in outcomes.items()
        ],
    )


def target_settings() -> dict[str, Any]:
    """Return the settings of target-braze in meltano.yml."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    (target,) = (one for one in project["plugins"]["loaders"] if one["name"] == "target-braze")
    found: dict[str, Any] = target["config"]
    return found


if __name__ == "__main__":
    sys.exit(main())
