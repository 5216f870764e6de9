"""Both plugins say why a host does not answer: in one line, with what to check and without passwords."""

from __future__ import annotations

import json
import logging
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest
import tap_braze.braze.client
import target_braze.braze.client
from braze_sandbox.testing import Sandbox
from target_braze.process.signals import STOPPING

from tests.tap.support import singer as tap
from tests.target.support import singer as target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

USER_AND_PASSWORD = "jane:pa55word"
PROXY = "check the proxy in HTTPS_PROXY"
REAL = "https://rest.iad-01.braze.com"


@pytest.fixture(autouse=True)
def _no_patience_and_no_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def look_up(host: str, *arguments: Any, **options: Any) -> Any:
        if host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for client in (tap_braze.braze.client, target_braze.braze.client):
        monkeypatch.setattr(client, "FIRST_ANSWER_WITHIN", 0.0)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Undo what the command lines set for the whole process."""
    handlers = {number: signal.getsignal(number) for number in STOPPING}
    yield
    logging.captureWarnings(capture=False)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def tls() -> Iterator[Sandbox]:
    with Sandbox(tls=True) as sandbox:
        yield sandbox


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Yield a port that refuses connections: it is bound, so nobody else gets it, but does not listen."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(params=["tap", "target", "target --test"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Run a plugin on a host, and return its error."""

    def run(endpoint: str) -> str:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"api_key": "key-of-braze", "endpoint": endpoint}))
        options = ["--config", str(path)]
        done: tap.Run | target.Run
        if request.param == "tap":
            done = tap.run_cli(options)
        elif request.param == "target":
            done = target.run_cli(options, target.lines(target.customers({"external_id": "c-1"})))
        else:
            done = target.run_cli([*options, "--test"])
        assert done.exit_code == 1
        assert "pa55word" not in done.stdout + done.stderr
        (error,) = done.errors
        return error

    return run


def test_a_refused_connection(run: Callable[[str], str], closed_port: int) -> None:
    error = run(f"http://127.0.0.1:{closed_port}")
    assert f"no answer from http://127.0.0.1:{closed_port} (connection refused); check setting 'endpoint'" in error


def test_an_unknown_host(run: Callable[[str], str]) -> None:
    assert "(unknown host: Name or service not known); check setting 'endpoint'" in run("https://rest.nowhere.invalid")


def test_a_certificate_that_no_known_authority_has_signed(
    run: Callable[[str], str], tls: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = run(tls.url)
    assert "(TLS failed: " in error
    assert "certificate verify failed" in error
    assert "REQUESTS_CA_BUNDLE" in error
    # What the error says to do helps: now the host answers, and knows no such key.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.ca_file))
    assert "HTTP 401" in run(tls.url)


def test_a_host_without_tls(run: Callable[[str], str]) -> None:
    with Sandbox(seed="empty") as plain:
        assert "(TLS failed: " in run(plain.url.replace("http://", "https://"))


def test_a_proxy_that_refuses_connections(
    run: Callable[[str], str], closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{USER_AND_PASSWORD}@127.0.0.1:{closed_port}")
    error = run(REAL)
    assert f"no answer from {REAL} (proxy: connection refused); {PROXY}" in error


def test_a_proxy_of_an_unknown_name(run: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{USER_AND_PASSWORD}@proxy.invalid:3128")
    assert f"(proxy: unknown host: Name or service not known); {PROXY}" in run(REAL)


def test_a_proxy_that_does_not_lead_there(run: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(seed="empty") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//{USER_AND_PASSWORD}@"))
        assert f"(proxy: Tunnel connection failed: 404 Not Found); {PROXY}" in run(REAL)


@pytest.mark.parametrize("proxy", ["socks5://{}@127.0.0.1:1", "http://{}@host:port"])
def test_a_proxy_that_is_none(run: Callable[[str], str], proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(USER_AND_PASSWORD))
    assert "cannot use the proxy or CA bundle from the environment" in run(REAL)
