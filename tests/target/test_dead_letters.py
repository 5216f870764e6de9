"""Rejected records: the right ones, with Braze's reason, in a file that can be piped in again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.braze_api import Answer, Client, RefusedError

from tests.target.singer import INTEGER, NUMBER, TEXT, Stream, customers, many, sent, state, the

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.singer import Run

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


def test_the_file_is_not_made_without_need(run_target: Callable[..., Run], letters: Path, sandbox: Sandbox) -> None:
    run_target(customers({"external_id": "c-1"}), on_error="dead_letter", dead_letter_path=str(letters))
    assert not letters.exists()
    assert the(sandbox.profile("c-1")).external_id == "c-1"
    assert sent(sandbox) == [{"external_id": "c-1"}]
