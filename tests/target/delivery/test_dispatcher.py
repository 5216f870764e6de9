"""Delivery alone, with a sender that is slow, fails and rejects at random: nothing lost, doubled or out of order."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from target_braze.braze import limits
from target_braze.braze.changes import Change, Request
from target_braze.braze.client import Answer, BrazeError, RefusedError, UnavailableError
from target_braze.braze.endpoints import TRACK
from target_braze.delivery import acks
from target_braze.delivery import dispatcher as module
from target_braze.delivery.dispatcher import Dispatcher, RejectedError
from target_braze.mapping.kinds.identities import identifications
from target_braze.records import Record, Rejection
from typing_extensions import override

from tests.target.support.changes import new_change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KINDS = ("attributes", "events", "purchases")
OK = Answer(201, {}, b'{"message": "success"}')


class Braze:
    """Accepts requests as Braze does, and checks that each was allowed."""

    def __init__(self, seed: int = 0, *, latency: float = 0.0, reject: float = 0.0, refuse: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.latency, self.reject, self.refuse = latency, reject, refuse
        self.lock = threading.Lock()
        self.busy: set[str] = set()
        self.arrived: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self.largest = 0
        self.requests = 0
        self.most_at_once = self.at_once = 0
        self.overlaps: list[str] = []
        # By the delivery's own account.
        self.accepted: list[int] = []
        self.rejected: list[int] = []
        self.settled: set[int] = set()
        self.states: list[int] = []
        self.ahead: list[int] = []

    def send(self, sent: Request, _resend: bool = True) -> Answer:  # noqa: FBT001, FBT002
        request = json.loads(sent.body())
        objects = [(kind, item) for kind in KINDS for item in request.get(kind, [])]
        users = {item["external_id"] for _, item in objects}
        with self.lock:
            self.overlaps += sorted(self.busy & users)
            self.busy |= users
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.requests += 1
            self.largest = max(self.largest, len(objects))
            sleep = self.random.random() * self.latency
            refuse = self.random.random() < self.refuse
            errors = [
                {"input_array": kind, "index": index, "type": "no"}
                for kind in KINDS
                for index in range(len(request.get(kind, [])))
                if self.random.random() < self.reject
            ]
        time.sleep(sleep)
        with self.lock:
            self.busy -= users
            self.at_once -= 1
            if refuse:
                raise RefusedError("refused", status=400)
            for kind, item in objects:
                self.arrived[item["external_id"]].append((kind, item["n"]))
        return Answer(201, {}, json.dumps({"message": "success", "errors": errors}).encode())

    def accept(self, changes: Sequence[Change], _request: int) -> None:
        with self.lock:
            self.accepted += [record.position for change in changes for record in change.records]

    def dead_letter(self, change: Change, _why: Rejection) -> None:
        with self.lock:
            self.rejected += [record.position for record in change.records]

    def emit(self, state: bytes) -> None:
        upto = int(state)
        with self.lock:
            done = {*self.accepted, *self.rejected}
            if not done.issuperset(range(1, upto + 1)):
                self.ahead.append(upto)
            self.states.append(upto)

    def delivery(self, **options: Any) -> Dispatcher:
        given: dict[str, Any] = {
            "send": self.send,
            "accept": self.accept,
            "reject": self.dead_letter,
            "emit": self.emit,
            "failed": lambda _: None,
            "max_objects": 10,
            "concurrency": 4,
        }
        return Dispatcher(**given | options)


def change(position: int, user: str, kind: str = "attributes", **fields: Any) -> Change:
    record = Record("s", position, position, (), {"record": {}}, {})
    return new_change(kind, ("external_id", user), {"external_id": user, "n": position, **fields}, [record])


@pytest.fixture(autouse=True)
def _states_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STATE_EVERY", 0.0)
    monkeypatch.setattr(module, "_LINGER", 0.01)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    users=st.integers(1, 40),
    count=st.integers(1, 400),
    seed=st.integers(0, 10_000),
    concurrency=st.integers(1, 8),
    max_objects=st.integers(1, 30),
    reject=st.sampled_from([0.0, 0.05]),
    refuse=st.sampled_from([0.0, 0.1]),
)
def test_every_record_is_settled_once_in_order_and_no_state_runs_ahead(  # noqa: PLR0917
    users: int, count: int, seed: int, concurrency: int, max_objects: int, reject: float, refuse: float
) -> None:
    braze = Braze(seed, latency=0.002, reject=reject, refuse=refuse)
    chance = random.Random(seed)
    delivery = braze.delivery(concurrency=concurrency, max_objects=max_objects)
    added: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for position in range(1, count + 1):
        user, kind = f"u{chance.randrange(users)}", chance.choice(KINDS)
        added[user].append((kind, position))
        delivery.add(change(position, user, kind))
        if chance.random() < 0.1:
            delivery.add_state(b"%d" % position)
    delivery.add_state(b"%d" % count)
    delivery.finish()

    assert sorted(braze.accepted + braze.rejected) == list(range(1, count + 1))
    assert not braze.overlaps
    assert not braze.ahead
    assert braze.states == sorted(braze.states)
    assert braze.states[-1] == count
    assert braze.largest <= max_objects
    assert braze.most_at_once <= concurrency
    assert not delivery._states
    assert not delivery._queues
    assert not delivery._queues._of
    assert not any(queue.changes for queue in delivery._queues._ready.values())
    if not refuse:
        for user, changes in added.items():
            for kind in KINDS:
                came = [n for found, n in braze.arrived[user] if found == kind]
                sent = [n for found, n in changes if found == kind]
                # Attributes are coalesced: the last of several may replace all of them.
                assert came == (sent if kind != "attributes" else sorted(came))
                assert came[-1:] == sent[-1:]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), after=st.integers(1, 12), on=st.sampled_from(["send", "reject", "emit", "abort"]))
def test_whatever_ends_a_run_the_last_state_holds_and_the_reason_is_raised(  # noqa: C901
    seed: int, after: int, on: str
) -> None:
    braze = Braze(seed, latency=0.001, reject=0.0)
    calls = iter(range(10_000))
    send, emit = braze.send, braze.emit

    def failing_send(request: Request, _resend: bool) -> Answer:  # noqa: FBT001
        if on == "send" and next(calls) >= after:
            raise UnavailableError("down")
        if on == "reject" and next(calls) >= after:
            errors = [{"input_array": "attributes", "index": 0, "type": "no"}]
            return Answer(201, {}, json.dumps({"message": "success", "errors": errors}).encode())
        return send(request)

    def failing_emit(state: bytes) -> None:
        if on == "emit" and next(calls) >= after // 4:
            raise BrokenPipeError
        emit(state)

    def reject(_change: Change, why: Rejection) -> None:
        raise RejectedError(why.reason)

    delivery = braze.delivery(send=failing_send, reject=reject, emit=failing_emit, max_objects=5, concurrency=3)
    chance = random.Random(seed)
    try:
        for position in range(1, 301):
            delivery.add(change(position, f"u{chance.randrange(50)}"))
            delivery.add_state(b"%d" % position)
            if on == "abort" and position == after * 10:
                raise KeyboardInterrupt  # noqa: TRY301
        delivery.finish()
    except (UnavailableError, RejectedError, BrokenPipeError, KeyboardInterrupt) as reason:
        if isinstance(reason, BrokenPipeError):
            braze.ahead.clear()
        else:
            delivery.abort()
        ended = type(reason)
    expected = {"send": UnavailableError, "reject": RejectedError, "emit": BrokenPipeError, "abort": KeyboardInterrupt}
    assert ended is expected[on]
    assert not braze.ahead
    assert braze.states == sorted(braze.states)
    if on != "emit":
        # All that could be said was said.
        settled = set(braze.accepted)
        longest = next(n for n in range(1, 302) if n not in settled) - 1
        assert (braze.states or [0])[-1] == longest


def test_the_last_value_of_a_user_wins_and_what_waits_is_folded() -> None:
    braze = Braze(latency=0.005)
    delivery = braze.delivery(concurrency=3)
    for position in range(1, 2001):
        delivery.add(change(position, f"u{position % 5}"))
    delivery.finish()
    assert {user: came[-1] for user, came in braze.arrived.items()} == {
        f"u{n % 5}": ("attributes", n) for n in range(1996, 2001)
    }
    assert braze.requests < 500
    assert not braze.overlaps


def test_fields_of_folded_changes_add_up() -> None:
    bodies: list[Any] = []
    go = threading.Event()

    def send(request: Request, _resend: bool) -> Answer:  # noqa: FBT001
        bodies.append(json.loads(request.body()))
        go.wait(5)
        return OK

    braze = Braze()
    delivery = braze.delivery(send=send, max_objects=1, concurrency=1)
    delivery.add(change(1, "u"))
    while not bodies:
        time.sleep(0.001)
    delivery.add(change(2, "u", a=1, b=1))
    delivery.add(change(3, "u", b=None, c=3))
    go.set()
    delivery.finish()
    assert bodies[1:] == [{"attributes": [{"external_id": "u", "n": 3, "a": 1, "b": None, "c": 3}]}]
    assert sorted(braze.accepted) == [1, 2, 3]


def test_what_is_under_way_is_bounded_and_the_reader_waits() -> None:
    go = threading.Event()

    def send(_request: Request, _resend: bool) -> Answer:  # noqa: FBT001
        go.wait(10)
        return OK

    braze = Braze()
    delivery = braze.delivery(send=send, max_objects=5, concurrency=2)
    added = 0

    def read() -> None:
        nonlocal added
        for position in range(1, 1001):
            delivery.add(change(position, "u" if position % 2 else f"u{position}"))
            delivery.add_state(b"%d" % position)
            delivery.add_state(b"%d" % position)
            added = position

    reader = threading.Thread(target=read)
    reader.start()
    reader.join(0.2)
    assert reader.is_alive()
    assert added == len(delivery._states) == delivery._room.size == 30
    assert len(delivery._states._states) == 30
    go.set()
    reader.join(10)
    delivery.finish()
    assert len(braze.accepted) == 1000


def test_a_slow_tap_does_not_hold_back_what_it_has_sent() -> None:
    braze = Braze()
    delivery = braze.delivery(max_objects=75)
    delivery.add(change(1, "u"))
    delivery.add_state(b"%d" % 1)
    until = time.monotonic() + 5
    while not braze.states and time.monotonic() < until:
        time.sleep(0.005)
    assert braze.states == [1]
    delivery.finish()


def test_requests_of_different_users_are_under_way_together() -> None:
    braze = Braze(latency=0.02)
    delivery = braze.delivery(concurrency=4)
    for position in range(1, 401):
        delivery.add(change(position, f"u{position}"))
    delivery.finish()
    assert braze.most_at_once == 4
    assert braze.requests == 40


def test_an_error_in_the_machinery_is_raised_and_not_swallowed() -> None:
    def send(_request: Request, _resend: bool) -> Answer:  # noqa: FBT001
        raise ZeroDivisionError

    braze = Braze()
    delivery = braze.delivery(send=send, max_objects=1, concurrency=1)
    delivery.add(change(1, "u"))
    delivery.add_state(b"%d" % 1)
    with pytest.raises(ZeroDivisionError):
        delivery.finish()
    assert not braze.states


def test_after_a_signal_the_answers_under_way_are_waited_for_all_the_same() -> None:
    class Interrupted(Exception):  # noqa: N818
        pass

    def interrupt(_signum: int, _frame: object) -> None:
        raise Interrupted

    def send(_request: Request, _resend: bool) -> Answer:  # noqa: FBT001
        while not delivery._closing:
            time.sleep(0.001)
        time.sleep(0.05)  # the main thread waits for the end by now
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        time.sleep(0.2)
        return OK

    braze = Braze()
    delivery = braze.delivery(send=send, max_objects=1, concurrency=1)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        delivery.add(change(1, "u"))
        delivery.add_state(b"%d" % 1)
        with pytest.raises(Interrupted):
            delivery.finish()
    finally:
        signal.signal(signal.SIGUSR1, before)
    delivery.abort()
    assert braze.states == [1]


# One request.


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 900_000)), max_size=100), st.integers(1, 75))
def test_requests_stay_below_75_objects_and_4_mb_and_lose_nothing(sizes: list[tuple[str, int]], most: int) -> None:
    changes = [change(n, f"u{n}", kind, fill="é" * (size // 2)) for n, (kind, size) in enumerate(sizes)]
    requests = [Request(TRACK)]
    for one in changes:
        if len(requests[-1]) == most or not requests[-1].add(one):
            requests.append(Request(TRACK))
            assert requests[-1].add(one)
    for request in requests:
        assert len(request) <= most
        assert len(request.body()) <= 4_000_000
    _hold_all(requests, changes)
    halves = [half for request in requests if len(request) > 1 for half in request.parts((len(request) + 1) // 2)]
    assert all(halves)
    _hold_all([*halves, *(request for request in requests if len(request) < 2)], changes)


def _hold_all(requests: list[Request], changes: list[Change]) -> None:
    for kind in KINDS:
        expected = [one.fields["n"] for one in changes if one.payload_key == kind]
        found = [item["n"] for request in requests for item in json.loads(request.body() or b"{}").get(kind, [])]
        assert sorted(found) == expected
        assert [one.fields["n"] for request in requests for one in request if one.payload_key == kind] == found


def test_an_object_too_large_for_any_request_goes_alone_so_that_braze_says_so() -> None:
    request = Request(TRACK)
    assert request.add(change(1, "u", fill="x" * limits.REQUEST_BYTES))
    assert not request.add(change(2, "u"))


def test_a_request_has_no_empty_array() -> None:
    request = Request(TRACK)
    request.add(change(1, "u", "events"))
    assert json.loads(request.body()) == {"events": [{"external_id": "u", "n": 1}]}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"17"])
def test_an_answer_that_is_not_brazes_confirms_nothing(body: bytes) -> None:
    request = Request(TRACK)
    request.add(change(1, "u"))
    with pytest.raises(BrazeError, match="the answer is not a JSON object"):
        request.endpoint.rejected(request.changes, Answer(200, {}, body))


# Dependency delays.


def identification(position: int, user: str) -> Change:
    record = Record("ids", position, position, (), {"record": {}}, {}, 100)
    fields = {"external_id": user, "n": position}
    endpoint = identifications.ENDPOINT
    return new_change("aliases_to_identify", ("external_id", user), fields, [record], endpoint, others=(("a", user),))


class Slow(Braze):
    """Also accepts identifications, and watches how many records are in memory."""

    most_in_memory = 0
    delivery_: Dispatcher

    @override
    def send(self, sent: Request, _resend: bool = True) -> Answer:
        self.most_in_memory = max(self.most_in_memory, self.delivery_._room.records)
        if sent.endpoint is not identifications.ENDPOINT:
            return super().send(sent)
        with self.lock:
            for one in sent:
                self.arrived[one.user[1]].append(("identification", one.fields["n"]))
        return OK


class Clock:
    """The dispatcher's clock, which can be set forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead = 0.0
        stand_in = SimpleNamespace(monotonic=lambda: time.monotonic() + self._ahead)
        monkeypatch.setattr(module, "time", stand_in)

    def advance(self, seconds: float, delivery: Dispatcher) -> None:
        self._ahead += seconds
        delivery._inbox.put((lambda _: None, None))

    @contextmanager
    def racing(self, delivery: Dispatcher) -> Iterator[None]:
        """Advance by five minutes, again and again."""
        done = threading.Event()

        def race() -> None:
            while not done.wait(0.005):
                self.advance(limits.DEPENDENCY_DELAY, delivery)

        thread = threading.Thread(target=race)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def add_steps(delivery: Dispatcher, users: list[str], start: int) -> int:
    """Add attributes, an identification, and attributes again of each user. Return the last record's position."""
    position = start
    for make in (change, identification, change):
        for user in users:
            position += 1
            delivery.add(make(position, user))
            delivery.add_state(b"%d" % position)
    return position


