"""What a seed determines: records of a partition, faults of Braze, and attempts: killed, overtaken, or complete.

An attempt is killed by its storage: from some write on, which may be torn, it stores and sends nothing more. Zombies go
on after a newer attempt has claimed their partition.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from target_braze import BrazeError, Loader, OutcomeLog, OutcomeLogError
from target_braze.outcome_log import log as log_module
from target_braze.outcome_log.storage import open_folder

from tests.target.support.singer import INTEGER, TEXT, TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from braze_sandbox.testing import Sandbox
    from target_braze.outcome_log.merged import Outcomes
    from target_braze.outcome_log.storage import Folder, LogFile

SCHEMA: Final[dict[str, Any]] = {
    "properties": {
        **dict.fromkeys(("id", "n", "visits", "price"), INTEGER),
        **dict.fromkeys(("customer_id", "product_id", "currency"), TEXT),
        "at": TIME,
    }
}
_USER: Final = {"user": [{"external_id": "customer_id"}]}
STREAMS: Final[dict[str, Any]] = {
    "orders": {"to": "events", **_USER, "event": {"name": "ordered"}, "time_field": "at", "properties": ["n"]},
    "bills": {"to": "purchases", **_USER, "time_field": "at", "properties": ["n"]},
    "visits": {**_USER, "operators": {"visits": "inc"}},
}
_FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"do": "drop_after"},
    {"do": "drop_before"},
    {"do": "status", "status": 503},
    {"do": "status", "status": 429, "reset": "seconds"},
    {"do": "status", "status": 413},
    {"do": "latency", "latency_ms": 20},
    {
        "do": "partial_errors",
        "errors": [{"index": 0, "input_array": array, "type": "no"} for array in ("events", "purchases")],
    },
)


class KilledError(OutcomeLogError):
    """The process of the attempt is dead."""


@dataclass(frozen=True)
class Attempt:
    """One attempt.

    Args:
        dies_at: The write to the log that kills it, if any, from 1.
        torn: Share of that write that is stored.
        overtaken_at: The record before which a newer attempt starts, if any.
        order: Seed of the order of its records.
        holds: Setting `on_unknown_outcome`.
        faults: Faults of Braze during the attempt.
    """

    dies_at: int | None = None
    torn: float = 0.0
    overtaken_at: int | None = None
    order: int = 0
    holds: bool = True
    faults: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Schedule:
    """Attempts at the records of one stream; the last one completes."""

    seed: int
    stream: str
    keys: tuple[str, ...]
    records: Sequence[Mapping[str, Any]]
    attempts: Sequence[Attempt]
    settings: Mapping[str, Any]

    @property
    def holds(self) -> bool:
        return all(attempt.holds for attempt in self.attempts)


def schedule(seed: int) -> Schedule:
    """Return the schedule of a seed."""
    rng = random.Random(seed)
    stream = rng.choice([*STREAMS])
    keyed = rng.random() < 0.5
    users = rng.randint(1, 12)
    each: Counter[str] = Counter()
    records = []
    for n in range(rng.randint(1, 120)):
        user = f"c-{rng.randrange(users)}"
        # Each visit is a digit of its own in the sum, which counts it.
        visits = 4 ** each[user]
        each[user] += 1
        # Without a key, some records are equal.
        number = n if keyed or stream == "visits" or rng.random() < 0.7 else 1000
        if each[user] < 25:
            record = {"id": n if keyed else None, "customer_id": user, "n": number, "visits": visits}
            records.append({**record, "at": "2026-01-01T00:00:00Z", "product_id": "p", "currency": "EUR", "price": 1})
    always = rng.random() < 0.7
    attempts = []
    for _ in range(rng.randint(1, 4)):
        dies, overtaken = rng.random() < 0.7, rng.random() < 0.4
        attempts.append(
            Attempt(
                dies_at=rng.randint(1, rng.choice([3, 12, 40])) if dies else None,
                torn=rng.choice([0.0, 0.5, 1.0, rng.random()]),
                overtaken_at=rng.randrange(len(records) + 1) if overtaken else None,
                order=rng.choice([0, rng.randrange(1, 9)]),
                holds=always or rng.random() < 0.5,
                faults=tuple(
                    {**rng.choice(_FAULTS), "path": "/users/track", "after": rng.randint(0, 6), "times": 1}
                    for _ in range(rng.choice([0, 0, 1, 2, 3]))
                ),
            )
        )
    attempts.append(replace(attempts[-1], dies_at=None, overtaken_at=None, order=rng.randrange(9)))
    settings = {
        "max_objects_per_request": rng.choice([1, 2, 5, 20, 75]),
        "concurrency": rng.choice([1, 2, 8]),
        "dependency_delay": 0,
        "request_timeout": 5,
    }
    return Schedule(seed, stream, ("id",) if keyed else (), records, attempts, settings)


@dataclass
class Trial:
    """Runs a schedule on a sandbox."""

    schedule: Schedule
    sandbox: Sandbox
    log: OutcomeLog
    runs: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        """Return the violations."""
        rest = [*self.schedule.attempts]
        while rest:
            self._attempt(rest)
        return self.problems()

    def problems(self) -> list[str]:
        """Return the violations after the last attempt."""
        outcomes = self.log.merge()
        problems = [] if outcomes.summary["ended"] == "completed" else [f"not completed: {outcomes.summary}"]
        return [*problems, *self._wrong(outcomes)]

    def config(self, *, holds: bool) -> dict[str, Any]:
        """Return the settings."""
        return {
            **self.schedule.settings,
            "api_key": self.sandbox.api_key,
            "endpoint": self.sandbox.url,
            "on_error": "dead_letter",
            "on_unknown_outcome": "hold" if holds else "resend",
            "streams": {self.schedule.stream: STREAMS[self.schedule.stream]},
        }

    def _attempt(self, rest: list[Attempt]) -> None:
        attempt = rest.pop(0)
        self.sandbox.clear_faults()
        for fault in attempt.faults:
            self.sandbox.fault(**fault)
        life = _Life(attempt.dies_at, attempt.torn)
        stream, keys = self.schedule.stream, self.schedule.keys

        def open_mortal(url: str, options: Mapping[str, Any]) -> Folder:
            return _MortalFolder(open_folder(url, options), life)

        may_fail = (BrazeError, OutcomeLogError) if rest else ()
        ended = "failed"
        with suppress(*may_fail), mock.patch.object(log_module, "open_folder", open_mortal):
            with Loader(self.config(holds=attempt.holds), outcome_log=self.log.partition(0)) as loader:
                loader.open(stream, SCHEMA, keys=keys).write(self._records(attempt, rest))
            ended = "completed"
        self.runs.append(ended)

    def _records(self, attempt: Attempt, rest: list[Attempt]) -> Iterator[Mapping[str, Any]]:
        records = [*self.schedule.records]
        random.Random(attempt.order).shuffle(records)
        for n, record in enumerate([*records, None]):
            if n == attempt.overtaken_at:
                with mock.patch.object(log_module, "open_folder", open_folder):
                    self._attempt(rest)
            if record is not None:
                yield record

    def _wrong(self, outcomes: Outcomes) -> Iterable[str]:
        sent = Counter((one["customer_id"], _content(self.schedule.stream, one)) for one in self.schedule.records)
        held = self._held()
        doubtful: Counter[Any] = Counter()
        refused: Counter[Any] = Counter()
        for row in outcomes.table().to_pylist():
            one = _decoded(row["record"])
            what = (one["customer_id"], _content(self.schedule.stream, one))
            (doubtful if row["reason"].startswith("in doubt") else refused)[what] += 1
        for what in {*sent, *held}:
            low = sent[what] - doubtful[what] - refused[what]
            high = sent[what] - refused[what]
            found = f"{what}: sent {sent[what]}, held {held[what]}, in doubt {doubtful[what]}, refused {refused[what]}"
            if held[what] < low:
                yield f"lost: {found}"
            if held[what] > high and self.schedule.holds:
                yield f"doubled: {found}"

    def _held(self) -> Counter[Any]:
        held: Counter[Any] = Counter()
        for profile in self.sandbox.profiles():
            if self.schedule.stream == "visits":
                rest, digit = profile.custom_attributes.get("visits", 0), 0
                while rest:
                    rest, count = divmod(rest, 4)
                    held[profile.external_id, 4**digit] += count
                    digit += 1
            else:
                for one in profile.events if self.schedule.stream == "orders" else profile.purchases:
                    held[profile.external_id, one["properties"]["n"]] += 1
        return +held


def _content(stream: str, record: Mapping[str, Any]) -> int:
    return int(record["visits" if stream == "visits" else "n"])


def _decoded(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


class _Life:
    """Counts the writes of an attempt until one kills it."""

    def __init__(self, dies_at: int | None, torn: float) -> None:
        self._left = dies_at
        self.torn = torn
        self._lock = threading.Lock()

    def write(self) -> bool:
        """Return whether this write is the last one, of which only a part is stored."""
        with self._lock:
            if self._left is None:
                return False
            if not self._left:
                raise KilledError("killed")
            self._left -= 1
            return not self._left

    def check(self) -> None:
        if self._left == 0:
            raise KilledError("killed")


class _MortalFolder:
    def __init__(self, folder: Folder, life: _Life) -> None:
        self._folder = folder
        self._life = life
        self.read, self.lines = folder.read, folder.lines

    def names(self, path: str) -> list[str]:
        self._life.check()
        return self._folder.names(path)

    def create(self, path: str, content: bytes) -> None:
        # Stored whole or not at all.
        if self._life.write():
            if self._life.torn > 0.5:
                self._folder.create(path, content)
            raise KilledError("killed")
        self._folder.create(path, content)

    def open(self, path: str) -> LogFile:
        file = self._folder.open(path)
        if hasattr(file, "_bucket"):
            # Its parts are created one by one.
            file._bucket = self
            return file
        return _MortalFile(file, self._life)


class _MortalFile:
    def __init__(self, file: LogFile, life: _Life) -> None:
        self._file = file
        self._life = life

    def add(self, lines: bytes) -> None:
        if self._life.write():
            self._file.add(lines[: int(len(lines) * self._life.torn)])
            raise KilledError("killed")
        self._file.add(lines)

    def sync(self) -> None:
        self._life.check()
        self._file.sync()

    def close(self) -> None:
        self._file.close()
