"""A loader that keeps the last row of each key, and the STATE it has confirmed."""

from __future__ import annotations

from datetime import date
from typing import Any


class Warehouse:
    """What a loader holds after the output of some runs, and the STATE it has confirmed."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, ...], Any] = {}
        self.state: dict[str, Any] | None = None

    @property
    def bookmarks(self) -> dict[str, Any]:
        """Return what STATE has of each stream."""
        bookmarks: dict[str, Any] = (self.state or {}).get("bookmarks", {})
        return bookmarks

    def bookmark(self, stream: str) -> date:
        """Return how far a stream was read; before the first run any day will do."""
        return date.fromisoformat(self.bookmarks.get(stream, {}).get("replication_key_value", "2026-07-01"))

    def load(self, run: Any, share: float = 1.0) -> None:
        keys = {m["stream"]: m["key_properties"] for m in run.messages if m["type"] == "SCHEMA"}
        for message in run.messages[: int(len(run.messages) * share)]:
            if message["type"] == "RECORD":
                record = message["record"]
                name = (message["stream"], *(record[key] for key in keys[message["stream"]]))
                self.rows[name] = record
            elif message["type"] == "STATE":
                self.state = message["value"]
