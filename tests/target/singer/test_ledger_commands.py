"""`target-braze ledger`: the ledger compared with Braze, and filled from there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import (
    ANY_OBJECT,
    BOOLEAN,
    INTEGER,
    NUMBER,
    TEXT,
    TIME,
    Run,
    Stream,
    customers,
    lines,
    run_cli,
    state,
    the,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    RunTarget = Callable[..., Run]

COLUMNS: dict[str, Any] = {
    "plan": TEXT,
    "n": INTEGER,
    "share": NUMBER,
    "vip": BOOLEAN,
    "seen": TIME,
    "born": {"type": ["string", "null"], "format": "date"},
    "first_name": TEXT,
    "email": TEXT,
    "email_subscribe": TEXT,
    "image_url": TEXT,
    "note": TEXT,
    "tags": {"type": ["array", "null"], "items": TEXT},
    "address": ANY_OBJECT,
}
INES: dict[str, Any] = {
    "external_id": "c-1",
    "plan": "gold",
    "n": 7,
    "share": 0.25,
    "vip": True,
    "seen": "2026-03-04T09:10:11Z",
    "born": "1990-01-02",
    "first_name": "Ines",
    "email": "ines@example.com",
    "email_subscribe": "subscribed",
    "image_url": "https://example.com/i.png",
    "note": "",
    "tags": ["tea", "tea"],
    "address": {"city": "Porto"},
}


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.sqlite")


@pytest.fixture
def command(sandbox: Sandbox, tmp_path: Path, ledger: str) -> Callable[..., Run]:
    """Run a command on the ledger: `command("verify", "--sample", "5", streams={...})`."""

    def run(name: str, *options: str, stdin: bytes = b"", **settings: Any) -> Run:
        path = tmp_path / "commands.json"
        config = {"api_key": sandbox.api_key, "endpoint": sandbox.url} | settings
        path.write_text(json.dumps(config))
        return run_cli(["ledger", name, ledger, "--config", str(path), *options], stdin, secret=config["api_key"])

    return run


def test_config_may_stand_before_the_command_as_meltano_puts_it(
    sandbox: Sandbox, tmp_path: Path, run_target: RunTarget, ledger: str
) -> None:
    run_target(customers(INES, **COLUMNS), ledger_path=ledger)
    path = tmp_path / "commands.json"
    path.write_text(json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url}))
    run = run_cli(["--config", str(path), "ledger", "verify", ledger], secret=sandbox.api_key)
    assert run.exit_code == 0, run.stderr
    assert rows(run)
    for command in (["ledger", "verify", ledger], ["erase", "--id", "c-1"]):
        without = run_cli(command)
        assert without.exit_code == 2
        assert "Missing option '--config'" in without.stderr


def rows(run: Run) -> dict[str, list[int]]:
    """How often each attribute is equal, different, missing, cannot be compared."""
    table = run.stdout.partition("cannot compare\n")[2].splitlines()
    return {line.split()[0]: list(map(int, line.split()[1:])) for line in table if line[-1].isdigit()}


def sent(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [one for request in sandbox.requests for one in (request.body or {}).get("attributes", [])]


def test_what_braze_has_as_it_was_sent_is_equal(
    sandbox: Sandbox, run_target: RunTarget, command: Callable[..., Run], ledger: str
) -> None:
    run_target(customers(INES, **COLUMNS), ledger_path=ledger)
    run = command("verify")
    assert run.exit_code == 0, run.stdout
    assert "users: 1 compared, 0 not in Braze" in run.stdout
    unsure = {"email_subscribe", "image_url", "tags"}
    assert rows(run) == {
        name: [0, 0, 0, 1] if name in unsure else [1, 0, 0, 0] for name in INES if name != "external_id"
    }
    assert not sent(sandbox)[1:]


def test_what_others_changed_is_found_and_can_be_sent_again(
    sandbox: Sandbox, run_target: RunTarget, command: Callable[..., Run], ledger: str
) -> None:
    stream = customers(INES, {"external_id": "c-2", "plan": "gold"}, **COLUMNS)
    run_target(stream, ledger_path=ledger)
    attributes = the(sandbox.profile("c-1")).custom_attributes
    attributes["plan"] = "none"
    del attributes["n"], attributes["vip"]
    run = command("verify", "--forget-different")
    assert run.exit_code == 1
    found = rows(run)
    assert (found["plan"], found["n"], found["vip"]) == ([1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0])
    run_target(stream, ledger_path=ledger)
    assert sent(sandbox)[2:] == [{"external_id": "c-1", "plan": "gold", "n": 7, "vip": True}]
    assert command("verify").exit_code == 0


def test_users_whom_braze_lacks_are_counted(run_target: RunTarget, command: Callable[..., Run], ledger: str) -> None:
    run_target(
        customers({"external_id": "c-1", "plan": "gold"}, **COLUMNS), ledger_path=ledger, update_existing_only=True
    )
    run = command("verify")
    assert run.exit_code == 1
    assert "1 not in Braze" in run.stdout
    assert rows(run) == {"plan": [0, 0, 1, 0]}


def test_what_is_rewritten_or_changed_in_place_is_not_called_different(
    sandbox: Sandbox, run_target: RunTarget, command: Callable[..., Run], ledger: str
) -> None:
    streams = {"customers": {"operators": {"tags": "add"}, "rename": {"tags": "labels"}}}
    run_target(customers(INES, **COLUMNS), streams=streams, ledger_path=ledger)
    profile = the(sandbox.profile("c-1"))
    profile.attributes["email"] = "Ines@example.com"
    del profile.custom_attributes["labels"]
    run = command("verify", streams=streams)
    assert run.exit_code == 0
    assert rows(run)["email"] == rows(run)["labels"] == [0, 0, 0, 1]


def test_null_is_compared_too(
    sandbox: Sandbox, run_target: RunTarget, command: Callable[..., Run], ledger: str
) -> None:
    stream = customers({"external_id": "c-1", "plan": None, "n": None}, plan=TEXT, n=INTEGER)
    run_target(stream, ledger_path=ledger, nulls="unset")
    the(sandbox.profile("c-1")).custom_attributes["plan"] = "gold"
    run = command("verify")
    assert (run.exit_code, rows(run)) == (1, {"plan": [0, 1, 0, 0], "n": [1, 0, 0, 0]})


def test_as_many_users_are_asked_for_as_wanted_fifty_a_request(
    sandbox: Sandbox, run_target: RunTarget, command: Callable[..., Run], ledger: str
) -> None:
    people = customers(*({"external_id": f"c-{n}", "plan": "gold"} for n in range(130)), plan=TEXT)
    run_target(people, ledger_path=ledger)
    run = command("verify", "--sample", "120")
    assert rows(run) == {"plan": [120, 0, 0, 0]}
    asked = [len(one.body["external_ids"]) for one in sandbox.requests if one.path == "/users/export/ids"]
    assert asked == [50, 50, 20]


def test_who_was_deleted_is_no_longer_named_in_the_file(sandbox: Sandbox, run_target: RunTarget, ledger: str) -> None:
    run_target(customers({"external_id": "c-1234567", "plan": "gold"}, plan=TEXT), ledger_path=ledger)
    entry = {"customers": {"to": "deletions", "allow_deletions": True, "max_deletions": 1}}
    run_target(customers({"external_id": "c-1234567"}), streams=entry, ledger_path=ledger)
    assert not sandbox.profiles()
    assert "users kept for verification: 0" in run_cli(["ledger", "inspect", ledger]).stdout


def test_a_ledger_is_filled_with_what_braze_has(
    sandbox: Sandbox, run_target: RunTarget, command: Callable[..., Run], ledger: str, tmp_path: Path
) -> None:
    run_target(customers(INES, **COLUMNS))
    ids = tmp_path / "ids.txt"
    ids.write_text("c-1\n\nnever-there\n")
    run = command("rebuild", "--ids", str(ids))
    assert (run.exit_code, run.stdout) == (0, "added: 8 attributes of 1 users; 1 are not in Braze\n")
    sandbox.requests.clear()
    run_target(customers(INES | {"plan": "plain"}, **COLUMNS), ledger_path=ledger)
    (again,) = sent(sandbox)[1:]
    assert again.keys() == {"external_id", "plan", "seen", "born", "image_url", "tags", "address"}


def test_ids_may_come_from_standard_input(sandbox: Sandbox, run_target: RunTarget, command: Callable[..., Run]) -> None:
    run_target(customers({"external_id": "c-1", "plan": "gold"}, plan=TEXT))
    assert command("rebuild", "--ids", "-", stdin=b"c-1\n").stdout.startswith("added: 1 attributes of 1 users")
    assert rows(command("verify")) == {"plan": [1, 0, 0, 0]}
    assert len(sent(sandbox)) == 1


def test_profiles_may_come_as_tap_braze_writes_them(
    sandbox: Sandbox, run_target: RunTarget, command: Callable[..., Run]
) -> None:
    run_target(customers({"external_id": "c-1", "plan": "gold", "first_name": "Ines"}, plan=TEXT, first_name=TEXT))
    profile = {"braze_id": "b", "external_id": "c-1", "first_name": "Ines", "custom_attributes": {"plan": "gold"}}
    messages = Stream("users", {}, [profile, {"braze_id": "nobody", "custom_attributes": {"plan": "x"}}])
    run = command("rebuild", "--profiles", "-", stdin=lines(messages, state(1)))
    assert run.stdout == "added: 2 attributes of 1 users; 0 are not in Braze\n"
    assert rows(command("verify")) == {"first_name": [1, 0, 0, 0], "plan": [1, 0, 0, 0]}
    assert len(sandbox.requests) == 2  # which load and verify


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "give either"),
        (("--ids", "-", "--profiles", "-"), "give either"),
        (("--profiles", "-"), "JSON is malformed"),
    ],
)
def test_a_rebuild_says_what_it_needs(command: Callable[..., Run], options: tuple[str, ...], text: str) -> None:
    run = command("rebuild", *options, stdin=b"c-1\n")
    assert run.exit_code
    assert text in run.stderr


def test_the_permission_that_lacks_is_named(sandbox: Sandbox, command: Callable[..., Run]) -> None:
    sandbox.add_key("only-track", ["users.track"])
    run = command("rebuild", "--ids", "-", stdin=b"c-1\n", api_key="only-track")
    assert run.exit_code == 1
    assert "users.export.ids" in run.stderr


@pytest.mark.parametrize(
    ("settings", "text"), [({"endpoint": "https://rest.iad-01.braze.com"}, "is of http://"), ({"nulls": "x"}, "nulls")]
)
def test_settings_that_do_not_fit_are_named(
    run_target: RunTarget, command: Callable[..., Run], ledger: str, settings: dict[str, Any], text: str
) -> None:
    run_target(customers({"external_id": "c-1"}), ledger_path=ledger)
    run = command("verify", **settings)
    assert run.exit_code == 1
    assert text in run.stderr
