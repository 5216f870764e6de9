"""The examples of docs/spark.md, on Sail, with local folders in place of a bucket's."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.spark.options import OPTIONS

from tests.target.support.singer import sent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox
    from pyspark.sql import DataFrame, SparkSession


@pytest.fixture
def page(root: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TARGET_BRAZE_API_KEY", sandbox.api_key)
    text = (root / "docs" / "spark.md").read_text("utf-8")
    return text.replace("s3://bucket/", f"{tmp_path}/").replace("US-01", sandbox.url)


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def orders(spark: SparkSession) -> DataFrame:
    return spark.sql(
        "SELECT concat('o-', id) AS order_id, concat('c-', id % 3) AS customer_id,"
        " timestamp '2026-11-27 10:00:00' AS ordered_at FROM range(10)"
    )


def test_write_returns_the_outcomes(page: str, spark: SparkSession, sandbox: Sandbox) -> None:
    exec(blocks(page)[0], {"spark": SimpleNamespace(table=lambda _name: orders(spark))})
    assert len(sent(sandbox, "events")) == 10


def test_the_format_takes_its_options(page: str, spark: SparkSession, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"endpoint": sandbox.url}))
    df = spark.sql("SELECT 'c-1' AS external_id, 1 AS n, spark_partition_id() AS _spark_partition_id")
    exec(blocks(page)[1], {"df": df})
    assert [*sent(sandbox)] == [{"external_id": "c-1", "n": 1}]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [*OPTIONS]


def test_foreach_batch_loads_micro_batches(page: str, spark: SparkSession, sandbox: Sandbox, tmp_path: Path) -> None:
    """Sail starts no query of its own here, so a stand-in hands over the micro-batches."""
    mapping = {"to": "events", "user": [{"external_id": "customer_id"}], "event": {"name": "ordered"}}
    config = {
        "endpoint": sandbox.url,
        "acknowledge_live_campaigns": True,
        "streams": {"orders": {**mapping, "time_field": "ordered_at"}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    loads: list[Callable[..., Any]] = []

    class Writer:
        def foreachBatch(self, load: Callable[..., Any]) -> Writer:  # noqa: N802
            loads.append(load)
            return self

        def option(self, *_: str) -> Writer:
            return self

        def start(self) -> None:
            loads[0](orders(spark), 0)
            loads[0](orders(spark), 0)

    exec(blocks(page)[2], {"stream": SimpleNamespace(writeStream=Writer())})
    assert len(sent(sandbox, "events")) == 10
