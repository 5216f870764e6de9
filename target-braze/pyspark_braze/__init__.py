"""Where Spark looks for `format("braze")`: it imports each module named `pyspark_*` and takes its `DefaultSource`."""

from __future__ import annotations

from target_braze.spark.source import BrazeDataSource as DefaultSource

__all__ = ["DefaultSource"]
