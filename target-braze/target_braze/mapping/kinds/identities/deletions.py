"""Map records to deletions of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import counts
from target_braze.braze.changes import Change, Endpoint, Semantics, always, free, latest
from target_braze.braze.endpoints import DEPENDENT, Identifiers
from target_braze.mapping.base.actions import Action, columns_by_kind, columns_of, prioritized
from target_braze.mapping.base.settings import DELETION
from target_braze.mapping.identifiers import DEFAULT, find_user, identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.mapping.deletion_guard import DeletionGuard
    from target_braze.records import User


# https://www.braze.com/docs/api/endpoints/user_data/post_user_delete/ takes one kind of identifier per request.
_SHARED: Final[Any] = {
    "path": "/users/delete",
    "permission": "users.delete",
    "pool": "identity",
    "at_end_of_input": True,
    # The documentation shows only the count; recorded responses also have a message.
    "count_mismatches": counts.deleted_mismatches,
    "success_key": "deleted",
    **DEPENDENT,
}
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "external_id": Identifiers(arrays=("external_ids",), **_SHARED),
    "braze_id": Identifiers(arrays=("braze_ids",), **_SHARED),
    "user_alias": Endpoint(arrays=("user_aliases",), **_SHARED),
    # The page's table has strings here, its text requires a prioritization, and its example has objects.
    "email": Endpoint(arrays=("email_addresses",), **_SHARED),
    "phone": Endpoint(arrays=("phone_numbers",), **_SHARED),
}

SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=True,
    coalesce=latest,
    data_points=free,
    consent=None,
)


class Deletions(Action, to="deletions"):
    """See https://www.braze.com/docs/api/endpoints/user_data/post_user_delete/."""

    settings: ClassVar[Mapping[str, Any]] = DELETION
    unsupported_keys = frozenset({"rename"})
    identifier_types = frozenset(DEFAULT)
    semantics = (SEMANTICS,)
    endpoints = tuple(ENDPOINTS.values())
    on_delete_actions = ("nothing",)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._deleter = Deleter(columns, defaults.guard)
        self._report_unused(columns_of(self._identifier_rules))

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        # The object that deletes an alias has its name and label at the top level.
        return {"alias_name": columns_by_kind(self._identifier_rules).get("user_alias", ())}

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        user, _ = find_user(self._identifier_rules, record)
        return [self._deleter.change(user)]


class Deleter:
    """Makes deletions of users if the mapping of a stream allows them.

    Raises:
        MappingError: The mapping does not allow deletions.
    """

    def __init__(self, columns: Columns, guard: DeletionGuard) -> None:
        guard.allow(columns.stream, columns.entry, columns.at)
        # If several users share an address, delete none rather than an arbitrary one.
        self._prioritization = columns.entry.get("prioritization", ["identified"])
        if "least_recently_updated" in self._prioritization:
            raise columns.error(
                f"Braze does not delete the least recently updated of several users - at {columns.at}.prioritization"
            )
        self._stream = columns.stream
        self._guard = guard

    def change(self, user: User) -> Change:
        """Return the change that deletes a user.

        Raises:
            MappingError: The deletion exceeds the limit in the mapping.
        """
        self._guard.delete(self._stream, user)
        fields = identifier(user)["user_alias"] if user[0] == "user_alias" else prioritized(user, self._prioritization)
        endpoint = ENDPOINTS[user[0]]
        return Change(endpoint.arrays[0], user, fields, SEMANTICS, endpoint, key="deletion")
