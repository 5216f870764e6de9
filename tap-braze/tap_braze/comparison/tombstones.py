"""Find rows that left a stream since its last complete sync, for loaders that ignore ACTIVATE_VERSION."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from tap_braze.comparison.comparison import Comparison

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Record

DELETED_AT: Final = "_sdc_deleted_at"
KEYS: Final = "keys"  # in STATE: the keys of the last sync
_MOST: Final = 10_000


class Tombstones(Comparison):
    """Compares the keys of this sync with those of the previous one, which STATE holds; up to 10,000 keys."""

    columns: ClassVar[Mapping[str, Any]] = {
        DELETED_AT: {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When the tap found that Braze no longer has the row; null while Braze has it.",
        }
    }

    setting = "deletions"

    def __init__(self, state: dict[str, Any], names: Sequence[str], warn: Callable[[str], None]) -> None:
        """Start without keys; `state` is the stream's, `names` are the columns of the key."""
        self._state, self._names, self._warn = state, names, warn
        self._keys: dict[tuple[Any, ...], None] = {}

    @override
    def changes(self, row: Record) -> Iterator[Record]:
        if len(self._keys) <= _MOST:
            self._keys[tuple(row.get(name) for name in self._names)] = None
        row[DELETED_AT] = None
        yield row

    @override
    def settle(self, *, complete: bool) -> Iterator[Record]:
        """Yield a record for each row that has left, and put the keys of this sync into STATE.

        After an incomplete sync no row counts as gone, and STATE keeps the keys of both syncs.
        """
        earlier = _read(self._state, len(self._names))
        if not complete:
            self._keys = {**dict.fromkeys(earlier), **self._keys}
        if len(self._keys) > _MOST:
            self._state.pop(KEYS, None)
            self._warn(f"has more than {_MOST:,} rows, which `deletions: soft` does not follow; use `hard`")
            return
        now = utc_now()
        for key in earlier:
            if key not in self._keys:
                yield {**dict(zip(self._names, key, strict=True)), DELETED_AT: now}
        self._state[KEYS] = [list(key) for key in self._keys]


def utc_now() -> str:
    """Return the time in RFC 3339 form, with microseconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _read(state: Mapping[str, Any], length: int) -> list[tuple[Any, ...]]:
    keys = state.get(KEYS)
    if not isinstance(keys, list):
        return []
    return [tuple(key) for key in keys if isinstance(key, list) and len(key) == length]
