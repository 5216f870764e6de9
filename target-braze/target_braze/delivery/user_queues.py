"""Lanes: which changes wait, for which user, and what may go into the next request; no threads and no requests here.

All changes of one user wait in one lane in their order, and a lane has one request under way. A change that concerns
two users (an identification, a merge) joins their lanes into one.
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
    from target_braze.delivery.batch_limits import Ceilings
    from target_braze.records import User

# Braze promises no order between requests. This many seconds lie between two that depend on it and cannot become one.
_APART: Final = 5.0


class Lane(msgspec.Struct, eq=False):
    """What waits for one user, or for several that a change has joined."""

    users: list[User]
    changes: list[Change]
    # What later changes of the same thing may be folded into, where several changes wait.
    open: dict[object, Change]
    # How many of the first changes go to the same endpoint; 0 while the lane is not ready.
    leading: int = 0
    under_way: int = 0
    # How many of the last changes wait for the end of the input, or behind one that does.
    held: int = 0
    rests_until: float = 0.0
    # The endpoint of the last answer, None where it is not known, and when that was.
    answered_by: Endpoint | None = None
    answered_at: float = float("-inf")
    joined: Lane | None = None

    def itself(self) -> Lane:
        """The lane that this one has become."""
        lane = self
        while lane.joined is not None:
            lane = lane.joined
        return lane

    def folds(self, change: Change) -> bool:
        """Make the change a part of one that waits; answer False where it cannot, and later ones may fold into it."""
        last = self.changes[-1]
        if last.endpoint is not change.endpoint:
            self.open = {}  # what comes after a change for another endpoint may not overtake it
        elif len(self.changes) == 1:
            self.open = {last.coalescing_key: last}
        key = change.coalescing_key
        if key is None:
            return False
        earlier = self.open.setdefault(key, change)
        if earlier is change:
            return False
        if change.merge_into(earlier):
            return True
        change.apart = True
        self.open[key] = change
        return False


@dataclass(eq=False, slots=True)
class _Queue:
    """The lanes that are ready with changes for one endpoint, how many changes these are, and since when they wait.

    A lane that has become another's part stays until it is its turn.
    """

    lanes: deque[Lane] = field(default_factory=deque)
    changes: int = 0
    since: float = 0.0


class Lanes:
    """All lanes. Times are seconds of a monotonic clock.

    `linger` is how long a request waits to become full, `ceilings` say when it is, `wait` is the most seconds that one
    lies between a change and another that depends on it.

    While it `holds_back`, a change that a later one may replace stays in its lane, and what comes after it in the lane.
    """

    def __init__(
        self, linger: float, ceilings: Ceilings, wait: float = float("inf"), *, holds_back: bool = False
    ) -> None:
        self.holds_back = holds_back
        self._linger = linger
        self._most = ceilings.of
        self._wait = wait
        # How many changes wait for the end of the input, or behind one that does.
        self.held = 0
        self._of: dict[User, Lane] = {}
        self._queues: defaultdict[Endpoint, _Queue] = defaultdict(_Queue)
        self._resting: list[tuple[float, int, Lane]] = []
        # When each endpoint last answered for a lane that is forgotten since; any new lane may be its successor.
        self._forgotten: dict[Endpoint, float] = {}
        self._tie = count()
        self._pending = 0

    def __len__(self) -> int:
        """How many changes wait."""
        return self._pending

    @property
    def only_rest(self) -> bool:
        """Whether something waits, but all of it for its time."""
        return self._pending > 0 and not (self.holds_back or any(queue.changes for queue in self._queues.values()))

    @property
    def some_rest(self) -> bool:
        """Whether a user, at least, waits for the time of a step that depends on another."""
        return bool(self._resting)

    def add(self, change: Change, now: float) -> None:
        """Take in a change."""
        endpoint = change.endpoint
        lane = self._lane_of_all(change) if change.others else self._of.get(change.user) or self._new_lane(change)
        changes = lane.changes
        if changes and lane.folds(change):
            return
        changes.append(change)
        self._pending += 1
        if lane.held or endpoint.last:
            lane.held += 1
            self.held += 1
        if not lane.leading:
            if lane.rests_until <= now:
                self._enter(lane, now)
        elif (
            lane.leading == len(changes) - 1
            and changes[0].endpoint is endpoint
            and not (endpoint.single or change.apart or self._is_held_back(change))
        ):
            lane.leading += 1
            self._queues[endpoint].changes += 1

    def let_go(self, now: float) -> None:
        """Hold nothing back any more."""
        self.holds_back = False
        for lane in [*self._of.values()]:
            if lane.changes:
                self._enter(lane, now)

    def next_request(self, now: float, *, hurry: bool) -> tuple[Request, list[Lane]] | None:
        """A request that is full, or has waited long enough, or any in a hurry; and the lanes that it is for."""
        while self._resting and self._resting[0][0] <= now:
            self._enter(heapq.heappop(self._resting)[2].itself(), now)
        sendable = [
            (queue.since, number, endpoint)
            for number, (endpoint, queue) in enumerate(self._queues.items())
            if queue.changes
            and (
                hurry
                or (not endpoint.last and (queue.changes >= self._most(endpoint) or now >= queue.since + self._linger))
            )
        ]
        return self._fill(min(sendable)[2], now) if sendable else None

    def release(self, lanes: Iterable[Lane], endpoint: Endpoint, now: float) -> None:
        """The lanes' request to the endpoint is answered, and the endpoint's rest begins."""
        rest = min(endpoint.rest, self._wait)
        for lane in map(Lane.itself, lanes):
            lane.under_way -= 1
            if rest:
                lane.rests_until = max(lane.rests_until, now + rest)
            lane.answered_by, lane.answered_at = endpoint, now
            self._enter(lane, now)

    def due(self) -> float | None:
        """When, without any further change or answer, there is something to send."""
        moments = [
            queue.since + self._linger
            for endpoint, queue in self._queues.items()
            if queue.changes and not endpoint.last
        ]
        if self._resting:
            moments.append(self._resting[0][0])
        return min(moments, default=None)

    def _lane_of_all(self, change: Change) -> Lane:
        """The lane, from now on, of all whom the change concerns."""
        users = change.users
        lanes = {id(lane): lane for user in users if (lane := self._of.get(user))}
        found = self._join(list(lanes.values())) if len(lanes) > 1 else next(iter(lanes.values()), None)
        lane = found or self._new_lane(change)
        for user in users:
            if self._of.get(user) is not lane:
                self._of[user] = lane
                lane.users.append(user)
        return lane

    def _new_lane(self, change: Change) -> Lane:
        lane = self._of[change.user] = Lane([change.user], [], {})
        if change.endpoint.after:
            others = (at for endpoint, at in self._forgotten.items() if endpoint is not change.endpoint)
            lane.answered_at = max(others, default=lane.answered_at)
        return lane

    def _join(self, lanes: list[Lane]) -> Lane:
        # Nothing stays open: what joins lanes goes to an endpoint where nothing is folded, and none may overtake it.
        waiting = heapq.merge(*(lane.changes for lane in lanes), key=lambda change: change.records[0].position)
        whole = Lane([user for lane in lanes for user in lane.users], [*waiting], {})
        for lane in lanes:
            if lane.leading:
                self._queues[lane.changes[0].endpoint].changes -= lane.leading
            lane.joined = whole
            whole.under_way += lane.under_way
            whole.rests_until = max(whole.rests_until, lane.rests_until)
            whole.answered_at = max(whole.answered_at, lane.answered_at)
            self.held -= lane.held
        whole.held = next((len(whole.changes) - n for n, one in enumerate(whole.changes) if one.endpoint.last), 0)
        self.held += whole.held
        for user in whole.users:
            self._of[user] = whole
        return whole

    def _enter(self, lane: Lane, now: float) -> None:
        """Put the lane where it belongs: to those that are ready, at rest, or done."""
        if lane.under_way or lane.leading or lane.joined is not None:
            return
        changes = lane.changes
        if not changes:
            if lane.rests_until <= now:
                self._forget(lane)
            else:
                self._rest(lane)
            return
        first = changes[0]
        if self._is_held_back(first):
            return
        endpoint = first.endpoint
        after = endpoint.after if endpoint is not lane.answered_by else 0.0
        if after or first.apart:
            apart = min(max(after, _APART if first.apart else 0.0), self._wait)
            lane.rests_until = max(lane.rests_until, lane.answered_at + apart)
        if lane.rests_until > now:
            self._rest(lane)
            return
        leading = len(changes)
        if leading > 1:
            ends = (
                n
                for n, one in enumerate(changes)
                if n and (one.apart or one.endpoint is not endpoint or self._is_held_back(one))
            )
            leading = 1 if endpoint.single else next(ends, leading)
        lane.leading = leading
        queue = self._queues[endpoint]
        if not queue.changes:
            queue.since = now
        queue.lanes.append(lane)
        queue.changes += leading

    def _is_held_back(self, change: Change) -> bool:
        return self.holds_back and change.coalescing_key is not None

    def _rest(self, lane: Lane) -> None:
        heapq.heappush(self._resting, (lane.rests_until, next(self._tie), lane))

    def _forget(self, lane: Lane) -> None:
        for user in lane.users:
            del self._of[user]
        lane.users.clear()  # it may have been at rest twice
        if lane.answered_by is not None:
            self._forgotten[lane.answered_by] = lane.answered_at

    def _fill(self, endpoint: Endpoint, now: float) -> tuple[Request, list[Lane]]:
        request = Request(endpoint)
        room = self._most(endpoint)
        of_user = endpoint.most_of_user or room
        queue = self._queues[endpoint]
        ready = queue.lanes
        taken: list[Lane] = []
        while ready and room:
            lane = ready.popleft()
            if lane.joined is not None:
                continue
            leading = lane.leading
            could = min(leading, of_user, room) if leading > 1 else 1
            number = 0
            while number < could and request.add(lane.changes[number]):
                number += 1
            if number:
                queue.changes -= leading
                self._send(lane, number)
                taken.append(lane)
                room -= number
            else:
                ready.appendleft(lane)
            if number < could:
                break  # the next one would make the request too large
        self._pending -= len(request)
        queue.since = now
        return request, taken

    def _send(self, lane: Lane, number: int) -> None:
        """So many of the lane's first changes go into a request."""
        lane.leading = 0
        lane.under_way += 1
        changes = lane.changes
        left = len(changes) - number
        if left > 1:
            for change in changes[:number]:
                if lane.open.get(change.coalescing_key) is change:
                    del lane.open[change.coalescing_key]
        del changes[:number]
        if lane.held > left:
            self.held -= lane.held - left
            lane.held = left
