"""Drop recent duplicate events, in bounded memory."""

from __future__ import annotations

from array import array
from typing import Final

_MOST: Final = 500_000  # IDs that are always remembered, plus up to as many older ones; 100 bytes each


class RecentDedupe:
    """The latest IDs as 8-byte hashes. The chance of a collision among a million IDs is one in 37 million."""

    def __init__(self) -> None:
        self._ids: set[int] = set()
        self._older: set[int] = set()

    def keep_new(self, lines: bytes, ids: bytes) -> tuple[bytes, int]:
        """Return the lines whose IDs are new, and their number. `ids` holds the hash of each line's ID."""
        hashes = array("Q", ids)
        fresh = set(hashes)
        if len(fresh) == len(hashes) and fresh.isdisjoint(self._ids) and fresh.isdisjoint(self._older):
            kept, count = lines, len(hashes)
        else:
            found = [
                line for line, each in zip(lines.splitlines(keepends=True), hashes, strict=True) if self._is_new(each)
            ]
            kept, count = b"".join(found), len(found)
        self._ids |= fresh
        if len(self._ids) >= _MOST:
            self._ids, self._older = set(), self._ids
        return kept, count

    def _is_new(self, each: int) -> bool:
        if each in self._ids or each in self._older:
            return False
        self._ids.add(each)
        return True
