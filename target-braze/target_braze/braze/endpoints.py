"""Endpoints for several kinds of changes, and limits that other endpoints share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from target_braze.braze import counts, limits
from target_braze.braze.changes import Change, Endpoint
from target_braze.encode import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, eq=False)
class Identifiers(Endpoint):
    """Accepts an array of bare identifiers instead of objects. `constants` are fields of the body for all of them."""

    constants: Mapping[str, Any] = field(default_factory=dict)

    @override
    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        return encode({self.arrays[0]: [change.user[1] for change in changes], **self.constants})


@dataclass(frozen=True, eq=False)
class NoBody(Endpoint):
    """Takes one change, which the path names."""

    @override
    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        return b""


# https://www.braze.com/docs/api/endpoints/user_data/post_user_track/
TRACK: Final = Endpoint(
    "/users/track",
    "users.track",
    "/users/track",
    ("attributes", "events", "purchases"),
    older_max_changes=limits.TRACK_OBJECTS_OF_OLDER_CONTRACTS,
    count_mismatches=counts.track_mismatches,
)
# https://www.braze.com/docs/api/endpoints/user_data/post_user_track_bulk/, a limited beta.
TRACK_BULK: Final = Endpoint(
    "/users/track/bulk",
    "users.track.bulk",
    "/users/track/bulk",
    TRACK.arrays,
    max_changes_per_user=limits.BULK_OBJECTS_OF_USER,
    max_bytes=limits.BULK_REQUEST_BYTES,
    count_mismatches=counts.track_mismatches,
    hint="; this endpoint is in a limited beta, so set 'track_endpoint' to track unless your account takes part",
)
# Setting `track_endpoint` chooses one of them for all kinds.
TRACKING: Final = (TRACK, TRACK_BULK)

# These share one limit. Each request depends on earlier requests for its users, and later ones depend on it.
DEPENDENT: Final[Any] = {
    "max_changes": limits.ITEMS_PER_REQUEST,
    "settle_seconds": limits.DEPENDENCY_DELAY,
    "seconds_after_others": limits.DEPENDENCY_DELAY,
}
