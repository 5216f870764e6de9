"""The command, the inspection pages, reset, and what stays after a restart."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
import requests
from braze_sandbox.endpoints.registry import ENDPOINTS
from braze_sandbox.state.faults import Fault
from braze_sandbox.state.options import Options
from braze_sandbox.testing import Sandbox

from tests.sandbox.conftest import TODAY, Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-c", "from braze_sandbox.cli import main; main()", "serve"]


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_a_signal_comes(number: signal.Signals) -> None:
    with serving("--seed", "small", "--api-key", "mine", "--latency-ms", "100") as (process, line):
        assert line.startswith("braze-sandbox: serving seed 'small' on http://127.0.0.1:")
        assert line.endswith(" (API key: mine)\n")
        url = line.split(" on ")[1].split()[0]
        with requests.Session() as session:
            answer = session.get(f"{url}/segments/list", headers={"Authorization": "Bearer mine"}, timeout=5)
            assert answer.status_code == 200
            # With an idle connection still open, and with a request under way that would take a minute.
            session.post(f"{url}/sandbox/faults", json={"do": "latency", "latency_ms": 60_000}, timeout=5)
            slow = threading.Thread(target=_fails, args=(f"{url}/segments/list",))
            slow.start()
            time.sleep(0.2)
            process.send_signal(number)
            _, errors = process.communicate(timeout=45)  # less than the request under way takes
        assert errors == ""
        slow.join()


def _fails(url: str) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=90)


def test_an_address_that_others_reach_is_warned_of() -> None:
    with serving("--seed", "empty", "--host", "0.0.0.0") as (process, line):
        assert line.startswith("braze-sandbox: serving")
        assert process.stderr
        assert process.stderr.readline() == (
            "braze-sandbox: warning: 0.0.0.0 is reachable from other machines, and /sandbox/* needs no key: "
            "anybody who reaches it can read users and set faults. Use --host 127.0.0.1 unless you mean that.\n"
        )


def test_a_taken_port_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert done.stderr == f"braze-sandbox: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_users_stay_in_the_data_directory(tmp_path: Path) -> None:
    for round_ in (1, 2):
        with Sandbox(seed="empty", data=tmp_path / "data") as sandbox:
            client = Client(sandbox)
            client.track(
                attributes=[
                    {"external_id": "a", f"x{round_}": 1, "at": "2026-03-04T09:00:00Z", "email": "a@b.example"}
                ],
                events=[{"external_id": "a", "name": "n", "time": "2026-03-04T09:00:00Z"}],
            )
            client.close()
            profile = sandbox.profile_by(email="a@b.example")
            assert profile is not None
            assert len(profile.events) == round_
            assert len(sandbox.profiles()) == 1
            found = profile.custom_attributes
    assert found == {"x1": 1, "x2": 1, "at": datetime(2026, 3, 4, 9, tzinfo=timezone.utc)}


def test_it_starts_and_stops() -> None:
    with Sandbox() as sandbox:
        assert requests.get(sandbox.url + "/sandbox/health", timeout=30).json()["seed"] == "small"


def test_what_it_holds_can_be_looked_at(sandbox: Sandbox, client: Client) -> None:
    event = {"external_id": "a/b", "name": "n", "time": "2026-03-04T09:00:00Z"}
    bought = {"external_id": "a/b", "product_id": "p", "currency": "EUR", "price": 1, "time": "2026-03-04T09:00:00Z"}
    client.track(attributes=[{"external_id": "a/b", "Email": "x"}], events=[event], purchases=[bought])
    assert [user["external_id"] for user in client.get("/sandbox/users").json()["users"]] == ["a/b"]
    assert client.get("/sandbox/users/a/b").json()["events"][0]["time"] == "2026-03-04T09:00:00Z"
    assert client.get("/sandbox/users/nobody").status_code == 404
    assert client.get("/sandbox/events").json()["events"][0]["name"] == "n"
    assert client.get("/sandbox/purchases").json()["purchases"][0]["product_id"] == "p"
    assert client.get("/sandbox/violations").json()["violations"][0]["path"] == "attributes[0].Email"
    (request,) = client.get("/sandbox/requests").json()["requests"]
    assert (request["method"], request["path"], request["status"]) == ("POST", "/users/track", 201)
    assert request["body"]["events"] == [event]
    summary = client.get("/sandbox/summary").json()
    assert (summary["users"], summary["events"], summary["purchases"], summary["requests"]) == (1, 1, 1, 1)
    assert "sandbox-key" not in str(sandbox.requests[0].headers)


def test_reset_brings_back_the_seed(sandbox: Sandbox, client: Client) -> None:
    client.track(attributes=[{"external_id": "a", "Email": "x"}])
    sandbox.workspace.campaigns.clear()
    sandbox.fault(do="latency", latency_ms=1)
    assert client.post("/sandbox/reset").status_code == 200
    assert sandbox.profiles() == []
    assert sandbox.requests == []
    assert sandbox.violations == []
    assert len(sandbox.workspace.campaigns) == 5
    assert client.track(attributes=[{"external_id": "a", "x": 1}])["attributes_processed"] == 1


def test_a_seed_is_the_same_every_time(demo: Sandbox) -> None:
    with Sandbox(seed="demo", today=TODAY) as other:
        assert other.workspace == demo.workspace
        assert [user.as_json() for user in other.profiles()] == [user.as_json() for user in demo.profiles()]
    assert len(demo.profiles()) == 60
    assert demo.violations == []


def test_an_unknown_seed_is_named() -> None:
    with pytest.raises(ValueError, match="there is no seed 'none', only empty, small, demo, bench"):
        Sandbox(seed="none")


def test_the_page_of_the_sandbox_names_everything(root: Path) -> None:
    page = (root / "docs" / "sandbox.md").read_text(encoding="utf-8")
    names = {endpoint.path for endpoint in ENDPOINTS}
    names |= {item.name for made in (Options, Fault) for item in fields(made)} - {"hits"}
    names |= {name for name in vars(Sandbox) if not name.startswith("_")}
    usage = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=10, check=True).stdout
    names |= set(re.findall(r"^  (--[a-z-]+)", usage, re.MULTILINE))
    assert {name for name in names if not re.search(rf"`[^`]*{re.escape(name)}(?!\w)[^`]*`", page)} == set()
