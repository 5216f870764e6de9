"""How much goes into a request: the account's smaller limit is found out, and /users/track/bulk has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox

from tests.target.support.singer import INTEGER, TEXT, Stream, customers, many, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.target.support.singer import Run

WHEN = "2026-03-04T12:00:00Z"
EVENT = {"external_id": TEXT, "name": TEXT, "time": TEXT}
BULK = "/users/track/bulk"


@pytest.fixture
def account(run_target: Callable[..., Run]) -> Iterator[Callable[..., tuple[Sandbox, Run]]]:
    """Run the target on an account of its own kind: `account({"track_objects": 50}, *messages, **settings)`."""
    opened: list[Sandbox] = []

    def run(options: dict[str, Any], *messages: Any, **settings: Any) -> tuple[Sandbox, Run]:
        opened.append(Sandbox(seed="empty", **options).__enter__())
        sandbox = opened[-1]
        return sandbox, run_target(*messages, endpoint=sandbox.url, api_key=sandbox.api_key, **settings)

    yield run
    for sandbox in opened:
        sandbox.__exit__(None, None, None)


def sizes(sandbox: Sandbox, status: int = 201) -> list[int]:
    return [sum(map(len, request.body.values())) for request in sandbox.requests if request.status == status]


def about(run: Run) -> list[str]:
    return [warning for warning in run.warnings if "objects per request" in warning]


@pytest.mark.parametrize(("limit", "setting", "found"), [(50, 75, 50), (75, 225, 75), (40, 75, 25), (20, 40, 20)])
def test_a_lower_limit_is_found_out_and_kept_to(
    limit: int, setting: int, found: int, account: Callable[..., tuple[Sandbox, Run]]
) -> None:
    stream = customers(*many(2000, 2000), n=INTEGER)
    options = {"track_objects": limit}
    # One request at a time: those in flight are refused as well, each of them once.
    sandbox, run = account(options, stream, state(1), max_objects_per_request=setting, concurrency=1)
    assert len(sandbox.profiles()) == 2000
    assert max(sizes(sandbox)) == found
    assert len(sizes(sandbox, 400)) <= 2
    assert len(sandbox.requests) <= 2000 / found + 4
    (warning,) = about(run)
    assert f"POST /users/track: this account accepts {found} objects per request, not " in warning
    assert warning.endswith(f"; set max_objects_per_request to {found} to avoid refusals")
    assert run.states == [{"bookmarks": 1}]


def test_requests_in_flight_are_refused_once_each_and_said_so_once(
    account: Callable[..., tuple[Sandbox, Run]],
) -> None:
    options = {"track_objects": 50, "latency_ms": 20}
    sandbox, run = account(options, customers(*many(3000, 3000), n=INTEGER), concurrency=8)
    assert len(sandbox.profiles()) == 3000
    assert len(sizes(sandbox, 400)) <= 8
    assert len(about(run)) == 1


def test_a_limit_that_holds_says_nothing(account: Callable[..., tuple[Sandbox, Run]]) -> None:
    sandbox, run = account({"track_objects": 50}, customers(*many(500, 500), n=INTEGER), max_objects_per_request=50)
    assert set(sizes(sandbox)) == {50}
    assert not about(run)


def test_other_refusals_teach_nothing(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    sandbox.fault(do="status", status=400, path="/users/track", times=1)
    sandbox.fault(do="status", status=413, path="/users/track", times=1)
    run = run_target(customers(*many(600, 600), n=INTEGER), concurrency=1)
    assert len(sandbox.profiles()) == 600
    assert sizes(sandbox)[-1] == 75
    assert not about(run)


def test_bulk_takes_a_thousand_of_all_kinds_in_a_request(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    events = ({"external_id": f"e-{n}", "name": "x", "time": WHEN} for n in range(1000))
    people = customers(*many(700, 700), n=INTEGER)
    run_target(people, Stream("events", EVENT, [*events]), state(1), track_endpoint="bulk")
    assert {request.path for request in sandbox.requests} == {BULK}
    assert max(sizes(sandbox)) == 1000
    assert any(len(request.body) == 2 for request in sandbox.requests)
    assert len(sandbox.profiles()) == 1700


def test_bulk_keeps_to_its_own_bytes(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    records = ({"external_id": f"c-{n}", **{f"a{k}": "x" * 250 for k in range(20)}} for n in range(1000))
    run_target(customers(*records, **{f"a{k}": TEXT for k in range(20)}), track_endpoint="bulk")
    assert {request.status for request in sandbox.requests} == {201}
    assert 1_500_000 < max(request.body_size for request in sandbox.requests) <= 2_000_000
    assert len(sandbox.profiles()) == 1000


def test_bulk_takes_a_hundred_objects_of_one_user_and_keeps_their_order(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    one = [{"external_id": "c-1", "name": f"{n}", "time": WHEN} for n in range(350)]
    others = [{"external_id": f"e-{n}", "name": "x", "time": WHEN} for n in range(100)]
    run_target(Stream("events", EVENT, [*one, *others]), state(1), track_endpoint="bulk")
    assert {request.status for request in sandbox.requests} == {201}
    found = [event["name"] for event in sandbox.profile("c-1").events]  # type: ignore[union-attr]
    assert found == [event["name"] for event in one]
    assert len(sandbox.profiles()) == 101


def test_bulk_learns_the_limit_of_the_account(account: Callable[..., tuple[Sandbox, Run]]) -> None:
    stream = customers(*many(3000, 3000), n=INTEGER)
    sandbox, run = account({"bulk_objects": 500}, stream, track_endpoint="bulk", concurrency=1)
    assert len(sandbox.profiles()) == 3000
    assert max(sizes(sandbox)) == 500
    (warning,) = about(run)
    assert "POST /users/track/bulk: this account accepts 500 objects per request, not 1,000" in warning


@pytest.mark.parametrize("status", [403, 404])
def test_an_account_outside_of_the_beta_is_told(status: int, account: Callable[..., tuple[Sandbox, Run]]) -> None:
    options = {"beta_refusal": status}
    _, run = account(options, customers({"external_id": "c-1"}), state(1), track_endpoint="bulk", expect=1)
    (error,) = run.errors
    assert f"POST {BULK}: HTTP {status}" in error
    assert "limited beta, so set 'track_endpoint' to track unless your account takes part" in error
    assert ("users.track.bulk" in error) == (status == 403)
    assert not run.states


def test_bulk_waits_for_its_own_limit(account: Callable[..., tuple[Sandbox, Run]]) -> None:
    options = {"limits": {"track": (0, 3600.0), "track_bulk": (4, 0.3)}}
    stream = customers(*many(40, 40), n=INTEGER)
    settings = {"track_endpoint": "bulk", "max_objects_per_request": 5, "rate_limit_reserve": 0}
    sandbox, run = account(options, stream, **settings)
    assert len(sandbox.profiles()) == 40
    assert run.summary["seconds_waited"]["rate_limits"] > 0


def test_a_dry_run_knows_what_bulk_would_need(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run = run_target(customers(*many(5000, 5000), n=INTEGER), track_endpoint="bulk", dry_run=True, concurrency=1)
    assert run.summary["total"]["requests"] in range(5, 8)
    assert not sandbox.requests
