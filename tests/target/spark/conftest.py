"""A session of Sail, which runs Spark's data sources in this process and needs no Java."""

from __future__ import annotations

import json
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.spark.options import KEY_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from braze_sandbox.testing import Sandbox
    from pyspark.sql import DataFrame, SparkSession


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        # PySpark warns of pandas 3, which nothing here uses.
        warnings.simplefilter("ignore")
        # Without a file of the main module, as in workers of pytest-xdist, PySpark expects to run its doctests.
        patch.setattr(sys.modules["__main__"], "__file__", __file__, raising=False)
        from pysail.spark import SparkConnectServer  # noqa: PLC0415
        from pyspark.sql import SparkSession  # noqa: PLC0415

        server = SparkConnectServer()
        server.start(background=True)
        host, port = server.listening_address
        session = SparkSession.builder.remote(f"sc://{host}:{port}").getOrCreate()
        # The first use imports what warns.
        session.range(1).collect()
    yield session
    session.stop()
    server.stop()


@pytest.fixture
def config(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return settings of the target without the API key, which is in the environment."""
    monkeypatch.setenv(KEY_VARIABLE, sandbox.api_key)
    return {"endpoint": sandbox.url, "dependency_delay": 0, "acknowledge_live_campaigns": True}


@pytest.fixture
def save(config: dict[str, Any], tmp_path: Path) -> Callable[..., None]:
    """Write a DataFrame with `format("braze")`, without the helper: `save(df, stream="customers", on_error="fail")`."""

    def run(df: DataFrame, *, mode: str = "append", options: dict[str, str] | None = None, **more: Any) -> None:
        given = {
            "stream": "customers",
            "config": json.dumps({**config, **more}),
            "outcome_log": str(tmp_path / "log"),
            **(options or {}),
        }
        numbered = df.selectExpr("*", "spark_partition_id() AS _spark_partition_id")
        numbered.write.format("braze").options(**given).mode(mode).save()

    return run
