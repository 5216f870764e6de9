"""Streams of people, and streams that send a request per object, are read only if a setting says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tap_braze.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.tap.support.singer import Run

    RunTap = Callable[..., Run]

PEOPLE = {
    *("users", "users_by_id", "global_control_group_users", "segment_members", "user_aliases", "user_devices"),
    *("user_custom_events", "user_purchases", "user_campaigns_received", "user_canvases_received"),
    *("subscription_states", "subscription_group_states", "data_object_user_relationships"),
}


def requested(sandbox: Sandbox) -> set[str]:
    return {request.path for request in sandbox.requests}


def test_each_stream_of_people_and_each_costly_one_needs_a_setting() -> None:
    by_setting: dict[str, set[str]] = {}
    for stream in STREAMS:
        by_setting.setdefault(stream.opt_in, set()).add(stream.name)
    assert by_setting["include_profiles"] == PEOPLE
    assert by_setting["include_costly_streams"] >= {"catalog_items", "canvases_summary", "cards_details"}
    assert not [s.name for s in STREAMS if s.opt_in and s.selected_by_default]


@pytest.mark.parametrize("setting", ["include_profiles", "include_costly_streams"])
def test_selected_streams_without_the_setting_are_skipped_with_one_line(
    sandbox: Sandbox, run_tap: RunTap, setting: str
) -> None:
    names = [stream.name for stream in STREAMS if stream.opt_in == setting]
    run = run_tap("segments", *names, **{setting: None})
    assert run.exit_code == 0, run.stderr
    (line,) = [line for line in run.stderr.splitlines() if setting in line]
    assert all(name in line for name in names)
    assert {message.get("stream") for message in run.messages} - {None} == {"segments"}
    assert requested(sandbox) == {"/segments/list"}


def test_the_setting_reads_them(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("users", include_profiles=True)
    assert run.exit_code == 0, run.stderr
    assert "/users/export/segment" in requested(sandbox)


def test_meltano_that_selects_everything_reads_nobody(tmp_path: Path, sandbox: Sandbox) -> None:
    binaries = Path(sys.executable).parent
    tap: dict[str, Any] = {
        "name": "tap-braze",
        "namespace": "tap_braze",
        "executable": str(binaries / "tap-braze"),
        "capabilities": ["catalog", "discover", "state"],
        "select": ["*.*"],
        "settings": [{"name": "api_key", "kind": "string", "sensitive": True}, {"name": "endpoint"}],
        "config": {"api_key": sandbox.api_key, "endpoint": sandbox.url},
    }
    project = {"project_id": "test", "send_anonymous_usage_stats": False, "plugins": {"extractors": [tap]}}
    (tmp_path / "meltano.yml").write_text(yaml.safe_dump(project), "utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAP_", "MELTANO"))}
    done = subprocess.run(
        [str(binaries / "meltano"), "invoke", "tap-braze"],
        cwd=tmp_path,
        env={**kept, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    read = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    streams = {message["stream"] for message in read if message["type"] == "SCHEMA"}
    assert {"campaigns", "segments", "kpi_daily_new_users"} <= streams
    assert not streams & {stream.name for stream in STREAMS if stream.opt_in}
    assert not [path for path in requested(sandbox) if path.startswith("/users/export")]
    assert "include_profiles" in done.stderr
