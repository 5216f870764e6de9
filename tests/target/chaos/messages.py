"""Schedules of streams that send messages: whatever happens, each recipient exactly once, or in doubt and named."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from braze_sandbox.state.limits import Limits
from braze_sandbox.state.options import Options
from target_braze.ledger.store import Ledger
from typing_extensions import override

from tests.target.chaos import invariants
from tests.target.chaos.clock import hurried
from tests.target.chaos.runner import Ended, StreamsRunner
from tests.target.chaos.schedule import FAULTS, MIXTURES, StreamsSchedule, stops
from tests.target.support.messages import CAMPAIGN, OTHER, add_messages, add_users
from tests.target.support.singer import INTEGER, TEXT, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.chaos.schedule import Stop

_PATHS: Final = "*/campaigns/*"
_NAMED: Final = [{"input_array": "recipients", "contains": "poison-named", "type": "no"}]
_POISONS: Final[tuple[dict[str, Any], ...]] = (
    {"do": "refuse_if", "contains": "poison-whole", "status": 400},
    {"do": "partial_errors", "contains": "poison-named", "errors": _NAMED},
)
# An error that names no recipient.
_MORE: Final = {"doubtful": ({"do": "garbage", "status": 201, "body": {"message": "success", "errors": ["no"]}},)}
_LATER: Final = "2999-01-01T09:00:00Z"

# A message, by its campaign and the key of its record.
Message = tuple[str, str]


@dataclass(kw_only=True)
class MessageSchedule(StreamsSchedule):
    """Everything that a seed determines."""

    # Maximum recipients of a campaign in a run.
    most: int
    # Whether Braze sends later.
    scheduled: bool
    users: list[str]
    skew: float = 0.0
    span: int = 100_000
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    @override
    def ends(self) -> int:
        largest = max(Counter(row["mail"] for row in self.rows).values())
        return super().ends + largest // self.most + 1

    @override
    def __str__(self) -> str:
        """Describe the schedule for a person."""
        users = f"{len(self.rows)} records of {len(self.users)} users, at most {self.most}, overlap {self.overlap}"
        to = self.settings["streams"]["mails"]["to"]
        return self.described("messages", users, f"{to}{', scheduled' if self.scheduled else ''}")


def message_schedule(seed: int, *, processes: bool = False) -> MessageSchedule:
    """Return a seed's schedule; with `processes`, its runs are separate processes, which can be killed."""
    chance = random.Random(f"messages {seed}")
    poison = chance.random() < 0.4
    rules = [*_POISONS] if poison else []
    if latency := chance.choice([0, 1, 2, 5]):
        rules.append({"do": "latency", "latency_ms": latency})
    mixture, faults = chance.choice(MIXTURES), []
    for _ in range(chance.choice([0, 1, 2, 4])):
        kind = chance.choice(mixture)
        faults.append(kind)
        fault = chance.choice([one for one in (*FAULTS[kind], *_MORE.get(kind, ())) if not _is_believed(one)])
        rules.append({**fault, "after": chance.randrange(10), "times": 1 if "fatal" in kind else chance.choice([1, 2])})
    most, scheduled = chance.choice([1_000, 1_000, 40, 15]), chance.random() < 0.25
    entry: dict[str, Any] = {
        "to": "campaign_triggers",
        "campaign": {"id_field": "mail"},
        "max_recipients": {"run": 2 * most, "campaign": most},
        "properties": ["k", "note"],
    }
    found = MessageSchedule(
        seed=seed,
        processes=processes,
        rules=[{"path": _PATHS, **rule} for rule in rules],
        faults=faults,
        stops=stops(chance, processes=processes),
        settings={
            "concurrency": chance.choice([1, 2, 4]),
            "on_unknown_outcome": chance.choice(["hold", "resend"]),
            "on_error": "dead_letter",
            "rate_limit_reserve": 0,
            "dependency_delay": 0,
            "acknowledge_live_campaigns": True,
            "streams": {"mails": entry | ({"schedule": {"time": _LATER}} if scheduled else {})},
        },
        most=most,
        scheduled=scheduled,
        overlap=chance.choice([0, 0, 5, 1_000]),
        users=[f"u{number}" for number in range(chance.choice([1, 4, 30, 200]))],
    )
    _write(chance, found, poison=poison)
    if not (scheduled or poison) and random.Random(f"transactional {seed}").random() < 0.3:
        entry["to"] = "transactional_emails"
    return found


