"""Which files of Currents a run reads: once each, however late they come, and broken ones until they are whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.currents.files import Options, write
from braze_sandbox.state.instance import Instance
from braze_sandbox.state.options import Options as InstanceOptions
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tap_braze.currents import files as listing
from tap_braze.currents.position import Position
from tap_braze.singer import writer
from tap_braze.streams import currents as streams

from tests.tap.support.currents import CLICK, CLICKS, NAME, OPEN, OPENS, Bucket, avro, event, events, ids
from tests.tap.support.singer import catalog_of

if TYPE_CHECKING:
    from pathlib import Path

    from tap_braze.currents.files import File


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return Bucket(folder)


def test_a_file_is_read_once(bucket: Bucket) -> None:
    bucket.write(events("a", "b"))
    assert ids(bucket.run()) == ["a", "b"]
    assert ids(bucket.run()) == []
    bucket.write(events("c"))
    assert ids(bucket.run()) == ["c"]


def test_files_come_by_hour(bucket: Bucket) -> None:
    for hour, event_id in (("2026-03-02-00", "c"), ("2026-03-01-09", "a"), ("2026-03-01-23", "b")):
        bucket.write(events(event_id), hour)
    assert ids(bucket.run()) == ["a", "b", "c"]


def test_files_under_past_hours_are_read(bucket: Bucket) -> None:
    bucket.write(events("new"), "2026-03-08-00")
    assert ids(bucket.run()) == ["new"]
    bucket.write(events("late"), "2026-03-01-00")
    assert ids(bucket.run()) == ["late"]
    assert ids(bucket.run()) == []


def test_what_comes_later_than_the_look_back_is_lost(bucket: Bucket) -> None:
    bucket.write(events("new"), "2026-03-01-12")
    bucket.run(lookback_hours=2)
    bucket.write(events("in it"), "2026-03-01-10")
    bucket.write(events("before it"), "2026-03-01-09")
    assert ids(bucket.run(lookback_hours=2)) == ["in it"]
    assert ids(bucket.run(lookback_hours=3)) == ["before it"]


def test_the_first_hour(bucket: Bucket) -> None:
    for hour in ("2026-02-28-23", "2026-03-01-00", "2026-03-01-05"):
        bucket.write(events(hour), hour)
    assert ids(bucket.run()) == ["2026-03-01-00", "2026-03-01-05"]
    assert ids(bucket.run()) == []
    bucket.state = None
    assert ids(bucket.run(start_date="2026-03-01T06:30:00+02:00")) == ["2026-03-01-05"]
    bucket.state, bucket.config = None, {"start_date": "2026-03-01T05:00:00Z"}
    assert ids(bucket.run(start_date=None)) == ["2026-03-01-05"]


def test_without_a_start_date_nothing_is_lost_while_the_tap_rests(bucket: Bucket) -> None:
    """By default a first run begins 100 days ago; later ones where the last one was, however long ago."""
    bucket.state = {"bookmarks": {OPENS: {"hour": "2020-01-01-00", "read": ""}}}
    bucket.write(events("a"), "2020-01-02-00")
    assert ids(bucket.run(start_date=None)) == ["a"]


@pytest.mark.parametrize("below", ["version=12/us-01", "315/prod-03", "something/else/again", "."])
def test_what_is_between_the_hour_and_the_file_does_not_matter(bucket: Bucket, below: str) -> None:
    bucket.write(events("a"), below=below)
    assert ids(bucket.run()) == ["a"]


@pytest.mark.parametrize("url", ["", "currents", f"currents/{NAME}"])
def test_the_url_is_the_folder_path_or_one_above_or_below(bucket: Bucket, url: str) -> None:
    bucket.write(events("a"))
    assert ids(bucket.run(url=f"{bucket.folder}/{url}")) == ["a"]
    bucket.state = None
    assert ids(bucket.run(url=f"file://{bucket.folder}/{url}/")) == ["a"]


def test_several_integrations(bucket: Bucket) -> None:
    bucket.write(events("a"), integration="one/dataexport.prod-01.S3.integration.1", name="same.avro")
    bucket.write(events("b"), integration="one/dataexport.prod-01.S3.integration.2", name="same.avro")
    bucket.write(events("c"), integration="two/sub/dataexport.prod-05.GCS.integration.3")
    assert sorted(ids(bucket.run())) == ["a", "b", "c"]
    assert ids(bucket.run()) == []


def test_other_folders_and_files(bucket: Bucket) -> None:
    bucket.write(events("a"))
    bucket.write(b"", name="_SUCCESS")
    bucket.write(b"", name=".DS_Store")
    (bucket.folder / "currents" / "exports").mkdir()
    (bucket.folder / "currents" / "exports" / "users.zip").write_bytes(b"PK")
    (bucket.folder / "currents" / NAME / f"event_type={OPEN}" / "archive").mkdir()
    run = bucket.run()
    assert run.exit_code == 0
    assert ids(run) == ["a"]
    assert "archive is skipped: its folder is not named date=YYYY-MM-DD-HH" in run.stderr


@pytest.mark.parametrize("hour", ["2026-02-30-10", "2026-03-01-24", "2026-13-01", "0000-03-01-10"])
def test_an_hour_that_there_is_not_is_no_hour(bucket: Bucket, hour: str) -> None:
    bucket.write(events("a"))
    bucket.write(events("b"), hour)
    run = bucket.run()
    assert (run.exit_code, ids(run)) == (0, ["a"])
    assert f"date={hour} is skipped: its folder is not named date=YYYY-MM-DD-HH" in run.stderr


def test_an_hour_that_is_still_to_come_keeps_nothing_from_being_read(bucket: Bucket) -> None:
    """Only a wrong clock, or a person, creates such a folder."""
    bucket.write(events("a"), "9999-12-31-23")
    assert ids(bucket.run()) == ["a"]
    now = datetime.now(timezone.utc)
    bucket.write(events("b"), now.strftime("%Y-%m-%d-%H"))
    assert ids(bucket.run()) == ["b"]
    bucket.write(events("c"), (now - timedelta(days=6)).strftime("%Y-%m-%d-%H"))
    assert ids(bucket.run()) == ["c"]
    assert ids(bucket.run()) == []


def test_only_folders_of_wanted_hours_are_listed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415

    for day in range(1, 29):
        bucket.write(events(f"{day}"), f"2026-03-{day:02}-00")
    bucket.run(lookback_hours=48)
    listed: list[str] = []
    find = LocalFileSystem.find

    def watched(self: Any, path: str, **more: Any) -> Any:
        listed.append(path)
        return find(self, path, **more)

    monkeypatch.setattr(LocalFileSystem, "find", watched)
    assert ids(bucket.run(lookback_hours=48)) == []
    assert [path.rpartition("=")[2] for path in sorted(listed)] == ["2026-03-26-00", "2026-03-27-00", "2026-03-28-00"]


BROKEN = {
    "truncated": avro(events("a", "b"))[:-20],
    "cut off in its header": avro(events("a"))[:100],
    "empty": b"",
    "no Avro": b"id,time\na,1\n",
    "more behind it": avro(events("a")) + b"more",
    "an event without id": avro([event("a"), event("")]),
    "an event with id null": avro([event("a"), event("b", id=None)], {"id": ["null", "string"], "time": "int"}),
    "an event without time": avro([event("a")], {"id": "string"}),
    "a codec that nobody knows": avro(events("a")).replace(b"null", b"rot3", 1),
}
WORDS = {
    "truncated": "it is not a complete Avro file (it is truncated)",
    "a codec that nobody knows": "it is compressed by 'rot3'",
    "an event without id": "it has an event without 'id': number 2",
    "an event with id null": "it has an event without 'id': number 2",
    "an event without time": "it has an event without 'time': number 1",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_tried_again_until_it_is_whole(bucket: Bucket, case: str) -> None:
    bucket.write(events("before"), "2026-03-01-09")
    broken = bucket.write(BROKEN[case])
    bucket.write(events("after"), "2026-03-20-11")
    run = bucket.run()
    assert ids(run) == ["before", "after"]
    assert run.exit_code == 1
    (error,) = run.errors
    assert error.startswith(f"stream '{OPENS}': {bucket.relative(broken)} failed: it ")
    assert WORDS.get(case, "it is not a complete Avro file") in error
    assert error.endswith("Everything else was read. Run again later to read what is missing")
    assert run.state["bookmarks"][OPENS]["pending"] == [bucket.relative(broken)]

    again = bucket.run()  # it is far before the look-back by now
    assert (ids(again), again.exit_code) == ([], 1)
    broken.write_bytes(avro(events("mended")))
    mended = bucket.run()
    assert (ids(mended), mended.exit_code) == (["mended"], 0)
    assert "pending" not in mended.state["bookmarks"][OPENS]
    assert ids(bucket.run()) == []


def test_a_broken_file_that_is_removed_is_forgotten(bucket: Bucket) -> None:
    broken = bucket.write(b"no Avro")
    bucket.write(events("a"))
    assert bucket.run().exit_code == 1
    broken.unlink()
    run = bucket.run()
    assert run.exit_code == 0
    assert f"these files no longer exist and are not tried again: ['{bucket.relative(broken)}']" in run.stderr
    assert "pending" not in run.state["bookmarks"][OPENS]


def test_too_many_broken_files_end_their_stream(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_braze.currents.position.MOST_ASIDE", 3)
    for number in range(6):
        bucket.write(b"no Avro", f"2026-03-01-{number:02}")
    bucket.write(events("after"), "2026-03-02-00")
    run = bucket.run()
    assert run.exit_code == 1
    assert ids(run) == []
    assert len(run.state["bookmarks"][OPENS]["pending"]) == 3
    assert "+4.avro and all files after it, because 3 files before it are broken too, failed" in run.stderr
    for path in bucket.folder.rglob("*.avro"):
        if path.read_bytes() == b"no Avro":
            path.write_bytes(avro(events(path.name)))
    assert len(ids(bucket.run())) == 7


def test_a_file_that_grows_is_read_again(bucket: Bucket) -> None:
    whole = avro(events("a", "b"))
    path = bucket.write(whole[:-30])
    assert bucket.run().exit_code == 1
    path.write_bytes(whole)
    assert ids(bucket.run()) == ["a", "b"]
    path.write_bytes(avro(events("a", "b", "c")))
    assert ids(bucket.run()) == ["a", "b", "c"]


def test_a_file_that_changes_while_it_is_read_waits(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    from tap_braze.storage import Storage  # noqa: PLC0415

    path = bucket.write(events("a"))
    size = path.stat().st_size
    monkeypatch.setattr(Storage, "read", lambda _self, _path: iter([avro(events("a"))[:-7]]))
    run = bucket.run()
    assert ids(run) == []
    assert f"it changed while it was read: from {size} to {size - 7} bytes" in run.errors[0]
    monkeypatch.undo()
    assert ids(bucket.run()) == ["a"]


def test_a_run_that_is_cut_goes_on_where_it_was(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_RECORDS_BETWEEN_STATES", 1)
    for number in range(5):
        bucket.write(events(f"{number}-a", f"{number}-b"), f"2026-03-01-0{number}")
    run = bucket.run()
    seen: list[str] = []
    for message in run.messages:
        if message["type"] == "RECORD":
            seen.append(message["record"]["id"])
        if message["type"] == "STATE":
            bucket.state = message["value"]
            assert seen + ids(bucket.run()) == ids(run)


def test_the_state_is_made_when_it_is_written_and_not_for_each_file(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_RECORDS_BETWEEN_STATES", 2)
    marked: list[int] = []
    state = Position.state

    def counted(self: Position) -> dict[str, Any]:
        marked.append(self.marks)
        return state(self)

    monkeypatch.setattr(Position, "state", counted)
    for number in range(40):
        bucket.write(events(str(number)), f"2026-03-01-{number // 2:02}")
    assert len(ids(bucket.run())) == 40
    # As often as twice as many files are marked, and at the end.
    assert sum(marked) <= 4 * 40
    assert ids(bucket.run()) == []


@pytest.mark.parametrize("maps", [{}, {OPENS: {"more": "'x'"}}])
def test_a_run_that_stops_keeps_every_complete_file(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, maps: dict[str, Any]
) -> None:
    bucket.config["stream_maps"] = maps
    for number in range(5):
        bucket.write(events(f"{number}-a", f"{number}-b"), f"2026-03-01-0{number}")
    done = Position.done

    def stop_after_the_third(self: Position, file: File) -> None:
        done(self, file)
        if self.marks == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Position, "done", stop_after_the_third)
        patch.setattr(writer, "_BUFFER_BYTES", 1)
        first = bucket.run()
    assert first.exit_code == 128 + signal.SIGTERM
    assert ids(first)[:6] == [f"{number}-{each}" for number in range(3) for each in "ab"]
    assert ids(bucket.run()) == ["3-a", "3-b", "4-a", "4-b"]  # and nothing of the first three


def test_each_stream_has_its_own_state(bucket: Bucket) -> None:
    bucket.write(events("a"))
    bucket.write(events("b"), event_type=CLICK)
    assert ids(bucket.run(OPENS)) == ["a"]
    both = bucket.run(OPENS, CLICKS, "currents_events")
    assert (ids(both), ids(both, CLICKS), sorted(ids(both, "currents_events"))) == ([], ["b"], ["a", "b"])


def test_event_types_that_are_added_later_come_from_their_beginning(bucket: Bucket) -> None:
    bucket.write(events("old"), "2026-03-01-00", CLICK)
    bucket.write(events("a"), "2026-03-28-00")
    assert ids(bucket.run("currents_events", event_types=["*.Open"]), "currents_events") == ["a"]
    assert ids(bucket.run("currents_events", event_types=["*.Open", "*.Click"]), "currents_events") == ["old"]


def test_the_state_is_as_small_as_the_look_back(bucket: Bucket) -> None:
    for day in range(1, 29):
        for hour in range(0, 24, 6):
            bucket.write(events(f"{day}-{hour}"), f"2026-03-{day:02}-{hour:02}")
    assert len(ids(bucket.run(lookback_hours=24))) == 28 * 4
    state = bucket.state["bookmarks"][OPENS] if bucket.state else {}
    assert state["hour"] == "2026-03-28-18"
    assert len(state["read"].split()) == 5
    assert all(len(mark) == 10 for mark in state["read"].split())


def test_full_table_reads_all_and_keeps_no_state(bucket: Bucket) -> None:
    bucket.write(events("a"))
    bucket.run()
    catalog = json.loads(json.dumps(full_table(bucket)))
    assert ids(bucket.run(catalog=catalog)) == ["a"]
    assert ids(bucket.run(catalog=catalog)) == ["a"]


def full_table(bucket: Bucket) -> dict[str, Any]:
    catalog = catalog_of(bucket.settings(), (OPENS,))
    for entry in catalog["streams"]:
        entry["replication_method"] = "FULL_TABLE"
    return catalog


@pytest.mark.parametrize("state", [{"hour": "yesterday"}, {"hour": 5}, {"pending": 1}])
def test_a_state_that_is_none_is_named(bucket: Bucket, state: dict[str, Any]) -> None:
    bucket.write(events("a"))
    bucket.state = {"bookmarks": {OPENS: state}}
    run = bucket.run()
    assert run.exit_code == 1
    assert run.errors == [f"stream '{OPENS}': the position of {OPEN} in the state is malformed; remove or correct it"]


@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each example is several runs: too slow to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 40), st.sampled_from([OPEN, CLICK]), st.booleans()), max_size=4), max_size=4
    )
)
def test_whenever_files_appear_each_event_comes_once(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[tuple[int, str, bool]]]
) -> None:
    """Files appear in any order of hours within the look-back, some cut off until the next round."""
    bucket = Bucket(tmp_path_factory.mktemp("rounds") / "bucket")
    bucket.folder.mkdir()
    bucket.write(events("first"), "2026-03-01-00")
    seen = ids(bucket.run("currents_events"), "currents_events")
    written = {"first"}
    cut: dict[Path, bytes] = {}
    for files in [*rounds, []]:
        for path, whole in cut.items():
            path.write_bytes(whole)
        cut = {}
        for hour, event_type, is_cut in files:
            event_id = f"e{bucket.offset}"
            written.add(event_id)
            whole = avro(events(event_id))
            path = bucket.write(
                whole[:-9] if is_cut else whole, f"2026-03-0{1 + hour // 24}-{hour % 24:02}", event_type
            )
            if is_cut:
                cut[path] = whole
        seen += ids(bucket.run("currents_events", lookback_hours=48), "currents_events")
    assert sorted(seen) == sorted(written)


@pytest.fixture(scope="module")
def workspace() -> Instance:
    return Instance(InstanceOptions(seed="demo"))


@pytest.mark.parametrize("layout", ["version", "schema-id"])
def test_the_sandbox_with_late_files_duplicates_and_a_new_schema(
    workspace: Instance, bucket: Bucket, layout: Any
) -> None:
    def options(late: Any) -> Options:
        return Options(
            hours=12,
            event_types=("users.messages.email.*", "users.behaviors.*"),
            layout=layout,
            padded=layout == "schema-id",
            late_files=late,
            duplicates=0.2,
            schema_change=True,
            files_per_hour=2,
        )

    written = write(bucket.folder, workspace, options("hold"))
    run = bucket.run("currents_events", event_types=[])
    assert run.exit_code == 0, run.stderr
    seen = ids(run, "currents_events")
    assert sorted(seen) == sorted(record["id"] for file in written for record in file.records)
    assert len(set(seen)) < len(seen)
    late = write(bucket.folder, workspace, options("send"))
    assert late
    assert sorted(ids(bucket.run("currents_events", event_types=[]), "currents_events")) == sorted(
        record["id"] for file in late for record in file.records
    )
    bucket.state = None
    once = bucket.run("currents_events", event_types=[], deduplicate=True)
    assert sorted(ids(once, "currents_events")) == sorted(
        {record["id"] for file in (*written, *late) for record in file.records}
    )


def test_a_signal_ends_the_run_between_two_lines(bucket: Bucket) -> None:
    """Its processes end, too, and the next run reads what is missing."""
    for number in range(12):
        many = [event(f"{number}-{each}", email_address="x" * 200) for each in range(5000)]
        bucket.write(many, f"2026-03-01-{number:02}")
    config = bucket.settings()
    command = [sys.executable, "-m", "tap_braze"]
    command += bucket.arguments({"config": config, "catalog": catalog_of(config, (OPENS,))})
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        head = process.stdout.read(1_000_000)  # then the pipe is full, and the files ahead are read
        process.send_signal(signal.SIGTERM)
        tail = process.stdout.read()  # also of the processes that it began, which would hold the pipe
    assert process.returncode == 128 + signal.SIGTERM
    messages = [json.loads(line) for line in (head + tail).splitlines()]
    assert messages[-1]["type"] == "STATE"
    bucket.state = messages[-1]["value"]
    seen = {message["record"]["id"] for message in messages if message["type"] == "RECORD"}
    assert 0 < len(seen) < 60_000
    assert len(seen | set(ids(bucket.run()))) == 60_000


def test_odd_file_names_are_named_in_one_line(bucket: Bucket) -> None:
    whole = bucket.write(events("whole"))
    (whole.parent / "new\nline.avro").write_bytes(avro(events("read")))
    (whole.parent / "broken\nERROR\x1b[31m.avro").write_bytes(b"no Avro")
    (whole.parent / os.fsdecode(b"latin\xe9.avro")).write_bytes(avro(events("lost")))
    run = bucket.run()
    assert sorted(ids(run)) == ["read", "whole"]
    assert run.exit_code == 1
    (error,) = run.errors
    assert r"broken\nERROR\x1b[31m.avro" in error
    assert r"latin\udce9.avro" in error
    assert all("| " in line for line in run.stderr.splitlines())


def test_a_folder_in_lower_case_is_the_same_event_type(bucket: Bucket) -> None:
    bucket.write(events("a"))
    other = bucket.write(events("b"))
    folder = next(each for each in other.parents if each.name.startswith("event_type="))
    lower = folder.with_name(folder.name.lower())
    other.rename(_sibling(other, folder, lower))
    run = bucket.run()
    assert (sorted(ids(run)), run.exit_code) == (["a", "b"], 0)


def _sibling(path: Path, folder: Path, other: Path) -> Path:
    moved = other / path.relative_to(folder)
    moved.parent.mkdir(parents=True, exist_ok=True)
    return moved


def test_a_file_that_is_too_large_is_not_read(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_LARGEST", 2_000)
    bucket.write(events("a"))
    bucket.write(b"x" * 2_001)
    run = bucket.run()
    assert (ids(run), run.exit_code) == (["a"], 1)
    assert "it has 2,001 bytes, more than the 2,000 that are read at once" in run.errors[0]
