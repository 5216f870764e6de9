"""What a seed determines: a Singer stream, the target's settings, its faults, and how its runs are cut off."""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass, field, replace
from typing import Any, Final

from typing_extensions import override

from tests.target.chaos.streams import COUNTED, MAPPINGS, STREAMS, Item, item
from tests.target.support.singer import lines

# Makes records of the streams poisonous. These rules come first so that no others take their place.
_NAMED: Final = ("poison-one", "poison-all")
_POISONS: Final[tuple[dict[str, Any], ...]] = (
    {"do": "refuse_if", "contains": "poison-400", "status": 400},
    {"do": "refuse_if", "contains": "poison-413", "status": 413},
    *(
        {
            "do": do,
            "contains": text,
            "errors": [
                {"input_array": array, "contains": named, "type": "no"}
                for array in ("attributes", "events", "purchases")
                for named in _NAMED
            ],
        }
        # Braze names what it refuses in a request, or refuses the whole request because of it.
        for do, text in (("refuse_named", "poison-all"), ("partial_errors", "poison-one"))
    ),
)

_STATUS: Final = {"do": "status"}
FAULTS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    # Nothing was applied, or the response reports it.
    "clear": (
        *({**_STATUS, "status": 429, "reset": reset} for reset in ("epoch", "seconds", "retry-after")),
        {**_STATUS, "status": 429, "headers": {"x-request-id": "no word on when"}},
        {"do": "latency", "latency_ms": 30},
    ),
    # Whether the request was processed is unknowable; `garbage` and `drop_after` do process it.
    "doubtful": (
        *({**_STATUS, "status": status} for status in (500, 502, 503, 504)),
        {"do": "garbage", "status": 503},
        {"do": "garbage", "status": 504},
        {"do": "drop_before"},
        {"do": "drop_after"},
        {"do": "drop_after"},
    ),
    # A request with two or more objects is too large, once.
    "split": ({"do": "refuse_if", "contains": "},{", "status": 413},),
    # Ends the run.
    "fatal": ({**_STATUS, "status": 401}, {**_STATUS, "status": 403}),
    # A 2xx that reports or counts nothing, processed or not. More than two in a row end the run.
    "fatal and doubtful": (
        {"do": "garbage"},
        *(
            {**fault, "status": 201, "body": body}
            for fault in (_STATUS, {"do": "garbage"})
            for body in (
                {"error": "session expired"},
                {"message": "success", **{f"{array}_processed": 0 for array in ("attributes", "events", "purchases")}},
            )
        ),
    ),
}
# Success headers that are not numbers, or useless; the last ones come from a server with endless windows.
_LIES: Final = (
    *({"x-ratelimit-reset": reset} for reset in ("nan", "inf", "-5", "1e999", "", "soon")),
    *({"x-ratelimit-remaining": remaining} for remaining in ("nan", "-1", "1e9")),
    {"x-ratelimit-limit": "0", "x-ratelimit-remaining": "0"},
    {"date": "yesterday"},
    {"x-ratelimit-limit": "3000", "x-ratelimit-remaining": "2999", "x-ratelimit-reset": "900000000000"},
)
# What a schedule includes of these; a schedule without doubtful faults must be exact.
MIXTURES: Final = (
    ("clear",),
    ("clear", "split", "fatal"),
    ("doubtful",),
    ("doubtful", "doubtful", "clear"),
    ("fatal and doubtful",),
    tuple(FAULTS),
)


@dataclass(frozen=True)
class Stop:
    """How a run is cut off: `delay_ms` after request number `request` is applied, or `lost` before that.

    `of_child` cuts off one of the processes that deliver, instead of the one that deals.
    """

    signal: signal.Signals
    request: int
    delay_ms: int = 0
    lost: bool = False
    of_child: bool = False


def is_believed(fault: dict[str, Any]) -> bool:
    """Return whether the answer is a success, whatever happened. These have no counts that could contradict it."""
    return isinstance(body := fault.get("body"), dict) and body.get("message") == "success"


@dataclass(kw_only=True)
class StreamsSchedule:
    """What a seed determines of an input whose records and STATEs are numbered by `upto`; subclasses add their own."""

    seed: int
    processes: bool
    rules: list[dict[str, Any]]
    faults: list[str]
    stops: list[Stop]
    settings: dict[str, Any]
    # How many records before its STATE a further run begins.
    overlap: int = 0
    rows: list[Any] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ends(self) -> int:
        """Return how many runs may end early, besides those that are cut off."""
        return sum("fatal" in kind for kind in self.faults)

    @property
    def doubtful(self) -> bool:
        """Return whether it may be unknown what Braze did."""
        return any("doubtful" in kind for kind in self.faults) or any(
            stop.signal == signal.SIGKILL for stop in self.stops
        )

    def input(self, start: int) -> list[bytes | None]:
        """Return the lines of the streams after the record with that number."""
        return [
            lines(message)
            for message in self.messages
            if message["type"] == "SCHEMA" or message.get("value", message.get("record", {}))["upto"] > start
        ]

    def described(self, name: str, *more: str) -> str:
        """Describe the schedule for a person, with `more` lines about what a subclass adds."""
        return "\n".join(
            [
                f"{name} of seed {self.seed}{', runs are processes' if self.processes else ''}",
                *more,
                f"settings: {self.settings | {'streams': '…'}}",
                *(f"rule: {rule}" for rule in self.rules if "errors" not in rule),
                *(f"stop: {stop}" for stop in self.stops),
            ]
        )


