"""Write DataFrames: in the order of each user, as a batch or as the micro-batches of a stream."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypedDict
from uuid import uuid4

from pyspark.errors import PySparkException
from pyspark.sql import Window, functions
from typing_extensions import Required, Unpack

from target_braze.outcome_log.log import OutcomeLog
from target_braze.settings.validation import SettingsError
from target_braze.spark.schemas import PARTITION_COLUMN, ROW_COLUMN
from target_braze.spark.source import BrazeDataSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from target_braze.outcome_log.merged import Outcomes

# Two cores reach Braze's documented ceiling, so more partitions only shorten what a repeated task repeats.
_PARTITIONS: Final = 4


def write(
    df: DataFrame,
    stream: str,
    *,
    config: Mapping[str, Any] | str | Path,
    outcome_log: str,
    user: str | Sequence[str],
    order: str | Sequence[str] = (),
    keys: Sequence[str] = (),
    partitions: int = _PARTITIONS,
    run_id: str | None = None,
    api_key_file: str | None = None,
) -> Outcomes:
    """Load a DataFrame into Braze, with all rows of a user in one task and in their order.

    Args:
        df: One row for each record.
        stream: Name of the stream, which selects its entry in setting `streams`.
        config: Settings of the target without `api_key`, or the path of a JSON file with them.
        outcome_log: Folder or fsspec URL for the outcomes of all runs, which the driver and all executors can reach.
        user: Columns that name a user, such as `customer_id`.
        order: Columns to sort each user's rows by, such as `updated_at`.
        keys: Columns of the primary key, which identify a record in messages and an event in a resumed run.
        partitions: Number of tasks.
        run_id: Name of the run. The same name again skips what the outcome log has as accepted. Default: a new one.
        api_key_file: File with the API key on the driver and each executor. Default: the environment variable
            TARGET_BRAZE_API_KEY.

    Returns:
        The outcomes of all tasks: their summary and dead letters.

    Raises:
        SettingsError: A setting is wrong, or Spark repeats tasks while they still run (`spark.speculation`).
        PySparkException: The job failed. `OutcomeLog(outcome_log, run_id=...).merge()` has what Braze accepted.
    """
    _refuse_speculation(df.sparkSession)
    options = {
        "stream": stream,
        "config": json.dumps(dict(config)) if isinstance(config, Mapping) else os.fspath(config),
        "outcome_log": outcome_log,
        "run_id": run_id or uuid4().hex,
        "keys": json.dumps([*keys]),
        "partitions": str(partitions),
        **({"api_key_file": api_key_file} if api_key_file else {}),
    }
    dealt = df.repartition(partitions, *_names(user))
    if names := _names(order):
        each_user = Window.partitionBy(*_names(user)).orderBy(*names)
        dealt = dealt.withColumn(ROW_COLUMN, functions.row_number().over(each_user))
    numbered = dealt.withColumn(PARTITION_COLUMN, functions.spark_partition_id())
    numbered.write.format(BrazeDataSource.name()).options(**options).mode("append").save()
    return OutcomeLog(outcome_log, run_id=options["run_id"]).merge()


class BatchOptions(TypedDict, total=False):
    """Arguments of `write` that are the same for each micro-batch."""

    config: Required[Mapping[str, Any] | str | Path]
    outcome_log: Required[str]
    user: Required[str | Sequence[str]]
    order: str | Sequence[str]
    keys: Sequence[str]
    partitions: int
    api_key_file: str | None


def foreach_batch(stream: str, *, query: str, **options: Unpack[BatchOptions]) -> Callable[[DataFrame, int], None]:
    """Return a function for `df.writeStream.foreachBatch`, which loads each micro-batch as a run of its own.

    After a failure, Spark repeats the last micro-batch under its number, and the run `{query}-{number}` resumes.

    Args:
        stream: Name of the stream, which selects its entry in setting `streams`.
        query: Name of the query. It belongs to the query's checkpoint: a new checkpoint counts from 0 again and needs a
            new name.
        options: Other arguments of `write`.
    """

    def load(batch: DataFrame, batch_id: int) -> None:
        write(batch, stream, run_id=f"{query}-{batch_id}", **options)

    return load


def _names(columns: str | Sequence[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else [*columns]


def _refuse_speculation(spark: SparkSession) -> None:
    """Refuse a session that runs a task twice at the same time.

    Raises:
        SettingsError: It does.
    """
    try:
        speculates = spark.conf.get("spark.speculation", "false")
    except PySparkException:
        return  # an engine without it
    if str(speculates).lower() == "true":
        raise SettingsError(
            "spark.speculation is true, so Spark would run a slow task twice at the same time, and the second would "
            "stop the first in the middle. Set it to false for this application"
        )
