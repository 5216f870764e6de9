"""Spark reads the files of the past into the tables of the tap, and the tap continues without a hole or a double."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.currents import files as currents
from braze_sandbox.state.instance import Instance
from braze_sandbox.state.options import Options
from tap_braze.currents.backfill import Backfill

from tests.tap.support.currents import FIELDS, OPEN, OPENS, Bucket, avro, event, events, ids
from tests.tap.support.singer import Run, catalog_of, run_cli

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

TYPES = ("users.messages.email.*", "users.behaviors.Purchase", "users.behaviors.CustomEvent", "users.behaviors.app.*")
HOURS = 30


@pytest.fixture(scope="module")
def workspace() -> Instance:
    return Instance(Options(seed="demo", today=date(2026, 3, 20)))


@pytest.fixture
def examples(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the code on the page defines."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    text = (root / "docs" / "currents-spark.md").read_text("utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    return names


def read(folder: Path, *, all_events: bool = False, state: dict[str, Any] | None = None) -> Run:
    """Run the tap on the bucket in a folder."""
    config: dict[str, Any] = {"api_key": "k", "endpoint": "http://127.0.0.1:9", "start_date": "2026-02-01"}
    config |= {"currents": {"url": str(folder / "bucket"), "start_date": "2026-02-01"}}
    catalog = catalog_of(config, ())
    for entry in catalog["streams"]:
        root = next(item for item in entry["metadata"] if not item["breadcrumb"])
        is_one = entry["tap_stream_id"] == "currents_events"
        root["metadata"]["selected"] = entry["tap_stream_id"].startswith("currents_") and is_one is all_events
    arguments = []
    for option, content in (("config", config), ("catalog", catalog), ("state", state or {})):
        (folder / f"{option}.json").write_text(json.dumps(content), "utf-8")
        arguments += [f"--{option}", str(folder / f"{option}.json")]
    return run_cli(arguments)


def tables(run: Run) -> dict[str, dict[Any, dict[str, Any]]]:
    """Return the tables that a loader makes of the messages: rows by key, with all columns of the last SCHEMA."""
    columns: dict[str, list[str]] = {}
    found: dict[str, dict[Any, dict[str, Any]]] = {}
    for message in run.messages:
        if message["type"] == "SCHEMA":
            columns[message["stream"]] = list(message["schema"]["properties"])
        elif message["type"] == "RECORD":
            row = message["record"]
            found.setdefault(message["stream"], {})[row.get("event_type"), row["id"]] = row
    return {
        stream: {key: {name: row.get(name) for name in columns[stream]} for key, row in rows.items()}
        for stream, rows in found.items()
    }


def test_spark_fills_the_tables_and_the_tap_continues(
    spark: SparkSession, examples: dict[str, Any], workspace: Instance, tmp_path: Path
) -> None:
    known: dict[str, Any] = {"event_types": TYPES, "hours": HOURS, "schema_change": True, "files_per_hour": 2}
    before = currents.write(
        tmp_path / "bucket", workspace, currents.Options(**known, duplicates=0.1, late_files="hold")
    )
    assert len(before) >= 200
    examples["backfill"](spark, str(tmp_path / "bucket"), str(tmp_path / "tables"), "2026-02-01")
    state = json.loads((tmp_path / "state.json").read_text("utf-8"))
    expected = tables(read(tmp_path))
    assert sum(map(len, expected.values())) < sum(len(file.records) for file in before), "no duplicates"
    for name, rows in expected.items():
        found = [row.asDict() for row in spark.read.parquet(str(tmp_path / "tables" / name)).collect()]
        assert len(found) == len(rows)
        assert {(None, row["id"]): row for row in found} == rows, name
    # Late files under hours that are over, and a day more.
    start = currents.Options().start + timedelta(hours=HOURS)
    after = currents.write(tmp_path / "bucket", workspace, currents.Options(**known, late_files="send"))
    after += currents.write(tmp_path / "bucket", workspace, currents.Options(event_types=TYPES, start=start, hours=2))
    run = read(tmp_path, state=state)
    new = sorted(record["id"] for file in after for record in file.records)
    assert sorted(message["record"]["id"] for message in run.messages if message["type"] == "RECORD") == new
    assert len(new) > 50
    assert not tables(read(tmp_path, state=run.state))


def test_spark_fills_the_table_of_all_events(
    spark: SparkSession, examples: dict[str, Any], workspace: Instance, tmp_path: Path
) -> None:
    currents.write(tmp_path / "bucket", workspace, currents.Options(event_types=TYPES, hours=3))
    files = Backfill(str(tmp_path / "bucket"))
    found = {}
    for event_type in files.event_types:
        rows = examples["read"](spark, files, event_type)
        for row in examples["as_currents_events"](rows, event_type).collect():
            found[event_type, row.id] = {**row.asDict(), "payload": json.loads(row.payload)}
    assert found == tables(read(tmp_path, all_events=True))["currents_events"]
    assert not tables(read(tmp_path, all_events=True, state=files.state(all_events=True)))


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return Bucket(folder)


def test_each_file_belongs_to_one_of_both(bucket: Bucket) -> None:
    for hour in ("2026-02-28-23", "2026-03-01-00", "2026-03-01-09", "2026-03-09-10"):
        bucket.write(events(hour), hour, name="a.avro")
    files = Backfill(str(bucket.folder), start_date="2026-03-01")
    (urls,) = files.files(OPEN)
    assert [url.rpartition("/date=")[2][:13] for url in urls] == ["2026-03-01-00", "2026-03-01-09", "2026-03-09-10"]
    bucket.state = files.state()
    bucket.write(events("late"), "2026-03-02-10")
    bucket.write(events("too late"), "2026-03-02-09")
    bucket.write(events("new"), "2026-03-09-11")
    assert ids(bucket.run()) == ["late", "new"]
    # The list is that of the moment when it was made.
    assert files.files(OPEN) == [urls]


def test_the_tap_tries_broken_files_again(bucket: Bucket) -> None:
    bucket.write(events("a"))
    broken = bucket.write(avro(events("b"))[:-20])
    files = Backfill(str(bucket.folder))
    bucket.state = files.state(broken=[str(broken)])
    run = bucket.run()
    assert (run.exit_code, ids(run)) == (1, [])
    broken.write_bytes(avro(events("b")))
    assert ids(bucket.run()) == ["b"]


def test_the_schema_has_what_each_version_declares(bucket: Bucket) -> None:
    old = {**FIELDS, "ratio": "float"}
    bucket.write(avro([event("a", ratio=0.1)], old), below="version=1/prod-01")
    bucket.write(avro([event("b", mood="fine")], {**FIELDS, "mood": ["null", "string"]}), below="version=2/prod-01")
    bucket.write(b"no Avro", below="version=2/prod-01")
    files = Backfill(str(bucket.folder))
    assert [len(urls) for urls in files.files(OPEN)] == [1, 2]
    declared = {field["name"]: field for field in json.loads(files.avro_schema(OPEN))["fields"]}
    assert declared["id"] == {"name": "id", "type": "string"}
    assert declared["time"] == {"name": "time", "type": "long"}
    assert declared["ratio"] == {"name": "ratio", "type": ["null", "double"], "default": None}
    assert declared["mood"] == {"name": "mood", "type": ["null", "string"], "default": None}
    # Known fields that no file has.
    assert "`campaign_id` STRING" in files.columns(OPEN)
    assert [*declared] == re.findall(r"`(\w+)`", files.columns(OPEN))
    assert files.table(OPEN) == OPENS


def test_types_that_contradict_each_other_are_refused(bucket: Bucket) -> None:
    bucket.write(avro([event("a", mood=1)], {**FIELDS, "mood": "int"}), below="version=1/prod-01")
    bucket.write(avro([event("b", mood="fine")], {**FIELDS, "mood": "string"}), below="version=2/prod-01")
    with pytest.raises(ValueError, match=f"{OPEN}, field 'mood': files declare the types"):
        Backfill(str(bucket.folder)).columns(OPEN)
