"""Syncs of Cloud Data Ingestion: one per integration, at the end of the input."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from braze_sandbox.model.objects import Integration

from tests.target.support.singer import TEXT, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

FIRST, SECOND = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
TO = {"streams": {"syncs": {"to": "cdi_syncs"}}}


@pytest.fixture(autouse=True)
def _integrations(sandbox: Sandbox) -> None:
    for key in (FIRST, SECOND):
        sandbox.workspace.integrations[key] = Integration(id=key, name=key)


def table(*ids: str | None, column: str = "integration_id") -> Stream:
    return Stream("syncs", {column: TEXT}, [{column: one} for one in ids])


def started(sandbox: Sandbox) -> dict[str, int]:
    return {key: len(one.runs) for key, one in sandbox.workspace.integrations.items()}


def test_each_integration_starts_once(run_target: RunTarget, sandbox: Sandbox) -> None:
    run = run_target(table(FIRST, SECOND, FIRST, FIRST), **TO)
    assert started(sandbox) == {FIRST: 1, SECOND: 1}
    assert {one.path for one in sandbox.requests} == {f"/cdi/integrations/{key}/sync" for key in (FIRST, SECOND)}
    assert (run.summary["total"]["sent"], run.summary["total"]["coalesced"]) == (2, 2)
    assert not sandbox.violations


def test_no_record_starts_nothing_and_a_dry_run_neither(run_target: RunTarget, sandbox: Sandbox) -> None:
    run_target(table(), **TO)
    run_target(table(FIRST), dry_run=True, **TO)
    assert not sandbox.requests


def test_a_deleted_row_starts_nothing(run_target: RunTarget, sandbox: Sandbox) -> None:
    record = {"integration_id": FIRST, "_sdc_deleted_at": "2026-03-04T09:10:11Z"}
    run_target(Stream("syncs", {"integration_id": TEXT, "_sdc_deleted_at": TEXT}, [record]), **TO)
    assert not sandbox.requests


def test_a_fixed_integration_starts_if_there_are_rows(run_target: RunTarget, sandbox: Sandbox) -> None:
    entry = {"to": "cdi_syncs", "integration": {"id": FIRST}}
    run_target(table("a", "b", column="model"), streams={"syncs": entry})
    assert started(sandbox) == {FIRST: 1, SECOND: 0}


def test_while_a_sync_runs_the_target_waits(run_target: RunTarget, sandbox: Sandbox) -> None:
    busy = {"message": "Another job is in progress"}
    sandbox.fault(do="status", status=429, body=busy, path="*/sync", times=2, reset_in=0.01)
    run_target(table(FIRST), **TO)
    assert [one.status for one in sandbox.requests] == [429, 429, 202]
    assert started(sandbox)[FIRST] == 1


def test_an_unknown_integration_rejects_its_records_only(
    run_target: RunTarget, sandbox: Sandbox, tmp_path: Path
) -> None:
    letters = str(tmp_path / "letters.singer")
    run = run_target(table("unknown", FIRST), on_error="dead_letter", dead_letter_path=letters, **TO)
    assert run.summary["total"]["rejected"] == 1
    assert "HTTP 404: Integration not found" in run.stderr
    assert started(sandbox)[FIRST] == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [("../users/delete", "has only letters, digits and hyphens"), ("a?b", "has only"), (None, "is blank")],
)
def test_what_is_no_id_never_reaches_a_path(
    run_target: RunTarget, sandbox: Sandbox, value: str | None, reason: str
) -> None:
    assert reason in run_target(table(value), expect=1, **TO).errors[0]
    if value:
        entry: dict[str, Any] = {"to": "cdi_syncs", "integration": {"id": value}}
        run = run_target(table(FIRST), streams={"syncs": entry}, expect=1)
        assert "at streams.syncs.integration.id" in run.errors[0]
    assert not sandbox.requests


def test_the_page_starts_the_sync_that_it_names(run_target: RunTarget, sandbox: Sandbox, root: Path) -> None:
    page = (root / "docs" / "cloud-data-ingestion.md").read_text("utf-8")
    config, rows = re.findall(r"```(?:yaml|jsonl)\n(.*?)```", page, re.DOTALL)
    columns = {"sync_id": TEXT, "model": TEXT}
    records = [
        f'{{"type": "RECORD", "stream": "finished_models", "record": {row}}}'.encode()
        for row in rows.split("\n")
        if row
    ]
    run_target(Stream("finished_models", columns), *records, **yaml.safe_load(config))
    assert started(sandbox) == {FIRST: 1, SECOND: 0}
