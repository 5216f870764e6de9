"""The estimate of a dry run: by stream, what would be sent, how long Braze's limits make it, whom it would create.

How many changes of a user are coalesced into one, and so what a run costs, depends on how fast Braze answers. So data
points are a range: from all changes of a user in one object to each change by itself.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze.braze import answers, limits
from target_braze.braze.client import BrazeError, ForbiddenError
from target_braze.braze.data_points import FREE
from target_braze.braze.endpoints import TRACK, TRACK_BULK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze.braze.changes import Change, Endpoint, Request
    from target_braze.braze.client import Client
    from target_braze.records import User

_USERS_PER_REQUEST: Final = 50
# Users that are looked up: 40 requests, of the 250 a minute that an account may have.
_LOOK_UPS: Final = 2_000
# Bits that tell which attributes of which users have been counted (16 MB). Two that share a bit count once, which only
# makes the lower end lower.
_BITS: Final = 1 << 27


@dataclass
class _Stream:
    objects: Counter[str] = field(default_factory=Counter)
    # Its share of requests, which other streams may be in as well.
    requests: Counter[Endpoint] = field(default_factory=Counter)  # of fractions
    users: dict[User, None] = field(default_factory=dict)
    most_points: int = 0


class Estimate:
    """Counts what a dry run reads, and the requests that it does not send; from any thread.

    With `ledger`, a run may find that Braze has everything already, and spend nothing.
    """

    def __init__(self, *, ledger: bool) -> None:
        self._streams: defaultdict[str, _Stream] = defaultdict(_Stream)
        self._least_points = 0
        self._counted = None if ledger else bytearray(_BITS // 8)
        self._lock = threading.Lock()

    def read(self, stream: str, changes: Sequence[Change], unset: int) -> None:
        """Count the changes of one record, before any coalescing; `unset` attributes may go with it."""
        with self._lock:
            self._streams[stream].most_points += sum(change.data_points for change in changes) + unset
            if self._counted is not None:
                self._least_points += sum(self._least(change, self._counted) for change in changes)

    def most_points(self, stream: str) -> int:
        """Return the most data points that the records of a stream can cost in one run."""
        return self._streams[stream].most_points

    @property
    def data_points(self) -> str:
        """The range of all streams together, in words."""
        return (
            f"all streams together: {self._least_points:,} to "
            f"{sum(stream.most_points for stream in self._streams.values()):,} data points, depending on how many "
            "changes of a user are coalesced" + ("" if self._counted else " and on what the ledger holds")
        )

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
        """Data points of the change that no coalescing with earlier ones saves: one for each attribute that is new."""
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

    def table(self, reserve: float, client: Client | None) -> list[str]:
        """The lines of a table; with a client it is looked up who is new, as far as the key allows that."""
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
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _creates(change: Change) -> bool:
    """Whether Braze would make a profile of a user that it does not know."""
    return (
        change.endpoint in {TRACK, TRACK_BULK}
        and change.fields.get("_update_existing_only") is not True
        # Events and purchases make no profile of an alias (event_object page); addresses are one request each to ask.
        and (change.user[0] == "external_id" or (change.user[0] == "user_alias" and change.semantics.sets_attributes))
    )


def _new(users: Sequence[User], client: Client) -> str:
    """How many of the users Braze does not have.

    https://www.braze.com/docs/api/endpoints/export/user_data/post_users_identifier/
    """
    new = 0
    try:
        for kind in ("external_id", "user_alias"):
            those = [user for user in users if user[0] == kind]
            for start in range(0, len(those), _USERS_PER_REQUEST):
                some = those[start : start + _USERS_PER_REQUEST]
                new += len(some) - len(_found(some, client) & {*some})
    except ForbiddenError:
        return "unknown: the key lacks users.export.ids"
    except BrazeError as error:
        return f"unknown: {error}"
    return f"{new:,} of {len(users):,} looked up"


def _found(users: Sequence[User], client: Client) -> set[User]:
    body: dict[str, Any] = {"fields_to_export": ["external_id", "user_aliases"]}
    if users[0][0] == "external_id":
        body["external_ids"] = [user[1] for user in users]
    else:
        body["user_aliases"] = [{"alias_label": user[1], "alias_name": user[2]} for user in users]
    read = partial(answers.success, "POST /users/export/ids", success_key="users")
    answer = client.request(
        "POST", "/users/export/ids", pool=limits.EXPORT_IDS_POOL, body=msgspec.json.encode(body), check=read
    )
    found: set[User] = set()
    for profile in read(answer).get("users", []):
        found.add(("external_id", str(profile.get("external_id"))))
        for alias in profile.get("user_aliases") or []:
            found.add(("user_alias", alias["alias_label"], alias["alias_name"]))
    return found
