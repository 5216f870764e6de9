"""Delete catalogs with all their items, up to a limit in the mapping."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze.changes import Change, Endpoint
from target_braze.braze.endpoints import NoBody
from target_braze.braze.objects.catalog_contents import CatalogContents
from target_braze.braze.objects.catalogs import LIST
from target_braze.mapping.base.named_objects import FieldMapping, ObjectField
from target_braze.mapping.base.settings import described
from target_braze.mapping.kinds.workspace.catalog_items import SEMANTICS, to_catalog_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.records import User

# https://www.braze.com/docs/api/endpoints/catalogs/catalog_management/synchronous/delete_catalog/
DELETE: Final = NoBody(
    "/catalogs/{catalog_name}",
    "catalogs.delete",
    "catalogs",
    ("catalogs",),
    1,
    method="DELETE",
    at_end_of_input=True,
    done=frozenset({404}),
)


class LimitedDeletion(FieldMapping):
    """Deletes what a record names, at the end of the input, and nothing if that is more than the mapping allows."""

    limit: ClassVar[str]
    """The setting that allows deletions and limits their number in a run."""
    lost: ClassVar[str]
    """What a deletion loses, in words."""
    named: ClassVar[str]
    """The type of the object, as in the `user` of its change."""

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        if self.limit not in columns.entry:
            raise columns.error(
                f"deleting a {self.title} loses {self.lost}, which cannot be undone: set {self.limit} to the "
                f"maximum that a run may delete - at {columns.at}.{self.limit}"
            )
        super().__init__(columns, defaults, notice)
        defaults.guard.limit(columns.stream, columns.entry[self.limit], self.limit, f"{self.title}s")

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        columns = [field.column for field in self._fields.values()]
        return {"name": (columns[-1],), self.named: tuple(columns)}

    @property
    @override
    def named_by(self) -> str:
        return " and ".join(f"column '{field.column}'" for field in self._fields.values())

    def _deletion(self, what: User, endpoint: Endpoint) -> list[Change]:
        self._defaults.guard.delete(self._columns.stream, what)
        return [Change(endpoint.arrays[0], what, {"name": what[-1]}, SEMANTICS, endpoint)]


@cache
def _endpoint(catalog: str) -> Endpoint:
    return replace(DELETE, path=DELETE.path.format(catalog_name=catalog))


class CatalogDeletions(LimitedDeletion, to="catalog_deletions"):
    """Deletes the catalog that a record names."""

    limit = "max_catalogs_deleted_with_all_items"
    lost = "all its items"
    named = "catalog"
    settings: ClassVar[Mapping[str, Any]] = {
        limit: described(
            {"type": "integer", "minimum": 1},
            "Limit of deleted catalogs",
            "Maximum number of catalogs that a run may delete with all their items, which cannot be undone. If more "
            "are due, the run stops and deletes none. Required.",
        )
    }
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (SEMANTICS,)
    endpoints = (LIST, DELETE)
    on_delete_actions = ("nothing",)
    object_type = CatalogContents()
    title = "catalog"
    fields: ClassVar[Mapping[str, ObjectField]] = {"catalog_name": ObjectField(to_catalog_name, required=True)}

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        catalog = self._values(record)["catalog_name"]
        return self._deletion((self.named, catalog), _endpoint(catalog))
