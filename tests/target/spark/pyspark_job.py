"""A job on PySpark, in the environment that the Makefile makes where Java is. Its argument is JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from target_braze.spark import write

given: dict[str, Any] = json.loads(sys.argv[1])
builder = SparkSession.builder.master("local[2,8]").config("spark.ui.enabled", "false")
for name, value in given["spark"].items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
orders = spark.range(given["count"]).selectExpr(
    "id", "concat('c-', id % 97) AS external_id", "timestamp '2026-03-04 09:10:11' AS at", "id / 3 AS price"
)

# Spark has to find the format without a call of ours. It refuses all modes but append.
options = {"stream": "seen", "config": json.dumps(given["config"]), "outcome_log": given["outcome_log"]}
by_name = orders.write.format("braze").options(**options, run_id="seen")
refused = {}
for mode in ("overwrite", "error", "ignore"):
    try:
        by_name.mode(mode).save()
    except PySparkException as error:  # noqa: PERF203
        refused[mode] = str(error)
print(json.dumps(refused), flush=True)
by_name.mode("append").save()

# Workers are killed from here on.
print("writing orders", flush=True)
for _ in range(2):
    outcomes = write(
        orders,
        "orders",
        config=given["config"],
        outcome_log=given["outcome_log"],
        user="external_id",
        order=["at", "id"],
        keys=["id"],
        partitions=4,
        run_id="orders",
    )
    print(json.dumps(outcomes.summary["total"]), flush=True)
spark.stop()
