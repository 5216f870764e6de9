"""The servers of the benchmarks answer as the sandbox does, but for what they leave out."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests

from bench.machinery import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACK = ("/users/track", "/users/track/bulk")
KEY = {"Authorization": "Bearer sandbox-key"}


@pytest.fixture(scope="module")
def null() -> Iterator[str]:
    with sandbox(module="bench.null_server") as url:
        yield url


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        yield made


def counts(url: str) -> tuple[int, int]:
    found = requests.get(f"{url}/bench/null", timeout=10).json()
    return found["requests"], found["bytes"]


def test_null_counts_and_does_nothing(null: str, session: requests.Session) -> None:
    before = counts(null)
    for size in (1, 30_000, 3_000_000):
        for path in TRACK:
            answer = session.post(null + path, data=b"x" * size, timeout=10)
            assert (answer.status_code, answer.json()) == (201, {"message": "success"})
        # Everything else on the same connection is as ever.
        assert session.get(f"{null}/sandbox/health", timeout=10).json()["message"] == "success"
    after = counts(null)
    assert (after[0] - before[0], after[1] - before[1]) == (6, 2 * 3_030_001)
    assert session.post(f"{null}/users/delete", json={}, timeout=10).status_code == 401
    assert session.get(f"{null}/sandbox/users", timeout=10).json() == {"users": []}


def test_null_reads_heads_and_bodies_in_pieces(null: str) -> None:
    before = counts(null)[0]
    text = b"POST /users/track HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 5\r\n\r\nabcde"
    with socket.create_connection(("127.0.0.1", int(null.rpartition(":")[2])), timeout=10) as connection:
        for cut in (3, 30, len(text) - 7, len(text) - 2):
            connection.sendall(text[:cut])
            threading.Event().wait(0.02)
            connection.sendall(text[cut:])
            assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")
        connection.sendall(text * 3)
        answers = b""
        while answers.count(b'{"message":"success"}') < 3:
            answers += connection.recv(1000)
    assert counts(null)[0] - before == 7


def test_null_may_take_its_time() -> None:
    with sandbox("--latency-ms", "30", module="bench.null_server") as url:
        answer = requests.post(url + "/users/track", data=b"x", timeout=10)
        assert answer.elapsed.total_seconds() >= 0.03
        assert answer.status_code == 201


def test_flat_series_have_the_same_days_and_form(session: requests.Session) -> None:
    def get(url: str, path: str, **query: Any) -> Any:
        answer = session.get(url + path, params=query, headers=KEY, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    with sandbox("--seed", "small", module="bench.flat_server") as flat, sandbox("--seed", "small") as full:
        campaigns = get(full, "/campaigns/list")["campaigns"]
        path = "/campaigns/data_series"
        for query in ({"length": 100}, {"length": 3, "ending_at": "2026-03-10T23:00:00+05:30"}):
            for campaign in campaigns:
                rows = get(full, path, campaign_id=campaign["id"], **query)["data"]
                flat_rows = get(flat, path, campaign_id=campaign["id"], **query)["data"]
                assert [row["time"] for row in flat_rows] == [row["time"] for row in rows]
                assert [row.keys() for row in flat_rows] == [row.keys() for row in rows]
                assert len({str({**row, "time": ""}) for row in flat_rows}) == 1
        recorded = session.get(f"{flat}/sandbox/requests", timeout=10).json()["requests"]
        assert len([one for one in recorded if one["path"] == path]) == 2 * len(campaigns)
        fault = {"path": path, "do": "status", "status": 503, "times": 1}
        session.post(f"{flat}/sandbox/faults", json=fault, timeout=10)
        one = {"campaign_id": campaigns[0]["id"], "length": 2}
        assert session.get(flat + path, params=one, headers=KEY, timeout=10).status_code == 503
        assert session.get(flat + path, params=one, timeout=10).status_code == 401
