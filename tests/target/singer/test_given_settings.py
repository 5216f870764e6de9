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


@pytest.mark.parametrize(
    ("variable", "error"),
    [
        ("DRYRUN", "environment variable TARGET_BRAZE_DRYRUN is no setting; did you mean TARGET_BRAZE_DRY_RUN?"),
        ("DRY_RUNS", "did you mean TARGET_BRAZE_DRY_RUN?"),
        ("PREFLIHGT", "did you mean TARGET_BRAZE_PREFLIGHT?"),
        ("DRY_RUN", "TARGET_BRAZE_DRY_RUN is set, but the environment is not read: add --config=ENV"),
        ("STREAM_MAPS_X", "names a part of setting 'stream_maps': set TARGET_BRAZE_STREAM_MAPS to the whole setting"),
    ],
)
def test_a_variable_that_means_a_setting_stops_the_run(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, error: str
) -> None:
    monkeypatch.setenv(f"TARGET_BRAZE_{variable}", "true")
    for command in ([], ["explain"]):
        done = run(sandbox, tmp_path, *command)
        assert done.exit_code != 0
        assert error in done.stderr + str(done.exception)
    assert not sandbox.requests


def test_a_variable_that_is_read_may_be_misspelled_only_once(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"API_KEY": sandbox.api_key, "ENDPOINT": sandbox.url, "DRYRUN": "true"}.items():
        monkeypatch.setenv(f"TARGET_BRAZE_{name}", value)
    done = run_cli(["--config=ENV"], lines(PEOPLE))
    assert "did you mean TARGET_BRAZE_DRY_RUN?" in done.stderr + str(done.exception)
    assert not sandbox.requests
    monkeypatch.delenv("TARGET_BRAZE_DRYRUN")
    monkeypatch.setenv("TARGET_BRAZE_DRY_RUN", "true")
    assert run_cli(["--config=ENV"], lines(PEOPLE)).exit_code == 0
    assert not sandbox.requests


def test_variables_of_others_are_left_alone(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of Meltano as `meltano invoke` 4.4 sets them, for this plugin and for one named target-braze-eu."""
    others = {
        "SERVICE_HOST": "10.0.0.1",  # Kubernetes, for a service of that name
        "PORT": "tcp://10.0.0.1:80",
        "PORT_80_TCP_ADDR": "10.0.0.1",
        "LOGLEVEL": "info",  # the SDK
        "_DIALECT": "target_braze",  # Meltano's extras
        "_LOG_PARSER": "singer-sdk",
        "_PROD_DRYRUN": "true",
        "EU_ENDPOINT": "EU-01",
        "EU_DRY_RUN": "false",
        "STREAMS": '{"customers.to": "attributes"}',
        "STREAMS_CUSTOMERS_TO": "attributes",
        "DRY_RUN": "false",
        "CONCURRENCY": "",
    }
    for name, value in others.items():
        monkeypatch.setenv(f"TARGET_BRAZE_{name}", value)
    done = run(sandbox, tmp_path, streams={"customers": {"to": "attributes"}}, dry_run=False)
    assert done.exit_code == 0, done.stderr
