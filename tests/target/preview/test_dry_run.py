"""A dry run reads everything, counts what would be rejected, and needs no key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import TEXT, Stream, lines, run_cli

if TYPE_CHECKING:
    from pathlib import Path

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
