"""The pytest fixture `braze_sandbox`: every pytest run loads this module, so it imports the sandbox only when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_sandbox.testing import Sandbox


@pytest.fixture
def braze_sandbox() -> Iterator[Sandbox]:
    """A Braze workspace of the test's own, with the seed `small`, on a free port of the loopback interface."""
    from braze_sandbox.testing import Sandbox  # noqa: PLC0415 - see the module's docstring

    with Sandbox() as sandbox:
        yield sandbox
