"""Keep every version of an object: a row when it appears, when it changes and when it is gone."""

from __future__ import annotations

import base64
import zlib
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
from typing_extensions import override

from tap_braze.comparison.comparison import Comparison

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Record

HISTORY: Final = "history"  # in STATE
VALID_FROM: Final = "valid_from"
DELETED_AT: Final = "deleted_at"  # loaders may drop `_sdc_deleted_at`, or delete rows that have it
MOST: Final = 10_000

# STATE takes about 40 bytes for each object, 400 kB at most. Eight-byte hashes of two versions are equal once in 10^19
# cases.
_DIGEST: Final = 8
_GONE: Final = bytes(_DIGEST)
# Write STATE before this much, which a killed run may write twice.
_BATCH: Final = 500
_BATCH_BYTES: Final = 4_000_000
_FORM: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_TICK: Final = timedelta(microseconds=1)
_LONG_AGO: Final = "1970-01-01T00:00:00.000000Z"

Key = tuple[Any, ...]


class History(Comparison):
    """Yields a version of each object that differs from the last one, for at most 10,000 objects.

    STATE holds a hash of each object's last version. Before versions are written, STATE names them as unsettled: if the
    run is killed, the next one cannot know whether they were loaded, so it writes those that still hold again, with the
    same key. Without STATE every object gets a version, because its `valid_from` is new.
    """

    columns: ClassVar[Mapping[str, Any]] = {
        VALID_FROM: {
            "type": ["string"],
            "format": "date-time",
            "description": "When the tap found this version; it holds until the next `valid_from` of the same object.",
        },
        DELETED_AT: {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When the tap found that Braze no longer has the object; such a row has only its key.",
        },
    }
    key = (VALID_FROM,)
    setting = "history"

    def __init__(
        self,
        state: dict[str, Any],
        names: Sequence[str],
        compared: Iterable[str],
        *,
        closes: bool,
        checkpoint: Callable[[], None],
        overflow: Callable[[int], None],
    ) -> None:
        """Continue from the stream's `state`.

        Args:
            state: The stream's, which this keeps up to date.
            names: The columns that identify an object.
            compared: The columns whose changes make a new version.
            closes: Whether objects that are gone get a last row.
            checkpoint: Writes STATE.
            overflow: Reports how many objects were left out.

        Raises:
            ValueError: The state holds something else.
        """
        self._state, self._names, self._compared = state, names, frozenset(compared)
        self._closes, self._checkpoint, self._overflow = closes, checkpoint, overflow
        self._last = _LONG_AGO
        self._digests: dict[Key, bytes] = {}
        self._unsettled: dict[Key, str] = {}
        if HISTORY in state:
            self._last, self._digests, self._unsettled = _unpacked(state[HISTORY], len(names))
        else:
            self._save()
        self._present: set[Key] = set()
        self._left_out = 0
        self._waiting: dict[Key, tuple[bytes, Record]] = {}
        self._waiting_bytes = 0

    def keep(self, key: Key) -> None:
        """Record that Braze still has this object, whether or not its row is read."""
        self._present.add(key)

    @override
    def changes(self, row: Record) -> Iterator[Record]:
        key = tuple(row[name] for name in self._names)
        if key in self._waiting:
            yield from self.flush()
        self._present.add(key)
        known = self._digests.get(key)
        digest, size = self._digest(row)
        if known == digest and key not in self._unsettled:
            return
        if known is None and len(self._digests) + len(self._waiting) >= MOST:
            self._left_out += 1
            return
        yield from self._add(key, digest, row, size)

    @override
    def flush(self) -> Iterator[Record]:
        if not self._waiting:
            return
        batch, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        now = self._now()
        for key, (digest, _) in batch.items():
            if key not in self._unsettled or self._digests[key] != digest:
                self._digests[key], self._unsettled[key] = digest, now
        self._save()
        self._checkpoint()
        for key, (digest, row) in batch.items():
            at = self._unsettled[key]
            yield {**row, VALID_FROM: at, DELETED_AT: at if digest == _GONE else None}
        for key, (digest, _) in batch.items():
            del self._unsettled[key]
            if digest == _GONE:
                del self._digests[key]
        self._save()

    @override
    def settle(self, *, complete: bool) -> Iterator[Record]:
        if self._closes and complete:
            for key in [key for key in self._digests if key not in self._present]:
                yield from self._add(key, _GONE, dict(zip(self._names, key, strict=True)), 0)
        yield from self.flush()
        if self._left_out:
            self._overflow(self._left_out)

    def _add(self, key: Key, digest: bytes, row: Record, size: int) -> Iterator[Record]:
        self._waiting[key] = digest, row
        self._waiting_bytes += size
        if len(self._waiting) >= _BATCH or self._waiting_bytes >= _BATCH_BYTES:
            yield from self.flush()

    def _digest(self, row: Record) -> tuple[bytes, int]:
        """Return the hash of the columns that count, and their size. A missing column is like a null."""
        content = {name: value for name, value in row.items() if value is not None and name in self._compared}
        encoded = msgspec.json.encode(content, order="sorted")
        return blake2b(encoded, digest_size=_DIGEST).digest(), len(encoded)

    def _now(self) -> str:
        """Return the time, or the smallest later one than the last, so that versions are distinct and in order."""
        now = datetime.now(timezone.utc).strftime(_FORM)
        if now <= self._last:
            now = (datetime.strptime(self._last, _FORM).replace(tzinfo=timezone.utc) + _TICK).strftime(_FORM)
        self._last = now
        return now

    def _save(self) -> None:
        keys = sorted(self._digests, key=repr)
        unsettled: dict[str, list[list[Any]]] = {}
        for key, at in self._unsettled.items():
            unsettled.setdefault(at, []).append([*key])
        self._state[HISTORY] = {
            "last": self._last,
            "keys": _text(zlib.compress(msgspec.json.encode(keys))),
            "hashes": _text(b"".join(self._digests[key] for key in keys)),
            **({"unsettled": unsettled} if unsettled else {}),
        }


def _unpacked(saved: Any, length: int) -> tuple[str, dict[Key, bytes], dict[Key, str]]:  # noqa: ANN401
    try:
        keys = [tuple(key) for key in msgspec.json.decode(zlib.decompress(base64.b64decode(saved["keys"])))]
        hashes = base64.b64decode(saved["hashes"])
        digests = {key: hashes[at * _DIGEST : (at + 1) * _DIGEST] for at, key in enumerate(keys)}
        unsettled = {tuple(key): at for at, keys in saved.get("unsettled", {}).items() for key in keys}
        datetime.strptime(saved["last"], _FORM).replace(tzinfo=timezone.utc)
    except (AttributeError, KeyError, TypeError, ValueError, zlib.error) as error:
        raise ValueError(f"'{HISTORY}' is damaged ({type(error).__name__})") from None
    if len(hashes) != len(keys) * _DIGEST or any(len(key) != length for key in digests) or unsettled.keys() - digests:
        raise ValueError(f"'{HISTORY}' is damaged")
    return saved["last"], digests, unsettled


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
