"""Schedules of users whose changes depend on each other: none is lost, early, or out of order."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from braze_sandbox.state.limits import Limits
from braze_sandbox.state.options import Options
from typing_extensions import override

from tests.target.chaos.clock import PACE, hurried
from tests.target.chaos.runner import Ended, StreamsRunner
from tests.target.chaos.schedule import FAULTS, MIXTURES, StreamsSchedule, is_believed, stops
from tests.target.support.messages import add_users
from tests.target.support.singer import INTEGER, TEXT, TIME, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from braze_sandbox.testing import Recorded, Sandbox

    from tests.target.chaos.schedule import Stop

_KEY: Final = {"external_id": TEXT, "upto": INTEGER}
# An alias that is sent again, because its request had no answer.
_HARMLESS: Final = "the alias is taken: nothing happens"
STREAMS: Final = {
    stream.name: stream
    for stream in (
        Stream("customers", {**_KEY, "last": INTEGER}, keys=["external_id"]),
        Stream("aliases", {**_KEY, "alias_name": TEXT, "alias_label": TEXT}),
        Stream("visits", {**_KEY, "name": TEXT, "time": TIME}, keys=["upto"]),
    )
}
MAPPINGS: Final[dict[str, Any]] = {
    "customers": {"fields": ["last"]},
    "aliases": {"to": "aliases"},
    "visits": {"to": "events", "properties": ["upto"]},
}


@dataclass(kw_only=True)
class StepsSchedule(StreamsSchedule):
    """Everything that a seed determines; `rows` are the streams and users of the records."""

    ledger: bool
    rows: list[tuple[str, str]] = field(default_factory=list)

    @override
    def __str__(self) -> str:
        """Describe the schedule for a person."""
        users = {user for _, user in self.rows}
        records = f"{len(self.rows)} records of {len(users)} users, {'a' if self.ledger else 'no'} ledger"
        return self.described("steps", records)


def steps_schedule(seed: int, *, processes: bool = False) -> StepsSchedule:
    """Return a seed's schedule; with `processes`, its runs are separate processes, which can be killed."""
    chance = random.Random(f"steps {seed}")
    rules: list[dict[str, Any]] = []
    if latency := chance.choice([0, 1, 5]):
        rules.append({"path": "/users/*", "do": "latency", "latency_ms": latency})
    mixture, faults = chance.choice(MIXTURES), []
    for _ in range(chance.choice([0, 1, 2, 4])):
        kind = chance.choice([one for one in mixture if one != "split"])
        faults.append(kind)
        times = 1 if "fatal" in kind else chance.choice([1, 2])
        fault = chance.choice([one for one in FAULTS[kind] if not is_believed(one)])
        rules.append({"path": "/users/*", **fault, "after": chance.randrange(15), "times": times})
    found = StepsSchedule(
        seed=seed,
        processes=processes,
        rules=rules,
        faults=faults,
        stops=stops(chance, processes=processes),
        settings={
            "concurrency": chance.choice([1, 2, 4]),
            "max_objects_per_request": chance.choice([1, 3, 10]),
            "rate_limit_reserve": 0,
            "dependency_delay": chance.choice([0.5, 2]),
            "streams": MAPPINGS,
        },
        ledger=chance.random() < 0.5,
    )
    users = [f"u{number}" for number in range(chance.choice([1, 2, 8, 30]))]
    found.messages += [stream.schema for stream in STREAMS.values()]
    for number in range(1, chance.choice([10, 30, 60]) + 1):
        name, user = chance.choice([*STREAMS]), chance.choice(users)
        found.rows.append((name, user))
        found.messages.append(STREAMS[name].record(_record(name, user, number)))
        if chance.random() < 0.2:
            found.messages.append({"type": "STATE", "value": {"upto": number}})
    found.messages.append({"type": "STATE", "value": {"upto": len(found.rows)}})
    return found


def _record(name: str, user: str, number: int) -> dict[str, Any]:
    columns: dict[str, dict[str, Any]] = {
        "customers": {"last": number},
        "aliases": {"alias_name": f"a-{number}", "alias_label": f"label-{number}"},
        "visits": {"name": "seen", "time": "2026-03-04T09:10:11Z"},
    }
    return {"external_id": user, "upto": number, **columns[name]}


