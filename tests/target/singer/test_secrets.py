"""Secrets and people: files only their owner can read, and no key or personal value in a message."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.braze.error_texts import Secrets, error_texts
from target_braze.ledger.store import Ledger

from tests.support.hostile import Hostile, whole
from tests.target.support.singer import INTEGER, Run, customers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.name != "config.json"}


def test_a_ledger_and_the_files_beside_it_are_their_owners_alone(tmp_path: Path, sandbox: Sandbox) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", sandbox.url)
    modes = _modes(tmp_path)
    ledger.close()
    assert len(modes) > 1
    assert set(modes.values()) == {0o600}, modes


def test_dead_letters_are_their_owners_alone(tmp_path: Path, run_target: Callable[..., Run]) -> None:
    letters = tmp_path / "dead.singer"
    settings = {"on_error": "dead_letter", "dead_letter_path": str(letters)}
    bad = customers({"external_id": "c-1", "n": "x"}, n=INTEGER)
    run_target(bad, **settings)
    assert _modes(tmp_path) == {"dead.singer": 0o600}
    # Letters that are piped in are renamed, and those that fail again begin a new file.
    run_target(
        bad.schema, customers({"external_id": "c-2", "n": "y"}, n=INTEGER), letters.read_bytes().rstrip(), **settings
    )
    assert len(_modes(tmp_path)) > 1
    assert set(_modes(tmp_path).values()) == {0o600}, _modes(tmp_path)


def test_a_key_in_an_error_is_short_and_on_one_line(run_target: Callable[..., Run]) -> None:
    secret = "x" * 50_000
    run = run_target(customers({"external_id": f"c\n{secret}", "n": "x"}, n=INTEGER), expect=1)
    assert "external_id=c xxx" in run.errors[0]
    assert len(run.errors[0]) < 500


PERSON = "jane.doe@example.com"


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "status", "status": 401, "body": {"message": "Invalid API key: KEY"}},
        {"do": "status", "status": 400, "body": {"message": "no", "errors": ["KEY", {"type": "KEY", "value": "KEY"}]}},
        {"do": "status", "status": 400, "body": "<html>" + " " * 3 + "KEY" * 200},
        {"do": "status", "status": 400, "body": " " * 1990 + "KEY"},
        {"do": "status", "status": 503, "body": "authorization: Bearer KEY"},
        {"do": "partial_errors", "errors": [{"input_array": "attributes", "index": 0, "type": "no KEY here"}]},
    ],
    ids=["unauthorized", "refused", "page", "cut", "unavailable", "one object"],
)
def test_a_key_that_an_answer_repeats_is_never_shown(
    fault: dict[str, Any], sandbox: Sandbox, run_target: Callable[..., Run], tmp_path: Path
) -> None:
    key = "6d9f1a34-55c2-4e7b-9a0c-secret"
    sandbox.add_key(key, permissions=["*"])
    sandbox.fault(**json.loads(json.dumps(fault).replace("KEY", key)))
    letters = tmp_path / "dead.singer"
    # No output of any run has its key in it: `run_target` looks for that.
    run_target(
        customers({"external_id": "c-1"}),
        api_key=key,
        on_error="dead_letter",
        dead_letter_path=str(letters),
        expect=fault.get("status") in {401, 503},
    )
    if letters.exists():
        assert key[:10] not in letters.read_text()


def test_headers_that_cannot_be_read_are_not_shown(run_target: Callable[..., Run]) -> None:
    key = "6d9f1a34-55c2-4e7b-9a0c-secret"
    broken = whole("201 Created", b'{"message": "success"}', f"\x00 {key}", f"{key}")
    with Hostile(lambda _: iter([broken])) as server:
        run_target(customers({"external_id": "c-1"}), endpoint=server.url, api_key=key)


def test_a_status_line_that_is_none_is_not_shown_with_the_key(
    run_target: Callable[..., Run],
) -> None:
    key = "6d9f1a34-55c2-4e7b-9a0c-secret"
    with Hostile(lambda _: iter([f"HTTP/{key} {key * 50}\r\n\r\n".encode()])) as server:
        run = run_target(customers({"external_id": "c-1"}), endpoint=server.url, api_key=key, expect=1)
    assert "no answer" in run.errors[0]
    assert len(run.errors[0]) < 500


def test_values_in_a_refusal_are_not_shown() -> None:
    body = {
        "message": f"{PERSON} and jane.doe%40example.com are bad, +49 (0)151 1234567 and 4111111111111111 too",
        "errors": [
            {"id": "invalid-fields", "message": "no", "parameters": ["city"], "parameter_values": [{"city": "Bonn"}]}
        ],
    }
    words = error_texts(json.dumps(body).encode(), Secrets("k-1"))
    assert words == (
        "<email> and <email> are bad, <number> and <number> too",
        "invalid-fields: no",
    )
    (text,) = error_texts(f"<html>{PERSON} {'x' * 10_000}</html>".encode(), Secrets("k-1"))
    assert PERSON not in text
    assert len(text) <= 200


@given(st.binary(max_size=300), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=40))
def test_no_body_whatever_shows_the_key(body: bytes, key: str) -> None:
    secrets = Secrets(key)
    bodies = [body + key.encode() + body, json.dumps({"message": key, "errors": [key, {"x": [key]}]}).encode()]
    for one in bodies:
        assert not any(key in text for text in error_texts(one, secrets)) or key in "***<email><number>..."


@pytest.mark.parametrize(
    "endpoint",
    ["https://jane:pa55word@rest.iad-01.braze.com", "jane:pa55word@x", "http://a.b/?token=pa55word", "//pa55word@"],
)
def test_credentials_in_the_endpoint_are_not_shown(endpoint: str, run_target: Callable[..., Run]) -> None:
    run = run_target(customers({"external_id": "c-1"}), endpoint=endpoint, expect=1)
    assert "setting 'endpoint'" in run.stderr
    assert "pa55word" not in run.stderr
    assert run.stdout == ""
