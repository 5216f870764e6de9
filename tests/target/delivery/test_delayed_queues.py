"""Queues that wait for a dependency delay: out of memory, in order per user, with no delay cut short."""

from __future__ import annotations

import heapq
import math
import os
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.braze.changes import Change
from target_braze.braze.endpoints import TRACK
from target_braze.delivery.batch_limits import BatchLimits
from target_braze.delivery.stored_changes import ChangeStore
from target_braze.delivery.user_queues import UserQueues
from target_braze.encode import encode
from target_braze.mapping.kinds import attributes
from target_braze.mapping.kinds.identities import aliases, external_ids, identifications, merges
from target_braze.records import Record, Rejection, User

from tests.target.support.changes import new_change

if TYPE_CHECKING:
    from target_braze.braze.changes import Endpoint, Request
    from target_braze.delivery.user_queue import UserQueue

DELAY = 300.0
LINGER = 1.0
MOST = 3
IN_FLIGHT = 3

# Each kind of change: the key of its array, its endpoint, and whether it concerns a second user.
KINDS: dict[str, tuple[str, Endpoint, bool]] = {
    "attributes": ("attributes", TRACK, False),
    "event": ("events", TRACK, False),
    "identification": ("aliases_to_identify", identifications.ENDPOINT, True),
    "alias": ("user_aliases", aliases.ENDPOINT, True),
    "merge": ("merge_updates", merges.ENDPOINT, True),
    "rename": ("external_id_renames", external_ids.RENAME, False),
}


def change(kind: str, position: int, user: str, other: str) -> Change:
    payload_key, endpoint, has_other = KINDS[kind]
    record = Record("s", position, position, (), {"record": {"n": position}}, {}, 10)
    others = (("external_id", other),) if has_other and other != user else ()
    return new_change(payload_key, ("external_id", user), {"n": position}, [record], endpoint, others=others)


@dataclass
class Sent:
    """A request: its changes, the time it was sent, and the time of the answer."""

    request: Request
    queues: list[UserQueue]
    at: float
    answered_at: float


@dataclass
class Braze:
    """Drives user queues by a clock of its own, and answers each request after some seconds."""

    queues: UserQueues
    latencies: list[float]
    now: float = 0.0
    sent: list[Sent] = field(default_factory=list)
    waiting: list[tuple[float, int, Sent]] = field(default_factory=list)

    def step(self, until: float, *, hurry: bool = False) -> None:
        """Go on until a time."""
        while True:
            self._send(hurry=hurry)
            moments = [moment[0] for moment in self.waiting[:1]]
            if len(self.waiting) < IN_FLIGHT:
                moments += [due for due in (self.queues.due(), self.queues.delayed.next_until) if due is not None]
            self.now = max(self.now, min([*moments, until]))
            while self.waiting and self.waiting[0][0] <= self.now:
                _, _, sent = heapq.heappop(self.waiting)
                self.queues.release(sent.queues, sent.request.endpoint, self.now)
            if self.now >= until or (until == math.inf and not self.waiting and not self.queues):
                self._send(hurry=hurry)
                return

    def _send(self, *, hurry: bool) -> None:
        while (due := self.queues.delayed.next_until) is not None and due <= self.now:
            self.queues.wake(self.now)
        while (
            len(self.waiting) < IN_FLIGHT
            and (found := self.queues.next_request(self.now, hurry=hurry, ended=hurry)) is not None
        ):
            latency = self.latencies[len(self.sent) % len(self.latencies)]
            sent = Sent(*found, at=self.now, answered_at=self.now + latency)
            self.sent.append(sent)
            heapq.heappush(self.waiting, (sent.answered_at, len(self.sent), sent))


seconds = st.sampled_from([0.0, 0.0, 0.1, 2.0, 40.0, 299.0, 301.0])
users = st.sampled_from("abcdefgh")
changes = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), users, users, seconds), max_size=40)


