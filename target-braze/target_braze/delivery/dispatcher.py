"""Dispatcher: sends changes to Braze in concurrent requests, and emits each STATE once all before it is settled.

User queues keep the order of each user's changes, because Braze guarantees none between requests
(https://www.braze.com/docs/api/endpoints/user_data/post_user_track/). A STATE is opaque bytes here.

One thread owns the queues and the state tracker. The reader and the workers post to its inbox, so they take no lock and
wait for each other only when there is no room.
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
from target_braze.delivery.acks import State, StateTracker
from target_braze.delivery.adaptive_concurrency import AdaptiveConcurrency
from target_braze.delivery.batch_limits import BatchLimits
from target_braze.delivery.room import Room
from target_braze.delivery.sender import RequestSender
from target_braze.delivery.user_queues import UserQueues

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_braze.braze.changes import Change, Request
    from target_braze.braze.client import Answer
    from target_braze.delivery.outcome_record import OutcomeRecord
    from target_braze.delivery.sender import Check
    from target_braze.delivery.user_queue import UserQueue
    from target_braze.records import Rejection

_log = logging.getLogger("target-braze")

# Seconds after which a request is sent although it is not full.
_LINGER: Final = 1.0
# Minimum seconds between two STATE messages, because Meltano stores every one.
_STATE_EVERY: Final = 1.0
# How far the reader may be ahead of the oldest open record, in records and in seconds: a restart after a kill repeats
# that much. Multiplied while a change waits for a dependency delay.
_SPAN: Final = 100_000
_SPAN_SECONDS: Final = 60.0
_SPANS_WHILE_DELAYED: Final = 10
# After a crash, the input repeats what the last run had read beyond its last STATE, possibly mixed with records from
# before it, since taps repeat their last ones, and with new ones. Hold back this many records more, or a quarter more.
_SLACK: Final = 100
# Stop holding back after this many seconds.
_HOLD_SECONDS: Final = _SPAN_SECONDS * _SPANS_WHILE_DELAYED


class RejectedError(Exception):
    """A record was rejected, and the settings end the run in that case."""


class Dispatcher:
    """Takes changes and states in input order; a record is settled once all its changes are.

    If the `ledger` shows that the last run sent records beyond its last STATE, their older values would arrive again
    before newer ones. Until all of these records have been read again, only each user's newest values are sent.

    Args:
        send: As for RequestSender, like `accept`, `reject`, `hold`, `ledger`, and `check`. All are called from threads
            of this class. `reject` may raise RejectedError to end the run.
        accept: See above.
        reject: See above.
        emit: Writes a STATE.
        failed: Called when a request has failed for good and after `interrupt`, because the caller may be blocked on
            its input.
        max_objects: Changes per request, where the endpoint has no limit of its own.
        concurrency: Maximum number of requests in flight.
        max_delay: Caps the delay between dependent changes, in seconds.
        hold: See above.
        ledger: See above.
        check: See above.
    """

    def __init__(
        self,
        send: Callable[[Request, bool], Answer],
        *,
        accept: Callable[[Sequence[Change], int], None],
        reject: Callable[[Change, Rejection], None],
        emit: Callable[[State], None],
        failed: Callable[[BaseException], None],
        max_objects: int,
        concurrency: int,
        max_delay: float = 0.0,
        hold: bool = False,
        ledger: OutcomeRecord | None = None,
        check: Check | None = None,
    ) -> None:
        self.failure: BaseException | None = None
        # Time during which nothing could be sent because every waiting change had a dependency delay.
        self.dependency_waits = Waiting()
        self._emit = emit
        self._failed = failed
        # Each message comes with the method of this class that handles it.
        self._inbox: SimpleQueue[tuple[Callable[[Any], None], Any]] = SimpleQueue()

        # Used by the dispatcher thread only.
        batch_limits = BatchLimits(max_objects)
        stretch = ledger.stretch if ledger is not None else 0
        self._queues = UserQueues(_LINGER, batch_limits, max_delay, holds_back=stretch > 0)
        self._states = StateTracker()
        self._concurrency = AdaptiveConcurrency(concurrency)
        self._in_flight = 0
        self._closing = False
        self._ended = False
        self._next_emit = 0.0
        self._now = 0.0
        self._hold_until = math.inf
        self._ledger = ledger

        # Positions of records: the last one to hold back, and the last one read.
        self._stretch = stretch + max(_SLACK, stretch // 4) if stretch else -1
        self._read = 0
        self._room = Room(self._queues, concurrency * max_objects, has_ledger=ledger is not None)
        self._discarding = False

        self._sender = RequestSender(
            send,
            accept=accept,
            reject=reject,
            answered=lambda answer: self._inbox.put((self._receive_answer, answer)),
            settled=lambda changes: self._inbox.put((self._settle, changes)),
            hold=hold,
            ledger=ledger,
            batch_limits=batch_limits,
            check=check,
        )
        self._workers = ThreadPoolExecutor(concurrency, thread_name_prefix="request")
        self._dispatched = threading.Event()
        threading.Thread(target=self._dispatch, name="dispatcher", daemon=True).start()

    @property
    def in_flight(self) -> int:
        """Number of requests in flight."""
        return self._in_flight

    def wait_for_room(self, position: int) -> None:
        """Wait while too many records are in memory, or the record at the position is too far ahead of the oldest one.

        Raises:
            BrazeError: An earlier request failed for good.
            RejectedError: An earlier change was rejected, and that ends the run.
        """
        if self._read <= self._stretch < position:
            self._inbox.put((self._stop_holding_back, ""))
        self._read = position
        self._room.wait(position, lambda: self.failure)
        if self.failure is not None:
            raise self.failure

    def add(self, *changes: Change) -> None:
        """Add all changes of one record, once there is room.

        Raises:
            BrazeError: An earlier request failed for good.
            RejectedError: An earlier change was rejected, and that ends the run.
        """
        record = changes[0].records[0]
        self.wait_for_room(record.position)
        self._room.add(record, len(changes))
        self._inbox.put((self._receive_changes, changes))

    def add_state(self, state: State) -> None:
        """Add a STATE, to be emitted once all records before it are settled."""
        self._inbox.put((self._receive_state, (state, self._read)))

    def drain(self, seconds: float = 0.0) -> bool:
        """Wait until all records so far are settled, but those that wait for the end of the input, and `seconds` more.

        Return False at once while records are held back. Raises like `finish`.
        """
        if self._queues.holds_back:
            return False
        self._room.drain(seconds, lambda: self.failure)
        if self.failure is not None:
            raise self.failure
        return True

    def finish(self, *, ended: bool = True) -> None:
        """Send everything that is waiting, wait for all answers, and emit the last STATE.

        Args:
            ended: The input has ended. If not, send nothing that waits for its end.

        Raises:
            BrazeError: A request failed for good.
            RejectedError: A change was rejected, and that ends the run.
        """
        self._ended = ended
        self._end()
        if self.failure is not None:
            raise self.failure

    def interrupt(self, reason: BaseException) -> None:
        """Fail with `reason` unless everything is done. Safe to call from a signal handler."""
        self._inbox.put((self._fail, reason))

    def abort(self) -> None:
        """Send nothing more, wait for the answers to requests in flight, and emit the last STATE that is settled."""
        self._discarding = True
        self._end()

    def _end(self) -> None:
        self._inbox.put((self._close, None))
        # Not join(): up to Python 3.12, after a signal interrupts one call, the next returns at once.
        self._dispatched.wait()
        self._workers.shutdown()
        self._emit_settled()

    # The dispatcher thread.

    def _dispatch(self) -> None:
        try:
            while not self._is_done():
                self._receive()
                self._limit_reader()
                while (work := self._next_request()) is not None:
                    self._in_flight += 1
                    self._workers.submit(self._deliver, *work)
                if time.monotonic() >= self._next_emit:
                    self._emit_settled()
        except BaseException as failure:  # noqa: BLE001 - raised again in the caller's thread
            self._fail(failure)
        finally:
            self._queues.delayed.close()
            self._dispatched.set()

    def _receive(self) -> None:
        """Wait for a message or until something is due, and handle all messages that have arrived."""
        all_delayed = not self._in_flight and self._queues.all_delayed
        if all_delayed:
            self.dependency_waits.until = self._queues.delayed.next_until or 0.0
        with self.dependency_waits if all_delayed else nullcontext():
            try:
                handle, message = self._inbox.get(timeout=self._timeout())
            except Empty:
                return
        waiting = self._inbox.qsize()
        self._now = time.monotonic()  # no earlier than any of these messages
        handle(message)
        for _ in range(waiting):
            handle, message = self._inbox.get_nowait()
            handle(message)
        self._room.notify()

    def _limit_reader(self) -> None:
        """Update how far the reader may be ahead of open records, and stop holding back if that takes too long."""
        queues, now = self._queues, time.monotonic()
        if queues.holds_back:
            if now >= self._hold_until or self._room.is_too_full_to_hold_back:
                self._stop_holding_back(
                    "the input repeats more than can be held back, so older values may be sent before newer ones"
                )
            return
        if queues.held:
            return
        is_late = now >= self._states.since + _SPAN_SECONDS * self._spans
        # What waits for a delay has not been sent, so a restart does not repeat it.
        end = 0 if is_late else self._states.oldest + _SPAN * self._spans + queues.delayed.records
        if end != self._room.end_of_span:
            self._room.end_of_span = end
            self._room.notify()

    def _stop_holding_back(self, warning: str) -> None:
        if self._queues.holds_back:
            if warning:
                _log.warning("%s", warning)
            self._queues.stop_holding_back(time.monotonic())
            self._room.notify()

    def _receive_changes(self, changes: tuple[Change, ...]) -> None:
        self._states.track(changes[0].records[0], len(changes), self._now)
        if self._queues.holds_back:
            self._hold_until = min(self._hold_until, self._now + _HOLD_SECONDS)
            changes[0].records[0].pack()
        for change in changes:
            self._queues.add(change, self._now)

    def _receive_state(self, given: tuple[State, int]) -> None:
        self._states.add(*given)

    def _close(self, _: None) -> None:
        self._stop_holding_back("")
        self._closing = True

    def _receive_answer(self, answer: Answer) -> None:
        self._concurrency.answered(answer.seconds, answer.attempt, self._in_flight)

    def _settle(self, changes: Sequence[Change]) -> None:
        records = [record for change in changes for record in change.records]
        self._states.settle(records)
        self._room.settle(records)

    def _release(self, work: tuple[Request, list[UserQueue]]) -> None:
        request, queues = work
        self._in_flight -= 1
        self._queues.release(queues, request.endpoint, self._now)

    def _next_request(self) -> tuple[Request, list[UserQueue]] | None:
        if self._stops or self._in_flight >= self._concurrency.limit:
            return None
        now = time.monotonic()
        follows = self._wake_delayed(now)
        return self._queues.next_request(now, hurry=self._closing and not follows, ended=self._closing and self._ended)

    def _wake_delayed(self, now: float) -> bool:
        """Take delayed queues whose time has come back into memory. Return whether another one follows soon."""
        queues, delayed = self._queues, self._queues.delayed
        was_full, follows = delayed.is_full, False
        while (until := delayed.next_until) is not None and self._room.is_free_for_delayed:
            if until <= now:
                queues.wake(now)
            else:
                follows = until <= now + _LINGER
                break
        if was_full and not delayed.is_full:
            self._room.notify()
        return follows

    @property
    def _stops(self) -> bool:
        return self._discarding or self.failure is not None

    def _is_done(self) -> bool:
        waiting = len(self._queues) - (0 if self._ended else self._queues.held)
        return not self._in_flight and (self._stops or (self._closing and not waiting))

    def _timeout(self) -> float | None:
        """Return the seconds until something is due if no message arrives, or None."""
        moments: list[float | None] = []
        if not self._stops and self._in_flight < self._concurrency.limit:
            moments.append(self._queues.due())
            if self._room.is_free_for_delayed:
                moments.append(self._queues.delayed.next_until)
        if self._states.has_settled:
            moments.append(self._next_emit)
        if self._queues.holds_back:
            moments.append(self._hold_until)
        elif self._room.end_of_span and self._states and not self._queues.held:
            moments.append(self._states.since + _SPAN_SECONDS * self._spans)
        until = min((moment for moment in moments if moment is not None), default=math.inf)
        return max(0.0, until - time.monotonic()) if until < math.inf else None

    @property
    def _spans(self) -> int:
        return _SPANS_WHILE_DELAYED if self._queues.delayed.changes else 1

    def _emit_settled(self) -> None:
        taken = self._states.take()
        if taken is not None:
            position, state = taken
            self._next_emit = time.monotonic() + _STATE_EVERY
            self._emit(state)
            if self._ledger is not None:
                # After the STATE: a crash in between only makes the next run hold back more than necessary.
                self._ledger.covered(position)

    # The worker threads.

    def _deliver(self, request: Request, queues: list[UserQueue]) -> None:
        try:
            self._sender.deliver(request)
        except BaseException as failure:  # noqa: BLE001 - raised again in the caller's thread
            self._fail(failure)
        self._inbox.put((self._release, (request, queues)))

    def _fail(self, failure: BaseException) -> None:
        self.failure = self.failure or failure
        self._room.notify()
        self._failed(failure)
