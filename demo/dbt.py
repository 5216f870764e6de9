"""Run the dbt package on the loaded data, from its own virtual environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from demo.machinery import ROOT, Run, finish

if TYPE_CHECKING:
    from pathlib import Path

MARTS: Final = "analytics_braze"
PROJECT: Final = ROOT / "dbt-braze"
_DBT: Final = ROOT / ".venv-dbt" / "bin" / "dbt"


def is_installed() -> bool:
    """Return whether dbt is installed; it is missing if no Python version is old enough for it."""
    return _DBT.exists()


def build_in_postgres(folder: Path, socket: Path) -> Run:
    """Build and test all models in the PostgreSQL server with this socket folder.

    Raises:
        StepError: a model or a test failed.
    """
    return _build(folder, "postgres", {"BRAZE_DBT_HOST": str(socket)})


def build_in_duckdb(folder: Path, file: Path) -> Run:
    """Build and test all models in a DuckDB file.

    Raises:
        StepError: a model or a test failed.
    """
    return _build(folder, "duckdb", {"BRAZE_DBT_DUCKDB": str(file)})


def _build(folder: Path, target: str, environment: dict[str, str]) -> Run:
    places = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target", target]
    # With concurrent runs, none may pick up another's files.
    places += ["--target-path", str(folder / "dbt"), "--log-path", str(folder / "dbt")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    kept |= {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_USE_COLORS": "false", **environment}
    return finish([str(_DBT), "build", *places], folder / f"dbt-{target}.log", kept)
