"""docs/changing-attributes.md says what the target does."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from tests.target.support.singer import ANY_OBJECT, INTEGER, TEXT, Stream, sent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

COLUMNS: dict[str, Any] = {
    "customer_id": TEXT,
    "visits": INTEGER,
    "new_tags": {"type": "array"},
    "old_tags": TEXT,
    "address": ANY_OBJECT,
    "new_orders": ANY_OBJECT,
    "changed_orders": {"type": "array"},
    "gone_orders": {"type": "array"},
}


def test_the_example_becomes_what_the_page_says(root: Path, run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    page = (root / "docs" / "changing-attributes.md").read_text("utf-8")
    (mapping,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    records, objects = (
        [json.loads(line) for line in block.splitlines()] for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    )
    for record in records:
        run_target(Stream("activity", COLUMNS, [record]), **yaml.safe_load(mapping))
    assert sent(sandbox) == objects