def assert_steps(braze: Slow, users: list[str]) -> None:
    count = len(users)
    for number, user in enumerate(users, 1):
        expected = [("attributes", number), ("identification", number + count), ("attributes", number + 2 * count)]
        assert braze.arrived[user] == expected
    assert not braze.ahead
    assert braze.states[-1] == 3 * count
    delivery = braze.delivery_
    assert braze.most_in_memory <= delivery._room.size_for_delayed
    assert (delivery._room.records, delivery._room.bytes) == (0, 0)


USERS = [f"u{number}" for number in range(300)]


def test_changes_that_wait_for_a_delay_do_not_stop_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    braze = Slow()
    delivery = braze.delivery_ = braze.delivery(max_delay=limits.DEPENDENCY_DELAY)
    # The room is for 120 records, and the last 600 wait at once.
    add_steps(delivery, USERS, 0)
    assert {kind for came in braze.arrived.values() for kind, _ in came} == {"attributes"}
    assert (braze.states or [0])[-1] <= len(USERS)
    with clock.racing(delivery):
        delivery.finish()
    assert_steps(braze, USERS)


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ("delayed_queues._MOST_BYTES", 20_000),
        ("delayed_queues._MOST_BYTES_OF_QUEUE", 150),
        ("room._MOST_DELAYED_WITH_LEDGER", 50),
    ],
)
def test_the_reader_waits_while_too_much_waits_for_a_delay(
    limit: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"target_braze.delivery.{limit}", most)
    clock = Clock(monkeypatch)
    braze = Slow()
    ledger = Mock(stretch=0) if "LEDGER" in limit else None
    delivery = braze.delivery_ = braze.delivery(max_delay=limits.DEPENDENCY_DELAY, ledger=ledger)
    reader = threading.Thread(target=add_steps, args=(delivery, USERS, 0))
    reader.start()
    reader.join(0.3)
    assert reader.is_alive()
    with clock.racing(delivery):
        reader.join()
        delivery.finish()
    assert_steps(braze, USERS)


