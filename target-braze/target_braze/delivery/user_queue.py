"""One user queue: the changes of a user that wait for their request, and the rules for merging them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from target_braze.braze.changes import Change, Endpoint
    from target_braze.records import User


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

    def wait_for(self, answered_at: float) -> None:
        """Take account of an answer of another endpoint."""
        if answered_at > self.answered_at:
            self.answered_by, self.answered_at = None, answered_at

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
