"""What the sandbox writes as Currents, by field lists of its own, the tap reads whole."""

from __future__ import annotations

import json
import struct
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.currents import files as currents
from braze_sandbox.state.instance import Instance
from braze_sandbox.state.options import Options

from tests.tap.support.singer import Run, catalog_of, run_cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


EMAIL: dict[str, Any] = {"event_types": ("users.messages.email.*",)}


@pytest.fixture(scope="module")
def workspace() -> Instance:
    return Instance(Options(seed="demo", today=date(2026, 3, 20)))


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Run]:
    def read(state: dict[str, Any] | None = None) -> Run:
        # Currents is all that is read, so nothing answers at this address.
        config: dict[str, Any] = {"api_key": "k", "endpoint": "http://127.0.0.1:9", "start_date": "2026-02-01"}
        config |= {"currents": {"url": str(tmp_path / "bucket")}}
        catalog = catalog_of(config, ())
        for entry in catalog["streams"]:
            name = entry["tap_stream_id"]
            root = next(item for item in entry["metadata"] if not item["breadcrumb"])
            root["metadata"]["selected"] = name.startswith("currents_") and name != "currents_events"
        arguments = []
        for option, content in (("config", config), ("catalog", catalog), ("state", state or {})):
            (tmp_path / f"{option}.json").write_text(json.dumps(content), "utf-8")
            arguments += [f"--{option}", str(tmp_path / f"{option}.json")]
        return run_cli(arguments)

    return read


def told(run: Run) -> dict[str, dict[str, Any]]:
    """Events by id, each once, without their nulls."""
    records = [message["record"] for message in run.messages if message["type"] == "RECORD"]
    found = {record["id"]: _plain(record) for record in records}
    assert len(found) == len(records)
    return found


def written(files: list[currents.File]) -> dict[str, dict[str, Any]]:
    return {record["id"]: _plain(record) for file in files for record in file.records}


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as a file can hold it: floats have 32 bits there."""
    return {
        name: struct.unpack("f", struct.pack("f", value))[0] if isinstance(value, float) else value
        for name, value in record.items()
        if value is not None
    }


@pytest.mark.parametrize(
    "options",
    [
        currents.Options(),
        currents.Options(hours=12, layout="schema-id", padded=True, files_per_hour=3, schema_change=True),
    ],
)
def test_every_event_comes_as_it_was_written(
    workspace: Instance, read: Callable[..., Run], tmp_path: Path, options: currents.Options
) -> None:
    files = currents.write(tmp_path / "bucket", workspace, options)
    run = read()
    assert run.exit_code == 0
    assert told(run) == written(files)
    # Of the schemas that the docs list, the tap knows every field.
    schemas = Counter(message["stream"] for message in run.messages if message["type"] == "SCHEMA")
    assert (max(schemas.values()) > 1) is options.schema_change


def test_late_files_and_one_that_is_still_written_come_in_later_runs(
    workspace: Instance, read: Callable[..., Run], tmp_path: Path
) -> None:
    whole = written(currents.write(tmp_path / "elsewhere", workspace, currents.Options(**EMAIL)))
    runs, state = [], None
    late: tuple[dict[str, Any], ...] = (
        {"late_files": "hold"},
        {"late_files": "send", "truncated": True},
        {"late_files": "send"},
    )
    for trouble in late:
        currents.write(tmp_path / "bucket", workspace, currents.Options(**EMAIL, **trouble))
        runs.append(read(state))
        state = runs[-1].state
    assert [run.exit_code for run in runs] == [0, 1, 0]
    events = [told(run) for run in runs]
    assert all(events)
    assert sum(map(len, events)) == len(whole)
    assert events[0] | events[1] | events[2] == whole
    assert not told(read(state))
