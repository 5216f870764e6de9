"""Which of very many ids were there before, in a few bytes for each."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_HASH: Final = 8  # bytes that are kept of each id


class Dedupe:
    """Ids that were added, as hashes of 10 bytes, of which the bucket holds two.

    Twenty million ids are 180 MB; that two of these have one hash, and one of the two is taken for the other, has a
    chance of one in a billion.
    """

    def __init__(self) -> None:
        self._buckets: dict[bytes, bytearray] = {}

    def add(self, text: str) -> bool:
        """Add an id; whether it is new."""
        digest = blake2b(text.encode(), digest_size=2 + _HASH).digest()
        bucket = self._buckets.setdefault(digest[:2], bytearray())
        # A hit across two hashes is as unlikely as two equal ones.
        if digest[2:] in bucket:
            return False
        bucket += digest[2:]
        return True
