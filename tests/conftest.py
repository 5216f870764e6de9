"""What tests of more than one package need."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

# A busy or cold machine is no fault: on a fresh checkout the first text that hypothesis draws builds a Unicode table,
# which takes longer than it allows for. In CI every run tries the same examples, so that it says something about the
# change and not about luck; elsewhere each run tries others.
settings.register_profile(
    "tests", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("tests")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session of Sail, which runs Spark's API in this process and needs no Java."""
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