def _is_believed(fault: dict[str, Any]) -> bool:
    """Return whether the answer is a success. Those about messages have no counts that could contradict it."""
    return isinstance(body := fault.get("body"), dict) and body.get("message") == "success" and "errors" not in body


def _write(chance: random.Random, found: MessageSchedule, *, poison: bool) -> None:
    columns = {"k": TEXT, "external_id": TEXT, "mail": TEXT, "note": TEXT, "upto": INTEGER}
    stream = Stream("mails", columns, [], ["k"])
    found.messages.append(stream.schema)
    state_every = chance.choice([0.03, 0.2])
    for number in range(1, chance.choice([10, 40, 120]) + 1):
        if found.rows and chance.random() < 0.1:
            row = {**chance.choice(found.rows), "upto": number, "external_id": chance.choice(found.users)}
        else:
            note = chance.choice(["poison-whole", "poison-named"]) if poison and chance.random() < 0.05 else "fine"
            row = {
                "k": f"k{number}",
                "external_id": chance.choice(found.users),
                "mail": chance.choice([CAMPAIGN, CAMPAIGN, OTHER]),
                "note": note,
                "upto": number,
            }
        found.rows.append(row)
        found.messages.append(stream.record(row))
        if chance.random() < state_every:
            found.messages.append({"type": "STATE", "value": {"upto": number}})
    found.messages.append({"type": "STATE", "value": {"upto": len(found.rows)}})


