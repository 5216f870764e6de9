"""Map records to Data Objects, such as accounts, of a type that exists in the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze.objects.data_objects import TYPE, DataObjectType, bulk_endpoint
from target_braze.mapping.base.data_objects import SEMANTICS, BetweenObjects, data_object
from target_braze.mapping.base.settings import DATA_OBJECT, FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.records import User

# https://braze.com/docs/api/endpoints/data_objects/objects/put_bulk_upsert_data_objects/
UPSERT: Final = bulk_endpoint("/data_objects/objects", "data_objects")
DELETE: Final = bulk_endpoint("/data_objects/objects", "data_objects", deletes=True)


class DataObjects(BetweenObjects, to="data_objects"):
    """An object per record. It replaces all attributes that the object has."""

    settings: ClassVar[Mapping[str, Any]] = {"data_object": DATA_OBJECT, "fields": FIELDS}
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (SEMANTICS,)
    endpoints = (TYPE, UPSERT, DELETE)
    # Objects have relationships, which a later record would not bring back.
    on_delete_actions = ("nothing", "remove")
    upsert, delete = UPSERT, DELETE
    sends_all = True
    more_keys = frozenset()

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self.requires = DataObjectType(self._type, columns.stream, columns.at, self._json_types)

    @override
    def _named(self, record: Mapping[str, Any]) -> tuple[User, dict[str, Any]]:
        named = {"type_name": self._type, **self._ids_of(record)}
        return data_object(self._type, named["object_id"]), named