@dataclass
class Schedule:
    """Everything that a seed determines."""

    seed: int
    processes: bool
    # Number of processes that the target deals records to.
    dealt: int
    settings: dict[str, Any]
    ledger: bool
    # Rules of the sandbox and their kinds.
    rules: list[dict[str, Any]]
    kinds: list[str]
    stops: list[Stop]
    # Maximum objects that the account accepts per request.
    most: int
    # Requests and seconds of the rate limit, and the form of its headers.
    limit: tuple[int, float]
    reset: str
    # Seconds by which the target's clock is ahead of the sandbox's.
    skew: float
    # How many records are read ahead of the oldest unsettled one.
    span: int
    # Whether to restore an old copy of the ledger after the second run.
    restored: bool
    # How many records before its STATE a further run begins, and whether a run over everything follows at the end.
    overlap: int
    again: bool
    items: list[Item] = field(default_factory=list)
    messages: list[dict[str, Any] | None] = field(default_factory=list)
    """Singer messages; None: the tap pauses for a moment."""

    @property
    def hold(self) -> bool:
        return bool(self.settings["on_unknown_outcome"] == "hold")

    @property
    def splits(self) -> bool:
        return "split" in self.kinds

    @property
    def doubtful(self) -> bool:
        """Return whether at times the contents of Braze are unknowable."""
        return any("doubtful" in kind for kind in self.kinds) or any(
            stop.signal == signal.SIGKILL for stop in self.stops
        )

    @property
    def fatal(self) -> int:
        """Return how many runs may end with an error."""
        return sum("fatal" in kind for kind in self.kinds)

    def input(self, start: int) -> list[bytes | None]:
        """Return the lines of the stream after the record with that number; None: a pause."""
        found: list[bytes | None] = []
        number = 0
        for message in self.messages:
            number += message is not None and message["type"] == "RECORD"
            if message is None or message["type"] == "SCHEMA" or number > start:
                found.append(None if message is None else lines(message))
        return found

    @override
    def __str__(self) -> str:
        """Describe the schedule for a person."""
        users = {item.user for item in self.items}
        poisoned = sum(item.poisoned for item in self.items)
        described = [
            f"seed {self.seed}{', runs are processes' if self.processes else ''}, dealt to {self.dealt}",
            f"{len(self.items)} records of {len(users)} users, {poisoned} of them poisoned",
            f"settings: {self.settings | {'streams': '…'}}, {'a' if self.ledger else 'no'} ledger",
            f"at most {self.most} objects; rate limit {self.limit}, resets as {self.reset}; skew {self.skew}",
            f"overlap {self.overlap}, again {self.again}; span {self.span}, restored {self.restored}",
        ]
        described += (f"rule: {rule}" for rule in self.rules if "errors" not in rule)
        described += (f"stop: {stop}" for stop in self.stops)
        return "\n".join(described)


def schedule(seed: int, *, processes: bool = False, dealt: bool = False) -> Schedule:
    """Return a seed's schedule; with `processes`, its runs are separate processes, which can be killed.

    If `dealt`, the target deals its records to further processes, which can be killed too.
    """
    chance = random.Random(seed)
    poison = chance.random() < 0.4
    ledger = chance.random() < 0.5
    hold = chance.random() < 0.5
    dead_letters = poison or hold or chance.random() < 0.3
    rules, kinds = _rules(chance, poison=poison, splits=dead_letters)
    found = Schedule(
        seed=seed,
        processes=processes,
        dealt=1,
        settings={
            "max_objects_per_request": chance.choice([1, 2, 3, 5, 10, 25]),
            "track_endpoint": chance.choice(["track", "track", "track", "bulk"]),
            "concurrency": chance.choice([1, 2, 3, 4, 8]),
            "on_unknown_outcome": "hold" if hold else "resend",
            "on_error": "dead_letter" if dead_letters else "fail",
            "rate_limit_reserve": chance.choice([0, 0.2]),
            "nulls": "unset",
            "dependency_delay": 0,
            "acknowledge_live_campaigns": True,
            "streams": MAPPINGS,
        },
        ledger=ledger,
        rules=rules,
        kinds=kinds,
        stops=stops(chance, processes=processes),
        most=chance.choice([75, 75, 4]),
        limit=chance.choice([(3_000, 3.0), (3_000, 3.0), (12, 3.0)]),
        reset=chance.choice(["epoch", "seconds"]),
        skew=_clocks(seed, rules),
        span=random.Random(f"span {seed}").choice([100_000, 100_000, 30, 5]),
        restored=ledger and random.Random(f"restored {seed}").random() < 0.2,
        # Without a ledger, repeated records are sent again.
        overlap=chance.choice([0, 0, 5, 1000]) if ledger else 0,
        again=ledger and chance.random() < 0.5,
    )
    _write(chance, found, poison=poison)
    if dealt:
        _deal(random.Random(f"dealt {seed}"), found)
    return found