@given(changes, st.lists(st.sampled_from([0.0, 0.5, 5.0, 100.0]), min_size=1, max_size=5), st.integers(0, 20))
def test_each_user_has_its_changes_in_order_and_with_its_delays(
    schedule: list[tuple[str, str, str, float]], latencies: list[float], held_back: int
) -> None:
    braze = Braze(UserQueues(LINGER, BatchLimits(MOST), DELAY, holds_back=held_back > 0), latencies)
    positions: defaultdict[User, list[int]] = defaultdict(list)
    for position, (kind, name, other, gap) in enumerate(schedule, 1):
        if position == held_back:
            braze.queues.stop_holding_back(braze.now)
        one = change(kind, position, name, other)
        for each in one.users:
            positions[each].append(position)
        braze.queues.add(one, braze.now)
        braze.step(braze.now + gap)
    braze.queues.stop_holding_back(braze.now)
    braze.step(math.inf, hurry=True)

    assert not braze.queues
    assert not braze.queues._of
    for user, expected in positions.items():
        of_user = [sent for sent in braze.sent if any(user in one.users for one in sent.request)]
        arrived = [one for sent in of_user for one in sent.request if user in one.users]
        assert sorted(record.position for one in arrived for record in one.records) == expected
        _assert_order(expected, [schedule[position - 1][0] for position in expected], arrived)
        for earlier, later in pairwise(of_user):
            assert later.at >= earlier.answered_at  # one request at a time
            before, after = earlier.request.endpoint, later.request.endpoint
            assert later.at >= earlier.answered_at + before.settle_seconds
            if before is not after:
                assert later.at >= earlier.answered_at + after.seconds_after_others


def _assert_order(positions: list[int], kinds: list[str], arrived: list[Change]) -> None:
    """Check one user's changes: only attributes and events between two dependent changes may change places."""
    places, place = {}, 0
    for position, kind in zip(positions, kinds, strict=True):
        place += KINDS[kind][1] is not TRACK
        places[position] = place
        place += KINDS[kind][1] is not TRACK
    found = [places[record.position] for one in arrived for record in one.records]
    assert found == sorted(found)
    for key in {one.payload_key for one in arrived}:
        of_kind = [record.position for one in arrived if one.payload_key == key for record in one.records]
        assert of_kind == sorted(of_kind)


def test_what_was_held_back_still_waits_for_its_delay() -> None:
    queues = UserQueues(LINGER, BatchLimits(MOST), DELAY, holds_back=True)
    queues.add(change("alias", 1, "u1", "a1"), 0.0)
    found = queues.next_request(0.0, hurry=True, ended=False)
    assert found is not None
    queues.add(change("attributes", 2, "u1", ""), 1.0)
    queues.release(found[1], aliases.ENDPOINT, 2.0)
    queues.stop_holding_back(3.0)
    assert (queues.delayed.changes, queues.delayed.next_until) == (1, 2.0 + DELAY)
    assert queues.next_request(300.0, hurry=True, ended=False) is None


def test_nothing_of_a_user_who_waits_stays_in_memory() -> None:
    braze = Braze(UserQueues(LINGER, BatchLimits(50), DELAY), [0.0])
    queues = braze.queues
    for position in range(1, 2_001):
        queues.add(change("attributes", position, f"u{position}", ""), braze.now)
    braze.step(10.0)
    assert not queues
    for position in range(2_001, 4_001):
        queues.add(change("identification", position, f"u{position - 2_000}", f"a{position}"), braze.now)
        queues.add(change("event", position, f"u{position - 2_000}", ""), braze.now)
    braze.step(20.0)
    assert len(queues) == queues.delayed.changes == queues.delayed.records == 4_000
    assert not queues._of
    assert queues._pending == 0
    braze.step(math.inf, hurry=True)
    identified = {sent.at for sent in braze.sent if sent.request.endpoint is identifications.ENDPOINT}
    assert max(identified) < 10 + DELAY + LINGER
    # Two delays, however many users wait.
    assert braze.sent[-1].at < 10 + 2 * (DELAY + LINGER)
    assert queues.delayed._bytes == 0


