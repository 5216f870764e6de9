"""A dry run reads everything, counts what would be rejected, and needs no key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.target.support.singer import TEXT, Stream, lines, run_cli

RECORDS: list[dict[str, Any]] = [
    {"external_id": None, "plan": "a"},
    {"external_id": "c-1", "plan": "a"},
    {"external_id": " ", "plan": "b"},
    {"external_id": "c-2", "plan": "b"},
]
PEOPLE = Stream("customers", {"external_id": TEXT, "plan": TEXT}, RECORDS)


@pytest.mark.parametrize("on_error", ["fail", "dead_letter"])
def test_all_input_is_read_and_each_rejection_counted(tmp_path: Path, on_error: str) -> None:
    path = tmp_path / "config.json"
    letters = tmp_path / "letters.singer"
    given = {"dry_run": "true", "on_error": on_error, "dead_letter_path": str(letters), "max_dead_letters": 1}
    path.write_text(json.dumps(given))
    run = run_cli(["--config", str(path)], lines(PEOPLE))
    assert run.exit_code == 0, run.stderr
    total = run.summary["total"]
    assert (total["read"], total["rejected"], total["sent"]) == (4, 2, 2)
    assert sum(run.summary["reasons"].values()) == 2
    assert not letters.exists()
    assert not run.stdout


@pytest.mark.parametrize("more", [{"dry_run": False}, {"dry_run": True, "preflight": True}])
def test_what_makes_requests_needs_a_key(tmp_path: Path, more: dict[str, Any]) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(more))
    run = run_cli(["--config", str(path)], lines(PEOPLE))
    assert run.exit_code != 0
    assert "api_key" in run.stderr + str(run.exception)


@pytest.mark.parametrize("before", [True, False])
def test_explain_takes_its_config_on_either_side_without_a_key(tmp_path: Path, *, before: bool) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"streams": {"customers": {"rename": {"plan": "level"}}}}))
    config = ["--config", str(path)]
    run = run_cli([*config, "explain"] if before else ["explain", *config], lines(PEOPLE))
    assert run.exit_code == 0, run.stderr
    assert '{"external_id":"c-1","level":"a"}' in run.stdout


@pytest.mark.parametrize("before", [True, False])
def test_explain_reads_a_file_on_either_side(tmp_path: Path, *, before: bool) -> None:
    path = tmp_path / "customers.singer"
    path.write_bytes(lines(PEOPLE))
    file = ["--input", str(path)]
    run = run_cli([*file, "explain"] if before else ["explain", *file])
    assert run.exit_code == 0, run.stderr
    assert '{"external_id":"c-1","plan":"a"}' in run.stdout


def test_explain_works_through_meltano(tmp_path: Path) -> None:
    binaries = Path(sys.executable).parent
    loader = {
        "name": "target-braze",
        "namespace": "target_braze",
        "executable": str(binaries / "target-braze"),
        "settings": [{"name": "streams", "kind": "object"}],
        "config": {"streams": {"customers": {"rename": {"plan": "level"}}}},
    }
    project = {"project_id": "test", "send_anonymous_usage_stats": False, "plugins": {"loaders": [loader]}}
    (tmp_path / "meltano.yml").write_text(yaml.safe_dump(project), "utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TARGET_", "MELTANO"))}
    done = subprocess.run(
        [str(binaries / "meltano"), "invoke", "target-braze", "explain"],
        cwd=tmp_path,
        env={**kept, "HOME": str(tmp_path)},
        input=lines(PEOPLE),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert b'{"external_id":"c-1","level":"a"}' in done.stdout
