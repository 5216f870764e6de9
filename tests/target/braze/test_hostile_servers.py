"""Servers that drip, never end, unpack into gigabytes or do not exist: each request is bounded in time and memory."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import threading
import tracemalloc
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.braze import client as braze_api
from target_braze.braze import connection
from target_braze.braze.client import Client, UnavailableError

from tests.support.hostile import Hostile, whole
from tests.target.support.singer import customers, lines, run_cli, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.target.support.singer import Run

OK = b"HTTP/1.1 201 Created\r\n"
SUCCESS = b'{"message": "success"}'
# How each answer begins, and what then drips.
DRIPS = {
    "status line": (b"", b"HTTP/1.1 "),
    "headers": (OK, b"x-filler: something\r\n"),
    "headers of other answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body of known length": (OK + b"content-length: 5000\r\n\r\n", b" "),
    "a body in chunks": (OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "the length of a chunk": (OK + b"transfer-encoding: chunked\r\n\r\n1;x=", b"x"),
    "a body that ends with the connection": (OK + b"\r\n" + SUCCESS, b" "),
}


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Hostile]:
    """A server that begins an answer and lets the rest drip."""
    start, rest = DRIPS[request.param]

    def answer(_: str) -> Iterator[bytes]:
        yield start
        yield from hostile.drip(rest)
        yield whole("201 Created", SUCCESS)

    with Hostile(answer) as hostile:
        yield hostile


def ask(server: Hostile, **options: Any) -> braze_api.Answer:
    return Client(server.url, "k-1", **options).request("POST", "/users/track", body=b"{}")


@pytest.mark.parametrize("server", DRIPS, indirect=True)
def test_the_timeout_is_that_of_the_whole_request(server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(braze_api, "RETRY_FOR", 0.0)
    with pytest.raises(UnavailableError, match=r"timed out after 0\.3 s") as error:
        ask(server, timeout=0.3)
    assert error.value.in_doubt


@pytest.mark.parametrize("server", ["headers", "a body of known length"], indirect=True)
def test_a_request_after_one_that_was_cut_off_has_all_its_time(
    server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(braze_api, "RETRY_FOR", 0.0)
    client = Client(server.url, "k-1", timeout=0.3)
    with pytest.raises(UnavailableError, match="timed out"):
        client.request("POST", "/users/track", body=b"{}")
    server._answer = lambda _: iter([whole("201 Created", SUCCESS)])
    assert client.request("POST", "/users/track", body=b"{}").body == SUCCESS


@pytest.mark.parametrize("server", ["headers", "a body in chunks"], indirect=True)
def test_sigterm_ends_the_run_though_a_server_drips(
    server: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_STOP_WITHIN", 0.3)

    def stop() -> None:
        while not server.requests:
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    path = tmp_path / "config.json"
    path.write_text(json.dumps({"api_key": "k-1-secret", "endpoint": server.url, "request_timeout": 600}))
    threading.Thread(target=stop, daemon=True).start()
    run = run_cli(["--config", str(path)], lines(customers({"external_id": "c-1"}), state(1)), secret="k-1-secret")
    assert run.exit_code == 128 + signal.SIGTERM
    assert run.summary["ended"] == "stopped"
    assert not run.states


@pytest.mark.parametrize("packed", [False, True], ids=["endless", "gzip bomb"])
def test_a_body_that_does_not_end_is_given_up_within_bounds_of_memory(
    monkeypatch: pytest.MonkeyPatch, *, packed: bool
) -> None:
    monkeypatch.setattr(connection, "MOST_BYTES", 2_000_000)
    bomb = gzip.compress(bytes(100_000_000))

    def answer(_: str) -> Iterator[bytes]:
        if packed:
            yield whole("201 Created", bomb, "content-encoding: gzip")
            return
        yield OK + b"\r\n"
        yield from repeat(bytes(100_000), 2_000)

    with Hostile(answer) as server:
        tracemalloc.start()
        try:
            with pytest.raises(UnavailableError, match=r"is longer than 2 MB\. Check for a proxy"):
                ask(server)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(server.requests) == 1  # once is enough to know
        assert server.sent < 100_000_000
    assert peak < 20_000_000


def test_a_body_that_is_just_long_comes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_BYTES", 2_000_000)
    text = os.urandom(1_000_000).hex().encode()
    with Hostile(lambda _: iter([whole("201 Created", gzip.compress(text), "content-encoding: gzip")])) as server:
        assert ask(server).body == text


def test_half_an_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(braze_api, "RETRY_FOR", 0.0)
    with Hostile(lambda _: iter([OK + b"content-length: 500\r\n\r\n" + SUCCESS])) as server:
        with pytest.raises(UnavailableError, match="no answer") as error:
            ask(server)
        assert error.value.in_doubt


# Network faults and their messages.


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return int(closed.getsockname()[1])


@pytest.fixture
def error_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setattr(braze_api, "RETRY_FOR", 0.0)

    def error_of(endpoint: str, **environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(UnavailableError) as error:
            Client(endpoint, "k-1").request("POST", "/users/track", body=b"{}")
        assert not error.value.in_doubt
        return str(error.value)

    return error_of


def test_a_refused_connection_is_called_that(error_of: Callable[..., str]) -> None:
    assert "(connection refused)" in error_of(f"http://127.0.0.1:{_closed_port()}")


def test_an_unknown_host_is_called_that(error_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "(unknown host: Name or service not known)" in error_of("https://rest.nowhere.invalid")


def test_a_server_without_tls_is_a_fault_of_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(braze_api, "RETRY_FOR", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(whole("400 Bad Request", b""))
                connection.recv(1)

        threading.Thread(target=answer, daemon=True).start()
        client = Client(f"https://127.0.0.1:{listener.getsockname()[1]}", "k-1")
        with pytest.raises(UnavailableError, match="TLS failed") as error:
            client.request("POST", "/users/track", body=b"{}")
    assert not error.value.in_doubt


def test_a_proxy_that_is_not_there_is_named_without_its_password(error_of: Callable[..., str]) -> None:
    proxy = f"http://jane:pa55word@127.0.0.1:{_closed_port()}"
    said = error_of("https://rest.iad-01.braze.com", HTTPS_PROXY=proxy, NO_PROXY="")
    assert "(proxy: connection refused)" in said
    assert "pa55word" not in said


def test_a_proxy_that_refuses_the_password_is_named_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(braze_api, "RETRY_FOR", 0.0)
    refusal = whole("407 Proxy Authentication Required", b"")
    with Hostile(lambda _: iter([refusal])) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//jane:pa55word@"))
        with pytest.raises(UnavailableError, match="proxy: Tunnel connection failed: 407") as error:
            Client("US-01", "k-1").request("POST", "/users/track", body=b"{}")
    assert "pa55word" not in str(error.value)
    assert not error.value.in_doubt


@pytest.mark.parametrize("proxy", ["http://jane:pa55word@host:port", "socks5://jane:pa55word@127.0.0.1:1", "http://["])
def test_a_proxy_that_is_none_is_one_line_without_its_password(
    proxy: str, monkeypatch: pytest.MonkeyPatch, run_target: Callable[..., Run]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    run = run_target(customers({"external_id": "c-1"}), endpoint="US-01", expect=1)
    assert len(run.errors) == 1
    assert "Check HTTPS_PROXY" in run.errors[0]
    assert "pa55word" not in run.stderr
