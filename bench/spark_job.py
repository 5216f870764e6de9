"""Write the users of a Parquet file with Spark or Sail, and print the seconds, once Python and the engine are warm.

Runs in the environment of the engine: `python -m bench.spark_job ENGINE URL FILE PARTITIONS`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame, SparkSession


def main() -> None:
    """Write a few users, then all of them."""
    engine, url, file, partitions = sys.argv[1:]
    warnings.simplefilter("ignore")  # PySpark warns of pandas 3
    os.environ["TARGET_BRAZE_API_KEY"] = "sandbox-key"
    with session_of(engine, int(partitions)) as spark:
        users = spark.read.parquet(file)
        write(users.limit(1_000), url, int(partitions))
        started = time.perf_counter()
        write(users, url, int(partitions))
        print(f"\nseconds: {time.perf_counter() - started:.3f}", file=sys.stderr)


@contextmanager
def session_of(engine: str, cores: int) -> Iterator[SparkSession]:
    """Yield a session on this machine."""
    if engine == "sail":
        from demo.spark import sail  # noqa: PLC0415 - not in PySpark's environment

        with sail() as session:
            yield session
    else:
        from pyspark.sql import SparkSession  # noqa: PLC0415

        os.environ["PYSPARK_PYTHON"] = sys.executable
        builder = SparkSession.builder.master(f"local[{cores}]").config("spark.ui.enabled", "false")
        with builder.config("spark.log.level", "ERROR").getOrCreate() as session:
            yield session


def write(users: DataFrame, url: str, partitions: int) -> None:
    """Load users as a run of their own."""
    from target_braze.spark import write as load  # noqa: PLC0415

    config = {"endpoint": url, "acknowledge_live_campaigns": True}
    with tempfile.TemporaryDirectory() as log:
        total = load(users, "users", config=config, outcome_log=log, user="external_id", partitions=partitions).summary[
            "total"
        ]
    if total["sent"] != total["read"]:
        sys.exit(f"only {total['sent']:,} of {total['read']:,} users were sent")


if __name__ == "__main__":
    main()
