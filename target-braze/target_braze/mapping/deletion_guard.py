"""Deletes no user unless the mapping allows it, and none if too many would be deleted."""

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
    deleted: set[User] = field(default_factory=set)


class DeletionGuard:
    """Counts the users of a run and those to delete; `counts_users` says whether a mapping limits their share.

    Deletions are sent when all input was read, so what it refuses has deleted nobody.
    """

    def __init__(self, *, counts_users: bool = False) -> None:
        self._streams: dict[str, _Stream] = {}
        self.counts_users = counts_users
        self._users: set[int] = set()

    def allow(self, stream: str, entry: Mapping[str, Any], at: str) -> None:
        """Take in what the mapping of a stream allows.

        Raises:
            MappingError: it allows nothing, or without a limit.
        """
        most, share = entry.get("max_deletions"), entry.get("max_deleted_share")
        if entry.get("allow_deletions") is not True or (most is None and share is None):
            raise MappingError(
                f"stream '{stream}' deletes users, which cannot be undone: set allow_deletions to true, and "
                f"max_deletions or max_deleted_share to what a run may delete at most - at {at}"
            )
        known = self._streams.setdefault(stream, _Stream(None, None))
        known.most, known.share = most, None if share is None else float(share)

    def see(self, users: Iterable[User]) -> None:
        """Count the users of the run."""
        self._users.update(hash(user) for user in users if user[0] in DEFAULT)

    def delete(self, stream: str, user: User) -> None:
        """Count a user to delete.

        Raises:
            MappingError: there are more than the mapping allows.
        """
        found = self._streams[stream]
        found.deleted.add(user)
        if found.most is not None and len(found.deleted) > found.most:
            raise MappingError(
                f"stream '{stream}' would delete more than its max_deletions of {found.most:,} users; nobody "
                "was deleted"
            )

    def check(self) -> None:
        """Hold the users to delete against all users of the run, when all of them are known.

        Raises:
            MappingError: their share is larger than the mapping allows.
        """
        users = len(self._users)
        for name, stream in self._streams.items():
            if stream.share is not None and len(stream.deleted) > stream.share * users:
                raise MappingError(
                    f"stream '{name}' would delete {len(stream.deleted):,} of the {users:,} users of this run, more "
                    f"than its max_deleted_share of {stream.share:g}; nobody was deleted"
                )
