"""Spark's data source `braze`: a Loader in each task, checked on the driver before and merged there after.

The only room that imports PySpark, 4.0 or newer, which the cluster brings. It also runs on Sail.
"""

from __future__ import annotations

from target_braze.spark.dataframes import foreach_batch, write
from target_braze.spark.source import BrazeDataSource

__all__ = ["BrazeDataSource", "foreach_batch", "write"]
