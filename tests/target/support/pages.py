"""Examples of documentation pages: a mapping, rows, and the requests that they become."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parents[3] / "docs"
_BLOCK: Final = r"\n((?:(?!```)[\s\S])*)```"
_EXAMPLE: Final = re.compile(rf"```yaml{_BLOCK}\n\n```jsonl{_BLOCK}\n\n```http{_BLOCK}")
_MAPPING: Final = re.compile(rf"```yaml{_BLOCK}")


def examples(page: str) -> list[tuple[str, str, str]]:
    """Return the mapping, the rows and the requests of each example of a page."""
    return _EXAMPLE.findall((DOCS / f"{page}.md").read_text("utf-8"))


def mappings(page: str) -> list[str]:
    """Return all mappings of a page."""
    return _MAPPING.findall((DOCS / f"{page}.md").read_text("utf-8"))
