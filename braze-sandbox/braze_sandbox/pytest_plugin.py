"""The pytest fixture `braze_sandbox`. Every pytest run loads this module, so it imports the sandbox lazily."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_sandbox.testing import Sandbox


@pytest.fixture
def braze_sandbox() -> Iterator[Sandbox]:
    """Provide each test with its own Braze workspace, using seed `small`, on a free loopback port."""
    from braze_sandbox.testing import Sandbox  # noqa: PLC0415 - see the module's docstring

    with Sandbox() as sandbox:
        yield sandbox
