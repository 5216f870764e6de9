"""Fingerprints of events, purchases and messages, by which the ledger knows what Braze has accepted."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze.encode import decode
from target_braze.mapping.values.scalars import to_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze.braze.changes import Change

_canonical: Final = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


def fingerprint(change: Change, key: Sequence[Any], place: int) -> bytes | None:
    """Return a hash that identifies an event, purchase or message, or None for a change that can be sent twice.

    Two changes are the same if everything sent for them is equal and so is their stream's `key`: the values of its
    columns, after stream maps and flattening. The key alone is not enough: it may be blank, made by a stream map, or
    not unique. A message, however, is the same if its key and campaign are, because nobody may receive it twice.
    `place` is the change's index among the changes of its record.
    """
    if not change.semantics.counted:
        return None
    stream = change.records[0].stream
    if change.semantics.sends_messages:
        text = _canonical([stream, change.key, place, [*map(_spelled_alike, key)]])
    else:
        # By the JSON if it is known, since the fast path has only that.
        fields = change.fields if change.encoded is None else decode(change.encoded)
        text = _canonical([stream, change.payload_key, change.user, place, key, fields])
    return blake2b(text, digest_size=16).digest()


def _spelled_alike(value: object) -> object:
    """Return the value of a key, with 17, 17.0 and "17" alike: a source that changes the type sends nobody again."""
    try:
        return to_id(value)
    except ValueError:
        return value
