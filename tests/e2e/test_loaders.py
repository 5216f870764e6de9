"""Loaders that we did not write hold what Braze holds, after rows have left it too."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.currents import files as currents
from braze_sandbox.testing import Sandbox
from psycopg import sql
from tap_braze.currents.schemas import EVENT_TYPES, stream_name
from tap_braze.times import moment

from demo import machinery
from tests.e2e.support import tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LISTS = ("segments", "campaigns", "events", "user_devices")


class Warehouse:
    """A sandbox, and a PostgreSQL that target-postgres loads what the tap reads into."""

    def __init__(self, folder: Path, braze: Sandbox, database: machinery.Postgres) -> None:
        self.braze = braze
        self._folder, self._database = folder, database
        self._schema = f"braze_{uuid.uuid4().hex}"
        self._state: dict[str, Any] = {}

    def read(self, *streams: str, **settings: Any) -> list[bytes]:
        """What a run of the tap writes."""
        config = {
            "api_key": self.braze.api_key,
            "endpoint": self.braze.url,
            "start_date": "2026-03-01",
            "end_date": "2026-03-02",
            "include_profiles": True,
        }
        state = self._folder / "state.json"
        state.write_text(json.dumps(self._state), "utf-8")
        command = [*tap(self._folder, config | settings, streams), "--state", str(state)]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout.splitlines(keepends=True)

    def load(self, lines: list[bytes], **settings: Any) -> None:
        """Load these messages, and keep the last STATE."""
        config = {"sqlalchemy_url": self._database.sqlalchemy_url, "default_target_schema": self._schema, **settings}
        (self._folder / "postgres.json").write_text(json.dumps(config), "utf-8")
        command = [str(machinery.ROOT / ".meltano/loaders/target-postgres/venv/bin/target-postgres")]
        done = subprocess.run(
            [*command, "--config", str(self._folder / "postgres.json")],
            input=b"".join(lines),
            stdout=subprocess.PIPE,
            check=True,
            timeout=120,
        )
        if states := done.stdout.splitlines():
            self._state = json.loads(states[-1])

    def forget_state(self) -> None:
        """Lose the state."""
        self._state = {}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table, in the types of JSON."""
        query = sql.SQL("select row_to_json(found)::text from {} found").format(sql.Identifier(self._schema, table))
        return [json.loads(row) for (row,) in self._database.rows(query)]

    def ids(self, table: str, key: str = "id", where: str = "true") -> list[str]:
        """The keys of a table's rows, of those that `where` lets through."""
        query = sql.SQL("select {} from {} where ").format(sql.Identifier(key), sql.Identifier(self._schema, table))
        return sorted(value for (value,) in self._database.rows(query + sql.SQL(where)))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[machinery.Postgres]:
    folder = tmp_path_factory.mktemp("postgres")
    with machinery.postgres(folder) as database:
        machinery.Meltano(folder, machinery.Sandbox("http://localhost", "-"), database).install()
        yield database


@pytest.fixture
def warehouse(tmp_path: Path, database: machinery.Postgres) -> Iterator[Warehouse]:
    with Sandbox(seed="small", users=20) as braze:
        yield Warehouse(tmp_path, braze, database)


def next_second() -> None:
    """Wait until a new version begins: versions are seconds."""
    now = int(time.time())
    while int(time.time()) == now:
        time.sleep(0.05)


def value(found: Any, column: dict[str, Any]) -> Any:
    """A value in a form in which it is the same on both sides."""
    if found is not None and column.get("format") == "date-time":
        return moment(found)
    return found


def test_every_table_holds_the_records_of_its_stream(warehouse: Warehouse, tmp_path: Path) -> None:
    """Twice: names, keys and values. Names that PostgreSQL cuts would be the same table."""
    currents.write(tmp_path, warehouse.braze.instance, currents.Options(hours=2))
    longest = max(EVENT_TYPES, key=len)
    names = ["segments", "campaigns_messages_analytics", "canvases_messages_analytics", "campaigns_analytics"]
    names += [
        "invalid_phone_numbers",
        "kpi_daily_new_users",
        "catalogs",
        stream_name(longest),
        stream_name("users.messages.email.Open"),
    ]
    schemas: dict[str, dict[str, Any]] = {}
    records: dict[str, dict[Any, dict[str, Any]]] = {}
    for _ in range(2):
        lines = warehouse.read(*names, currents={"url": str(tmp_path / "currents"), "event_types": []})
        warehouse.load(lines)
        for message in map(json.loads, lines):
            if message["type"] == "SCHEMA":
                schemas[message["stream"]] = message
            elif message["type"] == "RECORD":
                keys = schemas[message["stream"]]["key_properties"]
                key = tuple(message["record"][name] for name in keys)
                assert None not in key
                assert "" not in key
                records.setdefault(message["stream"], {})[key] = message["record"]
    assert records.keys() >= {"segments", "campaigns_messages_analytics", "canvases_messages_analytics"}
    for stream, by_key in records.items():
        columns, keys = schemas[stream]["schema"]["properties"], schemas[stream]["key_properties"]
        rows = warehouse.rows(stream)
        assert len(rows) == len(by_key), stream
        known = {
            tuple(value(each, columns[k]) for k, each in zip(keys, key, strict=True)): r for key, r in by_key.items()
        }
        for row in rows:
            record = known[tuple(value(row[key], columns[key]) for key in keys)]
            for name, column in columns.items():
                assert value(row[name], column) == value(record.get(name), column), (stream, name)


