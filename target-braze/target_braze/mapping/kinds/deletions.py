"""Records that name users to delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from target_braze.braze.user_endpoints import DELETE
from target_braze.mapping.identifiers import DEFAULT, find_user, identifier
from target_braze.mapping.kinds.actions import Step, columns_by_kind, columns_of, prioritized
from target_braze.records import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.columns import Columns
    from target_braze.mapping.deletion_guard import DeletionGuard
    from target_braze.mapping.kinds.base import Defaults
    from target_braze.records import User

KEYS: Final = frozenset({"allow_deletions", "max_deletions", "max_deleted_share", "prioritization"})


class Deletions(Step):
    """https://www.braze.com/docs/api/endpoints/user_data/post_user_delete/."""

    to = "deletions"
    kind = "external_ids"
    keys = KEYS
    lacks = frozenset({"rename"})
    users = frozenset(DEFAULT)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._deleter = Deleter(columns, defaults.guard)
        self._note_unused(columns_of(self._candidates))

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        # An alias is deleted by an object that has its name and label beside each other.
        return {"alias_name": columns_by_kind(self._candidates).get("user_alias", ())}

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        user, _ = find_user(self._candidates, record)
        return [self._deleter.change(user)]


class Deleter:
    """Makes deletions of users, as far as the mapping of a stream allows them.

    Raises:
        MappingError: it does not.
    """

    def __init__(self, columns: Columns, guard: DeletionGuard) -> None:
        guard.allow(columns.stream, columns.entry, columns.at)
        # Of several users with one address none is deleted, rather than one by chance.
        self._prioritization = columns.entry.get("prioritization", ["identified"])
        if "least_recently_updated" in self._prioritization:
            raise columns.error(
                f"Braze does not delete the least recently updated of several users - at {columns.at}.prioritization"
            )
        self._stream = columns.stream
        self._guard = guard

    def change(self, user: User) -> Change:
        """The deletion of a user.

        Raises:
            MappingError: it is one more than the mapping allows.
        """
        self._guard.delete(self._stream, user)
        fields = identifier(user)["user_alias"] if user[0] == "user_alias" else prioritized(user, self._prioritization)
        endpoint = DELETE[user[0]]
        return Change(endpoint.arrays[0], user, fields, endpoint=endpoint, key="deletion")
