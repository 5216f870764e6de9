"""What tests of more than one package need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
