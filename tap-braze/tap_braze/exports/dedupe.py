"""Detect repeated IDs among tens of millions, using a few bytes per ID."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_HASH: Final = 8  # bytes kept of each ID


class Dedupe:
    """A set of IDs as 10-byte hashes; two of the bytes select the bucket.

    Twenty million IDs take 180 MB. The chance that one of them is mistaken for another is one in a billion.
    """

    def __init__(self) -> None:
        self._buckets: dict[bytes, bytearray] = {}

    def add(self, text: str) -> bool:
        """Add an ID and return whether it is new."""
        digest = blake2b(text.encode(), digest_size=2 + _HASH).digest()
        bucket = self._buckets.setdefault(digest[:2], bytearray())
        # A match across two hashes is as unlikely as two equal hashes.
        if digest[2:] in bucket:
            return False
        bucket += digest[2:]
        return True
