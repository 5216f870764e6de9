"""The same records from the command line, a Loader and Spark make the same objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from pyspark.errors import PySparkException
from target_braze import Loader
from target_braze.spark import write

from tests.target.support.arrow import SCALARS, counts, objects, tables
from tests.target.support.singer import Run, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox
    from pyspark.sql import SparkSession

# Types of Arrow that Spark has too.
OF_SPARK = [
    kind
    for kind in SCALARS
    if kind.type
    in {
        pa.bool_(),
        pa.int64(),
        pa.float64(),
        pa.float32(),
        pa.decimal128(20, 4),
        pa.decimal128(38, 0),
        pa.string(),
        pa.binary(),
        pa.date32(),
        pa.timestamp("us"),
        pa.timestamp("us", "UTC"),
    }
]
MAPPINGS: dict[str, dict[str, Any]] = {
    "attributes": {},
    "events": {"to": "events", "event": {"name": "e"}, "time_field": "at"},
}


@pytest.mark.parametrize("to", MAPPINGS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=tables(OF_SPARK, large_lists=False))
def test_command_line_loader_and_spark_make_the_same_of_the_same_records(
    to: str,
    found: tuple[pa.Table, dict[str, Any], list[dict[str, Any]]],
    *,
    spark: SparkSession,
    config: dict[str, Any],
    sandbox: Sandbox,
    run_target: Callable[..., Run],
    tmp_path: Path,
) -> None:
    table, schema, records = found
    # PySpark's own conversion of Arrow tables gives times without a zone the session's zone.
    file = str(tmp_path / "table.parquet")
    pq.write_table(table, file)
    more: dict[str, Any] = {"streams": {"s": MAPPINGS[to]}, "on_error": "dead_letter"}
    outcomes = []
    letters = str(tmp_path / "dead.singer")

    def compare(summary: dict[str, Any]) -> None:
        outcomes.append((sorted(objects(sandbox, to)), counts(summary)))
        sandbox.reset()

    sandbox.reset()
    run = run_target(Stream("s", schema, records, ["x0"]), **more, dead_letter_path=letters, expect=None)
    if run.exit_code:
        with pytest.raises(PySparkException) as caught:
            write(spark.read.parquet(file), "s", config={**config, **more}, outcome_log=str(tmp_path), user="at")
        assert any(line in str(caught.value) for line in run.errors)
        return
    compare(run.summary)
    with Loader({**config, **more, "dead_letter_path": letters, "api_key": sandbox.api_key}) as loader:
        loader.open("s", table.schema, keys=["x0"]).write(table)
    compare(loader.summary)
    df = spark.read.parquet(file)
    merged = write(
        df,
        "s",
        config={**config, **more},
        outcome_log=str(tmp_path / "log"),
        user="external_id",
        keys=["x0"],
        partitions=1,
    )
    compare(merged.summary)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0] == outcomes[2]
