"""Invariants of every schedule, checked against the sandbox's contents and the dead letters."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from tests.target.chaos.streams import COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from braze_sandbox.testing import Recorded, Sandbox

    from tests.target.chaos.schedule import Schedule

# User, attribute and, if values inside it are set one by one, the nested key.
Place = tuple[str, ...]

_OUTCOMES: Final = ("sent", "coalesced", "unchanged", "left_out", "rejected", "in_doubt")
# The generator does not know an attribute's contents when it removes elements.
_HARMLESS: Final = "remove on a missing attribute does nothing"


@dataclass
class Held:
    """The stream's records in the sandbox, by record number: how often, and in which order per user."""

    counts: Counter[int] = field(default_factory=Counter)
    order: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def by(cls, sandbox: Sandbox, users: Iterable[str]) -> Held:
        held = cls()
        for user in users:
            profile = sandbox.profile(user)
            if profile is None:
                continue
            held.attributes[user] = dict(profile.custom_attributes)
            for kind, happened in (
                ("events", [event["properties"]["n"] for event in list(profile.events)]),
                ("purchases", [purchase["properties"]["n"] for purchase in list(profile.purchases)]),
                ("log", [entry["n"] for entry in held.attributes[user].get("log", [])]),
            ):
                held.order[user, kind] = happened
                held.counts.update(happened)
        return held

    def value(self, place: Place) -> object:
        """Return the value at a place; None if missing. For an array element, return whether the array contains it."""
        user, attribute, *inner = place
        value = self.attributes.get(user, {}).get(attribute)
        if not inner:
            return value
        return inner[0] in (value or []) if attribute == "tags" else (value or {}).get(inner[0])


def letters(path: Path) -> list[tuple[int, str]]:
    """Return the records in the dead letters, by number, with each one's reason."""
    if not path.exists():
        return []
    # A line still being written has no newline yet.
    messages = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    return [(one["record"]["n"], one["dead_letter"]["reason"]) for one in messages if one["type"] == "RECORD"]


def not_settled(schedule: Schedule, held: Held, dead: set[int], upto: int) -> Iterator[str]:
    """Yield the records up to a number that are neither in the sandbox nor in the dead letters."""
    for item in schedule.items[:upto]:
        if item.n not in dead and item.stream in COUNTED and not held.counts[item.n]:
            yield f"record {item.n} ({item.stream} of {item.user}) is neither in Braze nor in the dead letters"
    for place, writes in _writes(schedule).items():
        # The last record that Braze certainly accepted, or one after it.
        certain = max((n for n, _ in writes if n <= upto and n not in dead), default=0)
        possible = [value for n, value in writes if n >= certain]
        if not certain:
            possible.append(False if len(place) > 2 and place[1] == "tags" else None)
        if held.value(place) not in possible:
            yield f"{place} is {held.value(place)!r}, and not what record {certain} or a later one says: {possible}"


def not_as_it_should_be(schedule: Schedule, held: Held, dead: set[int], *, runs: int) -> Iterator[str]:
    """Yield records that the sandbox has too often, has despite a refusal, or that were never sent."""
    counted = {item.n: item.stream for item in schedule.items if item.stream in COUNTED}
    repeated = Counter(item.n for item in schedule.items)
    # Across runs, a ledger tracks sent events and purchases; nothing tracks increments.
    known = (schedule.hold or not schedule.doubtful) and not (schedule.restored and runs > 1)
    once = {"events": known and (schedule.ledger or runs == 1), "counters": known and runs == 1}
    once["purchases"] = once["events"]
    for n, count in held.counts.items():
        if n not in counted:
            yield f"Braze has record {n}, which nobody sent"
        elif count > (1 if schedule.ledger else repeated[n]) and once[counted[n]]:
            yield f"record {n} ({counted[n]}) counts {count} times"
    for item in schedule.items:
        if item.poisoned and held.counts[item.n]:
            yield f"record {item.n} was refused, and Braze has it"
        if item.poisoned and not item.folds and item.n not in dead:
            yield f"record {item.n} was refused, and is not in the dead letters"


def mixed_up(held: Held, dead: set[int]) -> Iterator[str]:
    """Yield records out of stream order, and objects only partly applied."""
    for where, happened in held.order.items():
        # A record put aside may come again when a later run rereads it.
        first = [n for n in dict.fromkeys(happened) if n not in dead]
        if first != sorted(first):
            yield f"{where} came in the order {first}"
    for user, attributes in held.attributes.items():
        if attributes.get("visits", 0) != sum(entry["by"] for entry in attributes.get("log", [])):
            yield f"{user} has {attributes.get('visits')} visits, but {attributes.get('log')}"


def wrong_letters(schedule: Schedule, found: list[tuple[int, str]]) -> Iterator[str]:
    """Yield the dead letters of one run that should not exist."""
    by_number = {item.n: item for item in schedule.items}
    repeated = Counter(item.n for item in schedule.items)
    # One user's attributes are merged: a refused or double-counting one takes others with it.
    sick = {item.user for item in schedule.items if item.poisoned}
    counted = {item.user for item in schedule.items if item.stream == "counters"}
    for n, count in Counter(n for n, _ in found).items():
        if count > repeated[n]:
            yield f"record {n} is in the dead letters {count} times"
    for n, reason in found:
        item = by_number[n]
        if "in doubt" in reason:
            right = schedule.hold and schedule.doubtful and (not item.folds or item.user in counted)
        else:
            right = item.poisoned or (item.folds and (item.user in sick or (item.user in counted and schedule.splits)))
        if not right:
            yield f"record {n} ({item.stream} of {item.user}) is in the dead letters: {reason}"


