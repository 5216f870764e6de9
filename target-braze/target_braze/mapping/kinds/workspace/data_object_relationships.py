"""Map records to relationships between Data Objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.objects.data_objects import RELATIONSHIPS, RelationshipType, bulk_endpoint
from target_braze.mapping.base.data_objects import SEMANTICS, BetweenObjects, data_object
from target_braze.mapping.base.settings import DATA_OBJECT, FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.records import User

# https://braze.com/docs/api/endpoints/data_objects/object_relationships/put_bulk_upsert_object_relationships/
_PATH: Final = "/data_objects/object_relationships"
_PERMISSION: Final = "data_objects.object_relationships"
# Braze drops a relationship whose objects it has not stored yet.
UPSERT: Final = bulk_endpoint(_PATH, _PERMISSION, seconds_after_others=limits.DEPENDENCY_DELAY)
DELETE: Final = bulk_endpoint(_PATH, _PERMISSION, deletes=True)


class DataObjectRelationships(BetweenObjects, to="data_object_relationships"):
    """A relationship per record, from one object to another."""

    settings: ClassVar[Mapping[str, Any]] = {"data_object": DATA_OBJECT, "fields": FIELDS}
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (SEMANTICS,)
    endpoints = (RELATIONSHIPS, UPSERT, DELETE)
    on_delete_actions = ("nothing", "remove")
    upsert, delete = UPSERT, DELETE
    sends_all = False
    more_keys = frozenset({"relationship", "related_type"})

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._kind, self._related = self._given["relationship"], self._given["related_type"]
        self.requires = RelationshipType(self._type, columns.stream, columns.at, self._kind, self._related)

    @property
    @override
    def _columns_of_ids(self) -> Mapping[str, str]:
        return {"id": "object_id", "related_id": "related_object_id"}

    @override
    def _named(self, record: Mapping[str, Any]) -> tuple[User, dict[str, Any]]:
        named = {
            "type_name": self._type,
            "rel_kind": self._kind,
            "related_type_name": self._related,
            **self._ids_of(record),
        }
        return data_object(self._type, named["object_id"]), named
