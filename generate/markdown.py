"""Markdown tables, and places in hand-written pages that hold generated ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def settings_table(schema: Mapping[str, Any]) -> str:
    """Return the table of a plugin's settings from their JSON Schema."""
    rows = []
    for name, described in schema["properties"].items():
        required = "yes" if name in schema["required"] else ""
        default = f"`{json.dumps(described['default'])}`" if "default" in described else ""
        rows.append((f"`{name}`", required, default, described["description"]))
    return table(("setting", "required", "default", ""), rows)


def with_tables(page: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with the tables between its `<!-- name:begin -->` and `<!-- name:end -->` as they should be."""
    for name, make in tables.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, place, rest = page.partition(begin)
        if place:
            _, found, after = rest.partition(end)
            if not found:
                raise ValueError(f"no line {end!r} after {begin!r}")
            page = before + begin + make() + end + after
    return page
