"""Map records to relationships between users and Data Objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.objects.data_objects import USER_RELATIONSHIPS, RelationshipType, bulk_endpoint
from target_braze.mapping.base.data_objects import SEMANTICS, AboutDataObjects
from target_braze.mapping.base.settings import DATA_OBJECT, FIELDS
from target_braze.mapping.identifiers import DEFAULT, find_user

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.records import User

# https://braze.com/docs/api/endpoints/data_objects/user_relationships/put_bulk_upsert_user_relationships/
_PATH: Final = "/data_objects/user_relationships"
_PERMISSION: Final = "data_objects.user_relationships"
# Braze drops a relationship whose object or user it has not stored yet.
UPSERT: Final = bulk_endpoint(_PATH, _PERMISSION, seconds_after_others=limits.DEPENDENCY_DELAY)
DELETE: Final = bulk_endpoint(_PATH, _PERMISSION, deletes=True)


class DataObjectUserRelationships(AboutDataObjects, to="data_object_user_relationships"):
    """A relationship per record, from an object to a user."""

    settings: ClassVar[Mapping[str, Any]] = {"data_object": DATA_OBJECT, "fields": FIELDS}
    unsupported_keys = frozenset()
    identifier_types = frozenset(DEFAULT)
    semantics = (SEMANTICS,)
    endpoints = (USER_RELATIONSHIPS, UPSERT, DELETE)
    on_delete_actions = ("nothing", "remove")
    upsert, delete = UPSERT, DELETE
    sends_all = False
    more_keys = frozenset({"relationship"})

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._kind = self._given["relationship"]
        self.requires = RelationshipType(self._type, columns.stream, columns.at, self._kind)

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return {**super().sources, "user": tuple(sorted(self._identifier_columns()))}

    @override
    def _part(self, record: Mapping[str, Any]) -> str:
        return self._ids_of(record)["object_id"]

    @override
    def _part_columns(self, part: str) -> dict[str, Any]:
        return {self._ids[0].column: part}

    @override
    def _named(self, record: Mapping[str, Any]) -> tuple[User, dict[str, Any]]:
        user, _ = find_user(self._identifier_rules, record)
        named = {"type_name": self._type, "rel_kind": self._kind, **self._ids_of(record)}
        return user, {**named, "user": _shown(user)}


def _shown(user: User) -> dict[str, Any]:
    if user[0] == "user_alias":
        return {"alias": {"alias_label": user[1], "alias_name": user[2]}}
    return {user[0]: user[1]}