class MessageTrial(StreamsRunner):
    """A schedule of messages on a running sandbox."""

    _schedule: MessageSchedule

    def __init__(self, schedule: MessageSchedule, sandbox: Sandbox, folder: Path) -> None:
        super().__init__(sandbox, folder, schedule.skew, schedule.span)
        self._schedule = schedule
        self._dead = folder / "dead.singer"
        self._ledger = folder / "ledger.sqlite"
        self._config |= schedule.settings | {"dead_letter_path": str(self._dead), "ledger_path": str(self._ledger)}

    def run(self) -> list[str]:
        """Run until the stream is finished; return the violations."""
        sandbox, schedule = self._sandbox, self._schedule
        sandbox.instance.options = Options(seed="empty")
        sandbox.instance.limits = Limits({})
        sandbox.reset()
        add_messages(sandbox)
        for campaign in sandbox.workspace.campaigns.values():
            campaign.transactional = schedule.settings["streams"]["mails"]["to"] == "transactional_emails"
        add_users(sandbox, schedule.users)
        for rule in schedule.rules:
            sandbox.fault(**rule)
        try:
            with hurried(schedule.skew, schedule.span):
                self._run_until_through()
                self.problems += self._wrong_at_the_end()
                self._resolve()
        finally:
            sandbox.instance.hooks.clear()
        return self.problems

    @override
    def _run_once(self, start: int, stop: Stop | None) -> Ended:
        before, letters = len(self._sandbox.requests), self._count_letters()
        ended = super()._run_once(start, stop)
        if ended.code >= 0:
            self.problems += invariants.wrong_counts(ended.said, self._count_letters() - letters)
        named: defaultdict[str, set[str]] = defaultdict(set)
        for request in self._sandbox.requests[before:]:
            body = request.body or {}
            named[body.get("campaign_id", "")].update(
                one["trigger_properties"]["k"] for one in body.get("recipients", [])
            )
        for campaign, keys in named.items():
            if len(keys) > self._schedule.most:
                self.problems.append(f"a run named {len(keys)} recipients of {campaign}")
        return ended

    @override
    def _see(self, upto: int, states: list[int]) -> None:
        states.append(upto)
        received, letters = self._received(), self._letters()
        for row in self._schedule.rows[:upto]:
            if not received[_message(row)] and _message(row) not in letters:
                self.problems.append(f"when STATE {upto} left, nobody knew about {_message(row)}")

    def _received(self) -> Counter[Message]:
        """Return how often each message was sent, or will be at its time."""
        workspace = self._sandbox.workspace
        found = Counter((one.campaign_id or "", one.properties["k"]) for one in list(workspace.messages))
        for schedule in list(workspace.schedules.values()):
            body = schedule.dispatch.body
            found.update((body["campaign_id"], one["trigger_properties"]["k"]) for one in body.get("recipients", []))
        return found

    def _letters(self) -> dict[Message, list[str]]:
        """Return the reasons of the dead letters, by message."""
        found: defaultdict[Message, list[str]] = defaultdict(list)
        for line in self._dead.read_bytes().split(b"\n")[:-1] if self._dead.exists() else []:
            one = json.loads(line)
            if one["type"] == "RECORD":
                found[_message(one["record"])].append(one["dead_letter"]["reason"])
        return found

    def _count_letters(self) -> int:
        return sum(map(len, self._letters().values()))

    def _wrong_at_the_end(self) -> Iterator[str]:
        schedule, received, letters = self._schedule, self._received(), self._letters()
        ledger = Ledger(self._ledger)
        doubts = {(one.message.partition(":")[2], str(one.key["k"])) for one in ledger.messages.in_doubt()}
        planned = {(one.message.partition(":")[2], str(one.key["k"])) for one in ledger.messages.scheduled()}
        ledger.close()
        poisoned = {_message(row) for row in schedule.rows if row["note"] != "fine"}
        yield from (
            f"{one} was sent, and nobody asked for it" for one in received.keys() - set(map(_message, schedule.rows))
        )
        for one in dict.fromkeys(map(_message, schedule.rows)):
            count, reasons = received[one], letters.get(one, [])
            if count > 1:
                yield f"{one} was sent {count} times"
            if one in doubts and not (schedule.doubtful and any("in doubt" in reason for reason in reasons)):
                yield f"{one} is in doubt, and its dead letters say {reasons}"
            if not count and one not in doubts and one not in poisoned:
                yield f"{one} was not sent, and is not in doubt"
            if one in poisoned and (count or not reasons):
                yield f"{one} was refused, and was sent {count} times with dead letters {reasons}"
            if schedule.scheduled and count and one not in doubts | planned:
                yield f"{one} is scheduled, and the ledger cannot cancel it"
        yield from (f"the sandbox says: {one}" for one in self._sandbox.violations)

    def _resolve(self) -> None:
        """Look up who received a message in doubt, tell the ledger, and load everything again."""
        received = self._received()
        ledger = Ledger(self._ledger)
        doubts = ledger.messages.in_doubt()
        sent = [one for one in doubts if received[one.message.partition(":")[2], str(one.key["k"])]]
        ledger.messages.resolve(sent, "sent")
        ledger.messages.resolve([one for one in doubts if one not in sent], "not sent")
        ledger.close()
        self._sandbox.clear_faults()
        for rule in _POISONS:
            self._sandbox.fault(path=_PATHS, **rule)
        # One after the other, as many as the limit allows.
        for _ in range(self._schedule.ends + 1):
            if not self._here(self._schedule.input(0), None).code:
                break
        for row in self._schedule.rows:
            if row["note"] == "fine" and (count := self._received()[_message(row)]) != 1:
                self.problems.append(f"after all doubts were resolved, {_message(row)} was sent {count} times")


def _message(row: dict[str, Any]) -> Message:
    return cast("str", row["mail"]), cast("str", row["k"])
