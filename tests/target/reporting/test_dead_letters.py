"""Rejected records: the right ones, with Braze's reason, in a file that can be piped in again."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.braze.client import Answer, Client, RefusedError

from tests.target.support.cdp import calls
from tests.target.support.singer import INTEGER, NUMBER, TEXT, Stream, customers, lines, many, run_cli, sent, state, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

TIMES = {"external_id": TEXT, "name": TEXT, "time": TEXT}


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    return tmp_path / "dead.singer"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def records(path: Path) -> list[dict[str, Any]]:
    return [message for message in read(path) if message["type"] == "RECORD"]


def test_what_the_mapping_rejects_goes_to_the_file_with_reason_and_schema_and_the_rest_is_sent(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    stream = customers(
        {"external_id": "c-1", "n": 1}, {"external_id": "c-2", "n": "x"}, {"external_id": "c-3", "n": 3}, n=INTEGER
    )
    run = run_target(stream, state(1), on_error="dead_letter", dead_letter_path=str(letters))
    schema, letter = read(letters)
    assert schema == stream.schema
    assert letter.pop("dead_letter").keys() == {"reason", "attempt", "at"}
    assert letter == stream.record(stream.records[1])
    assert records(letters)[0]["dead_letter"]["reason"] == "column 'n': expected a whole number, got 'x'"
    assert [p.external_id for p in sandbox.profiles()] == ["c-1", "c-3"]
    assert run.states == [{"bookmarks": 1}]


def test_what_braze_rejects_goes_to_the_file_whichever_place_it_had_in_which_array(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    bad = {("attributes", 2): "c-2", ("events", 0): "e-0", ("purchases", 1): "p-1"}
    sandbox.fault(
        do="partial_errors",
        path="/users/track",
        errors=[{"input_array": kind, "index": index, "type": f"no {kind}"} for kind, index in bad],
        times=1,
    )
    when = "2026-03-04T12:00:00Z"
    bought = {"product_id": "tea", "price": 1, "currency": "EUR", "time": when}
    run = run_target(
        customers(*({"external_id": f"c-{n}"} for n in range(4))),
        Stream("events", TIMES, [{"external_id": f"e-{n}", "name": "x", "time": when} for n in range(3)]),
        Stream(
            "purchases",
            {"external_id": TEXT, "product_id": TEXT, "price": NUMBER, "currency": TEXT, "time": TEXT},
            [{"external_id": f"p-{n}", **bought} for n in range(3)],
        ),
        state(1),
        on_error="dead_letter",
        dead_letter_path=str(letters),
    )
    assert len(sandbox.requests) == 1
    found = {(letter["record"]["external_id"], letter["dead_letter"]["reason"]) for letter in records(letters)}
    assert found == {(user, f"Braze refused it: no {kind}") for (kind, _), user in bad.items()}
    assert {p.external_id for p in sandbox.profiles()} == {*("c-0", "c-1", "c-3", "e-1", "e-2", "p-0", "p-2")}
    assert run.states == [{"bookmarks": 1}]


def test_what_braze_rejects_stops_the_run_where_on_error_is_fail(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    sandbox.workspace.blocked_external_ids.add("c-5")
    run = run_target(customers(*many(10, 10), n=INTEGER), state(1), expect=1)
    assert run.errors[0].startswith(
        "stream 'customers', record 6 (external_id=c-5): Braze refused it: provided external_id is"
    )
    assert not run.states
    assert len(sandbox.profiles()) == 9


@pytest.mark.parametrize("guilty", [0, 17, 74])
def test_a_refused_request_is_halved_until_the_guilty_record_stands_alone(
    guilty: int, run_target: Callable[..., Run], sandbox: Sandbox, letters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Client.request

    def poisoned(self: Client, method: str, path: str, *, body: bytes, **options: Any) -> Answer:
        if b'"c-%d"' % guilty in body:
            raise RefusedError("POST /users/track: HTTP 400: poison", status=400)
        return request(self, method, path, body=body, **options)

    monkeypatch.setattr(Client, "request", poisoned)
    run = run_target(
        customers(*many(75, 75), n=INTEGER), state(1), on_error="dead_letter", dead_letter_path=str(letters)
    )
    (letter,) = records(letters)
    assert letter["record"]["external_id"] == f"c-{guilty}"
    assert "HTTP 400: poison" in letter["dead_letter"]["reason"]
    assert len(sandbox.profiles()) == 74
    assert len(sandbox.requests) <= 15
    assert run.states == [{"bookmarks": 1}]


def test_a_smaller_limit_of_objects_than_the_setting_costs_requests_and_no_records(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_target(customers(*many(300, 300), n=INTEGER), max_objects_per_request=300)
    assert len(sandbox.profiles()) == 300


def test_a_413_is_split(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    sandbox.fault(do="status", status=413, path="/users/track", times=1)
    run_target(customers(*many(10, 10), n=INTEGER))
    assert [request.status for request in sandbox.requests] == [413, 201, 201]
    assert len(sandbox.profiles()) == 10


@pytest.mark.parametrize(
    "errors", [["something"], [{"type": "odd", "index": 99, "input_array": "attributes"}], [["a", 1]], {"a": 1}, "text"]
)
def test_an_error_that_names_no_object_counts_against_all_of_the_request(
    errors: Any, run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    sandbox.fault(do="status", status=201, path="/users/track", body={"message": "success", "errors": errors}, times=1)
    run_target(customers(*many(3, 3), n=INTEGER), on_error="dead_letter", dead_letter_path=str(letters))
    assert len(records(letters)) == 3


def test_all_records_that_were_folded_into_a_rejected_object_are_kept(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    sandbox.workspace.blocked_external_ids.add("c-0")
    run_target(customers(*many(6, 2), n=INTEGER), on_error="dead_letter", dead_letter_path=str(letters))
    assert [letter["record"]["n"] for letter in records(letters)] == [0, 2, 4]


def test_dead_letters_are_loaded_by_piping_them_in_again(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    sandbox.workspace.blocked_external_ids.update({"c-1", "c-3"})
    settings = {"on_error": "dead_letter", "dead_letter_path": str(letters)}
    run_target(customers(*many(5, 5), n=INTEGER), **settings)
    sandbox.workspace.blocked_external_ids.clear()
    again = letters.rename(letters.with_name("again.singer"))
    run_target(options=("--input", str(again)), **settings)
    assert {p.external_id: p.custom_attributes["n"] for p in sandbox.profiles()} == {f"c-{n}": n for n in range(5)}
    assert not letters.exists()


def test_a_letter_says_what_braze_said_and_at_which_try(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    sandbox.workspace.blocked_external_ids.add("c-1")
    settings = {"on_error": "dead_letter", "dead_letter_path": str(letters)}
    run_target(customers({"external_id": "c-1"}), **settings)
    said = "provided external_id is blacklisted and disallowed"
    for attempt in (1, 2, 3):
        note = records(letters)[-1]["dead_letter"]
        at = datetime.fromisoformat(note.pop("at"))
        assert datetime.now(timezone.utc) - at < timedelta(minutes=1)
        assert note == {"reason": f"Braze refused it: {said}", "braze": said, "status": 400, "attempt": attempt}
        run_target(letters.read_bytes().rstrip(), **settings)


def test_a_letter_of_a_request_that_was_refused_as_a_whole_says_with_which_status(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    sandbox.fault(do="refuse_if", contains="c-1", path="/users/track")
    run_target(customers(*many(3, 3), n=INTEGER), on_error="dead_letter", dead_letter_path=str(letters))
    (letter,) = records(letters)
    assert letter["dead_letter"].items() >= {"braze": "Bad Request", "status": 400, "attempt": 1}.items()


@pytest.mark.parametrize("edited", [False, True])
def test_the_file_can_be_piped_in_as_it_is_while_its_letters_die_again(
    edited: bool,  # noqa: FBT001
    run_target: Callable[..., Run],
    sandbox: Sandbox,
    letters: Path,
) -> None:
    sandbox.workspace.blocked_external_ids.update({"c-1", "c-3"})
    settings = {"on_error": "dead_letter", "dead_letter_path": str(letters)}
    run_target(customers(*many(5, 5), n=INTEGER), **settings)
    if edited:
        letters.write_bytes(letters.read_bytes().replace(b'"n":3', b'"n": 13'))
    before = letters.read_bytes()
    sandbox.workspace.blocked_external_ids.remove("c-3")
    run = run_target(options=("--input", str(letters)), **settings)
    (letter,) = records(letters)
    assert letter["record"]["external_id"] == "c-1"
    assert letter["dead_letter"]["attempt"] == 2
    (aside,) = letters.parent.glob("dead.singer.*")
    assert aside.read_bytes() == before
    assert any(f"{aside}, which can be deleted" in warning for warning in run.warnings)
    assert the(sandbox.profile("c-3")).custom_attributes == {"n": 13 if edited else 3}
    # What was tried again is no longer in the file that is tried next.
    sandbox.workspace.blocked_external_ids.clear()
    run_target(options=("--input", str(letters)), **settings)
    assert not letters.exists()
    assert len(sandbox.profiles()) == 5


def test_a_pipe_from_the_file_to_the_target_ends(sandbox: Sandbox, letters: Path, tmp_path: Path) -> None:
    sandbox.workspace.blocked_external_ids.update(f"c-{n}" for n in range(1000))
    config = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "max_objects_per_request": 1_000}
    config |= {"on_error": "dead_letter", "dead_letter_path": str(letters)}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    stream = customers(*many(1000, 1000), n=INTEGER)
    note = {"reason": "as the test wants it", "attempt": 1, "at": "2026-03-04T12:00:00Z"}
    letters.write_bytes(lines(stream.schema, *({**stream.record(one), "dead_letter": note} for one in stream.records)))
    command = f"cat '{letters}' | '{sys.executable}' -m target_braze --config '{path}'"
    subprocess.run(command, shell=True, check=True, timeout=60, capture_output=True)
    assert {letter["dead_letter"]["attempt"] for letter in records(letters)} == {2}
    assert len(records(letters)) == 1000


def test_a_run_that_fails_says_which_letters_have_to_come_in_again(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    sandbox.workspace.blocked_external_ids.add("c-1")
    settings = {"on_error": "dead_letter", "dead_letter_path": str(letters)}
    run_target(customers({"external_id": "c-1"}), **settings)
    run = run_target(letters.read_bytes().rstrip(), api_key="wrong", expect=1, **settings)
    (aside,) = letters.parent.glob("dead.singer.*")
    assert any(f"{aside}, which must be replayed because the run failed" in warning for warning in run.warnings)


def test_looking_ahead_leaves_the_file_alone(run_target: Callable[..., Run], sandbox: Sandbox, letters: Path) -> None:
    sandbox.workspace.blocked_external_ids.add("c-1")
    settings = {"on_error": "dead_letter", "dead_letter_path": str(letters)}
    run_target(customers({"external_id": "c-1", "n": 1}, {"external_id": "c-2", "n": "x"}, n=INTEGER), **settings)
    before = letters.read_bytes()
    run = run_target(before.rstrip(), dry_run=True, **settings)
    assert f"records that would be rejected: 1, into {letters}. Most frequent: column 'n'" in run.warnings[-1]
    config = letters.with_name("explain.json")
    config.write_text(json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url, **settings}))
    explained = run_cli(["explain", "--config", str(config)], before)
    assert explained.exit_code == 0
    assert "rejected: column 'n'" in explained.stdout
    assert letters.read_bytes() == before
    assert [path.name for path in letters.parent.glob("dead*")] == ["dead.singer"]


def test_letters_of_another_file_leave_the_file_alone(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    sandbox.workspace.blocked_external_ids.update({"c-1", "c-2"})
    other = letters.with_name("other.singer")
    run_target(customers({"external_id": "c-1"}), on_error="dead_letter", dead_letter_path=str(other))
    run_target(customers({"external_id": "c-2"}), on_error="dead_letter", dead_letter_path=str(letters))
    run_target(other.read_bytes().rstrip(), on_error="dead_letter", dead_letter_path=str(letters))
    found = [(letter["record"]["external_id"], letter["dead_letter"]["attempt"]) for letter in records(letters)]
    assert found == [("c-2", 1), ("c-1", 2)]
    # Both at once.
    run_target(
        other.read_bytes() + letters.read_bytes().rstrip(), on_error="dead_letter", dead_letter_path=str(letters)
    )
    assert sorted(letter["dead_letter"]["attempt"] for letter in records(letters)) == [2, 2, 3]


def test_letters_that_were_written_before_the_file_itself_comes_in_stay_in_it(
    run_target: Callable[..., Run], letters: Path
) -> None:
    other = letters.with_name("other.singer")
    for path, user in ((other, "c-1"), (letters, "c-2")):
        run_target(
            customers({"external_id": user, "n": "x"}, n=INTEGER), on_error="dead_letter", dead_letter_path=str(path)
        )
    before = letters.read_bytes()
    run_target(other.read_bytes() + before.rstrip(), on_error="dead_letter", dead_letter_path=str(letters))
    found = [(letter["record"]["external_id"], letter["dead_letter"]["attempt"]) for letter in records(letters)]
    assert found == [("c-1", 2), ("c-2", 2)]
    assert read(letters)[0]["type"] == "SCHEMA"
    (aside,) = letters.parent.glob("dead.singer.*")
    assert aside.read_bytes() == before


@pytest.mark.parametrize(("end", "left"), [(b'{"type": "RECORD", "stre', [0, 1]), (b"", [0, 1]), (None, [0, 1])])
def test_a_line_that_was_cut_off_is_taken_away_and_a_whole_one_is_kept(
    end: bytes | None, left: list[int], run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    sandbox.workspace.blocked_external_ids.update({"c-0", "c-1"})
    for record in many(2, 2):
        run_target(customers(record, n=INTEGER), on_error="dead_letter", dead_letter_path=str(letters))
        if end is None:
            letters.write_bytes(letters.read_bytes().rstrip())
        else:
            letters.write_bytes(letters.read_bytes() + end)
    if end:
        run_target(
            customers({"external_id": "c-0", "n": 9}, n=INTEGER), on_error="dead_letter", dead_letter_path=str(letters)
        )
        left = [*left, 9]
    assert [letter["record"]["n"] for letter in records(letters)] == left


def test_a_record_of_several_changes_is_one_letter(
    run_calls: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    sandbox.workspace.blocked_external_ids.add("u-1")
    products = [{"product_id": f"p{n}", "price": 1} for n in range(3)]
    order = {"products": products, "currency": "EUR"}
    stream = calls({"type": "track", "userId": "u-1", "event": "Order Completed", "properties": order})
    run = run_calls(stream, settings={"on_error": "dead_letter", "dead_letter_path": str(letters)})
    assert len(records(letters)) == 1
    counts = run.summary["total"]
    assert (counts["read"], counts["rejected"], counts["open"]) == (1, 1, 0)


@pytest.mark.parametrize(("most", "bad"), [(3, 3), (3, 4), (0, 1), (0.05, 5), (0.05, 6), (None, 60), (1.0, 2)])
def test_too_many_dead_letters_stop_the_run(
    most: float | None, bad: int, run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    stops = most is not None and bad > (5 if most == 0.05 else most)
    good = [{"external_id": f"c-{n}", "n": n} for n in range(20)]
    wrong = [{"external_id": f"x-{n}", "n": f"no {n}"} for n in range(bad)]
    stream = customers(n=INTEGER)
    run = run_target(
        customers(*good, n=INTEGER),
        state(1),
        *(stream.record(one) for one in wrong),
        state(2),
        on_error="dead_letter",
        dead_letter_path=str(letters),
        max_dead_letters=most,
        expect=int(stops),
    )
    assert len(sandbox.profiles()) == run.summary["total"]["sent"]
    if stops:
        (error,) = run.errors
        assert f"setting 'max_dead_letters' is {most:g}, and {bad} of the {20 + bad} records read so far" in error
        assert f"column 'n': expected a whole number ({bad})" in error
        assert run.states in ([], [{"bookmarks": 1}])
        assert run.summary["ended"] == "failed"
    else:
        assert run.states[-1] == {"bookmarks": 2}
    assert len(records(letters)) == bad


def test_what_braze_rejects_counts_for_the_most_dead_letters_too_and_state_stays_behind(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    sandbox.workspace.blocked_external_ids.update(f"c-{n}" for n in range(30, 60))
    first, second = (customers(*part, n=INTEGER) for part in (list(many(30, 30)), list(many(60, 60))[30:]))
    settings = {"on_error": "dead_letter", "dead_letter_path": str(letters)}
    run = run_target(first, state(1), second, state(2), max_dead_letters=0.2, expect=1, **settings)
    assert "max_dead_letters" in run.errors[0]
    assert "blacklisted and disallowed" in run.errors[0]
    assert {"bookmarks": 2} not in run.states
    assert len(sandbox.profiles()) == run.summary["total"]["sent"]


def test_a_share_of_a_long_stream_counts_all_that_was_read(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    stream = customers(*({"external_id": f"c-{n}", "n": n if n % 20 else "x"} for n in range(1000)), n=INTEGER)
    settings = {"on_error": "dead_letter", "dead_letter_path": str(letters)}
    run_target(stream, max_dead_letters=0.06, **settings)
    assert len(records(letters)) == 50
    assert len(sandbox.profiles()) == 950
    run = run_target(stream, max_dead_letters=0.04, expect=1, **settings)
    assert "setting 'max_dead_letters' is 0.04" in run.errors[0]


def test_a_second_run_adds_to_the_file(run_target: Callable[..., Run], letters: Path) -> None:
    for n in ("x", "y"):
        stream = customers({"external_id": "c-1", "n": n}, n=INTEGER)
        run_target(stream, on_error="dead_letter", dead_letter_path=str(letters))
    assert [letter["record"]["n"] for letter in records(letters)] == ["x", "y"]


def test_a_record_that_braze_rejects_late_keeps_the_schema_it_came_under(
    run_target: Callable[..., Run], sandbox: Sandbox, letters: Path
) -> None:
    sandbox.workspace.blocked_external_ids.add("c-1")
    old = customers({"external_id": "c-1", "plan": "gold"}, plan=TEXT)
    new = customers({"external_id": "c-2", "size": 1}, size=INTEGER)
    run_target(old, new, on_error="dead_letter", dead_letter_path=str(letters))
    assert read(letters)[0] == old.schema


def test_a_record_through_a_stream_map_is_kept_as_it_came(run_target: Callable[..., Run], letters: Path) -> None:
    stream = Stream("people", {"id": TEXT, "n": TEXT}, [{"id": "c-1", "n": "x"}])
    maps = {"people": {"external_id": "id", "n": "n"}}
    mapping = {"people": {"types": {"n": "integer"}}}
    run_target(stream, stream_maps=maps, streams=mapping, on_error="dead_letter", dead_letter_path=str(letters))
    assert records(letters)[0]["record"] == {"id": "c-1", "n": "x"}


def test_a_file_that_cannot_be_written_ends_the_run(
    run_target: Callable[..., Run], tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "none" / "dead.singer"
    sandbox.workspace.blocked_external_ids.add("c-0")
    settings = {"on_error": "dead_letter", "dead_letter_path": str(path)}
    for record in ({"external_id": "c-1", "n": "x"}, {"external_id": "c-0", "n": 1}):
        run = run_target(customers(record, n=INTEGER), state(1), expect=1, **settings)
        assert str(path) in run.errors[0]
        assert not run.states


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk_ends_the_run_and_is_named(run_target: Callable[..., Run]) -> None:
    stream = customers({"external_id": "c-1", "n": "x"}, n=INTEGER)
    run = run_target(stream, state(1), on_error="dead_letter", dead_letter_path="/dev/full", expect=1)
    assert run.errors == ["dead letters cannot be written to /dev/full: No space left on device"]
    assert not run.states
    assert "are in /dev/full" not in run.stderr


def test_the_file_is_not_made_without_need(run_target: Callable[..., Run], letters: Path, sandbox: Sandbox) -> None:
    run_target(customers({"external_id": "c-1"}), on_error="dead_letter", dead_letter_path=str(letters))
    assert not letters.exists()
    assert the(sandbox.profile("c-1")).external_id == "c-1"
    assert sent(sandbox) == [{"external_id": "c-1"}]
