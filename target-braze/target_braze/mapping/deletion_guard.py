"""Delete users and other objects only if the mapping allows it, and none at all if there would be too many."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_braze.mapping.identifiers import DEFAULT
from target_braze.records import MappingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_braze.records import User


@dataclass
class _Stream:
    most: int | None
    share: float | None
    setting: str = "max_deletions"
    what: str = "users"
    action: str = "delete"
    deleted: set[User] = field(default_factory=set)


class DeletionGuard:
    """Counts the users of a run, and what it would delete. `counts_users`: a mapping limits their share.

    Deletions are sent only after all input is read, so none has been deleted when it raises an error.
    """

    def __init__(self, *, counts_users: bool = False) -> None:
        self._streams: dict[str, _Stream] = {}
        self.counts_users = counts_users
        self._users: set[int] = set()

    def allow(self, stream: str, entry: Mapping[str, Any], at: str) -> None:
        """Register the deletions that the mapping of a stream allows.

        Raises:
            MappingError: The mapping allows no deletions, or sets no limit.
        """
        most, share = entry.get("max_deletions"), entry.get("max_deleted_share")
        if entry.get("allow_deletions") is not True or (most is None and share is None):
            raise MappingError(
                f"stream '{stream}' deletes users, which cannot be undone: set allow_deletions to true, and "
                f"max_deletions or max_deleted_share to the most that a run may delete - at {at}"
            )
        known = self._streams.setdefault(stream, _Stream(None, None))
        known.most, known.share = most, None if share is None else float(share)

    def limit(self, stream: str, most: int, setting: str, what: str, action: str = "delete") -> None:
        """Register that a stream may delete or change at most this many objects other than users, by a setting."""
        self._streams.setdefault(stream, _Stream(most, None, setting, what, action)).most = most

    def see(self, users: Iterable[User]) -> None:
        """Count users of the run."""
        self._users.update(hash(user) for user in users if user[0] in DEFAULT)

    def delete(self, stream: str, user: User) -> None:
        """Count a user, or another object, to delete.

        Raises:
            MappingError: There are more to delete than the mapping allows.
        """
        found = self._streams[stream]
        found.deleted.add(user)
        if found.most is not None and len(found.deleted) > found.most:
            raise MappingError(
                f"stream '{stream}' would {found.action} more than its {found.setting} of {found.most:,} {found.what}; "
                f"none was {found.action.removesuffix('e')}ed"
            )

    def check(self) -> None:
        """Check the share of users to delete, once all users of the run are known.

        Raises:
            MappingError: The share is larger than the mapping allows.
        """
        users = len(self._users)
        for name, stream in self._streams.items():
            if stream.share is not None and len(stream.deleted) > stream.share * users:
                raise MappingError(
                    f"stream '{name}' would delete {len(stream.deleted):,} of the {users:,} users of this run, more "
                    f"than its max_deleted_share of {stream.share:g}; none was deleted"
                )
