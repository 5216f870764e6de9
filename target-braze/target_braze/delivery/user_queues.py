"""User queues: keep each user's changes in order, and fill the next request. No threads and no I/O.

All changes of a user wait in one queue, which has at most one request in flight. A change that concerns two users (an
identification, a merge) joins their queues.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

import msgspec

from target_braze.braze.changes import Request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_braze.braze.changes import Change, Endpoint
    from target_braze.delivery.batch_limits import BatchLimits
    from target_braze.records import User

# Braze guarantees no order between requests. Seconds between two requests whose changes must keep their order and
# cannot be merged.
_APART: Final = 5.0
# Number of endpoints whose last answer is remembered: only the latest ones can delay a change.
_FORGOTTEN: Final = 100


class UserQueue(msgspec.Struct, eq=False):
    """The waiting changes of one user, or of several users that a change has joined.

    Attributes:
        users: The users.
        changes: Their changes, oldest first.
        open: The changes that later ones can be merged into, by coalescing key, when several wait.
        leading: Number of changes at the front that go to the same endpoint; 0 until the queue is ready.
        in_flight: Number of requests in flight.
        held: Number of changes at the back that wait for the end of the input.
        delayed_until: Time when the next change may be sent.
        answered_by: Endpoint of the last answer, if known.
        answered_at: Time of that answer.
        joined: The queue that this one became part of.
    """

    users: list[User]
    changes: list[Change]
    open: dict[object, Change]
    leading: int = 0
    in_flight: int = 0
    held: int = 0
    delayed_until: float = 0.0
    answered_by: Endpoint | None = None
    answered_at: float = float("-inf")
    joined: UserQueue | None = None

    def itself(self) -> UserQueue:
        """Return the queue that this one is now part of, or itself."""
        queue = self
        while queue.joined is not None:
            queue = queue.joined
        return queue

    def coalesce(self, change: Change) -> bool:
        """Merge the change into a waiting one. Return False if that is impossible; later ones can merge into it."""
        last = self.changes[-1]
        if last.endpoint is not change.endpoint:
            self.open = {}  # a change must not overtake a change for another endpoint
        elif len(self.changes) == 1:
            self.open = {last.coalescing_key: last}
        coalescing_key = change.coalescing_key
        if coalescing_key is None:
            return False
        earlier = self.open.setdefault(coalescing_key, change)
        if earlier is change:
            return False
        if change.merge_into(earlier):
            return True
        change.apart = True
        self.open[coalescing_key] = change
        return False


@dataclass(eq=False, slots=True)
class _Ready:
    """The queues with changes ready for one endpoint, the number of these changes, and when they became ready.

    A queue that was joined to another stays in the list until its turn.
    """

    queues: deque[UserQueue] = field(default_factory=deque)
    changes: int = 0
    since: float = 0.0


class UserQueues:
    """All user queues. Times are seconds of a monotonic clock.

    Args:
        linger: Seconds that a request waits to become full.
        batch_limits: How many changes fill a request.
        max_delay: Caps the delay between dependent changes, in seconds.
        holds_back: Keep each change that a later one may replace in its queue, and everything behind it.
    """

    def __init__(
        self, linger: float, batch_limits: BatchLimits, max_delay: float = float("inf"), *, holds_back: bool = False
    ) -> None:
        self.holds_back = holds_back
        self._linger = linger
        self._max_changes = batch_limits.of
        self._max_delay = max_delay
        # Number of changes that wait for the end of the input, directly or behind another one.
        self.held = 0
        self._of: dict[User, UserQueue] = {}
        self._ready: defaultdict[Endpoint, _Ready] = defaultdict(_Ready)
        self._delayed: list[tuple[float, int, UserQueue]] = []
        # When each endpoint last answered for a queue that no longer exists; a new queue may be for the same user.
        self._forgotten: dict[Endpoint, float] = {}
        self._tie = count()
        self._pending = 0

    def __len__(self) -> int:
        """Return the number of waiting changes."""
        return self._pending

    @property
    def all_delayed(self) -> bool:
        """Whether changes wait and every one of them waits for a dependency delay."""
        return self._pending > 0 and not (self.holds_back or any(ready.changes for ready in self._ready.values()))

    @property
    def any_delayed(self) -> bool:
        """Whether a change waits for a dependency delay."""
        return bool(self._delayed)

    def add(self, change: Change, now: float) -> None:
        """Add a change to its user's queue."""
        endpoint = change.endpoint
        queue = self._queue_of_all(change) if change.others else self._of.get(change.user) or self._new_queue(change)
        changes = queue.changes
        if changes and queue.coalesce(change):
            return
        changes.append(change)
        self._pending += 1
        if queue.held or endpoint.at_end_of_input:
            queue.held += 1
            self.held += 1
        if not queue.leading:
            if queue.delayed_until <= now:
                self._enter(queue, now)
        elif (
            queue.leading == len(changes) - 1
            and changes[0].endpoint is endpoint
            and not (endpoint.one_per_user or change.apart or self._is_held_back(change))
        ):
            queue.leading += 1
            self._ready[endpoint].changes += 1

    def stop_holding_back(self, now: float) -> None:
        """Make all changes that were held back ready."""
        self.holds_back = False
        for queue in [*self._of.values()]:
            if queue.changes:
                self._enter(queue, now)

    def next_request(self, now: float, *, hurry: bool, ended: bool) -> tuple[Request, list[UserQueue]] | None:
        """Return a request that is full or has waited long enough, or any if in a hurry, and its queues.

        Changes that wait for the end of the input leave in a hurry only if it has `ended`.
        """
        while self._delayed and self._delayed[0][0] <= now:
            self._enter(heapq.heappop(self._delayed)[2].itself(), now)
        sendable = [
            (ready.since, number, endpoint)
            for number, (endpoint, ready) in enumerate(self._ready.items())
            if ready.changes
            and (
                (hurry and (ended or not endpoint.at_end_of_input))
                or (
                    not endpoint.at_end_of_input
                    and (ready.changes >= self._max_changes(endpoint) or now >= ready.since + self._linger)
                )
            )
        ]
        return self._fill(min(sendable)[2], now) if sendable else None

    def release(self, queues: Iterable[UserQueue], endpoint: Endpoint, now: float) -> None:
        """Free the queues after an answer from the endpoint, and start its delay."""
        delay = min(endpoint.settle_seconds, self._max_delay)
        for queue in map(UserQueue.itself, queues):
            queue.in_flight -= 1
            if delay:
                queue.delayed_until = max(queue.delayed_until, now + delay)
            queue.answered_by, queue.answered_at = endpoint, now
            self._enter(queue, now)

    def due(self) -> float | None:
        """Return when the next request is due if no change or answer arrives first, or None."""
        moments = [
            ready.since + self._linger
            for endpoint, ready in self._ready.items()
            if ready.changes and not endpoint.at_end_of_input
        ]
        if self._delayed:
            moments.append(self._delayed[0][0])
        return min(moments, default=None)

    def _queue_of_all(self, change: Change) -> UserQueue:
        """Return one queue for all users of the change, joining theirs."""
        users = change.users
        queues = {id(queue): queue for user in users if (queue := self._of.get(user))}
        found = self._join(list(queues.values())) if len(queues) > 1 else next(iter(queues.values()), None)
        queue = found or self._new_queue(change)
        for user in users:
            if self._of.get(user) is not queue:
                self._of[user] = queue
                queue.users.append(user)
        return queue

    def _new_queue(self, change: Change) -> UserQueue:
        queue = self._of[change.user] = UserQueue([change.user], [], {})
        if change.endpoint.seconds_after_others:
            others = (at for endpoint, at in self._forgotten.items() if endpoint is not change.endpoint)
            queue.answered_at = max(others, default=queue.answered_at)
        return queue

    def _join(self, queues: list[UserQueue]) -> UserQueue:
        # Nothing stays open: a change that joins queues is never coalesced, and no change may overtake it.
        waiting = heapq.merge(*(queue.changes for queue in queues), key=lambda change: change.records[0].position)
        whole = UserQueue([user for queue in queues for user in queue.users], [*waiting], {})
        for queue in queues:
            if queue.leading:
                self._ready[queue.changes[0].endpoint].changes -= queue.leading
            queue.joined = whole
            whole.in_flight += queue.in_flight
            whole.delayed_until = max(whole.delayed_until, queue.delayed_until)
            whole.answered_at = max(whole.answered_at, queue.answered_at)
            self.held -= queue.held
        whole.held = next(
            (len(whole.changes) - n for n, one in enumerate(whole.changes) if one.endpoint.at_end_of_input), 0
        )
        self.held += whole.held
        for user in whole.users:
            self._of[user] = whole
        return whole

    def _enter(self, queue: UserQueue, now: float) -> None:
        """Mark the queue as ready or delayed, or drop it if it has nothing left to do."""
        if queue.in_flight or queue.leading or queue.joined is not None:
            return
        changes = queue.changes
        if not changes:
            if queue.delayed_until <= now:
                self._forget(queue)
            else:
                self._delay(queue)
            return
        first = changes[0]
        if self._is_held_back(first):
            return
        endpoint = first.endpoint
        delay = endpoint.seconds_after_others if endpoint is not queue.answered_by else 0.0
        if delay or first.apart:
            delay = min(max(delay, _APART if first.apart else 0.0), self._max_delay)
            queue.delayed_until = max(queue.delayed_until, queue.answered_at + delay)
        if queue.delayed_until > now:
            self._delay(queue)
            return
        leading = len(changes)
        if leading > 1:
            ends = (
                n
                for n, one in enumerate(changes)
                if n and (one.apart or one.endpoint is not endpoint or self._is_held_back(one))
            )
            leading = 1 if endpoint.one_per_user else next(ends, leading)
        queue.leading = leading
        ready = self._ready[endpoint]
        if not ready.changes:
            ready.since = now
        ready.queues.append(queue)
        ready.changes += leading

    def _is_held_back(self, change: Change) -> bool:
        return self.holds_back and change.coalescing_key is not None

    def _delay(self, queue: UserQueue) -> None:
        heapq.heappush(self._delayed, (queue.delayed_until, next(self._tie), queue))

    def _forget(self, queue: UserQueue) -> None:
        for user in queue.users:
            del self._of[user]
        queue.users.clear()  # it may be in _delayed twice
        if queue.answered_by is not None:
            self._forgotten.pop(queue.answered_by, None)
            self._forgotten[queue.answered_by] = queue.answered_at
            if len(self._forgotten) > _FORGOTTEN:
                del self._forgotten[next(iter(self._forgotten))]

    def _fill(self, endpoint: Endpoint, now: float) -> tuple[Request, list[UserQueue]]:
        request = Request(endpoint)
        room = self._max_changes(endpoint)
        of_user = endpoint.max_changes_per_user or room
        ready = self._ready[endpoint]
        taken: list[UserQueue] = []
        while ready.queues and room:
            queue = ready.queues.popleft()
            if queue.joined is not None:
                continue
            leading = queue.leading
            could = min(leading, of_user, room) if leading > 1 else 1
            number = 0
            while number < could and request.add(queue.changes[number]):
                number += 1
            if number:
                ready.changes -= leading
                self._send(queue, number)
                taken.append(queue)
                room -= number
            else:
                ready.queues.appendleft(queue)
            if number < could:
                break  # the next change would make the request too large
        self._pending -= len(request)
        ready.since = now
        if not ready.changes:
            # Scheduled messages have an endpoint for each time.
            del self._ready[endpoint]
        return request, taken

    def _send(self, queue: UserQueue, number: int) -> None:
        """Remove the first changes of the queue, which a request has taken."""
        queue.leading = 0
        queue.in_flight += 1
        changes = queue.changes
        left = len(changes) - number
        if left > 1:
            for change in changes[:number]:
                if queue.open.get(change.coalescing_key) is change:
                    del queue.open[change.coalescing_key]
        del changes[:number]
        if queue.held > left:
            self.held -= queue.held - left
            queue.held = left
