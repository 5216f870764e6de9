"""The estimate of a dry run: objects, requests, minimum duration under Braze's limits and new profiles, by stream.

The cost of a run depends on how many changes of a user are coalesced, and so on how fast Braze answers. Data points are
therefore a range: from all changes of a user in one object to each change by itself.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze import limits
from target_braze.braze.client import BrazeError, ForbiddenError
from target_braze.braze.data_points import FREE
from target_braze.braze.endpoints import TRACK, TRACK_BULK
from target_braze.ledger.verify import existing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze.braze.changes import Change, Endpoint, Request
    from target_braze.braze.client import Client
    from target_braze.records import User

# Number of users to look up: 40 requests, out of the 250 a minute that an account may have.
_LOOK_UPS: Final = 2_000
# Number of bits that mark which attributes of which users have been counted (16 MB). Two attributes that share a bit
# count once, which only lowers the lower bound.
_BITS: Final = 1 << 27


@dataclass
class _Stream:
    objects: Counter[str] = field(default_factory=Counter)
    # The stream's share of requests, which may also hold changes of other streams.
    requests: Counter[Endpoint] = field(default_factory=Counter)  # of fractions
    users: dict[User, None] = field(default_factory=dict)
    most_points: int = 0


class Estimate:
    """Counts what a dry run reads, and the requests that it does not send. Safe for use from any thread.

    With `ledger`, the lower bound is 0, because a run may find that Braze already has everything.
    """

    def __init__(self, *, ledger: bool) -> None:
        self._streams: defaultdict[str, _Stream] = defaultdict(_Stream)
        self._least_points = 0
        self._counted = None if ledger else bytearray(_BITS // 8)
        self._lock = threading.Lock()

    def read(self, stream: str, changes: Sequence[Change], unset: int) -> None:
        """Count the changes of one record, before any coalescing. It may remove up to `unset` attributes, too."""
        with self._lock:
            self._streams[stream].most_points += sum(change.data_points for change in changes) + unset
            if self._counted is not None:
                self._least_points += sum(self._least(change, self._counted) for change in changes)

    def most_points(self, stream: str) -> int:
        """Return the maximum data points that the records of a stream can cost in one run."""
        return self._streams[stream].most_points

    def add(self, request: Request) -> None:
        """Count a request."""
        share: Any = 1 / len(request)
        with self._lock:
            for change in request:
                stream = self._streams[change.records[0].stream]
                stream.objects[change.payload_key] += 1
                stream.requests[request.endpoint] += share
                if len(stream.users) < _LOOK_UPS and _creates(change):
                    stream.users[change.user] = None

    @staticmethod
    def _least(change: Change, counted: bytearray) -> int:
        """Return the data points that coalescing with earlier changes cannot save: one for each new attribute."""
        if change.coalescing_key is None:
            return change.data_points
        if not change.semantics.sets_attributes:
            return 0
        new = 0
        for name in change.fields.keys() - FREE - {change.user[0]}:
            place, bit = divmod(hash((change.user, name)) % _BITS, 8)
            new += not counted[place] & 1 << bit
            counted[place] |= 1 << bit
        return new

    def lines(self, reserve: float, client: Client | None) -> list[str]:
        """Return the lines of a table, and the range of data points of all streams together.

        With a client, look up which users are new, if the API key permits it.
        """
        rows = [("stream", "objects", "requests", "data points at most", "minutes at the limits", "new profiles")]
        for name, stream in self._streams.items():
            minutes = sum(
                share / limits.requests_per_minute(endpoint.pool) / (1 - reserve)
                for endpoint, share in stream.requests.items()
            )
            rows.append(
                (
                    name,
                    ", ".join(f"{count:,} {kind}" for kind, count in stream.objects.items()),
                    f"{math.ceil(sum(stream.requests.values()) - 1e-6):,}",
                    f"{stream.most_points:,}",
                    f"{minutes:,.1f}",
                    "not looked up" if client is None else _new(list(stream.users), client),
                )
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return [
            *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows),
            f"all streams together: {self._least_points:,} to "
            f"{sum(stream.most_points for stream in self._streams.values()):,} data points, depending on how many "
            "changes of a user are coalesced" + ("" if self._counted else " and on what the ledger holds"),
        ]


def _creates(change: Change) -> bool:
    """Return whether the change would create a profile if Braze does not know the user."""
    return (
        change.endpoint in {TRACK, TRACK_BULK}
        and change.fields.get("_update_existing_only") is not True
        # Events and purchases do not create a profile for an alias (event_object page). Email addresses and phone
        # numbers would take one request each to look up.
        and (change.user[0] == "external_id" or (change.user[0] == "user_alias" and change.semantics.sets_attributes))
    )


def _new(users: Sequence[User], client: Client) -> str:
    """Return how many of the users Braze does not have, as text."""
    try:
        new = len(users) - len(existing(client, users))
    except ForbiddenError:
        return "unknown: the key lacks users.export.ids"
    except BrazeError as error:
        return f"unknown: {error}"
    return f"{new:,} of {len(users):,} looked up"
