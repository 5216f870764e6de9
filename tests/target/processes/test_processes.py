"""Setting `processes`: what several processes do is what one does, and one process reports it."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import INTEGER, TEXT, TIME, Run, Stream, customers, lines, reasons, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

USERS = 40
EVENTS = Stream("events", {"external_id": TEXT, "name": TEXT, "n": INTEGER, "time": TIME}, keys=["n"])
ALIASED = Stream("aliased", {"alias_name": TEXT, "alias_label": TEXT, "plan": TEXT})


def messages() -> list[dict[str, Any]]:
    """Interleave attributes and events of the same users, some of them without a valid identifier, and STATEs."""
    profiles = customers(n=INTEGER, plan=TEXT)
    found = [profiles.schema, EVENTS.schema, ALIASED.schema]
    for n in range(300):
        user = f"c-{n % USERS}" if n % 50 else " "
        found.append(profiles.record({"external_id": user, "n": n, "plan": "gold" if n % 3 else None}))
        event = {"external_id": f"c-{n % USERS}", "name": "seen", "n": n, "time": "2026-03-04T09:10:11Z"}
        found.append(EVENTS.record(event if n % 60 else {**event, "time": "yesterday"}))
        found.append(ALIASED.record({"alias_name": f"a-{n % USERS}", "alias_label": "web", "plan": f"{n}"}))
        if n % 10 == 9:
            found.append(state({"upto": n}))
    return found


def held(sandbox: Sandbox) -> dict[str, Any]:
    """Return what the sandbox holds of each user, with events in their order."""
    return {
        json.dumps(profile.external_id or [*profile.aliases.items()]): (
            profile.custom_attributes,
            [event["properties"]["n"] for event in profile.events],
        )
        for profile in sandbox.profiles()
    }


def letters(path: Path) -> list[tuple[Any, str]]:
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    return sorted((str(one["record"]), one["dead_letter"]["reason"]) for one in found if one["type"] == "RECORD")


def rows(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [one["type"] for one in found].count("SCHEMA") == 1
    return sorted((one["record"] for one in found if one["type"] == "RECORD"), key=lambda row: row["position"])


def test_several_processes_do_what_one_does(sandbox: Sandbox, run_target: Callable[..., Run], tmp_path: Path) -> None:
    seen = []
    for processes in (1, 3):
        sandbox.reset()
        folder = tmp_path / str(processes)
        folder.mkdir()
        run = run_target(
            *messages(),
            processes=processes,
            max_objects_per_request=5,
            on_error="dead_letter",
            dead_letter_path=str(folder / "dead"),
            delivery_log_path=str(folder / "log"),
            report_path=str(folder / "report.html"),
        )
        assert run.states[-1] == {"bookmarks": {"upto": 299}}
        assert (folder / "report.html").is_file()
        (history,) = (folder / "report.jsonl").read_text().splitlines()
        assert json.loads(history) == run.summary
        logged = rows(folder / "log")
        assert {row["run_id"] for row in logged} == {run.summary["run_id"]}
        sent = {row["request"] for row in logged if row["request"]}
        assert len(sent) == run.summary["total"]["requests"] == len(sandbox.requests)
        outcomes = [(row["position"], row["stream"], row["record"], row["identifier"], row["reason"]) for row in logged]
        counts = {
            stream: {
                "read": found["read"],
                "settled": found["sent"] + found["coalesced"],
                **{name: found[name] for name in ("rejected", "left_out", "open")},
            }
            for stream, found in run.summary["streams"].items()
        }
        seen.append(
            (held(sandbox), letters(folder / "dead"), outcomes, counts, run.summary["reasons"], reasons(sandbox))
        )
    assert seen[0] == seen[1]
    assert len(seen[0][1]) == 6 + 5
    assert sum(len(events) for _, events in seen[0][0].values()) == 295


def test_a_users_changes_all_come_from_one_process(sandbox: Sandbox, run_target: Callable[..., Run]) -> None:
    """Order within a user holds across streams, because only one process sends the user's changes."""
    columns = {"email": TEXT, "n": INTEGER}
    many = [Stream(name, columns) for name in ("one", "two", "three")]
    records = [many[n % 3].record({"email": f" u{n % 5}@example.com", "n": n}) for n in range(200)]
    run_target(*(stream.schema for stream in many), *records, processes=2, max_objects_per_request=1)
    last: dict[str, int] = {}
    for request in sandbox.requests:
        for one in request.body["attributes"]:
            assert last.get(one["email"], -1) < one["n"]
            last[one["email"]] = one["n"]
    assert sorted(last.values()) == [195, 196, 197, 198, 199]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"streams": {"*pairs": {"to": "merges"}}}, "streams.*pairs.to"),
        (
            {"streams": {"customers": {"on_delete": "unset"}}, "ledger_path": "ledger.sqlite"},
            "streams.customers.on_delete",
        ),
        ({"dry_run": True}, "a dry run"),
    ],
)
def test_a_run_that_needs_one_process_keeps_to_one_and_says_why(
    settings: dict[str, Any], why: str, run_target: Callable[..., Run], tmp_path: Path
) -> None:
    if "ledger_path" in settings:
        settings = {**settings, "ledger_path": str(tmp_path / "ledger.sqlite")}
    run = run_target(customers({"external_id": "c-1", "n": 1}, n=INTEGER), processes=2, **settings)
    (warning,) = (line for line in run.warnings if "'processes'" in line)
    assert why in warning
    assert run.summary["total"]["sent"] == 1


