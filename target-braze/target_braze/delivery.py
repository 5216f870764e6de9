"""Delivery: brings changes to Braze, several requests at a time, and lets a STATE out when all before it is settled.

Changes of one user keep their order: a user is in one request at a time, and what comes meanwhile waits, attributes
folded into one object, because Braze promises no order between requests
(https://www.braze.com/docs/api/endpoints/user_data/post_user_track/). Knows nothing of Singer but that a state is JSON.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze_api import Answer, BrazeError, ForbiddenError, RefusedError
from target_braze.track import PERMISSION, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.records import Change, User

_log = logging.getLogger("target-braze")

State = dict[str, Any]

# A request that is not full leaves when its oldest change has waited this long (seconds).
_LINGER: Final = 1.0
# The answers to a request that one object in it can be the reason for.
_GUILTY_OBJECT: Final = frozenset({400, 413})
# Meltano stores every STATE that it is given; more often than this (seconds) helps nobody.
_STATE_EVERY: Final = 1.0


class RejectedError(Exception):
    """Braze, or the mapping, does not take a record, and the run is to stop for that."""


@dataclass
class _Lane:
    """What waits for one user."""

    attributes: Change | None = None
    others: deque[Change] = field(default_factory=deque)

    def __len__(self) -> int:
        return (self.attributes is not None) + len(self.others)

    def first(self) -> Change:
        return self.others[0] if self.attributes is None else self.attributes

    def drop_first(self) -> None:
        if self.attributes is None:
            self.others.popleft()
        else:
            self.attributes = None


class Delivery:
    """Takes changes and states in the order of the stream; settles each change as accepted or rejected.

    `send` posts one body to `/users/track`; `accept` is told of each change that Braze took, `reject` of each that it
    refused, and why, and may raise RejectedError to end the run; `emit` writes a STATE. All are called from threads of
    this class.
    """

    def __init__(
        self,
        send: Callable[[bytes], Answer],
        *,
        accept: Callable[[Change], None],
        reject: Callable[[Change, str], None],
        emit: Callable[[State], None],
        max_objects: int,
        concurrency: int,
    ) -> None:
        self.requests = 0
        self._send = send
        self._accept = accept
        self._reject = reject
        self._emit = emit
        self._max_objects = max_objects
        self._concurrency = concurrency
        # Enough to fill every request in flight and its successor, and to find 75 users that are not under way.
        self._room = 3 * concurrency * max_objects

        self._changed = threading.Condition()
        self._lanes: dict[User, _Lane] = {}
        self._ready: OrderedDict[User, None] = OrderedDict()
        self._ready_objects = 0
        self._ready_since = 0.0
        self._busy: set[User] = set()
        self._in_flight = 0
        self._closing = False
        self._failure: BaseException | None = None

        # Positions of the records that are not settled, oldest first, and the states that wait for them.
        self._open: OrderedDict[int, None] = OrderedDict()
        self._last_position = 0
        self._states: deque[tuple[int, State]] = deque()
        self._settled_state: State | None = None
        self._next_emit = 0.0

        self._workers = ThreadPoolExecutor(concurrency, thread_name_prefix="users-track")
        self._dispatcher = threading.Thread(target=self._dispatch, name="dispatcher", daemon=True)
        self._dispatcher.start()

    def add(self, change: Change) -> None:
        """Take in a change; waits while too many are under way.

        Raises:
            BrazeError: an earlier request failed for good.
            RejectedError: an earlier change was rejected, and that ends the run.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._open) < self._room or self._failure)
            self._check()
            for record in change.records:
                self._open[record.position] = None
                self._last_position = record.position
            lane = self._lanes.setdefault(change.user, _Lane())
            before = len(lane)
            if change.kind != "attributes":
                lane.others.append(change)
            elif lane.attributes is None:
                lane.attributes = change
            else:
                lane.attributes.fold(change)
            if change.user not in self._busy:
                self._make_ready(change.user, len(lane) - before)

    def checkpoint(self, state: State) -> None:
        """Take in a STATE: it is emitted when all changes before it are settled."""
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

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _close(self, *, discard: bool) -> None:
        with self._changed:
            self._closing = True
            if discard:
                self._lanes.clear()
                self._ready.clear()
                self._ready_objects = 0
            self._changed.notify_all()
        self._dispatcher.join()
        self._workers.shutdown()
        self._emit_settled(final=True)

    # The dispatcher's thread.

    def _dispatch(self) -> None:
        try:
            while True:
                with self._changed:
                    request = self._next_request()
                    if request is None and self._is_done():
                        return
                    if request is None and not self._state_is_due():
                        self._changed.wait(self._patience())
                        continue
                if request is None:
                    self._emit_settled()
                else:
                    self._workers.submit(self._deliver, request)
        except BaseException as failure:  # noqa: BLE001 - it is raised again where the caller waits
            self._fail(failure)

    def _is_done(self) -> bool:
        return not self._in_flight and (self._failure is not None or (self._closing and not self._lanes))

    def _patience(self) -> float | None:
        """Seconds until something is due without a notification."""
        now = time.monotonic()
        due = []
        if self._ready and self._in_flight < self._concurrency and self._failure is None:
            due.append(self._ready_since + _LINGER - now)
        if self._settled_state is not None:
            due.append(self._next_emit - now)
        return max(0.0, min(due)) if due else None

    def _next_request(self) -> Request | None:
        if self._failure is not None or not self._ready or self._in_flight >= self._concurrency:
            return None
        overdue = time.monotonic() >= self._ready_since + _LINGER
        if self._ready_objects < self._max_objects and not self._closing and not overdue:
            return None
        request = Request()
        while self._ready and len(request) < self._max_objects:
            user = next(iter(self._ready))
            lane = self._lanes[user]
            waiting = len(lane)
            while lane and len(request) < self._max_objects and request.add(lane.first()):
                lane.drop_first()
            if len(lane) < waiting:
                del self._ready[user]
                self._ready_objects -= waiting
                self._busy.add(user)
            if lane:
                break  # the request is full, by objects or by bytes
        self._in_flight += 1
        self._ready_since = time.monotonic()
        return request

    # A worker's thread.

    def _deliver(self, request: Request) -> None:
        try:
            self._post(request)
        except BaseException as failure:  # noqa: BLE001 - it is raised again where the caller waits
            self._fail(failure)
        with self._changed:
            self._in_flight -= 1
            for user in {change.user for change in request}:
                self._busy.discard(user)
                lane = self._lanes.get(user)
                if lane:
                    self._make_ready(user, len(lane))
                else:
                    self._lanes.pop(user, None)
            self._changed.notify_all()

    def _post(self, request: Request) -> None:
        with self._changed:
            self.requests += 1
        try:
            answer = self._send(request.body())
        except ForbiddenError as error:
            raise BrazeError(
                f"{error}. The API key lacks the permission '{PERMISSION}', or does not allow this machine's address",
                status=error.status,
            ) from None
        except RefusedError as error:
            if error.status not in _GUILTY_OBJECT:
                raise
            if len(request) == 1:
                self._settle(request, [(change, str(error)) for change in request])
                return
            # Nothing of the request was applied: find the object that is to blame.
            _log.warning("%s; sending its %d objects in two requests", error, len(request))
            for half in request.halves():
                self._post(half)
            return
        self._settle(request, request.rejected(answer))

    def _settle(self, request: Request, rejected: list[tuple[Change, str]]) -> None:
        guilty = {id(change) for change, _ in rejected}
        accepted = [change for change in request if id(change) not in guilty]
        for change in accepted:
            self._accept(change)
        self._close_records(accepted)
        for change, reason in rejected:
            self._reject(change, reason)
            self._close_records([change])

    def _close_records(self, changes: list[Change]) -> None:
        with self._changed:
            for change in changes:
                for record in change.records:
                    self._open.pop(record.position, None)
            self._advance_state()
            self._changed.notify_all()

    def _fail(self, failure: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    # Under the lock.

    def _make_ready(self, user: User, more: int) -> None:
        if not self._ready:
            self._ready_since = time.monotonic()
        self._ready.setdefault(user)
        self._ready_objects += more
        if self._ready_objects >= self._max_objects or len(self._ready) == 1:
            self._changed.notify_all()

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
