"""`target-braze erase`: one person leaves Braze, the ledger and the dead letters, and nobody else does."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import ANY_OBJECT, TEXT, Run, Stream, customers, run_cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    RunTarget = Callable[..., Run]

COLUMNS: dict[str, Any] = {"email": TEXT, "plan": TEXT, "country": TEXT}
INES = {"external_id": "customer-1", "email": "ines@example.com", "plan": "gold"}
OMAR = {"external_id": "customer-10", "email": "omar@example.com", "plan": "blue"}
IDENTITY = "customer-1"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    return {
        "on_error": "dead_letter",
        "dead_letter_path": str(tmp_path / "letters.singer"),
        "ledger_path": str(tmp_path / "ledger.sqlite"),
        "delivery_log_path": str(tmp_path / "log.singer"),
        "streams": {"customers": {"on_delete": {"flag": "gone"}}, "calls": {"to": "calls"}},
    }


@pytest.fixture
def erase(sandbox: Sandbox, tmp_path: Path, files: dict[str, Any]) -> Callable[..., Run]:
    """Run the command: `erase("--id", "customer-1")`."""

    def run(*options: str, stdin: bytes = b"", **settings: Any) -> Run:
        path = tmp_path / "erase.json"
        path.write_text(json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url} | files | settings))
        certificate = str(tmp_path / "certificate.json")
        given = ["erase", "--config", str(path), "--certificate", certificate, *options]
        return run_cli(given, stdin, secret=sandbox.api_key)

    return run


def bad(record: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**record, "country": "nowhere land", **more}


def letters(path: str) -> list[dict[str, Any]]:
    with open(path, encoding="utf-8") as lines:  # noqa: PTH123
        return [json.loads(line)["record"] for line in lines if '"RECORD"' in line]


def load(run_target: RunTarget, files: dict[str, Any], *streams: Stream) -> None:
    run_target(*streams, **files)


def test_one_person_is_erased_everywhere_and_nobody_else(
    sandbox: Sandbox, run_target: RunTarget, erase: Callable[..., Run], files: dict[str, Any], tmp_path: Path
) -> None:
    schema, *records = customers(INES, OMAR, bad(INES), bad(OMAR), **COLUMNS).messages
    # With a version, the ledger also keeps a list of the stream's users.
    run_target(schema, *({**record, "version": 1} for record in records), **files)
    before = letters(files["dead_letter_path"])
    assert [one["external_id"] for one in before] == ["customer-1", "customer-10"]
    run = erase("--id", IDENTITY, "--yes")
    assert run.exit_code == 0, run.stdout
    assert sandbox.profile(IDENTITY) is None
    assert sandbox.profile("customer-10") is not None
    assert {one["identifier"] for one in letters(files["delivery_log_path"])} == {"customer-10", None}
    assert letters(files["dead_letter_path"]) == before[1:]
    content = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.sqlite*"))
    assert b'"external_id","customer-10"' in content
    assert not re.search(rb"customer-1(?!0)", content)
    # Omar is still known to the ledger, and only he.
    earlier = len(sandbox.requests)
    load(run_target, files, customers(INES, OMAR, **COLUMNS))
    sent = [one["external_id"] for request in sandbox.requests[earlier:] for one in request.body["attributes"]]
    assert sent == [IDENTITY]


def test_the_certificate_names_nobody_and_can_be_checked(
    run_target: RunTarget, erase: Callable[..., Run], files: dict[str, Any], tmp_path: Path
) -> None:
    load(run_target, files, customers(INES, bad(INES), **COLUMNS))
    assert erase("--id", IDENTITY, "--yes").exit_code == 0
    path = tmp_path / "certificate.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = json.loads(path.read_text())
    assert found["complete"] is True
    assert found["braze"] == {"had_profile": True, "has_profile": False}
    assert found["ledger"]["rows_erased"] > 0
    assert found["dead_letters"] == {"records_erased": 1}
    assert found["delivery_log"] == {"rows_erased": 2}
    assert found["other_letters_with_mention"] == []
    salt, person = found["person"]["salt"], found["person"]
    assert person["sha256"] == hashlib.sha256(f"{salt}{IDENTITY}".encode()).hexdigest()
    assert IDENTITY not in path.read_text()
    assert "ines@" not in path.read_text()


def test_letters_by_another_identifier_are_found_and_mentions_named(
    run_target: RunTarget, erase: Callable[..., Run], files: dict[str, Any]
) -> None:
    by_email = Stream("leads", {"email": TEXT, "country": TEXT}, [bad({"email": "INES@example.com"})])
    call = {
        "type": "identify",
        "userId": IDENTITY,
        "context": {"traits": {"email": "ines@example.com"}},
        "traits": {"country": "nowhere land"},
        "timestamp": "2026-01-01T00:00:00Z",
    }
    columns = {"type": TEXT, "userId": TEXT, "context": ANY_OBJECT, "traits": ANY_OBJECT, "timestamp": TEXT}
    calls = Stream("calls", columns, [call])
    friend = bad(OMAR, plan="ines@example.com")
    load(run_target, files, customers(INES, friend, **COLUMNS), by_email, calls)
    assert len(letters(files["dead_letter_path"])) == 3
    run = erase("--id", IDENTITY, "--yes")
    assert run.exit_code == 1
    assert letters(files["dead_letter_path"]) == [friend]
    assert "mention the person: letters.singer:2" in run.stdout


def test_nothing_happens_without_a_confirmation(
    sandbox: Sandbox, run_target: RunTarget, erase: Callable[..., Run], files: dict[str, Any], tmp_path: Path
) -> None:
    load(run_target, files, customers(INES, bad(INES), **COLUMNS))
    earlier = len(sandbox.requests)
    for answer in (b"n\n", b""):
        assert erase("--id", IDENTITY, stdin=answer).exit_code == 1
    assert len(sandbox.requests) == earlier
    assert len(letters(files["dead_letter_path"])) == 1
    assert not (tmp_path / "certificate.json").exists()


def test_a_person_whom_braze_does_not_have_is_erased_from_the_files(
    run_target: RunTarget, erase: Callable[..., Run], files: dict[str, Any], sandbox: Sandbox
) -> None:
    load(run_target, files, customers(bad(INES), **COLUMNS))
    run = erase("--id", IDENTITY, "--yes")
    assert run.exit_code == 0, run.stdout
    assert "has no profile" in run.stdout
    assert letters(files["dead_letter_path"]) == []
    assert "/users/delete" not in {request.path for request in sandbox.requests}


def test_a_profile_that_braze_still_shows_is_not_certified_as_gone(
    run_target: RunTarget, erase: Callable[..., Run], files: dict[str, Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    load(run_target, files, customers(INES, **COLUMNS))
    sandbox.fault(do="status", path="/users/delete", status=201, body={"deleted": 1, "message": "success"})
    run = erase("--id", IDENTITY, "--yes", "--wait", "0")
    assert run.exit_code == 1
    assert "still shows the profile" in run.stdout
    assert json.loads((tmp_path / "certificate.json").read_text())["complete"] is False


@pytest.mark.parametrize("options", [(), ("--id", "a", "--braze-id", "b")])
def test_exactly_one_person_is_named(options: tuple[str, ...], erase: Callable[..., Run]) -> None:
    assert "give one of --id and --braze-id" in erase(*options, "--yes").stderr


def test_a_missing_permission_is_named_and_nothing_is_erased(
    run_target: RunTarget, erase: Callable[..., Run], files: dict[str, Any], sandbox: Sandbox
) -> None:
    load(run_target, files, customers(INES, bad(INES), **COLUMNS))
    key = "11111111-2222-3333-4444-555555555555"
    sandbox.add_key(key, {"users.track"})
    run = erase("--id", IDENTITY, "--yes", api_key=key)
    assert run.exit_code == 1
    assert "users.export.ids" in run.stderr
    assert len(letters(files["dead_letter_path"])) == 1
