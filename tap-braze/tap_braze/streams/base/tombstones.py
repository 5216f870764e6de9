"""Find rows that left a stream since its last complete sync, for loaders that ignore ACTIVATE_VERSION."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Record

DELETED_AT: Final = "_sdc_deleted_at"
KEYS: Final = "keys"  # in STATE: the keys of the last sync
_MOST: Final = 10_000


class Tombstones:
    """Compares the keys of this sync with those of the previous one, which STATE holds; up to 10,000 keys."""

    COLUMNS: ClassVar[dict[str, Any]] = {
        DELETED_AT: {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When the tap found that Braze no longer has the row; null while Braze has it.",
        }
    }

    def __init__(self, names: Sequence[str]) -> None:
        """Start without keys; `names` are the columns of the key."""
        self._names = names
        self._keys: dict[tuple[Any, ...], None] = {}

    def add(self, record: Record) -> None:
        """Record a row that Braze has, and set its deletion time to null."""
        record.setdefault(DELETED_AT, None)
        if len(self._keys) <= _MOST:
            self._keys[tuple(record.get(name) for name in self._names)] = None

    def settle(self, state: dict[str, Any], *, complete: bool, warn: Callable[[str], None]) -> Iterator[Record]:
        """Yield a record for each row that has left, and put the keys of this sync into STATE.

        After an incomplete sync no row counts as gone, and STATE keeps the keys of both syncs.
        """
        earlier = _read(state, len(self._names))
        if not complete:
            self._keys = {**dict.fromkeys(earlier), **self._keys}
        if len(self._keys) > _MOST:
            state.pop(KEYS, None)
            warn(f"has more than {_MOST:,} rows, which `deletions: soft` does not follow; use `hard`")
            return
        now = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
        for key in earlier:
            if key not in self._keys:
                yield {**dict(zip(self._names, key, strict=True)), DELETED_AT: now}
        state[KEYS] = [list(key) for key in self._keys]


def _read(state: Mapping[str, Any], length: int) -> list[tuple[Any, ...]]:
    keys = state.get(KEYS)
    if not isinstance(keys, list):
        return []
    return [tuple(key) for key in keys if isinstance(key, list) and len(key) == length]
