"""What goes wrong for reasons a user can mend: one clear line, an exit code, and never a traceback or the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import INTEGER, TEXT, Stream, customers, lines, many, run_cli, sent, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

ONE = customers({"external_id": "c-1"})


def test_a_wrong_key_is_named_and_never_shown(run_target: Callable[..., Run]) -> None:
    run = run_target(ONE, state(1), api_key="not-the-key", expect=1)
    (error,) = run.errors
    assert "HTTP 401" in error
    assert "check settings 'api_key' and 'endpoint'" in error
    assert not run.states


@pytest.mark.parametrize("key", ["secret-key\n", "secret key", "secrét-key", "secret\x00key"])
def test_a_key_with_letters_that_no_key_has_is_refused_without_showing_it(
    key: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(ONE, api_key=key, expect=1)
    assert "setting 'api_key' contains characters that are not valid in a Braze API key" in run.errors[0]
    assert "secret" not in run.stderr
    assert not sandbox.requests


@pytest.mark.parametrize("key", [["secret"], {"key": "secret"}, 1234567, ""])
def test_a_key_that_is_no_text_is_refused_without_showing_it(key: Any, run_target: Callable[..., Run]) -> None:
    run = run_target(ONE, api_key=key, env={}, expect=1)
    assert any("api_key" in error for error in run.errors)
    assert "secret" not in run.stderr
    assert "1234567" not in run.stderr


def test_a_missing_permission_is_named(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    sandbox.add_key("limited", ["campaigns.list"])
    run = run_target(ONE, api_key="limited", expect=1)
    assert "HTTP 403" in run.errors[0]
    assert "lacks the permission 'users.track'" in run.errors[0]


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("US-99", "setting 'endpoint': 'US-99' is not a Braze instance"),
        ("https://[bad", "is not a Braze instance"),
        ("ftp://rest.iad-01.braze.com", "is not a Braze instance"),
        ("http://rest.iad-01.braze.com", "would send the API key unencrypted"),
        ("http://127.0.0.1:9", "no answer from http://127.0.0.1:9"),
    ],
)
def test_a_wrong_endpoint_is_named(endpoint: str, text: str, run_target: Callable[..., Run]) -> None:
    run = run_target(ONE, endpoint=endpoint, expect=1)
    assert text in run.errors[0]


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("time_zone", "Mars/Base", "setting 'time_zone': 'Mars/Base' is not an IANA time zone"),
        ("on_error", "dead_letter", "setting 'dead_letter_path': name a file"),
        ("on_error", "ignore", "on_error"),
        ("nulls", "drop", "nulls"),
        ("max_dead_letters", -1, "max_dead_letters"),
        (
            "max_dead_letters",
            2.5,
            "setting 'max_dead_letters': 2.5 is neither a whole number of records nor a share below 1",
        ),
        ("concurrency", 0, "concurrency"),
        ("max_objects_per_request", 0, "max_objects_per_request"),
        ("rate_limit_reserve", 1, "rate_limit_reserve"),
        ("api_key", None, "api_key"),
        ("endpoint", None, "endpoint"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, value: Any, text: str, run_target: Callable[..., Run]) -> None:
    run = run_target(ONE, expect=1, **{setting: value})
    assert any(text in error for error in run.errors)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"{", "line 3 of the input is not JSON"),
        (b"\xff", "line 3 of the input is not JSON"),
        (b'{"type": "RECORD", "record": {"external_id": "c-9"}, "stream": "custo', "line 3 of the input is not JSON"),
        (b"[" * 100_000, "line 3 of the input is not JSON"),
        (
            b'{"type": "RECORD", "stream": "customers", "record": {"external_id": "\\ud800"}}',
            "got a lone surrogate on line 3",
        ),
        (b'{"type": "RECORD", "stream": "customers", "record": {"n": NaN}}', "cannot decode 'n', got NaN on line 3"),
        (b"[]", "line 3 of the input is not a Singer message: its type is None"),
        (b'{"type": "BATCH"}', "its type is 'BATCH', expected one of RECORD"),
        (b'{"type": []}', "its type is []"),
        (b'{"type": "RECORD", "stream": "customers"}', "line 3 of the input: the RECORD lacks 'record'"),
        (b'{"type": "SCHEMA", "stream": "customers"}', "the SCHEMA lacks 'schema'"),
        (b'{"type": "STATE"}', "the STATE lacks 'value'"),
        (b'{"type": "RECORD", "stream": "customers", "record": null}', "'record' of the RECORD has the wrong type"),
        (b'{"type": "RECORD", "stream": 1, "record": {}}', "'stream' of the RECORD has the wrong type"),
        (b'{"type": "SCHEMA", "stream": "s", "schema": null}', "'schema' of the SCHEMA has the wrong type"),
        (b'{"type": "SCHEMA", "stream": "s", "schema": {}}', "the SCHEMA of stream 's' has no properties"),
        (
            b'{"type": "RECORD", "stream": "orders", "record": {}}',
            "A record for stream 'orders' was encountered before",
        ),
    ],
)
def test_a_line_that_cannot_be_read_stops_the_run_and_is_named(
    line: bytes, text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(ONE, line, customers({"external_id": "c-2"}), state(1), expect=1)
    (error,) = run.errors
    assert text in error
    assert "c-9" not in run.stderr
    assert not run.states
    assert sandbox.profile("c-2") is None


def test_a_file_of_input_is_read_and_one_that_is_not_utf_8_is_refused(
    run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "input.singer"
    path.write_bytes(lines(customers({"external_id": "ç-1"})))
    run_target(options=("--input", str(path)))
    assert sandbox.profile("ç-1")
    path.write_bytes(lines(ONE) + b'{"type": "RECORD", "stream": "customers", "record": {"external_id": "\xff"}}\n')
    run = run_target(options=("--input", str(path)), expect=1)
    assert len(run.errors) == 1


def test_a_file_of_settings_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = run_cli(["--config", str(tmp_path / "missing.json")])
    assert missing.exit_code == 2
    assert "missing.json" in missing.stderr
    path = tmp_path / "config.json"
    path.write_text("{")
    assert run_cli(["--config", str(path)]).exit_code == 2


def test_settings_come_from_the_environment_too(sandbox: Sandbox) -> None:
    env = {
        "TARGET_BRAZE_API_KEY": sandbox.api_key,
        "TARGET_BRAZE_ENDPOINT": sandbox.url,
        "TARGET_BRAZE_STREAMS": json.dumps({"people": {"user": [{"external_id": "id"}]}}),
        "TARGET_BRAZE_CONCURRENCY": "2",
        "TARGET_BRAZE_UPDATE_EXISTING_ONLY": "false",
        "TARGET_BRAZE_RATE_LIMIT_RESERVE": "0.5",
    }
    run = run_cli(["--config=ENV"], lines(Stream("people", {"id": TEXT}, [{"id": "c-1"}])), env, sandbox.api_key)
    assert run.exit_code == 0, run.stderr
    assert sandbox.profile("c-1")


@pytest.mark.parametrize(
    "stream_maps", [{"customers": {"a": "1 +"}}, {"customers": {"a": "nobody + 1"}}, {"customers": {"a": ["b"]}}]
)
def test_a_stream_map_that_is_wrong_is_one_line(stream_maps: Any, run_target: Callable[..., Run]) -> None:
    run = run_target(ONE, stream_maps=stream_maps, expect=1)
    assert run.errors


def test_an_entry_for_a_misspelt_stream_stops_before_its_records_are_sent(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(ONE, streams={"custommers": {"rename": {"plan": "tier"}}}, expect=1)
    assert (
        "stream 'customers' has no entry in setting 'streams'; is the entry 'custommers' a misspelling?"
        in run.errors[0]
    )
    assert not sandbox.requests


def test_an_entry_for_a_stream_that_does_not_come_is_an_error_where_another_went_without(
    run_target: Callable[..., Run],
) -> None:
    run = run_target(ONE, streams={"orders": {}}, expect=1)
    assert "setting 'streams' has an entry for 'orders', but no such stream arrived" in run.errors[0]
    run = run_target(ONE, streams={"orders": {}, "customers": {}})
    assert any("has an entry for 'orders'" in line for line in run.warnings)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ({"do": "status", "status": 500}, "HTTP 500"),
        ({"do": "status", "status": 503}, "HTTP 503"),
        ({"do": "drop_before"}, "no answer from"),
        ({"do": "status", "status": 404}, "HTTP 404"),
        ({"do": "status", "status": 302, "headers": {"location": "/"}}, "HTTP 302"),
        ({"do": "garbage", "status": 200}, "HTTP 200, but the answer is not a JSON object"),
        ({"do": "status", "status": 201, "body": "[]"}, "HTTP 201, but the answer is not a JSON object"),
    ],
)
def test_a_server_that_does_not_do_its_work_ends_the_run_and_no_state_says_otherwise(
    fault: dict[str, Any], text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_target(ONE, state(1))
    sandbox.fault(path="/users/track", **fault)
    run = run_target(ONE, state(2), expect=1)
    assert text in run.errors[0]
    assert not run.states


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "status", "status": 429, "reset": "epoch", "reset_in": 0.05},
        {"do": "status", "status": 429, "reset": "seconds", "reset_in": 0.05},
        {"do": "status", "status": 429, "reset": "retry-after", "reset_in": 0.05},
        {"do": "status", "status": 429, "headers": {"x-nothing": "1"}},
        {"do": "status", "status": 500},
        {"do": "status", "status": 502},
        {"do": "status", "status": 503},
        {"do": "drop_before"},
    ],
    ids=str,
)
def test_a_fault_that_passes_costs_nothing_and_doubles_nothing(
    fault: dict[str, Any], run_target: Callable[..., Run], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_braze.braze.client._full_jitter", lambda most: most / 100)
    monkeypatch.setattr("target_braze.braze.client.FIRST_ANSWER_WITHIN", 5.0)
    sandbox.fault(path="/users/track", times=4, **fault)
    happened = [{"external_id": f"c-{n % 7}", "name": f"e{n}", "time": "2026-03-04T12:00:00Z"} for n in range(60)]
    stream = Stream("events", {"external_id": TEXT, "name": TEXT, "time": TEXT}, happened)
    run = run_target(stream, state(1), max_objects_per_request=10, concurrency=3)
    assert sorted(event["name"] for p in sandbox.profiles() for event in p.events) == sorted(f"e{n}" for n in range(60))
    assert run.states[-1] == {"bookmarks": 1}
    assert not sandbox.violations


def test_an_answer_that_is_lost_after_the_work_makes_an_event_count_twice(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_target(ONE)  # so that the host has answered once
    sandbox.fault(do="drop_after", path="/users/track", times=1)
    event = {"external_id": "c-1", "name": "e", "time": "2026-03-04T12:00:00Z"}
    run_target(Stream("events", {"external_id": TEXT, "name": TEXT, "time": TEXT}, [event]))
    assert [event["name"] for p in sandbox.profiles() for event in p.events] == ["e", "e"]


def table(run: Run) -> dict[str, list[str]]:
    """The rows of the table at the end, by stream."""
    lines = [line.split(" | ")[-1].split() for line in run.stderr.splitlines() if "| INFO" in line]
    (start,) = (place for place, cells in enumerate(lines) if cells[:2] == ["stream", "read"])
    return {cells[0]: cells[1:] for cells in lines[start : start + 2]}


def test_a_dry_run_sends_nothing_and_writes_no_state(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run = run_target(customers(*many(200, 100), n=INTEGER), state(1), dry_run=True)
    assert not sandbox.requests
    assert not run.states
    assert table(run)["stream"][:3] == ["read", "would", "send"]
    assert table(run)["customers"][0] == "200"
    assert "requests to Braze would be made: this was a dry run" in run.stderr


def test_the_summary_counts_what_became_of_each_record(
    run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    records: list[dict[str, Any]] = [
        {"external_id": "c-1", "n": 1},
        {"external_id": "c-1", "n": 2},
        {"external_id": "c-2", "n": "x"},
    ]
    run = run_target(customers(*records, n=INTEGER), on_error="dead_letter", dead_letter_path=str(tmp_path / "dead"))
    rows = table(run)
    assert rows["stream"] == ["read", "sent", "coalesced", "unchanged", "rejected", "requests", "data", "points"]
    assert rows["customers"] == ["3", "1", "1", "0", "1", "1", "1"]
    assert "METRIC" not in run.stderr
    assert "completed processing" not in run.stderr
    assert len(run.stderr.splitlines()) < 12
    assert f"records rejected: 1. They are in {tmp_path / 'dead'}" in run.stderr
    assert sent(sandbox) == [{"external_id": "c-1", "n": 2}]


def test_about_and_version_need_no_settings() -> None:
    about = run_cli(["--about", "--format=json"])
    assert json.loads(about.stdout)["name"] == "target-braze"
    assert run_cli(["--version"]).exit_code == 0


@pytest.mark.parametrize(("name", "text"), [("CONCURRENCY", "many"), ("REQUEST_TIMEOUT", "long"), ("STREAMS", "{")])
def test_a_setting_in_the_environment_that_cannot_be_read_is_one_line(sandbox: Sandbox, name: str, text: str) -> None:
    env = {"TARGET_BRAZE_API_KEY": "k", "TARGET_BRAZE_ENDPOINT": sandbox.url, f"TARGET_BRAZE_{name}": text}
    run = run_cli(["--config=ENV"], lines(ONE), env)
    assert run.exit_code == 1
    assert run.errors
