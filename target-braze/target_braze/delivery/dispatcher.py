"""Delivery: brings changes to Braze, several requests at a time, and lets a STATE out when all before it is settled.

The order of what concerns one user is kept by `lanes`, because Braze promises none between requests
(https://www.braze.com/docs/api/endpoints/user_data/post_user_track/). To it, a STATE is just bytes.

One thread, the dispatcher, has the lanes and the checkpoints to itself. Who reads and who sends tell it through its
inbox what is new, and so wait for no lock and for each other only where there is no room.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze.rate_limits import Waiting
from target_braze.delivery.acks import Checkpoints, State
from target_braze.delivery.adaptive_concurrency import Concurrency
from target_braze.delivery.batch_limits import Ceilings
from target_braze.delivery.sender import Courier
from target_braze.delivery.user_queues import Lane, Lanes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_braze.braze.changes import Change, Request
    from target_braze.braze.client import Answer
    from target_braze.ledger.store import Ledger
    from target_braze.records import Rejection

_log = logging.getLogger("target-braze")

# A request that is not full leaves when its oldest change has waited this long (seconds).
_LINGER: Final = 1.0
# Meltano stores every STATE that it is given; more often than this (seconds) helps nobody.
_STATE_EVERY: Final = 1.0
# Bytes of the lines of records under way; what Python makes of them takes five times as much.
_MOST_BYTES: Final = 32_000_000
# No record is read that is so far after the oldest one that is not settled, in records or seconds: a run that is killed
# repeats no more. While a user waits for the time of a step that depends on another, so many times as far.
_SPAN: Final = 100_000
_SPAN_SECONDS: Final = 60.0
_SPANS_AT_REST: Final = 10
# What the last run had read beyond its last STATE may come with some records from before that, as taps repeat the last
# ones, and with new ones in between: so many more are held back, or a fourth more.
_SLACK: Final = 100
# Longer than so many seconds, or than so many bytes of lines fill, nothing is held back.
_HOLD_SECONDS: Final = _SPAN_SECONDS * _SPANS_AT_REST
_MOST_HELD_BYTES: Final = 64_000_000


class RejectedError(Exception):
    """Braze, or the mapping, does not take a record, and the run is to stop for that."""


class Delivery:
    """Takes changes and states in the order of the stream; settles each record when all its changes are.

    `send`, `accept`, `reject`, `hold` and `ledger` are as for the Courier; `reject` may raise RejectedError to end the
    run. `emit` writes a STATE. All are called from threads of this class.

    `wait` is the most seconds that one lies between a change and another that depends on it.

    Where by the `ledger` the last run has sent changes of records beyond its last STATE, older values would come again
    before newer ones: until these records have been read, of each user only the newest state leaves.

    `failed` is called when a request has failed for good, or after `interrupt`: the caller may be waiting for input
    that does not come.
    """

    def __init__(
        self,
        send: Callable[[Request, bool], Answer],
        *,
        accept: Callable[[Sequence[Change]], None],
        reject: Callable[[Change, Rejection], None],
        emit: Callable[[State], None],
        failed: Callable[[BaseException], None],
        max_objects: int,
        concurrency: int,
        wait: float = 0.0,
        hold: bool = False,
        ledger: Ledger | None = None,
    ) -> None:
        self.failure: BaseException | None = None
        # When nothing could be sent because all that waited depends on something that was sent shortly before.
        self.rests = Waiting()
        self._emit = emit
        self._failed = failed
        # Each with the method of this class that is to hear it.
        self._inbox: SimpleQueue[tuple[Callable[[Any], None], Any]] = SimpleQueue()

        # The dispatcher's own.
        ceilings = Ceilings(max_objects)
        stretch = ledger.stretch if ledger is not None else 0
        self._lanes = Lanes(_LINGER, ceilings, wait, holds_back=stretch > 0)
        self._checkpoints = Checkpoints()
        self._concurrency = Concurrency(concurrency)
        self._in_flight = 0
        self._closing = False
        self._next_emit = 0.0
        self._now = 0.0
        self._hold_until = math.inf
        self._ledger = ledger

        # Positions of records: the last of those held back, the last that was read, and that before which the next has
        # to be.
        self._stretch = stretch + max(_SLACK, stretch // 4) if stretch else -1
        self._read = 0
        self._end_of_span = math.inf

        # Records: enough to fill every request in flight and its successor, and to find users that are not under way.
        self._room = 3 * concurrency * max_objects
        # Each of these counts is written by one thread: what the reader has given, what the dispatcher has settled.
        self._given = self._given_bytes = 0
        self._settled = self._settled_bytes = 0
        self._room_made = threading.Condition()
        self._discarding = False

        self._courier = Courier(
            send,
            accept=accept,
            reject=reject,
            answered=lambda answer: self._inbox.put((self._hear_answer, answer)),
            settled=lambda changes: self._inbox.put((self._settle, changes)),
            hold=hold,
            ledger=ledger,
            ceilings=ceilings,
        )
        self._workers = ThreadPoolExecutor(concurrency, thread_name_prefix="request")
        self._dispatched = threading.Event()
        threading.Thread(target=self._dispatch, name="dispatcher", daemon=True).start()

    def wait_for_room(self, position: int) -> None:
        """Wait while too many records are under way, or the record at the position is too far ahead of the oldest.

        Raises:
            BrazeError: an earlier request failed for good.
            RejectedError: an earlier change was rejected, and that ends the run.
        """
        if self._read <= self._stretch < position:
            self._inbox.put((self._let_go, ""))
        self._read = position
        if not self._has_room():
            with self._room_made:
                self._room_made.wait_for(lambda: self._has_room() or self.failure)
        if self.failure is not None:
            raise self.failure

    def add(self, *changes: Change) -> None:
        """Take in all that one record changes, when there is room.

        Raises:
            BrazeError: an earlier request failed for good.
            RejectedError: an earlier change was rejected, and that ends the run.
        """
        record = changes[0].records[0]
        self.wait_for_room(record.position)
        self._given += 1
        self._given_bytes += record.size
        self._inbox.put((self._take_in, changes))

    def checkpoint(self, state: State) -> None:
        """Take in a STATE: it is emitted when all records before it are settled."""
        self._inbox.put((self._take_state, (state, self._read)))

    def finish(self) -> None:
        """Send what waits, wait for all answers, emit the last STATE.

        Raises:
            BrazeError: a request failed for good.
            RejectedError: a change was rejected, and that ends the run.
        """
        self._end()
        if self.failure is not None:
            raise self.failure

    def interrupt(self, reason: BaseException) -> None:
        """Fail with `reason`, unless all is done; safe at any instruction of a signal handler."""
        self._inbox.put((self._fail, reason))

    def abort(self) -> None:
        """Send nothing more, wait for the answers under way, emit the last STATE that holds."""
        self._discarding = True
        self._end()

    def _has_room(self) -> bool:
        held, size = self._lanes.held, self._given_bytes - self._settled_bytes
        if self._lanes.holds_back:
            return size < _MOST_HELD_BYTES
        # What waits for the end of the input may not keep that end away.
        return (held > 0 and self._given - self._settled < self._room + held) or (
            self._given - self._settled < self._room and size < _MOST_BYTES and self._read < self._end_of_span
        )

    def _end(self) -> None:
        self._inbox.put((self._close, None))
        # Not join(): up to Python 3.12, one that a signal has interrupted makes the next return at once.
        self._dispatched.wait()
        self._workers.shutdown()
        self._emit_settled()

    # The dispatcher's thread.

    def _dispatch(self) -> None:
        try:
            while not self._is_done():
                self._listen()
                self._look_back()
                while (work := self._next_request()) is not None:
                    self._in_flight += 1
                    self._workers.submit(self._deliver, *work)
                if time.monotonic() >= self._next_emit:
                    self._emit_settled()
        except BaseException as failure:  # noqa: BLE001 - it is raised again where the caller waits
            self._fail(failure)
        finally:
            self._dispatched.set()

    def _listen(self) -> None:
        """Wait until there is something new or something to do, and hear all that is new."""
        settled = self._settled
        only_rests = not self._in_flight and self._lanes.only_rest
        with self.rests if only_rests else nullcontext():
            try:
                hear, what = self._inbox.get(timeout=self._patience())
            except Empty:
                return
        news = self._inbox.qsize()
        self._now = time.monotonic()  # not before any of it came
        hear(what)
        for _ in range(news):
            hear, what = self._inbox.get_nowait()
            hear(what)
        if self._settled > settled or self._lanes.held:
            with self._room_made:
                self._room_made.notify()

    def _look_back(self) -> None:
        """Say how far may be read, for what is not settled yet, and let go what was held back for too long."""
        lanes, now = self._lanes, time.monotonic()
        if lanes.holds_back:
            if now >= self._hold_until or self._given_bytes - self._settled_bytes >= _MOST_HELD_BYTES:
                self._let_go("more is read again than can be held back: older values may come before newer ones")
            return
        if lanes.held:
            return
        spans = _SPANS_AT_REST if lanes.some_rest else 1
        is_late = now >= self._checkpoints.since + _SPAN_SECONDS * spans
        end = 0 if is_late else self._checkpoints.oldest + _SPAN * spans
        if end != self._end_of_span:
            with self._room_made:
                self._end_of_span = end
                self._room_made.notify()

    def _let_go(self, why: str) -> None:
        """Hold nothing back any more."""
        if self._lanes.holds_back:
            if why:
                _log.warning("%s", why)
            self._lanes.let_go(time.monotonic())
            with self._room_made:
                self._room_made.notify()

    def _take_in(self, changes: tuple[Change, ...]) -> None:
        self._checkpoints.open(changes[0].records[0], len(changes), self._now)
        if self._lanes.holds_back:
            self._hold_until = min(self._hold_until, self._now + _HOLD_SECONDS)
            changes[0].records[0].pack()
        for change in changes:
            self._lanes.add(change, self._now)

    def _take_state(self, given: tuple[State, int]) -> None:
        self._checkpoints.add(*given)

    def _close(self, _: None) -> None:
        self._let_go("")
        self._closing = True

    def _hear_answer(self, answer: Answer) -> None:
        self._concurrency.answered(answer.seconds, answer.attempt, self._in_flight)

    def _settle(self, changes: Sequence[Change]) -> None:
        settled = self._checkpoints.settle(changes)
        self._settled += len(settled)
        self._settled_bytes += sum(record.size for record in settled)

    def _release(self, work: tuple[Request, list[Lane]]) -> None:
        request, lanes = work
        self._in_flight -= 1
        self._lanes.release(lanes, request.endpoint, self._now)

    def _next_request(self) -> tuple[Request, list[Lane]] | None:
        if self._stops or self._in_flight >= self._concurrency.limit:
            return None
        return self._lanes.next_request(time.monotonic(), hurry=self._closing)

    @property
    def _stops(self) -> bool:
        return self._discarding or self.failure is not None

    def _is_done(self) -> bool:
        return not self._in_flight and (self._stops or (self._closing and not self._lanes))

    def _patience(self) -> float | None:
        """Seconds until something is due without a word from anybody."""
        moments = []
        if not self._stops and self._in_flight < self._concurrency.limit and (due := self._lanes.due()) is not None:
            moments.append(due)
        if self._checkpoints.has_settled:
            moments.append(self._next_emit)
        if self._lanes.holds_back:
            moments += [self._hold_until] if self._hold_until < math.inf else []
        elif self._end_of_span and self._checkpoints and not self._lanes.held:
            moments.append(self._checkpoints.since + _SPAN_SECONDS * (_SPANS_AT_REST if self._lanes.some_rest else 1))
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _emit_settled(self) -> None:
        taken = self._checkpoints.take()
        if taken is not None:
            position, state = taken
            self._next_emit = time.monotonic() + _STATE_EVERY
            self._emit(state)
            if self._ledger is not None:
                # Not before: a crash in between has the next run hold back more than it must.
                self._ledger.covered(position)

    # A worker's thread.

    def _deliver(self, request: Request, lanes: list[Lane]) -> None:
        try:
            self._courier.deliver(request)
        except BaseException as failure:  # noqa: BLE001 - it is raised again where the caller waits
            self._fail(failure)
        self._inbox.put((self._release, (request, lanes)))

    def _fail(self, failure: BaseException) -> None:
        with self._room_made:
            self.failure = self.failure or failure
            self._room_made.notify()
        self._failed(failure)
