"""Delivery: brings changes to Braze, several requests at a time, and lets a STATE out when all before it is settled.

The order of what concerns one user is kept by `lanes`, because Braze promises none between requests
(https://www.braze.com/docs/api/endpoints/user_data/post_user_track/). Knows nothing of Singer but that a state is JSON.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze_api import BrazeError, ForbiddenError, RefusedError, UnavailableError, Waiting
from target_braze.concurrency import Concurrency
from target_braze.endpoints import Request
from target_braze.lanes import Lane, Lanes
from target_braze.records import Rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_braze.braze_api import Answer
    from target_braze.ledger import Ledger
    from target_braze.records import Change

_log = logging.getLogger("target-braze")

State = dict[str, Any]

# A request that is not full leaves when its oldest change has waited this long (seconds).
_LINGER: Final = 1.0
# The answers to a request that one change in it can be the reason for.
_GUILTY_CHANGE: Final = frozenset({400, 413})
# Meltano stores every STATE that it is given; more often than this (seconds) helps nobody.
_STATE_EVERY: Final = 1.0


class RejectedError(Exception):
    """Braze, or the mapping, does not take a record, and the run is to stop for that."""


class Delivery:
    """Takes changes and states in the order of the stream; settles each record when all its changes are.

    `send` posts one request, also a second time where the outcome is unknown if its second argument says so; `accept`
    is told of the changes of a request that Braze took, `reject` of each that it refused, and why, and may raise
    RejectedError to end the run; `emit` writes a STATE. All are called from threads of this class.

    `wait` is the most seconds that one lies between a change and another that depends on it.

    `failed` is called when a request has failed for good: the caller may be waiting for input that does not come. With
    `hold`, changes that would count twice are not sent again when it is unknown whether Braze has them, but rejected as
    in doubt. What the `ledger` is told of outcomes is in it before the record counts as settled.
    """

    def __init__(
        self,
        send: Callable[[Request, bool], Answer],
        *,
        accept: Callable[[Sequence[Change]], None],
        reject: Callable[[Change, Rejection], None],
        emit: Callable[[State], None],
        failed: Callable[[], None],
        max_objects: int,
        concurrency: int,
        wait: float = 0.0,
        hold: bool = False,
        ledger: Ledger | None = None,
    ) -> None:
        # When nothing could be sent because all that waited depends on something that was sent shortly before.
        self.rests = Waiting()
        self._send = send
        self._accept = accept
        self._reject = reject
        self._emit = emit
        self._failed = failed
        self._concurrency = Concurrency(concurrency)
        self._hold = hold
        self._ledger = ledger
        # Records: enough to fill every request in flight and its successor, and to find users that are not under way.
        self._room = 3 * concurrency * max_objects

        self._changed = threading.Condition()
        self._lanes = Lanes(_LINGER, max_objects, wait)
        self._in_flight = 0
        self._closing = False
        self.failure: BaseException | None = None

        # Positions of the records that are not settled, oldest first, and the states that wait for them.
        self._open: OrderedDict[int, int] = OrderedDict()
        self._last_position = 0
        self._states: deque[tuple[int, State]] = deque()
        self._settled_state: State | None = None
        self._next_emit = 0.0

        self._workers = ThreadPoolExecutor(concurrency, thread_name_prefix="request")
        self._dispatcher = threading.Thread(target=self._dispatch, name="dispatcher", daemon=True)
        self._dispatcher.start()

    def add(self, *changes: Change) -> None:
        """Take in all that one record changes; waits while too many records are under way.

        Raises:
            BrazeError: an earlier request failed for good.
            RejectedError: an earlier change was rejected, and that ends the run.
        """
        with self._changed:
            if not self._has_room():
                self._changed.wait_for(lambda: self._has_room() or self.failure)
            self._check()
            self._last_position = changes[0].records[0].position
            self._open[self._last_position] = len(changes)
            now = time.monotonic()
            for change in changes:
                if self._lanes.add(change, now):
                    self._changed.notify_all()

    def checkpoint(self, state: State) -> None:
        """Take in a STATE: it is emitted when all records before it are settled."""
        with self._changed:
            if self._states and self._states[-1][0] == self._last_position:
                self._states.pop()
            self._states.append((self._last_position, state))
            self._advance_state()
            self._changed.notify_all()

    def finish(self) -> None:
        """Send what waits, wait for all answers, emit the last STATE.

        Raises:
            BrazeError: a request failed for good.
            RejectedError: a change was rejected, and that ends the run.
        """
        self._close(discard=False)
        self._check()

    def abort(self) -> None:
        """Send nothing more, wait for the answers under way, emit the last STATE that holds."""
        self._close(discard=True)

    def _has_room(self) -> bool:
        # What waits for the end of the input may not keep that end away.
        return len(self._open) < self._room + self._lanes.held

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _close(self, *, discard: bool) -> None:
        with self._changed:
            self._closing = True
            if discard:
                self._lanes.clear()
            self._changed.notify_all()
        self._dispatcher.join()
        self._workers.shutdown()
        self._emit_settled(final=True)

    # The dispatcher's thread.

    def _dispatch(self) -> None:
        try:
            while True:
                with self._changed:
                    work = self._next_request()
                    if work is None and self._is_done():
                        return
                    if work is None and not self._state_is_due():
                        with self.rests if self._only_rests() else nullcontext():
                            self._changed.wait(self._patience())
                        continue
                if work is None:
                    self._emit_settled()
                else:
                    self._workers.submit(self._deliver, *work)
        except BaseException as failure:  # noqa: BLE001 - it is raised again where the caller waits
            self._fail(failure)

    def _next_request(self) -> tuple[Request, list[Lane]] | None:
        if self.failure is not None or self._in_flight >= self._concurrency.limit:
            return None
        work = self._lanes.next_request(time.monotonic(), hurry=self._closing)
        self._in_flight += work is not None
        return work

    def _only_rests(self) -> bool:
        """Whether all that is left has to wait for what it depends on."""
        return not self._in_flight and self._lanes.only_rest

    def _is_done(self) -> bool:
        return not self._in_flight and (self.failure is not None or (self._closing and not self._lanes))

    def _patience(self) -> float | None:
        """Seconds until something is due without a notification."""
        moments = []
        if (
            self.failure is None
            and self._in_flight < self._concurrency.limit
            and (due := self._lanes.due()) is not None
        ):
            moments.append(due)
        if self._settled_state is not None:
            moments.append(self._next_emit)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    # A worker's thread.

    def _deliver(self, request: Request, lanes: list[Lane]) -> None:
        try:
            self._post(request)
        except BaseException as failure:  # noqa: BLE001 - it is raised again where the caller waits
            self._fail(failure)
        try:
            self._release(request, lanes)
        except BaseException as failure:  # noqa: BLE001 - likewise
            self._fail(failure)

    def _release(self, request: Request, lanes: list[Lane]) -> None:
        with self._changed:
            self._in_flight -= 1
            now = time.monotonic()
            for lane in lanes:
                self._lanes.release(lane, now, request.endpoint)
            self._changed.notify_all()

    def _post(self, request: Request) -> None:
        counted = [change for change in request if not change.repeatable]
        if self._ledger is not None:
            self._ledger.under_way(counted)
        try:
            answer = self._send(request, not (self._hold and counted))
        except ForbiddenError as error:
            raise BrazeError(
                f"{error}. The API key lacks the permission '{request.endpoint.permission}', or does not allow this "
                "machine's address",
                status=error.status,
            ) from None
        except RefusedError as error:
            if error.status not in _GUILTY_CHANGE:
                raise
            self._find_guilty(request, error)
        except UnavailableError as error:
            if not (self._hold and counted and error.in_doubt):
                raise
            self._hold_back(request, counted, error)
        else:
            with self._changed:
                self._concurrency.answered(answer.seconds, answer.attempt, self._in_flight)
            guilty = request.endpoint.rejected(request.changes, answer)
            self._settle(request, [(change, _refusal(text, answer.status)) for change, text in guilty])

    def _find_guilty(self, request: Request, error: RefusedError) -> None:
        """Nothing of the request was applied: send it in parts until the change is alone that is to blame."""
        if len(request) == 1:
            self._settle(request, [(request.changes[0], _refusal(str(error), error.status, error.errors))])
            return
        _log.warning("%s; sending its %d objects in two requests", error, len(request))
        for half in request.halves():
            self._post(half)

    def _hold_back(self, request: Request, counted: list[Change], error: UnavailableError) -> None:
        """Do not send again what might count twice; the rest may be sent again."""
        why = Rejection(
            f"it is in doubt whether Braze has it, for its request failed: {error}",
            "; ".join(error.errors) or None,
            error.status,
            in_doubt=True,
        )
        for change in counted:
            self._conclude(change, why)
        rest = Request(request.endpoint)
        for change in request:
            if change.repeatable:
                rest.add(change)
        if rest:
            self._post(rest)

    def _settle(self, request: Request, rejected: list[tuple[Change, Rejection]]) -> None:
        guilty = {id(change) for change, _ in rejected}
        accepted = [change for change in request if id(change) not in guilty]
        if self._ledger is not None:
            self._ledger.settle(accepted, "accepted")
        self._accept(accepted)
        self._close_records(accepted)
        for change, why in rejected:
            self._conclude(change, why)

    def _conclude(self, change: Change, why: Rejection) -> None:
        if self._ledger is not None:
            self._ledger.settle([change], "in doubt" if why.in_doubt else "rejected")
        self._reject(change, why)
        self._close_records([change])

    def _close_records(self, changes: Iterable[Change]) -> None:
        with self._changed:
            for change in changes:
                for record in change.records:
                    left = self._open[record.position] - 1
                    if left:
                        self._open[record.position] = left
                    else:
                        del self._open[record.position]
            self._advance_state()
            self._changed.notify_all()

    def _fail(self, failure: BaseException) -> None:
        with self._changed:
            self.failure = self.failure or failure
            self._changed.notify_all()
        self._failed()

    # States.

    def _advance_state(self) -> None:
        oldest = next(iter(self._open), self._last_position + 1)
        while self._states and self._states[0][0] < oldest:
            self._settled_state = self._states.popleft()[1]

    def _state_is_due(self) -> bool:
        return self._settled_state is not None and time.monotonic() >= self._next_emit

    def _emit_settled(self, *, final: bool = False) -> None:
        with self._changed:
            if not final and not self._state_is_due():
                return
            state, self._settled_state = self._settled_state, None
            self._next_emit = time.monotonic() + _STATE_EVERY
        if state is not None:
            self._emit(state)


def _refusal(text: str, status: int | None, errors: tuple[str, ...] = ()) -> Rejection:
    return Rejection(f"Braze refused it: {text}", "; ".join(errors) or text, status)
