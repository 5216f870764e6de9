"""One budget: however many processes send, they use a rate limit up to the reserve, and are never refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from braze_sandbox.state.limits import Limits

from tests.target.support.singer import INTEGER, Run, customers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from braze_sandbox.testing import Sandbox

LIMIT, WINDOW, RESERVE = 30, 1.0, 0.2


@pytest.fixture
def peak(sandbox: Sandbox) -> Iterator[list[int]]:
    """Limit the rate; note how much of the window each request finds used."""
    used: list[int] = []
    before = sandbox.instance.limits
    sandbox.instance.limits = Limits({"track": (LIMIT, WINDOW)})
    sandbox.after_request("/users/track", lambda _: used.append(sandbox.instance.limits["track"].used))
    yield used
    sandbox.instance.limits = before
    sandbox.instance.hooks.clear()


def test_processes_share_each_window_and_leave_the_reserve(
    sandbox: Sandbox, peak: list[int], run_target: Callable[..., Run]
) -> None:
    people = customers(*({"external_id": f"c-{n}", "n": n} for n in range(80)), n=INTEGER)
    run = run_target(people, processes=3, max_objects_per_request=1, rate_limit_reserve=RESERVE)
    assert len(sandbox.profiles()) == 80
    assert [request.status for request in sandbox.requests] == [201] * 80
    assert max(peak) == LIMIT * (1 - RESERVE)
    assert run.summary["retries"] == 0
    assert run.summary["seconds_waited"]["rate_limits"] > 0
