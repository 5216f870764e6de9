"""Sandboxes, and a client that speaks to them as anybody would."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import requests
from braze_sandbox.testing import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

TODAY = date(2026, 3, 20)


class Client:
    """requests with a base URL and a key."""

    def __init__(self, sandbox: Sandbox, key: str | None = None) -> None:
        self._url = sandbox.url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key or sandbox.api_key}"

    def get(self, path: str, **query: Any) -> requests.Response:
        return self._session.get(self._url + path, params=query, timeout=10)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self._session.post(self._url + path, **({"json": body} | options), timeout=10)

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self._session.request(method, self._url + path, json=body, timeout=10)

    def track(self, **arrays: Any) -> Any:
        """The decoded answer of a /users/track that is not refused."""
        answer = self.post("/users/track", arrays)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def close(self) -> None:
        self._session.close()


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with Sandbox(seed="small", today=TODAY) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture(scope="session")
def demo() -> Iterator[Sandbox]:
    """Read-only: shared by the tests of a process."""
    with Sandbox(seed="demo", today=TODAY) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    made = Client(sandbox)
    yield made
    made.close()


@pytest.fixture
def reader(demo: Sandbox) -> Iterator[Client]:
    made = Client(demo)
    yield made
    made.close()
