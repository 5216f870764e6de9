"""The examples of the page on campaigns and Canvases do what the page says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.target.support.messages import TRANSACTIONAL
from tests.target.support.pages import examples
from tests.target.support.singer import NUMBER, TEXT, TIME, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

EXAMPLES = examples("triggers")


def _type(name: str, value: object) -> dict[str, Any]:
    return NUMBER if isinstance(value, int | float) else TIME if name.endswith("_at") else TEXT


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a Meltano project of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".meltano" / "run").mkdir(parents=True)


@pytest.mark.usefixtures("messages", "_folder")
@pytest.mark.parametrize(("config", "rows", "requests"), EXAMPLES)
def test_rows_become_the_requests_of_the_page(
    run_target: Callable[..., Run], sandbox: Sandbox, config: str, rows: str, requests: str
) -> None:
    settings = yaml.safe_load(config)
    (stream,) = settings["streams"]
    # The test may run at any hour.
    settings["streams"][stream].pop("send_window", None)
    transactional = sandbox.workspace.campaigns[TRANSACTIONAL]
    sandbox.workspace.campaigns["7c9f4c66-0000-4000-8000-000000000003"] = transactional
    campaign, canvas = next(iter(sandbox.workspace.campaigns.values())), next(iter(sandbox.workspace.canvases.values()))
    sandbox.workspace.campaigns["7c9f4c66-0000-4000-8000-000000000001"] = campaign
    sandbox.workspace.canvases["7c9f4c66-0000-4000-8000-000000000002"] = canvas
    records: list[dict[str, Any]] = [json.loads(line) for line in rows.splitlines()]
    columns = {name: _type(name, value) for record in records for name, value in record.items()}
    run_target(Stream(stream, columns, records, [next(iter(columns))]), **settings)
    expected = [line.split(" ", 2) for line in requests.splitlines()]
    assert [(one.method, one.path, one.body) for one in sandbox.requests] == [
        (method, path, json.loads(body)) for method, path, body in expected
    ]


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 3
