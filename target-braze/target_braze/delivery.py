"""Delivery: brings changes to Braze, several requests at a time, and lets a STATE out when all before it is settled.

The order of what concerns one user is kept by `lanes`, because Braze promises none between requests
(https://www.braze.com/docs/api/endpoints/user_data/post_user_track/). To it, a STATE is just bytes.

One thread, the dispatcher, has the lanes and the checkpoints to itself. Who reads and who sends tell it through its
inbox what is new, and so wait for no lock and for each other only where there is no room.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from target_braze.ceilings import Ceilings
from target_braze.checkpoints import Checkpoints, State
from target_braze.concurrency import Concurrency
from target_braze.courier import Courier
from target_braze.lanes import Lane, Lanes
from target_braze.rate_limits import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_braze.braze_api import Answer
    from target_braze.endpoints import Request
    from target_braze.ledger import Ledger
    from target_braze.records import Change, Rejection

# A request that is not full leaves when its oldest change has waited this long (seconds).
_LINGER: Final = 1.0
# Meltano stores every STATE that it is given; more often than this (seconds) helps nobody.
_STATE_EVERY: Final = 1.0
# Bytes of the lines of records under way; what Python makes of them takes five times as much.
_MOST_BYTES: Final = 32_000_000


class RejectedError(Exception):
    """Braze, or the mapping, does not take a record, and the run is to stop for that."""


class Delivery:
    """Takes changes and states in the order of the stream; settles each record when all its changes are.

    `send`, `accept`, `reject`, `hold` and `ledger` are as for the Courier; `reject` may raise RejectedError to end the
    run. `emit` writes a STATE. All are called from threads of this class.

    `wait` is the most seconds that one lies between a change and another that depends on it.

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
        self._lanes = Lanes(_LINGER, ceilings, wait)
        self._checkpoints = Checkpoints()
        self._concurrency = Concurrency(concurrency)
        self._in_flight = 0
        self._closing = False
        self._next_emit = 0.0
        self._now = 0.0

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

    def add(self, *changes: Change) -> None:
        """Take in all that one record changes; waits while too many records are under way.

        Raises:
            BrazeError: an earlier request failed for good.
            RejectedError: an earlier change was rejected, and that ends the run.
        """
        if not self._has_room():
            with self._room_made:
                self._room_made.wait_for(lambda: self._has_room() or self.failure)
        if self.failure is not None:
            raise self.failure
        self._given += 1
        self._given_bytes += changes[0].records[0].size
        self._inbox.put((self._take_in, changes))

    def checkpoint(self, state: State) -> None:
        """Take in a STATE: it is emitted when all records before it are settled."""
        self._inbox.put((self._checkpoints.add, state))

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
        # What waits for the end of the input may not keep that end away.
        held = self._lanes.held
        return self._given - self._settled < self._room + held and (
            self._given_bytes - self._settled_bytes < _MOST_BYTES or held > 0
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

    def _take_in(self, changes: tuple[Change, ...]) -> None:
        self._checkpoints.open(changes[0].records[0], len(changes))
        for change in changes:
            self._lanes.add(change, self._now)

    def _close(self, _: None) -> None:
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
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _emit_settled(self) -> None:
        state = self._checkpoints.take()
        if state is not None:
            self._next_emit = time.monotonic() + _STATE_EVERY
            self._emit(state)

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
