"""Keys, permissions, limits, bodies: what happens before an endpoint is reached."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
import requests
from braze_sandbox.endpoints.registry import ENDPOINTS
from braze_sandbox.testing import Sandbox

from tests.sandbox.conftest import Client

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer sandbox-key", 200),
        ("bearer sandbox-key", 200),
        ("BEARER sandbox-key", 200),
        ('Bearer "sandbox-key"', 401),
        ("Bearer Sandbox-Key", 401),
        ("Bearer unknown", 401),
        ("sandbox-key", 401),
        ("", 401),
    ],
)
def test_the_key_is_exact_and_the_word_bearer_is_not(sandbox: Sandbox, header: str, status: int) -> None:
    answer = requests.get(sandbox.url + "/segments/list", headers={"Authorization": header}, timeout=10)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "endpoint", [e for e in ENDPOINTS if e.permission], ids=lambda endpoint: f"{endpoint.method} {endpoint.path}"
)
def test_each_endpoint_asks_for_its_own_permission(demo: Sandbox, endpoint: object) -> None:
    path, method, permission = endpoint.path, endpoint.method, endpoint.permission  # type: ignore[attr-defined]
    demo.add_key(f"without {path}", {e.permission for e in ENDPOINTS if e.permission} - {permission})
    headers = {"Authorization": f"Bearer without {path}", "Content-Type": "application/json"}
    answer = requests.request(method, demo.url + path, headers=headers, data="{}", timeout=10)
    assert answer.status_code == 403
    assert permission in answer.text


def test_unknown_paths_and_trailing_slashes(client: Client) -> None:
    assert client.get("/nothing").status_code == 404
    assert client.get("/users/track").status_code == 404
    assert client.get("/segments/list/").status_code == 403


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"data": "{}"}, 415),
        ({"data": "{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"data": "[]", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": "{,}", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": b"\xff", "headers": {"Content-Type": "application/json"}}, 400),
        (
            {"data": '{"attributes":[{"external_id":"a","x":NaN}]}', "headers": {"Content-Type": "application/json"}},
            400,
        ),
    ],
)
def test_what_is_not_json_is_refused_as_a_whole(client: Client, options: dict[str, object], status: int) -> None:
    answer = client.post("/users/track", **options)
    assert answer.status_code == status
    assert answer.headers["x-ratelimit-limit"] == "3000"


def test_the_largest_body(client: Client, sandbox: Sandbox) -> None:
    def body(size: int) -> bytes:
        frame = json.dumps({"attributes": [{"external_id": "a", "x": ""}]}).encode()
        return frame.replace(b'""', b'"' + b"y" * (size - len(frame)) + b'"')

    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert client.post("/users/track", data=body(4_000_001), headers=headers).status_code == 413
    assert sandbox.profile("a") is None
    assert client.post("/users/track", data=body(4_000_000), headers=headers).status_code == 201


def test_every_answer_tells_of_the_pool(client: Client) -> None:
    first, second = client.get("/segments/list"), client.get("/campaigns/list")
    assert first.headers["x-ratelimit-limit"] == "250000"
    assert int(first.headers["x-ratelimit-remaining"]) == 249_999
    assert int(second.headers["x-ratelimit-remaining"]) == 249_998
    reset = int(first.headers["x-ratelimit-reset"])
    # On the clock hour.
    assert time.time() < reset <= time.time() + 3601
    assert reset % 3600 <= 1


@pytest.fixture
def limited() -> Callable[..., Sandbox]:
    return lambda **options: Sandbox(limits={"c": (2, 3600), "track": (1, 3600)}, **options)


def test_over_the_limit(limited: Callable[..., Sandbox]) -> None:
    with limited() as sandbox:
        client = Client(sandbox)
        assert [client.get("/events/list").status_code for _ in range(2)] == [200, 200]
        over = client.get("/purchases/product_list")
        assert over.status_code == 429
        assert over.headers["x-ratelimit-remaining"] == "0"
        assert client.get("/campaigns/list").status_code == 200
        client.close()


def test_a_window_opens_again() -> None:
    with Sandbox(limits={"c": (1, 0.2)}) as sandbox:
        client = Client(sandbox)
        statuses = []
        for _ in range(8):
            statuses.append(client.get("/events/list").status_code)
            time.sleep(0.06)
        client.close()
    assert statuses.count(200) >= 2
    assert 429 in statuses


def test_the_headers_of_contracts_by_monthly_users(limited: Callable[..., Sandbox]) -> None:
    with limited(track_reset="seconds") as sandbox:
        client = Client(sandbox)
        body = {"attributes": [{"external_id": "a", "x": 1}]}
        assert int(client.post("/users/track", body).headers["x-ratelimit-reset"]) <= 3600
        over = client.post("/users/track", body)
        assert over.status_code == 429
        assert 0 < int(over.headers["x-ratelimit-retry-after"]) <= 3600
        assert "x-ratelimit-reset" not in over.headers
        client.close()
