"""README and pages of the target say what the code does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml
from target_braze.singer.target import TargetBraze

from tests.target.support.singer import TEXT, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run


PAGES = ("target-braze/README.md", "README.md", "docs/mapping.md", "docs/ledger.md")


def blocks(root: Path, page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (root / page).read_text("utf-8"), re.DOTALL)


def test_the_examples_in_yaml_are_settings_that_the_target_takes(root: Path, sandbox: Sandbox) -> None:
    configs: list[Any] = [yaml.safe_load(block) for page in PAGES for block in blocks(root, page, "yaml")]
    assert len(configs) >= len(PAGES)
    for config in configs:
        TargetBraze(config={"api_key": sandbox.api_key, "endpoint": sandbox.url, **config})


def test_the_quick_start_works(root: Path, sandbox: Sandbox, run_target: Callable[..., Run]) -> None:
    (script,) = (block for block in blocks(root, "target-braze/README.md", "sh") if "EOF" in block)
    messages = re.findall(r"<<'EOF'\n(.*?)EOF\n", script, re.DOTALL)[0]
    run = run_target(*(line.encode() for line in messages.splitlines()))
    assert run.states == [{"customers": 1}]
    assert [p.custom_attributes for p in sandbox.profiles()] == [{"plan": "gold"}]
    assert sandbox.api_key in script


def test_the_rejected_quantity_reads_as_on_the_page(root: Path, run_target: Callable[..., Run]) -> None:
    columns: dict[str, Any] = {"external_id": TEXT, "order_id": TEXT, "sku": TEXT, "qty": {}}
    columns |= dict.fromkeys(("price", "currency", "time"), TEXT)
    record = {"external_id": "c", "order_id": "A-77", "sku": "s", "qty": 250, "price": "1", "currency": "EUR"}
    mapping = {"to": "purchases", "purchase": {"product_id": "sku", "quantity": "qty"}}
    stream = Stream("orders", columns, [record | {"time": "2026-03-04"}], ["order_id"])
    run = run_target(stream, streams={"orders": mapping}, expect=1)
    (line,) = (
        text
        for text in (root / "docs" / "rejected-records.md").read_text("utf-8").splitlines()
        if text.startswith("    stream 'orders'")
    )
    assert run.errors[0].startswith(line.strip(" …").replace("18,204", "1"))