@pytest.mark.parametrize(
    "loader",
    [
        {"hard_delete": True},
        {"hard_delete": True, "load_method": "append-only"},
        {"hard_delete": True, "load_method": "overwrite"},
    ],
    ids=["upsert", "append-only", "overwrite"],
)
def test_what_braze_deleted_leaves_the_tables(warehouse: Warehouse, loader: dict[str, Any]) -> None:
    workspace = warehouse.braze.workspace
    for _ in range(2):
        warehouse.load(warehouse.read(*LISTS), **loader)
        assert warehouse.ids("segments") == sorted(workspace.segments)
        assert warehouse.ids("campaigns") == sorted(workspace.campaigns)
        assert warehouse.ids("events", "event_name") == sorted(workspace.events)
        assert warehouse.ids("user_devices", "braze_id")
        next_second()
        for objects in (workspace.segments, workspace.campaigns):
            del objects[next(iter(objects))]
        workspace.events.remove(next(iter(workspace.events)))
    warehouse.load(warehouse.read(*LISTS), **loader)
    assert warehouse.ids("segments") == sorted(workspace.segments)
    assert warehouse.ids("campaigns") == sorted(workspace.campaigns)
    assert warehouse.ids("events", "event_name") == sorted(workspace.events)


def test_by_default_the_loader_marks_what_is_gone_and_a_row_that_returns_lives(warehouse: Warehouse) -> None:
    segments = dict(warehouse.braze.workspace.segments)
    warehouse.load(warehouse.read("segments"))
    next_second()
    gone = next(iter(segments))
    del warehouse.braze.workspace.segments[gone]
    warehouse.load(warehouse.read("segments"))
    assert warehouse.ids("segments") == sorted(segments)
    assert warehouse.ids("segments", where="_sdc_deleted_at is not null and name <> ''") == [gone]
    next_second()
    warehouse.braze.workspace.segments.update(segments)
    warehouse.load(warehouse.read("segments"))
    assert warehouse.ids("segments", where="_sdc_deleted_at is not null") == []


def test_soft_marks_what_is_gone_where_the_loader_ignores_versions(warehouse: Warehouse) -> None:
    loader = {"activate_version": False}
    segments = dict(warehouse.braze.workspace.segments)
    warehouse.load(warehouse.read("segments", deletions="soft"), **loader)
    gone = next(iter(segments))
    del warehouse.braze.workspace.segments[gone]
    warehouse.load(warehouse.read("segments", deletions="soft"), **loader)
    assert warehouse.ids("segments") == sorted(segments)
    assert warehouse.ids("segments", where="_sdc_deleted_at is not null") == [gone]


def test_half_a_list_deletes_nothing(warehouse: Warehouse) -> None:
    segments = sorted(warehouse.braze.workspace.segments)
    warehouse.load(warehouse.read("segments"), hard_delete=True)
    next_second()
    lines = warehouse.read("segments")
    records = [number for number, line in enumerate(lines) if json.loads(line)["type"] == "RECORD"]
    warehouse.load(lines[: records[0] + 1], hard_delete=True)  # the tap was killed after the first record
    assert warehouse.ids("segments") == segments


