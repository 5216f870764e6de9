"""One budget: however many processes send, they use a rate limit up to the reserve, and are never refused."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.state.limits import Limits
from target_braze.braze.client import BrazeError, Client
from target_braze.braze.rate_limits import RateLimit
from target_braze.braze.windows import broker as brokers
from target_braze.braze.windows.broker import Broker
from target_braze.braze.windows.window import LocalWindow
from target_braze.singer.commands.broker import BrokerServer

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


@contextmanager
def serving(token: str | None = None) -> Iterator[str]:
    """Run a broker, and return its address."""
    server = BrokerServer(("127.0.0.1", 0), token)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with server:
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
    thread.join()


def test_programs_with_a_broker_share_each_window(
    sandbox: Sandbox, peak: list[int], run_target: Callable[..., Run]
) -> None:
    """A target of two processes beside another program, which sends from four threads."""
    with serving("s3cret") as url:
        broker = Broker(url, "s3cret", sandbox.url, 0.0)
        other = Client(sandbox.url, sandbox.api_key, windows=broker.window)
        statuses: list[int] = []

        def send() -> None:
            for n in range(10):
                body = b'{"attributes": [{"external_id": "other", "n": %d}]}' % n
                statuses.append(other.request("POST", "/users/track", pool="/users/track", body=body).status)

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        run_target(
            customers(*({"external_id": f"c-{n}", "n": n} for n in range(40)), n=INTEGER),
            processes=2,
            max_objects_per_request=1,
            rate_limit_reserve=RESERVE,
            braze_broker=url,
            braze_broker_token="s3cret",
        )
        for thread in threads:
            thread.join()
        other.stop(0)
    assert len(sandbox.profiles()) == 41
    assert [request.status for request in sandbox.requests] == [201] * 80 == [*statuses, *[201] * 40]
    assert max(peak) <= LIMIT


def test_a_broker_leaves_the_largest_reserve(sandbox: Sandbox) -> None:
    with serving() as url:
        one, two = (Broker(url, None, sandbox.url, reserve).window("track") for reserve in (0.2, 0.5))
        assert one.take() == two.take() == 0
        one.learn(RateLimit(10, 9, 30.0), 0.0)
        assert [one.take(), two.take(), one.take()] == [0, 0, 0]
        assert one.limit == 10
        assert 0 < two.take() <= 30
        assert 0 < one.take() <= 30
        assert Broker(url, None, sandbox.url, 0.2).window("other").take() == 0
        two.close(3.0)
        assert 0 < one.take() <= 30


def test_a_broker_that_refuses_or_is_gone_ends_the_program(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, run_target: Callable[..., Run]
) -> None:
    with serving("s3cret") as url:
        people = customers({"external_id": "c-1"})
        run = run_target(people, braze_broker=url, braze_broker_token="wr0ng", expect=1)
        assert "the token is missing or wrong" in run.errors[0]
        assert "wr0ng" not in run.stderr
    window = Broker(url, None, sandbox.url, 0.2).window("track")
    window.learn(RateLimit(10, 9, 30.0), 0.0)
    assert window.take() == 1  # asks again in a second
    monkeypatch.setattr(brokers, "_PATIENCE", 0.0)
    with pytest.raises(BrazeError, match="has not answered for"):
        window.take()
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"braze_broker": "127.0.0.1:8765"}, "expected the URL of a broker"),
        ({"braze_broker": "http://broker.internal:8765"}, "needs the broker's 'braze_broker_token'"),
        ({"braze_broker": "http://127.0.0.1:port"}, "expected the URL of a broker"),
    ],
)
def test_a_broker_must_be_a_url_and_local_without_a_token(
    settings: dict[str, Any], wrong: str, run_target: Callable[..., Run]
) -> None:
    run = run_target(customers({"external_id": "c-1"}), **settings, expect=1)
    assert wrong in run.errors[0]


def test_the_command_says_where_the_broker_listens_and_guards_other_addresses() -> None:
    command = [sys.executable, "-m", "target_braze", "broker", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert Broker(url, None, "https://rest.example.com", 0.2).window("track").take() == 0
    process.terminate()
    assert process.wait() == 0
    process.stdout.close()
    refused = subprocess.run([*command, "--host", "0.0.0.0"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "set a token" in refused.stderr


def test_a_fixed_share_is_kept_in_each_window() -> None:
    window = LocalWindow(0.2, 0.5)
    window.learn(RateLimit(100, 100, 30.0), 0.0)
    assert [window.take() for _ in range(40)] == [0] * 40
    assert window.take() > 0
    alone = LocalWindow(0.2)
    alone.learn(RateLimit(100, 100, 30.0), 0.0)
    assert [alone.take() for _ in range(80)] == [0] * 80
    assert alone.take() > 0
