"""Dashboard users: read over SCIM with a token of its own, and only those named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.tap.support.singer import Run

    RunTap = Callable[..., Run]

STREAMS = ("dashboard_users", "dashboard_users_details")
TOKEN = "scim-7f31"
ORIGIN = "shop.example"


@pytest.fixture
def audit(sandbox: Sandbox) -> dict[str, Any]:
    """The settings that look up two colleagues and a stranger; the API key alone may not read them."""
    sandbox.add_key(TOKEN, permissions=["scim"])
    sandbox.add_key("k-1", permissions=["segments.list"])
    emails = ["colleague0@shop.example", "Colleague2@shop.example", "stranger@shop.example"]
    users = {"emails": emails, "service_origin": ORIGIN}
    return {"api_key": "k-1", "scim_token": TOKEN, "dashboard_users": users}


def test_the_accounts_of_named_people_are_read(sandbox: Sandbox, run_tap: RunTap, audit: dict[str, Any]) -> None:
    run = run_tap("segments", *STREAMS, **audit)
    assert run.exit_code == 0, run.stderr
    assert run.records("segments")
    there = [user for user in sandbox.workspace.dashboard_users.values() if "1@" not in user["userName"]]
    assert run.records("dashboard_users") == there
    details = run.records("dashboard_users_details")
    schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"]
    assert details == [{**user, "schemas": schemas} for user in there]
    assert TOKEN not in run.stdout + run.stderr
    assert "shop.example" not in run.stderr


def test_an_account_that_is_gone_is_dropped(sandbox: Sandbox, run_tap: RunTap, audit: dict[str, Any]) -> None:
    first = run_tap(*STREAMS, **audit)
    sandbox.workspace.dashboard_users.popitem()
    second = run_tap(*STREAMS, state=first.state, **audit)
    for stream in STREAMS:
        assert len(second.records(stream)) == 1
        assert stream in {m["stream"] for m in second.messages if m["type"] == "ACTIVATE_VERSION"}


@pytest.mark.parametrize("status", [400, 401, 403])
def test_no_message_names_a_person_or_the_token(
    sandbox: Sandbox, run_tap: RunTap, audit: dict[str, Any], status: int
) -> None:
    body = {"detail": f"colleague0@shop.example and {TOKEN} are wrong"}
    sandbox.fault(path="/scim/*", do="status", status=status, body=body)
    run = run_tap("dashboard_users", **audit)
    assert f"GET /scim/v2/Users: HTTP {status}" in run.stderr
    assert TOKEN not in run.stderr
    assert "colleague0" not in run.stderr
    assert status == 400 or "a SCIM token in setting 'scim_token'" in run.errors[0]


def test_nobody_is_read_unless_named(sandbox: Sandbox, run_tap: RunTap, audit: dict[str, Any]) -> None:
    run = run_tap(*STREAMS)
    assert run.exit_code == 0
    assert "stream 'dashboard_users' reads nothing: setting 'dashboard_users' names no email address" in run.stderr
    assert sandbox.requests == []
    for missing in ("scim_token", "dashboard_users.service_origin"):
        settings = {**audit, "dashboard_users": {**audit["dashboard_users"]}}
        settings.pop(missing, None)
        settings["dashboard_users"].pop(missing.partition(".")[2], None)
        assert run_tap(*STREAMS, **settings).errors == [f"setting '{missing}': 'dashboard_users.emails' needs it too"]


def test_access_is_tested_with_the_token(run_tap: RunTap, audit: dict[str, Any]) -> None:
    lines = run_tap(options=("--test",), **audit).stdout.splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("dashboard_users")] == ["readable"] * 2
    audit["dashboard_users"]["emails"] = []
    lines = run_tap(options=("--test",), **audit).stdout.splitlines()
    (first, second) = [line for line in lines if line.startswith("dashboard_users")]
    assert "readable, though there was nothing to test it with" in first
    assert "readable" in second
    del audit["scim_token"]
    lines = run_tap(options=("--test",), **audit).stdout.splitlines()
    text = "not tested: setting 'scim_token' is not set; needs a SCIM token in setting 'scim_token'"
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("dashboard_users")] == [text] * 2
