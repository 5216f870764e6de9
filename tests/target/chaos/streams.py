"""The streams of a schedule: their records, the mapping's results, and the values each record sets in Braze."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.target.support.singer import ANY_OBJECT, INTEGER, NUMBER, TEXT, TIME, Stream

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

TAGS: Final = ("red", "green", "blue")
AT: Final = "2026-03-04T09:10:11Z"
# Streams whose records Braze stores one by one, possibly repeatedly: events, purchases, and added objects.
COUNTED: Final = frozenset({"events", "purchases", "counters"})

# Braze refuses a text with one of these: its request with 400 or 413, or its object with an entry in `errors`.
POISONS: Final = ("poison-400", "poison-413", "poison-one", "poison-all")
# Braze accepts a quantity of at most 100, which the mapping enforces.
_TOO_MANY: Final = 250

# Every record has a number `n`; the attributes streams do not send it, so two of their records can be equal.
_COLUMNS: Final = {"external_id": TEXT, "n": INTEGER}
STREAMS: Final = {
    stream.name: stream
    for stream in (
        Stream("profiles", {**_COLUMNS, "last": INTEGER, "plan": TEXT, "address": ANY_OBJECT}, keys=["external_id"]),
        Stream("tiers", {**_COLUMNS, "tier": TEXT}, keys=["external_id"]),
        Stream("homes", {**_COLUMNS, "home": ANY_OBJECT}, keys=["external_id"]),
        Stream("lists", {**_COLUMNS, "tags": {"type": ["array", "null"], "items": TEXT}}, keys=["external_id"]),
        Stream("counters", {**_COLUMNS, "by": INTEGER, "entry": ANY_OBJECT, "more": TEXT, "less": TEXT}, keys=["n"]),
        Stream("events", {**_COLUMNS, "id": TEXT, "name": TEXT, "time": TIME}, keys=["id"]),
        Stream(
            "purchases",
            {**_COLUMNS, "product_id": TEXT, "price": NUMBER, "currency": TEXT, "quantity": INTEGER, "time": TIME},
        ),
    )
}
MAPPINGS: Final[dict[str, Any]] = {
    "profiles": {"fields": ["last", "plan", "address"]},
    "tiers": {"fields": ["tier"]},
    "homes": {"fields": ["home"], "merge_objects": True},
    "lists": {"fields": ["tags"]},
    "counters": {
        "fields": [],
        "operators": {"by": "inc", "entry": "$add", "more": "add", "less": "remove"},
        "rename": {"by": "visits", "entry": "log", "more": "tags", "less": "tags"},
    },
    "events": {"properties": ["n"]},
    "purchases": {"properties": ["n"]},
}


@dataclass(frozen=True)
class Item:
    """A RECORD; `number` counts records from 1, and a repetition has the original's number in column `n`."""

    number: int
    stream: str
    user: str
    record: dict[str, Any]

    @property
    def n(self) -> int:
        return int(self.record["n"])

    @property
    def poisoned(self) -> bool:
        """Return whether Braze or the mapping refuses it."""
        return "poison-" in json.dumps(self.record) or self.record.get("quantity") == _TOO_MANY

    @property
    def folds(self) -> bool:
        """Return whether it may be merged with other records of its user."""
        return self.stream not in {"events", "purchases"}

    def sets(self) -> Iterator[tuple[tuple[str, ...], object]]:
        """Yield the attributes that it sets, or the places inside them, each with its value."""
        record = self.record
        if self.stream in {"profiles", "tiers"}:
            yield from (((name,), value) for name, value in record.items() if name not in _COLUMNS)
        elif self.stream == "homes":
            yield from ((("home", key), value) for key, value in record["home"].items())
        elif self.stream == "lists":
            yield from ((("tags", tag), tag in record["tags"]) for tag in TAGS)
        elif self.stream == "counters":
            yield from ((("tags", record[column]), column == "more") for column in ("more", "less") if record[column])


def item(chance: random.Random, stream: str, user: str, number: int, *, poisoned: bool) -> Item:
    """Return a record of a stream."""
    columns = _RECORDS[stream](chance, number, chance.choice(POISONS) if poisoned else None)
    return Item(number, stream, user, {"external_id": user, "n": number, **columns})


def _profile(chance: random.Random, number: int, poison: str | None) -> dict[str, Any]:
    address = chance.choice([None, {"city": chance.choice("AB"), "zip": number}, {"city": "C"}])
    return {"last": number, "plan": poison or chance.choice(["gold", "plain", None]), "address": address}


def _tier(chance: random.Random, _number: int, poison: str | None) -> dict[str, Any]:
    return {"tier": poison or chance.choice(["one", "two", None])}


def _home(chance: random.Random, number: int, _poison: str | None) -> dict[str, Any]:
    return {"home": chance.choice([{"city": chance.choice("AB")}, {"zip": number}, {"city": "C", "zip": number}])}


def _list(chance: random.Random, _number: int, _poison: str | None) -> dict[str, Any]:
    return {"tags": chance.sample(TAGS, chance.randint(1, len(TAGS)))}


def _counter(chance: random.Random, number: int, _poison: str | None) -> dict[str, Any]:
    by, more, less = chance.randint(-3, 9), chance.choice([None, *TAGS]), chance.choice([None, *TAGS])
    # If one element is both added and removed, Braze does not document which happens first.
    return {"by": by, "entry": {"n": number, "by": by}, "more": more, "less": None if less == more else less}


def _event(chance: random.Random, number: int, poison: str | None) -> dict[str, Any]:
    return {"id": f"e-{number}", "name": poison or chance.choice(["seen", "done"]), "time": AT}


def _purchase(chance: random.Random, _number: int, poison: str | None) -> dict[str, Any]:
    found = {"product_id": chance.choice(["tea", "coffee"]), "price": 9.5, "currency": "EUR", "time": AT}
    if poison and chance.random() < 0.3:
        return {**found, "quantity": _TOO_MANY}
    return {**found, "quantity": chance.randint(1, 3), "product_id": poison or found["product_id"]}


_RECORDS: Final[dict[str, Callable[[random.Random, int, str | None], dict[str, Any]]]] = {
    "profiles": _profile,
    "tiers": _tier,
    "homes": _home,
    "lists": _list,
    "counters": _counter,
    "events": _event,
    "purchases": _purchase,
}