def test_a_file_that_cannot_grow_ends_the_run_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    braze = Slow()
    delivery = braze.delivery_ = braze.delivery(max_delay=60)

    def fill(_change: Change) -> bytes:
        delivery._queues.delayed._db.execute("PRAGMA max_page_count = 1")
        return b"x" * 1_000_000

    monkeypatch.setattr(delivery._queues.delayed._store, "pack", fill)
    delivery.add(change(1, "u1"))
    delivery.add_state(b"1")
    while not braze.states:
        time.sleep(0.005)
    delivery.add(identification(2, "u2"))
    delivery.add(change(3, "u2"))
    delivery.add_state(b"3")
    with pytest.raises(OSError, match=r"temporary file for changes that wait for 'dependency_delay'.*full.*TMPDIR"):
        delivery.finish()
    assert braze.states == [1]


def test_of_many_states_that_wait_some_are_dropped_and_never_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acks, "_MOST_STATES", 10)
    tracker = acks.StateTracker()
    records = [Record("s", number, number, (), {}, {}) for number in range(1, 101)]
    for record in records:
        tracker.track(record, 1, 0.0)
        tracker.add(b"%d" % record.position, record.position)
        assert len(tracker._states) <= 10
        assert tracker._states[-1][0] == record.position
    taken = []
    for record in records:
        tracker.settle([record])
        if (ready := tracker.take()) is not None:
            assert ready == (record.position, b"%d" % record.position)
            taken.append(record.position)
    assert len(taken) > 5
    assert taken[-1] == 100
    assert not tracker