def test_the_delivery_log_of_the_target_loads_into_a_table(warehouse: Warehouse, tmp_path: Path) -> None:
    log = tmp_path / "delivery-log.singer"
    config = {
        "api_key": warehouse.braze.api_key,
        "endpoint": warehouse.braze.url,
        "delivery_log_path": str(log),
        "acknowledge_live_campaigns": True,
        "on_error": "dead_letter",
        "dead_letter_path": str(tmp_path / "dead.singer"),
    }
    (tmp_path / "target.json").write_text(json.dumps(config), "utf-8")
    columns = {"external_id": {"type": "string"}, "country": {"type": "string"}, "plan": {"type": "string"}}
    schema = {
        "type": "SCHEMA",
        "stream": "customers",
        "schema": {"properties": columns},
        "key_properties": ["external_id"],
    }
    people = [{"external_id": "p-1", "plan": "gold"}, {"external_id": "p-2", "country": "nowhere land"}]
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "target_braze", "--config", str(tmp_path / "target.json")],
            input="\n".join(
                json.dumps(one)
                for one in [schema, *({"type": "RECORD", "stream": "customers", "record": person} for person in people)]
            ),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    summary = json.loads(done.stderr.splitlines()[-1])["summary"]
    warehouse.load(log.read_bytes().splitlines(keepends=True))
    rows = warehouse.rows("delivery_log")
    assert len(rows) == 4
    last = [row for row in rows if row["run_id"] == summary["run_id"]]
    assert {(row["identifier"], row["outcome"]) for row in last} == {("p-1", "sent"), (None, "rejected")}
    assert sum(row["data_points"] for row in last) == summary["total"]["data_points"] == 1


@pytest.mark.parametrize("loader", [{}, {"load_method": "append-only"}], ids=["upsert", "append-only"])
def test_versions_of_objects_stay_in_the_table(warehouse: Warehouse, loader: dict[str, Any]) -> None:
    """Across a run that is killed after its records arrived, and one whose STATE is lost."""
    segments = warehouse.braze.workspace.segments
    renamed, gone, *_ = segments
    warehouse.load(warehouse.read("segments", history=True), **loader)
    segments[renamed].name = "New name"
    del segments[gone]
    lines = warehouse.read("segments", history=True)
    states = [number for number, line in enumerate(lines) if json.loads(line)["type"] == "STATE"]
    warehouse.load(lines[: states[-1]], **loader)  # killed before it could say that the records are out
    warehouse.load(warehouse.read("segments", history=True), **loader)
    versions = versions_of(warehouse)
    assert versions[renamed][-1] == ("New name", False)
    assert versions[gone][-1] == (None, True)
    assert {key: len(found) for key, found in versions.items()} == {
        key: 2 if key in {renamed, gone} else 1 for key in versions
    }
    assert len(warehouse.rows("segments")) == len(versions) + 2 or "load_method" in loader

    warehouse.forget_state()
    warehouse.load(warehouse.read("segments", history=True), **loader)
    again = versions_of(warehouse)
    assert {key: found[: len(versions[key])] for key, found in again.items()} == versions
    assert {key: len(found) - len(versions[key]) for key, found in again.items()} == {
        key: key != gone for key in versions
    }


def versions_of(warehouse: Warehouse) -> dict[str, list[tuple[str | None, bool]]]:
    """The name of each version in order, and whether it is the end. Loaders that append may hold the same row twice."""
    found: dict[str, dict[str, tuple[str | None, bool]]] = {}
    for row in sorted(warehouse.rows("segments"), key=lambda row: str(row["valid_from"])):
        found.setdefault(row["id"], {})[row["valid_from"]] = (row["name"], row["deleted_at"] is not None)
    return {key: [*versions.values()] for key, versions in found.items()}


def test_a_table_of_users_follows_their_changes(warehouse: Warehouse, tmp_path: Path) -> None:
    loader = {"hard_delete": True, "add_record_metadata": True}
    users = {"changes_only": True, "changes_path": str(tmp_path / "changes")}
    segment = next(iter(warehouse.braze.workspace.segments))
    ids = [profile.braze_id for profile in warehouse.braze.profiles()]
    warehouse.braze.workspace.segments[segment].members = {*ids[1:]}
    users["segment_ids"] = [segment]
    warehouse.load(warehouse.read("users", users=users), **loader)
    assert warehouse.ids("users", "braze_id") == sorted(ids[1:])
    warehouse.braze.workspace.segments[segment].members = {*ids[:-1]}
    lines = warehouse.read("users", users=users)
    assert sum(json.loads(line)["type"] == "RECORD" for line in lines) == 2
    warehouse.load(lines, **loader)
    assert warehouse.ids("users", "braze_id", "_sdc_deleted_at is null") == sorted(ids[:-1])
    # A first export replaces the table, whichever run a row came with.
    next_second()
    warehouse.forget_state()
    warehouse.load(warehouse.read("users", users=users), **loader)
    assert warehouse.ids("users", "braze_id") == sorted(ids[:-1])
