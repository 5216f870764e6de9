"""Settings, and writing with the data source."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.spark.options import KEY_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox
    from pyspark.sql import DataFrame


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