def wrong_requests(schedule: Schedule, requests: list[Recorded]) -> Iterator[str]:
    """Yield the problems in one run's requests."""
    for request in requests:
        size = sum(map(len, (request.body or {}).values()))
        if size > schedule.settings["max_objects_per_request"]:
            yield f"a request holds {size} objects"
    if (most := _at_once(requests)) > schedule.settings["concurrency"]:
        yield f"{most} requests were under way"


def gone_backwards(schedule: Schedule, requests: list[Recorded]) -> Iterator[str]:
    """Yield older values sent after newer ones, for users whose records can always be merged pairwise."""
    whole = {"profiles", "tiers", "events", "purchases"}
    users = {item.user for item in schedule.items} - {item.user for item in schedule.items if item.stream not in whole}
    newest: Counter[str] = Counter()
    for request in sorted(requests, key=lambda one: one.started):
        for attributes in (request.body or {}).get("attributes", []):
            user, number = attributes["external_id"], attributes.get("last", 0)
            if user in users and number:
                if number < newest[user]:
                    yield f"{user}: record {number} was sent after {newest[user]}"
                newest[user] = number


def read_too_far(schedule: Schedule, requests: list[Recorded]) -> Iterator[str]:
    """Yield records sent more than a span after an unsettled one, in one run."""
    # Records within the buffer may be read before the span is checked.
    room = 3 * schedule.settings["concurrency"] * schedule.settings["max_objects_per_request"]
    span = schedule.span + room
    started: dict[int, float] = {}
    settled: dict[int, float] = {}
    for request in requests:
        for number in _numbers(request):
            started[number] = min(request.started, started.get(number, request.started))
            settled[number] = max(request.finished, settled.get(number, request.finished))
    for number, moment in started.items():
        for earlier, end in settled.items():
            if number - earlier > span and end > moment:
                yield f"record {number} was sent when {earlier} was not settled; the span is {span}"


def _numbers(request: Recorded) -> Iterator[int]:
    """Yield the record numbers in a request, as far as its objects have them."""
    body = request.body or {}
    for kind in ("events", "purchases"):
        yield from (one["properties"]["n"] for one in body.get(kind, []))
    yield from (one["last"] for one in body.get("attributes", []) if "last" in one)


def violations(sandbox: Sandbox) -> Iterator[str]:
    """Yield sandbox violations: what Braze would silently drop or reorder, such as two requests about one user."""
    for violation in sandbox.violations:
        if violation["reason"] != _HARMLESS:
            yield f"the sandbox says: {violation}"


def wrong_counts(said: str, dead: int) -> Iterator[str]:
    """Yield inconsistencies in the summary, the JSON line on standard error, of a run that was not killed."""
    lines = [json.loads(line) for line in said.splitlines() if line.startswith('{"summary"')]
    if len(lines) != 1:
        yield f"the run ended with {len(lines)} summaries: {said}"
        return
    total = lines[0]["summary"]["total"]
    settled = sum(total[outcome] for outcome in _OUTCOMES)
    if total["read"] != settled + total["open"]:
        yield f"the summary does not add up: {total}"
    if total["rejected"] + total["in_doubt"] != dead:
        yield f"the dead letters of the run hold {dead} records, the summary says {total}"
    if total["open"] and lines[0]["summary"]["ended"] == "completed":
        yield f"the run came to its end, and the summary says {total}"


def _at_once(requests: list[Recorded]) -> int:
    moments = sorted([(one.started, 1) for one in requests] + [(one.finished, -1) for one in requests])
    under_way = most = 0
    for _, step in moments:
        under_way += step
        most = max(most, under_way)
    return most


def wrong_states(states: list[int]) -> Iterator[str]:
    """Yield the STATEs of one run that went backwards."""
    for earlier, later in pairwise(states):
        if later < earlier:
            yield f"STATE {later} left after STATE {earlier}"


def held_back(schedule: Schedule, held: Held, dead: set[int], last: int) -> Iterator[str]:
    """Yield STATEs that a stopped run withheld although all records before them were settled and later ones read."""
    for message in schedule.messages:
        if message is None or message["type"] != "STATE" or (upto := message["value"]["upto"]) <= last:
            continue
        settled = (
            item.stream in COUNTED and (held.counts[item.n] or item.n in dead) for item in schedule.items[last:upto]
        )
        if all(settled) and any(held.counts[item.n] for item in schedule.items[upto:] if item.n == item.number):
            yield f"STATE {upto} could have left, and the last one was {last}"


def _writes(schedule: Schedule) -> dict[Place, list[tuple[int, object]]]:
    """Return the values that the records set, by place, in order."""
    found: dict[Place, list[tuple[int, object]]] = defaultdict(list)
    for item in schedule.items:
        for place, value in item.sets():
            where = (item.user, *place)
            found[where].append((item.n, value))
    return found
