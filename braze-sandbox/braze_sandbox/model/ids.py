"""Identifiers that are the same in every run."""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID


def key(kind: str, number: int | str) -> str:
    """Return the identifier of the nth object of a kind, which is the same in every seed."""
    return str(UUID(bytes=blake2b(f"{kind}/{number}".encode(), digest_size=16).digest(), version=4))
