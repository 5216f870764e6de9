"""The lines of an outcome log, and what they say together of each change."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from target_braze.encode import decode
from target_braze.outcome_log.storage import OutcomeLogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_braze.braze.changes import Change
    from target_braze.outcome_log.storage import Folder

# Folders in that of a partition.
CLAIMS: Final = "claims"
ATTEMPTS: Final = "attempts"

_KEY_BYTES: Final = 8
_BYTES: Final = 20
_NO_KEY: Final = bytes(_KEY_BYTES)
_SORTED: Final = msgspec.json.Encoder(order="sorted").encode

Earlier = Literal["unknown", "accepted", "in doubt", "other content"]


class Entry(msgspec.Struct, omit_defaults=True):
    """One line.

    Attributes:
        under_way: Identities of changes that are about to be sent, one after another.
        accepted: Of changes that Braze accepted.
        free: Of changes that Braze surely does not have: it refused them, or they were not sent.
        schema: SCHEMA message of the letters that follow.
        letter: A dead letter. It is Base64 in the log, because values of a rejected record may be no JSON.
        number: Number of its record in its stream.
        summary: Summary of the attempt so far.
    """

    under_way: bytes = b""
    accepted: bytes = b""
    free: bytes = b""
    schema: msgspec.Raw = msgspec.Raw()
    letter: bytes = b""
    number: int = 0
    summary: msgspec.Raw = msgspec.Raw()

    def line(self) -> bytes:
        """Return the line."""
        return msgspec.json.encode(self) + b"\n"


_decode: Final = msgspec.json.Decoder(Entry).decode


def newest_claim(folder: Folder, path: str) -> str | None:
    """Return the name of the attempt that holds a partition."""
    return max(folder.names(f"{path}/{CLAIMS}"), default=None)


def entries_of(folder: Folder, path: str, attempt: str) -> Iterator[Entry]:
    """Yield the entries of an attempt's log.

    Raises:
        OutcomeLogError: The log cannot be read, or is damaged.
    """
    for number, line in enumerate(folder.lines(f"{path}/{ATTEMPTS}/{attempt}"), 1):
        yield _decoded(line, f"line {number:,} of attempt {attempt} in {path}")


def _decoded(line: bytes, place: str) -> Entry:
    try:
        return _decode(line)
    except msgspec.DecodeError:
        raise OutcomeLogError(
            f"outcome log: {place} is damaged, so it is unknown what was sent. Compare the run's records with Braze, "
            "and start the rest under another run_id"
        ) from None


def identity(change: Change, key: Sequence[Any], place: int) -> bytes:
    """Return what identifies a change in any attempt: a hash of its key, and one of what is sent.

    Args:
        change: A change that knows its record.
        key: Values of the stream's key.
        place: Index of the change among those of its record.
    """
    text = [change.records[0].stream, change.payload_key, place]
    has_key = bool(key) and None not in key
    first = blake2b(_SORTED([*text, key]), digest_size=_KEY_BYTES).digest() if has_key else _NO_KEY
    # By the JSON if it is known, since the fast path has only that.
    fields = change.fields if change.encoded is None else decode(change.encoded)
    content = _SORTED([*text, change.user, fields])
    return first + blake2b(content, digest_size=_BYTES - _KEY_BYTES).digest()


class EarlierOutcomes:
    """What earlier attempts did with the changes of a partition.

    Several records may be equal, so changes are counted: if earlier attempts sent two, the first two that arrive again
    are those.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.accepted: Counter[bytes] = Counter()
        self.in_doubt: Counter[bytes] = Counter()
        for entry in entries:
            self.in_doubt.update(split(entry.under_way))
            self.accepted.update(split(entry.accepted))
            for settled in (entry.accepted, entry.free):
                for one in split(settled):
                    if one in self.in_doubt:
                        _decrease(self.in_doubt, one)
        self._keys: Counter[bytes] = Counter()
        for counts in (self.accepted, self.in_doubt):
            for one, count in counts.items():
                if not one.startswith(_NO_KEY):
                    self._keys[one[:_KEY_BYTES]] += count

    def take(self, one: bytes) -> Earlier:
        """Return what became of a change with this identity, and do not return it again."""
        for counts, outcome in ((self.accepted, "accepted"), (self.in_doubt, "in doubt")):
            if counts and one in counts:
                _decrease(counts, one)
                if not one.startswith(_NO_KEY):
                    _decrease(self._keys, one[:_KEY_BYTES])
                return outcome  # type: ignore[return-value] # mypy widens literals in tuples
        return "other content" if self._keys and one[:_KEY_BYTES] in self._keys else "unknown"


def _decrease(counts: Counter[bytes], key: bytes) -> None:
    if counts[key] > 1:
        counts[key] -= 1
    else:
        del counts[key]


def split(identities: bytes) -> Iterator[bytes]:
    """Yield each of several identities."""
    return (identities[at : at + _BYTES] for at in range(0, len(identities), _BYTES))