VALUE = {"by": {"inc": 1}, "price": Decimal("0.12345678901234567890"), "big": 2**70, "text": "é\u2028", "none": None}


@pytest.mark.parametrize(("given", "encoded"), [(VALUE, None), (None, encode(VALUE)), (VALUE, encode(VALUE))])
def test_a_change_returns_from_the_file_as_it_was(given: dict[str, Any] | None, encoded: bytes | None) -> None:
    records = [
        Record("s", 1, 7, ("id",), {"record": {"id": "ü"}, "version": 3}, {"type": "SCHEMA"}, 40),
        Record("s", 2, 9, ("id",), b'{"record": {"id": NaN}}', {"type": "SCHEMA"}, 50),
        Record("t", 1, 10, (), {"record": {}}, {"type": "SCHEMA", "stream": "t"}),
    ]
    one = Change(
        "attributes",
        ("user_alias", "web", "a-1"),
        given,
        attributes.SEMANTICS,
        TRACK,
        records,
        others=(("external_id", "c-1"), ("email", "")),
        fingerprint=b"\0\xff",
        object_hash=b"1",
        key="group",
        apart=True,
        apart_points=2**40,
        encoded=encoded,
        points=3,
        unlogged=b"2",
        logged=b"3",
        repeats=given is None,
        chosen_at={"email": 1.5, "push": None},
        withheld=Rejection("why", "text", 400, opted_out=True),
    )
    store = ChangeStore()
    again = store.unpack(store.pack(one))
    compared = [name for name in Change.__struct_fields__ if name not in {"given", "encoded", "records", "semantics"}]
    assert [getattr(again, name) for name in compared] == [getattr(one, name) for name in compared]
    # Every field has to differ from its default to be compared.
    defaults = Change("", ("", ""), None, aliases.SEMANTICS, aliases.ENDPOINT)
    assert all(getattr(one, name) != getattr(defaults, name) for name in compared)
    assert again.semantics is one.semantics
    assert again.encoded == encode(VALUE)
    assert (again.given is None) == (given is None)
    assert again.repeatable == (given is None)
    assert again.fields == VALUE
    assert [(record.stream, record.number, record.position, record.size) for record in again.records] == [
        ("s", 1, 7, 40),
        ("s", 2, 9, 50),
        ("t", 1, 10, 0),
    ]
    assert [record.keys for record in again.records] == [("id",), ("id",), ()]
    assert [record.schema for record in again.records] == [record.schema for record in records]
    assert again.records[0].message == {"record": {"id": "ü"}, "version": 3}
    assert again.records[1].sent == b'{"record": {"id": NaN}}'


_FILES = """
import os
from pathlib import Path
from tests.target.delivery.test_delayed_queues import change
from target_braze.delivery.delayed_queues import DelayedQueues
from target_braze.delivery.user_queue import UserQueue

delayed = DelayedQueues()
for position in range(1, 201):
    one = change("event", position, f"u{position}", "")
    one.encoded = b'"%s"' % (b"x" * 100_000)
    delayed.add(UserQueue([one.user], [one], {}, delayed_until=300.0))
for link in Path("/proc/self/fd").iterdir():
    name = os.path.realpath(link)
    if name.startswith(os.environ["TMPDIR"]):
        print(oct(link.stat().st_mode), link.stat().st_size > 10_000_000, link.readlink())
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="Linux shows what a process has open")
def test_the_file_is_private_and_has_no_name(tmp_path: Path) -> None:
    # SQLite reads the environment only once.
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("SQLITE_TMPDIR", None)
    run = subprocess.run([sys.executable, "-c", _FILES], env=environment, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"0o100600 True \S+ \(deleted\)\n", run.stdout)
    assert not [*tmp_path.iterdir()]
