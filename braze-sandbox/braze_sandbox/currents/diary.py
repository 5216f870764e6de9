"""One person's events on one day, and the random choices behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from braze_sandbox.model.ids import key

LATEST = timedelta(hours=40)
"""Maximum delay between an event on an offline device and its queueing."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event with all its known values; the schema of its type picks the fields."""

    type: str
    queued: datetime
    known: dict[str, Any]


class Chance:
    """Pseudo-random numbers derived from a name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._drawn = 0

    def number(self, below: int) -> int:
        """Return a number from 0 to one less than `below`."""
        self._drawn += 1
        return int.from_bytes(blake2b(f"{self._name}/{self._drawn}".encode(), digest_size=6).digest(), "big") % below

    def once_in(self, times: int) -> bool:
        """Return whether a one-in-`times` event happens."""
        return not self.number(times)

    def one_of(self, these: list[Any]) -> Any:  # noqa: ANN401 - whatever is in the list
        """Return one of the given items."""
        return these[self.number(len(these))]


class Diary:
    """One person's actions on one day."""

    def __init__(self, person: dict[str, Any], midnight: datetime) -> None:
        self.person = person
        self.chance = Chance(f"{person['user_id']}/{midnight.date()}")
        self.midnight = midnight
        self.events: list[Event] = []

    def moment(self) -> datetime:
        """Return a random second of the day."""
        return self.midnight + timedelta(seconds=self.chance.number(86_400))

    def add(self, event_type: str, at: datetime, *, offline: bool = False, **known: Any) -> None:  # noqa: ANN401
        """Add an event. Braze queues it within minutes, or once an `offline` device reconnects."""
        delay = self.chance.number(int(LATEST.total_seconds()) if offline else 180)
        name = f"{self.person['user_id']}/{self.midnight.date()}/{len(self.events)}"
        self.events.append(event(event_type, name, at, at + timedelta(seconds=delay), self.person | known))


def event(event_type: str, name: str, at: datetime, queued: datetime, known: dict[str, Any]) -> Event:
    """Return an event whose id derives from its name."""
    return Event(event_type, queued, {**known, "id": key("event", name), "time": int(at.timestamp())})
