"""The events of one person on one day, and the chance that decides which."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from braze_sandbox.model.ids import key

LATEST = timedelta(hours=40)
"""How long after it happened an event of a device without a connection is queued, at most."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event with all that is known of it; the schema of its type picks the fields."""

    type: str
    queued: datetime
    known: dict[str, Any]


class Chance:
    """Numbers that look random and follow from a name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._drawn = 0

    def number(self, below: int) -> int:
        """Return a number from 0 to one less than `below`."""
        self._drawn += 1
        return int.from_bytes(blake2b(f"{self._name}/{self._drawn}".encode(), digest_size=6).digest(), "big") % below

    def once_in(self, times: int) -> bool:
        """Return whether something rare happens."""
        return not self.number(times)

    def one_of(self, these: list[Any]) -> Any:  # noqa: ANN401 - whatever is in the list
        """Return one of these."""
        return these[self.number(len(these))]


class Diary:
    """What one person does on one day."""

    def __init__(self, person: dict[str, Any], midnight: datetime) -> None:
        self.person = person
        self.chance = Chance(f"{person['user_id']}/{midnight.date()}")
        self.midnight = midnight
        self.events: list[Event] = []

    def moment(self) -> datetime:
        """Return some second of the day."""
        return self.midnight + timedelta(seconds=self.chance.number(86_400))

    def add(self, event_type: str, at: datetime, *, offline: bool = False, **known: Any) -> None:  # noqa: ANN401
        """Add an event. Braze queues it within minutes, or when a device is back from where it was `offline`."""
        delay = self.chance.number(int(LATEST.total_seconds()) if offline else 180)
        name = f"{self.person['user_id']}/{self.midnight.date()}/{len(self.events)}"
        self.events.append(event(event_type, name, at, at + timedelta(seconds=delay), self.person | known))


def event(event_type: str, name: str, at: datetime, queued: datetime, known: dict[str, Any]) -> Event:
    """Return an event with an id that follows from its name."""
    return Event(event_type, queued, {**known, "id": key("event", name), "time": int(at.timestamp())})
