"""The rows that a stream's table should have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


Row = dict[str, Any]

NOTHING = "(none)"
"""What stands in a key for no value."""


@dataclass
class Table:
    """The rows of a stream, by their key."""

    keys: tuple[str, ...]
    rows: dict[tuple[Any, ...], Row]
    kept: bool = False
    """Whether rows stay that a later run does not read: there is no list of all to compare them with."""

    def after(self, earlier: Table) -> Table:
        """Return what a table holds that held the earlier rows before these were loaded."""
        return Table(self.keys, earlier.rows | self.rows, kept=True) if self.kept else self


def table(rows: Iterable[Row], *keys: str, kept: bool = False) -> Table:
    """Return rows by their key, in which a missing value has its placeholder."""
    named = [{**row, **{key: row.get(key) or NOTHING for key in keys if row.get(key) in (None, "")}} for row in rows]
    return Table(keys, {tuple(row[key] for key in keys): row for row in named}, kept)
