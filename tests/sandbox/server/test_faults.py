"""Faults on demand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox

    from tests.sandbox.conftest import Client

EVENT = {"external_id": "a", "name": "n", "time": "2026-03-04T09:00:00Z"}


def test_a_status_for_some_requests(sandbox: Sandbox, client: Client) -> None:
    sandbox.fault(path="/campaigns/*", query={"page": "1"}, after=1, times=2, do="status", status=503)
    statuses = [client.get("/campaigns/list", page=1).status_code for _ in range(4)]
    assert statuses == [200, 503, 503, 200]
    assert client.get("/campaigns/list", page=0).status_code == 200
    assert client.get("/canvas/list", page=1).status_code == 200


def test_rules_apply_one_after_the_other(sandbox: Sandbox, client: Client) -> None:
    sandbox.fault(do="status", status=500, times=1)
    sandbox.fault(do="status", status=502, times=1)
    assert [client.get("/segments/list").status_code for _ in range(3)] == [500, 502, 200]


@pytest.mark.parametrize(
    ("reset", "header", "low", "high"),
    [
        ("epoch", "x-ratelimit-reset", 1_000_000_000, 10_000_000_000),
        ("seconds", "x-ratelimit-reset", 5, 5),
        ("retry-after", "x-ratelimit-retry-after", 5, 5),
    ],
)
def test_429_in_three_forms(  # noqa: PLR0917 - one parameter per column of the table
    sandbox: Sandbox, client: Client, reset: str, header: str, low: int, high: int
) -> None:
    sandbox.fault(do="status", status=429, reset=reset, reset_in=5)
    answer = client.get("/segments/list")
    assert answer.status_code == 429
    assert low <= int(answer.headers[header]) <= high
    assert ("x-ratelimit-reset" in answer.headers) is (reset != "retry-after")


def test_headers_and_body_of_ones_own(sandbox: Sandbox, client: Client) -> None:
    sandbox.fault(do="status", status=429, headers={"Retry-After": "3"}, body={"message": "no"})
    answer = client.get("/segments/list")
    assert answer.headers["retry-after"] == "3"
    assert answer.json() == {"message": "no"}


@pytest.mark.parametrize(("kind", "applied"), [("drop_before", 0), ("drop_after", 1)])
def test_lost_connections(sandbox: Sandbox, client: Client, kind: str, applied: int) -> None:
    client.track(attributes=[{"external_id": "a", "x": 1}])
    sandbox.fault(path="/users/track", method="POST", do=kind, times=1)
    with pytest.raises(requests.ConnectionError):
        client.post("/users/track", {"events": [EVENT]})
    profile = sandbox.profile("a")
    assert profile is not None
    assert len(profile.events) == applied
    assert [request.status for request in sandbox.requests] == [201, None]
    assert client.track(events=[EVENT])["events_processed"] == 1


def test_partial_errors(sandbox: Sandbox, client: Client) -> None:
    wrong = {"input_array": "events", "index": 1, "type": "because"}
    sandbox.fault(path="/users/track", do="partial_errors", errors=[wrong], times=1)
    answer = client.track(events=[EVENT] * 3)
    assert answer["errors"] == [wrong]
    assert answer["events_processed"] == 2


def test_a_whole_request_is_refused_for_objects_that_are_named(sandbox: Sandbox, client: Client) -> None:
    wrong = {"input_array": "attributes", "contains": "c-2", "type": "no"}
    sandbox.fault(path="/users/track", do="refuse_named", errors=[wrong], times=1)
    answer = client.post(
        "/users/track", {"attributes": [{"external_id": "c-1", "n": 1}, {"external_id": "c-2", "n": 1}]}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"type": "no", "input_array": "attributes", "index": 1}]
    assert not sandbox.profiles()


def test_garbage_and_latency(sandbox: Sandbox, client: Client) -> None:
    sandbox.fault(do="garbage", times=1)
    sandbox.fault(do="latency", latency_ms=80, path="/segments/*")
    started = time.monotonic()
    answer = client.get("/segments/list")
    assert time.monotonic() - started >= 0.08
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert client.get("/segments/list").json()["message"] == "success"


def test_rules_over_http(client: Client) -> None:
    assert client.post("/sandbox/faults", {"do": "status", "status": 500}).json() == {"faults": 1}
    assert client.get("/segments/list").status_code == 500
    assert client._session.delete(client._url + "/sandbox/faults", timeout=5).json() == {"faults": 0}
    assert client.get("/segments/list").status_code == 200


@pytest.mark.parametrize("rule", [{}, {"do": "dance"}, {"do": "status", "when": "now"}, {"do": "latency", "times": 0}])
def test_bad_rules_are_explained(sandbox: Sandbox, client: Client, rule: dict[str, Any]) -> None:
    answer = client.post("/sandbox/faults", rule)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("not a fault rule: ")
    with pytest.raises((ValueError, TypeError)):
        sandbox.fault(**rule)