def _deal(chance: random.Random, found: Schedule) -> None:
    """Deal the records to processes, and cut off some of these. Leaves all else unchanged."""
    found.dealt = chance.choice([2, 2, 3, 5])
    found.settings |= {"processes": found.dealt, "concurrency": max(found.dealt, found.settings["concurrency"])}
    found.stops = [
        replace(stop, of_child=stop.signal == signal.SIGKILL and chance.random() < 0.6) for stop in found.stops
    ]


def _clocks(seed: int, rules: list[dict[str, Any]]) -> float:
    """Return the offset of the target's clock in seconds; add rules for false headers. Leaves all else unchanged."""
    chance = random.Random(f"clocks {seed}")
    for _ in range(chance.choice([0, 0, 1, 5])):
        lie = {"do": "headers", "headers": chance.choice(_LIES)}
        rules.append({"path": "/users/*", **lie, "after": chance.randrange(25), "times": chance.choice([1, 3, 20])})
    return chance.choice([0, 0, -30, 30, 86_400, -86_400])


def stops(chance: random.Random, *, processes: bool) -> list[Stop]:
    """Return how the runs of a schedule are cut off: only processes can be killed."""
    if not processes:
        return [] if chance.random() < 0.7 else [_stop(chance, signal.SIGTERM)]
    kinds = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]
    return [_stop(chance, chance.choice(kinds)) for _ in range(chance.randint(1, 4))]


def _stop(chance: random.Random, number: signal.Signals) -> Stop:
    request = chance.randint(1, 12)
    if number == signal.SIGKILL and chance.random() < 0.4:
        return Stop(number, request, lost=True)
    return Stop(number, request, delay_ms=chance.choice([0, 0, 1, 3, 10]))


def _rules(chance: random.Random, *, poison: bool, splits: bool) -> tuple[list[dict[str, Any]], list[str]]:
    rules = [*_POISONS] if poison else []
    kinds = []
    if latency := chance.choice([0, 1, 2, 5]):
        rules.append({"do": "latency", "latency_ms": latency})
    mixture = [kind for kind in chance.choice(MIXTURES) if splits or kind != "split"]
    for _ in range(chance.choice([0, 1, 2, 4, 8])):
        kind = chance.choice(mixture)
        kinds.append(kind)
        times = 1 if "fatal" in kind else chance.choice([1, 1, 2, 4])
        rules.append({**chance.choice(FAULTS[kind]), "after": chance.randrange(25), "times": times})
    return [{"path": "/users/*", **rule} for rule in rules], kinds


def _write(chance: random.Random, found: Schedule, *, poison: bool) -> None:
    users = [f"u{number}" for number in range(chance.choice([1, 2, 4, 8, 30]))]
    # Only for counted records is it known whether Braze has each one.
    among = sorted(chance.choice([STREAMS, STREAMS, COUNTED]))
    streams = chance.sample(among, chance.randint(2, len(among)))
    state_every, silence = chance.choice([0.03, 0.1, 0.5]), chance.choice([0, 0, 0.02])
    found.messages += [STREAMS[name].schema for name in streams]
    for number in range(1, chance.choice([20, 40, 80, 150]) + 1):
        earlier = [one for one in found.items[-20:] if not one.folds]
        if found.ledger and earlier and chance.random() < 0.05:
            one = replace(chance.choice(earlier), number=number)
        else:
            poisoned = poison and chance.random() < 0.04
            one = item(chance, chance.choice(streams), chance.choice(users), number, poisoned=poisoned)
        found.items.append(one)
        found.messages.append(STREAMS[one.stream].record(one.record))
        if chance.random() < state_every:
            found.messages.append({"type": "STATE", "value": {"upto": number}})
        if chance.random() < silence:
            found.messages.append(None)
        if chance.random() < 0.01:
            found.messages.append(STREAMS[chance.choice(streams)].schema)
    found.messages.append({"type": "STATE", "value": {"upto": len(found.items)}})
