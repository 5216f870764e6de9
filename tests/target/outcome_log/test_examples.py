"""The examples of docs/outcome-log.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.target.support.singer import the

if TYPE_CHECKING:
    from pathlib import Path

    from braze_sandbox.testing import Sandbox


@pytest.fixture
def page(root: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    text = (root / "docs" / "outcome-log.md").read_text("utf-8")
    assert sandbox.api_key in text
    return text.replace("http://127.0.0.1:8027", sandbox.url)


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_a_job_is_resumed_and_merged(page: str, sandbox: Sandbox, tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(blocks(page, "python")[0], names)
    orders = [
        {"order_id": f"o-{n}", "customer_id": f"c-{n}", "name": "ordered", "time": "2026-03-04T10:00:00Z"}
        for n in range(16)
    ]
    for number in range(8):
        names["task"](number, orders[number::8])
    names["task"](3, orders[3::8])
    summary = names["after_the_job"]()
    assert (summary["ended"], summary["total"]["sent"], summary["total"]["unchanged"]) == ("completed", 14, 2)
    assert sorted(len(profile.events) for profile in sandbox.profiles()) == [1] * 16
    assert "orders-2026-03-04" in (tmp_path / "report.html").read_text()


def test_only_changes_are_sent_across_runs(page: str, sandbox: Sandbox) -> None:
    changed, written_back = blocks(page, "sql")
    names: dict[str, Any] = {"CHANGED": changed, "WRITTEN_BACK": written_back}
    first, second = blocks(page, "python")
    exec(first, names)
    names["config"]["streams"] = {"customers": {"user": [{"external_id": "customer_id"}]}}
    exec(second, names)
    with duckdb.connect() as db:
        db.execute("CREATE TABLE customers (customer_id TEXT, plan TEXT, spent DOUBLE)")
        db.execute("INSERT INTO customers VALUES ('c-1', 'gold', 1.5), ('c-2', NULL, NULL), (NULL, 'lost', 3)")

        def load(run: str) -> tuple[int, int]:
            total = names["load_changes"](db, run)
            return total["sent"], total["rejected"]

        assert load("1") == (2, 1)
        assert load("2") == (0, 1)
        db.execute("UPDATE customers SET plan = 'basic' WHERE customer_id = 'c-2'")
        sandbox.fault(path="/users/track", do="status", status=401)
        with pytest.raises(Exception, match="401"):
            load("3")
        sandbox.clear_faults()
        assert load("4") == (1, 1)
        assert load("5") == (0, 1)
    assert the(sandbox.profile("c-2")).custom_attributes == {"plan": "basic"}