def test_a_rejected_record_ends_the_run_and_is_not_covered(run_target: Callable[..., Run]) -> None:
    stream = customers({"external_id": "c-1"}, {"external_id": " "}, {"external_id": "c-2"})
    run = run_target(stream, state(3), processes=2, expect=1)
    assert run.states == []
    (error,) = run.errors
    assert "stream 'customers', record 2" in error
    assert "these columns are blank: external_id" in error
    assert run.summary["ended"] == "failed"


def test_too_many_dead_letters_of_all_processes_end_the_run(run_target: Callable[..., Run], tmp_path: Path) -> None:
    bad = [{"external_id": f"c-{n}", "country": "Atlantis"} for n in range(40)]
    run = run_target(
        customers(*bad, country=TEXT),
        state(40),
        processes=2,
        on_error="dead_letter",
        dead_letter_path=str(tmp_path / "dead"),
        max_dead_letters=30,
        expect=1,
    )
    assert "setting 'max_dead_letters' is 30, and 31 of the 40 records" in run.errors[0]
    assert run.states == []


def test_records_from_stream_maps_and_unusual_lines_are_dealt(
    sandbox: Sandbox, run_target: Callable[..., Run], tmp_path: Path
) -> None:
    people = Stream("people", {"id": TEXT, "score": {"type": ["number", "null"]}})
    plain = customers(score={"type": ["number", "null"]})
    damaged = lines(plain.record({"external_id": "c-2", "score": 0})).replace(b'"score": 0', b'"score": NaN')
    run = run_target(
        people.schema,
        plain.schema,
        *(people.record({"id": f"p-{n}", "score": n / 7}) for n in range(10)),
        b"\xef\xbb\xbf" + lines(plain.record({"external_id": "c-1", "score": 1.25})).strip(),
        damaged.strip(),
        b"",
        lines(plain.record({"external_id": "c-3", "score": 3, "more": 1})).strip(),
        processes=2,
        stream_maps={"people": {"external_id": "id", "id": "__NULL__"}},
        on_error="dead_letter",
        dead_letter_path=str(tmp_path / "dead"),
    )
    assert run.summary["total"]["sent"] == 12
    found = {profile.external_id: profile.custom_attributes for profile in sandbox.profiles()}
    assert found["p-3"] == {"score": 3 / 7}
    assert found["c-1"] == {"score": 1.25}
    assert b"NaN" in (tmp_path / "dead").read_bytes()
    assert "column 'more' is not in the stream's SCHEMA" in run.stderr


def test_catalog_items_and_users_of_one_run(sandbox: Sandbox, run_target: Callable[..., Run]) -> None:
    items = Stream("items", {"id": TEXT, "title": TEXT}, [{"id": f"i-{n}", "title": "tea"} for n in range(60)], ["id"])
    people = customers(*({"external_id": f"c-{n}", "n": n} for n in range(60)), n=INTEGER)
    streams = {"items": {"to": "catalog_items", "catalog": {"name": "goods"}}}
    run_target(items, people, processes=2, streams=streams)
    assert len(sandbox.profiles()) == 60
    paths = [request.path for request in sandbox.requests]
    assert paths.count("/catalogs") == 2  # one looks for the catalog, one creates it


def test_the_ledger_serves_any_number_of_processes(
    sandbox: Sandbox, run_target: Callable[..., Run], tmp_path: Path
) -> None:
    given = [one for one in messages() if one.get("stream") != "aliased"]
    settings = {"ledger_path": str(tmp_path / "ledger.sqlite"), "on_error": "dead_letter"}
    settings["dead_letter_path"] = str(tmp_path / "dead")
    for processes in (1, 3, 2, 1):
        before = held(sandbox)
        run = run_target(*given, processes=processes, **settings)
        counts = run.summary["streams"]["events"]
        if before:
            assert counts["unchanged"] == 295
            assert held(sandbox) == before
        # Each user's last value of `n` differs from the first ones that the run meets.
        assert run.states[-1] == {"bookmarks": {"upto": 299}}


def test_a_ledger_that_processes_use_refuses_other_runs(run_target: Callable[..., Run], tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    people = customers({"external_id": "c-1"})
    claim = sqlite3.connect(f"{path}.claim", isolation_level=None)
    claim.execute("BEGIN EXCLUSIVE")
    run = run_target(people, processes=2, ledger_path=str(path), expect=1)
    assert "is in use by another run" in run.errors[0]
    claim.close()
    run_target(people, processes=2, ledger_path=str(path))
    shared = sqlite3.connect(path)
    shared.execute("SELECT count(*) FROM users").fetchone()
    run = run_target(people, ledger_path=str(path), expect=1)
    assert "is in use by another run" in run.errors[0]
    shared.close()


def test_many_states_wait_in_bounded_memory_and_the_last_one_leaves(
    run_target: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_braze.processes.children._MOST_STATES", 5)
    people = customers(n=INTEGER)
    found = [people.schema]
    for n in range(100):
        found += [people.record({"external_id": f"c-{n}", "n": n}), state({"upto": n})]
    states = [one["bookmarks"]["upto"] for one in run_target(*found, processes=2).states]
    assert states == sorted(states)
    assert states[-1] == 99
