"""https, for clients that insist on it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from braze_sandbox.cli import main
from braze_sandbox.testing import Sandbox

from tests.sandbox.server.test_running import serving


def test_a_client_that_trusts_the_authority_reads_and_others_do_not() -> None:
    with Sandbox(tls=True) as sandbox:
        assert sandbox.url.startswith("https://127.0.0.1:")
        assert sandbox.ca_file
        key = {"Authorization": f"Bearer {sandbox.api_key}"}
        for url in (sandbox.url, sandbox.url.replace("127.0.0.1", "localhost")):
            answer = requests.get(f"{url}/segments/list", headers=key, verify=str(sandbox.ca_file), timeout=30)
            assert answer.status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{sandbox.url}/segments/list", headers=key, timeout=30)
    assert not sandbox.ca_file.exists()


def test_the_pages_take_the_origin_of_https() -> None:
    with Sandbox(tls=True) as sandbox:
        post = {"url": f"{sandbox.url}/sandbox/reset", "verify": str(sandbox.ca_file), "timeout": 30}
        assert requests.post(headers={"Origin": sandbox.url}, **post).status_code == 200  # type: ignore[arg-type]
        foreign = {"Origin": "https://shop.example"}
        assert requests.post(headers=foreign, **post).status_code == 403  # type: ignore[arg-type]


def test_dropped_connections_and_download_urls_work_with_https() -> None:
    with Sandbox(tls=True, export_seconds=0) as sandbox, requests.Session() as session:
        # Not on the session, where REQUESTS_CA_BUNDLE goes first.
        options: dict[str, Any] = {"verify": str(sandbox.ca_file), "timeout": 30}
        session.headers["Authorization"] = f"Bearer {sandbox.api_key}"
        sandbox.fault(path="/segments/list", do="drop_after", times=1)
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(f"{sandbox.url}/segments/list", **options)
        body = {"segment_id": next(iter(sandbox.workspace.segments)), "fields_to_export": ["external_id"]}
        started = session.post(f"{sandbox.url}/users/export/segment", json=body, **options).json()
        assert started["url"].startswith(sandbox.url)


@pytest.mark.parametrize("kept", ["--data", ""])
def test_the_command_says_what_to_trust(tmp_path: Path, kept: str) -> None:
    with serving("--seed", "small", "--tls", *([kept, str(tmp_path)] if kept else [])) as (process, line):
        url = line.split(" on ")[1].split()[0]
        assert process.stdout
        ca_file = process.stdout.readline().split(" in ", 1)[1].strip()
        assert (ca_file == str(tmp_path / "ca.pem")) is bool(kept)
        assert requests.get(f"{url}/sandbox/health", verify=ca_file, timeout=30).status_code == 200
        # Only the certificate is readable by others: the keys are gone, or only this user can read them.
        assert "PRIVATE" not in Path(ca_file).read_text(encoding="ascii")


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(SystemExit) as end:
        main(["serve", "--port", "0", "--seed", "empty", "--tls"])
    assert end.value.code == "braze-sandbox: --tls needs trustme: pip install 'braze-sandbox[tls]'"
    assert capsys.readouterr().out == ""


def test_the_sandbox_without_https_needs_no_extra() -> None:
    code = "import sys; sys.modules['trustme'] = None; from braze_sandbox.testing import Sandbox; Sandbox().__enter__()"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_certificate_is_not_for_other_names() -> None:
    with Sandbox(tls=True) as sandbox:
        context = ssl.create_default_context(cafile=sandbox.ca_file)
        port = int(sandbox.url.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port), timeout=30) as raw,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            context.wrap_socket(raw, server_hostname="rest.iad-01.braze.com")
