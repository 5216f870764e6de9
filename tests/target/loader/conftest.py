"""Fixtures of the tests of Loader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "api_key": sandbox.api_key,
        "endpoint": sandbox.url,
        "dependency_delay": 0,
        "acknowledge_live_campaigns": True,
    }
