"""Which files are generated, and what should be in them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Final

from generate import dbt_sources, pages, permissions, plugins, tap_tables, target_tables
from generate.markdown import with_tables
from generate.project import REPOSITORY, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

# Pages with places for tables; what is in the others is generated as a whole.
_TABLES: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "docs/permissions.md": {"reading": permissions.reading},
    "tap-braze/README.md": {"settings": tap_tables.settings},
    "target-braze/README.md": {"settings": target_tables.settings},
}


def generated() -> dict[str, str]:
    """Return the text that each generated file should have, by path."""
    found = {**plugins.files(), **pages.files(), **dbt_sources.files()}
    for path, tables in _TABLES.items():
        found[path] = with_tables((ROOT / path).read_text(encoding="utf-8"), tables)
    return found


def stale() -> dict[str, str]:
    """Return the files that are not as they should be, with the right text."""
    return {path: text for path, text in generated().items() if _read(path) != text}


def moved() -> dict[str, str]:
    """Return the files that still have an address of the project that is no longer its own, with the right one."""
    named = re.search(r"^ *repo: (\S+)$", _read("plugins/braze-sandbox.yml"), re.MULTILINE)
    old = named[1] if named else REPOSITORY
    if old == REPOSITORY:
        return {}
    listed = subprocess.run(["git", "grep", "-lF", old], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607
    return {path: _read(path).replace(old, REPOSITORY) for path in listed.stdout.split()}


def _read(path: str) -> str:
    place = ROOT / path
    return place.read_text(encoding="utf-8") if place.exists() else ""
