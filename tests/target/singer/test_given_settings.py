"""Settings as users and Meltano give them: names that do not exist, and nested values as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import TEXT, Stream, lines, run_cli

if TYPE_CHECKING:
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

PEOPLE = Stream("customers", {"external_id": TEXT, "visits": TEXT}, [{"external_id": "c-1", "visits": "2"}])


def run(sandbox: Sandbox, folder: Path, *command: str, **settings: Any) -> Run:
    path = folder / "config.json"
    path.write_text(json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url, **settings}))
    return run_cli([*command, "--config", str(path)], lines(PEOPLE), secret=sandbox.api_key)


@pytest.mark.parametrize("command", [(), ("explain",)])
@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"dryrun": True}, "setting 'dryrun' does not exist; did you mean 'dry_run'?"),
        ({"zzz": True}, "setting 'zzz' does not exist"),
        (
            {"streams": {"customers": {"tipes": {"visits": "integer"}}}},
            "setting 'streams.customers.tipes' does not exist; did you mean 'types'?",
        ),
        (
            {"streams": {"web": {"to": "events", "event": {"nam": "x"}}}},
            "setting 'streams.web.event.nam' does not exist; did you mean 'name'?",
        ),
    ],
)
def test_an_unknown_setting_stops_the_run(
    sandbox: Sandbox, tmp_path: Path, command: tuple[str, ...], settings: dict[str, Any], error: str
) -> None:
    done = run(sandbox, tmp_path, *command, **settings)
    assert done.exit_code != 0
    assert error in done.stderr + str(done.exception)
    assert not sandbox.requests


def test_settings_of_the_sdk_are_known(sandbox: Sandbox, tmp_path: Path) -> None:
    done = run(sandbox, tmp_path, add_record_metadata=False, batch_size_rows=10, flattening_enabled=False, _dialect="x")
    assert done.exit_code == 0, done.stderr


def test_nested_settings_may_be_text(sandbox: Sandbox, tmp_path: Path) -> None:
    mapping = {"types": '{"visits": "integer"}', "fields": '["visits"]', "on_delete": '{"flag": "gone"}'}
    done = run(sandbox, tmp_path, streams={"customers": mapping}, dry_run="False")
    assert done.exit_code == 0, done.stderr
    profile = sandbox.profile("c-1")
    assert profile is not None
    assert profile.custom_attributes == {"visits": 2, "gone": False}