class StepsTrial(StreamsRunner):
    """A schedule of these streams on a running sandbox."""

    _schedule: StepsSchedule

    def __init__(self, schedule: StepsSchedule, sandbox: Sandbox, folder: Path) -> None:
        super().__init__(sandbox, folder, schedule.seed % 3 * 1_000.0, 100_000)
        self._schedule = schedule
        self._config |= schedule.settings | {"on_error": "fail"}
        if schedule.ledger:
            self._config["ledger_path"] = str(folder / "ledger.sqlite")

    def run(self) -> list[str]:
        """Run until the streams are finished; return the violations."""
        sandbox, schedule = self._sandbox, self._schedule
        sandbox.instance.options = Options(seed="empty")
        sandbox.instance.limits = Limits({})
        sandbox.reset()
        add_users(sandbox, [*dict.fromkeys(user for _, user in schedule.rows)])
        for rule in schedule.rules:
            sandbox.fault(**rule)
        try:
            with hurried(self._skew, self._span):
                self._run_until_through()
        finally:
            sandbox.instance.hooks.clear()
        self.problems += self._missing(len(schedule.rows), "at the end")
        if not schedule.doubtful and (schedule.ledger or len(self.runs) == 1):
            visits = Counter(number for user in self._users() for number in self._visits(user))
            self.problems += (f"visit {number} counts {count} times" for number, count in visits.items() if count > 1)
        self.problems += (f"the sandbox says: {one}" for one in sandbox.violations if one["reason"] != _HARMLESS)
        return self.problems

    @override
    def _run_once(self, start: int, stop: Stop | None) -> Ended:
        before = len(self._sandbox.requests)
        ended = super()._run_once(start, stop)
        requests = sorted(self._sandbox.requests[before:], key=lambda one: one.started)
        for user in self._users():
            self.problems += self._out_of_step(user, requests)
        return ended

    @override
    def _see(self, upto: int, states: list[int]) -> None:
        states.append(upto)
        self.problems += self._missing(upto, f"when STATE {upto} left")

    def _users(self) -> set[str]:
        return {user for _, user in self._schedule.rows}

    def _visits(self, user: str) -> list[int]:
        profile = self._sandbox.profile(user)
        return [event["properties"]["upto"] for event in list(profile.events)] if profile else []

    def _missing(self, upto: int, when: str) -> Iterator[str]:
        """Yield the records up to a number that Braze does not have."""
        for number, (name, user) in enumerate(self._schedule.rows[:upto], 1):
            profile = self._sandbox.profile(user)
            if name == "customers":
                there = profile is not None and profile.custom_attributes.get("last", 0) >= number
            elif name == "aliases":
                there = profile is not None and f"a-{number}" in profile.aliases.values()
            else:
                there = number in self._visits(user)
            if not there:
                yield f"{when}, Braze did not have record {number} ({name} of {user})"

    def _out_of_step(self, user: str, requests: list[Recorded]) -> Iterator[str]:
        """Yield a user's changes in one run that came too early or in the wrong order."""
        delay = self._schedule.settings["dependency_delay"] / PACE
        found = [(request, numbers) for request in requests if (numbers := _numbers(user, request))]
        for (earlier, before), (later, after) in pairwise(found):
            if before == after:
                continue  # sent again, because it got no answer
            if earlier.path != later.path and later.started < earlier.finished + delay:
                yield f"{user}: {after} followed {before} after {later.started - earlier.finished:.4f} s"
            # Attributes are merged, and those merged last may come in the request of earlier events.
            if earlier.path != later.path and min(after) < max(before):
                yield f"{user}: {after} came after {before}"


def _numbers(user: str, request: Recorded) -> list[int]:
    """Return the numbers of a user's records in a request, as far as its objects have them."""
    body = request.body or {}
    return [
        *(one["last"] for one in body.get("attributes", []) if one["external_id"] == user),
        *(one["properties"]["upto"] for one in body.get("events", []) if one["external_id"] == user),
        *(int(one["alias_name"][2:]) for one in body.get("user_aliases", []) if one["external_id"] == user),
    ]
