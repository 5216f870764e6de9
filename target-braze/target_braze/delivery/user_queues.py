"""User queues: keep each user's changes in order, and fill the next request. No threads.

All changes of a user wait in one queue, which has at most one request in flight. A change that concerns two users (an
identification, a merge) joins their queues. A queue is in memory while it may be sent, and in `DelayedQueues` while it
must wait for a dependency delay.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from target_braze.braze.changes import Request
from target_braze.delivery.delayed_queues import DelayedQueues
from target_braze.delivery.user_queue import UserQueue

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
        self.delayed = DelayedQueues()
        # When each endpoint last answered for a queue that no longer exists; a new queue may be for the same user.
        self._forgotten: dict[Endpoint, float] = {}
        # Number of changes in memory.
        self._pending = 0

    def __len__(self) -> int:
        """Return the number of waiting changes."""
        return self._pending + self.delayed.changes

    @property
    def all_delayed(self) -> bool:
        """Whether changes wait and every one of them waits for a dependency delay."""
        return self.delayed.changes > 0 and not (
            self.holds_back or any(ready.changes for ready in self._ready.values())
        )

    def add(self, change: Change, now: float) -> None:
        """Add a change to its user's queue."""
        if self.delayed and self._add_delayed(change):
            return
        endpoint = change.endpoint
        queue = self._queue_of_all(change) if change.others else self._of.get(change.user) or self._new_queue(change)
        if not self._append(queue, change):
            return
        if not queue.leading:
            self._enter(queue, now)
        elif (
            queue.leading == len(queue.changes) - 1
            and queue.changes[0].endpoint is endpoint
            and not (endpoint.one_per_user or change.apart or self._is_held_back(change))
        ):
            queue.leading += 1
            self._ready[endpoint].changes += 1

    def wake(self, now: float) -> None:
        """Take the first delayed queue back into memory. Call this once `delayed.next_until` is over."""
        self._enter(self._into_memory(*self.delayed.take_next()), now)

    def stop_holding_back(self, now: float) -> None:
        """Make all changes that were held back ready."""
        self.holds_back = False
        for queue in dict.fromkeys(self._of.values()):  # several users may have one
            if queue.changes:
                self._enter(queue, now)

    def next_request(self, now: float, *, hurry: bool, ended: bool) -> tuple[Request, list[UserQueue]] | None:
        """Return a request that is full or has waited long enough, or any if in a hurry, and its queues.

        Changes that wait for the end of the input leave only if it has `ended`.
        """
        sendable = [
            (ready.since, number, endpoint)
            for number, (endpoint, ready) in enumerate(self._ready.items())
            if ready.changes
            and (ended or not endpoint.at_end_of_input)
            and (hurry or ready.changes >= self._max_changes(endpoint) or now >= ready.since + self._linger)
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
        """Return when the next request is due if no change, answer or delayed queue arrives first, or None."""
        return min(
            (
                ready.since + self._linger
                for endpoint, ready in self._ready.items()
                if ready.changes and not endpoint.at_end_of_input
            ),
            default=None,
        )

    def _add_delayed(self, change: Change) -> bool:
        """Add the change behind its users' delayed queues. Return False if one of them has a queue in memory."""
        unknown = [user for user in change.users if user not in self._of]
        found = [self.delayed.queue_of(user) for user in unknown]
        numbers = [*dict.fromkeys(number for number in found if number)]
        if not numbers:
            return False
        if len(unknown) == len(change.users):
            self.delayed.append(change, numbers, -math.inf if all(found) else self._forgotten_at(change.endpoint))
            return True
        for number in numbers:
            self._into_memory(*self.delayed.take(number))
        return False

    def _into_memory(self, queue: UserQueue, changes: Iterable[Change]) -> UserQueue:
        for user in queue.users:
            self._of[user] = queue
        for change in changes:
            self._append(queue, change)
        return queue

    def _append(self, queue: UserQueue, change: Change) -> bool:
        """Add a change to a queue in memory. Return False if it was merged into a waiting one."""
        if queue.changes and queue.coalesce(change):
            return False
        queue.changes.append(change)
        self._pending += 1
        if queue.held or change.endpoint.at_end_of_input:
            queue.held += 1
            self.held += 1
        return True

    def _queue_of_all(self, change: Change) -> UserQueue:
        """Return one queue for all users of the change, joining theirs."""
        users = change.users
        queues = {id(queue): queue for user in users if (queue := self._of.get(user))}
        found = self._join(list(queues.values())) if len(queues) > 1 else next(iter(queues.values()), None)
        queue = found or self._new_queue(change)
        if found and not all(user in self._of for user in users):
            queue.wait_for(self._forgotten_at(change.endpoint))
        for user in users:
            if self._of.get(user) is not queue:
                self._of[user] = queue
                queue.users.append(user)
        return queue

    def _new_queue(self, change: Change) -> UserQueue:
        queue = self._of[change.user] = UserQueue([change.user], [], {})
        if change.endpoint.seconds_after_others:
            queue.wait_for(self._forgotten_at(change.endpoint))
        return queue

    def _forgotten_at(self, endpoint: Endpoint) -> float:
        """Return when an endpoint that this one must wait for last answered about a user without a queue."""
        if not endpoint.seconds_after_others:
            return -math.inf
        return max((at for other, at in self._forgotten.items() if other is not endpoint), default=-math.inf)

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
        """Mark the queue as ready, or move it out of memory if it is delayed or has nothing left to do."""
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
        """Move the queue out of memory until its delay is over."""
        self.delayed.add(queue)
        self._pending -= len(queue.changes)
        self.held -= queue.held
        for user in queue.users:
            del self._of[user]

    def _forget(self, queue: UserQueue) -> None:
        for user in queue.users:
            del self._of[user]
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
