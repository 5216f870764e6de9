"""Delete fields of catalogs with the values of all items, up to a limit in the mapping."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze.endpoints import NoBody
from target_braze.braze.objects.catalog_contents import CatalogContents
from target_braze.braze.objects.catalogs import LIST
from target_braze.mapping.base.named_objects import ObjectField
from target_braze.mapping.base.settings import described
from target_braze.mapping.kinds.workspace.catalog_deletions import LimitedDeletion
from target_braze.mapping.kinds.workspace.catalog_items import SEMANTICS, to_catalog_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.braze.changes import Change, Endpoint

# https://www.braze.com/docs/api/endpoints/catalogs/catalog_fields/asynchronous/delete_catalog_field/. Braze refuses to
# delete a field that a selection uses.
DELETE: Final = NoBody(
    "/catalogs/{catalog_name}/fields/{field_name}",
    "catalogs.delete_fields",
    "catalog_fields",
    ("fields",),
    1,
    method="DELETE",
    at_end_of_input=True,
    done=frozenset({404}),
)
_ID: Final = "id"


def _field_name(value: object) -> str:
    text: str = to_catalog_name(value)
    if text == _ID:
        raise ValueError("a catalog always has the field 'id'")
    return text


@cache
def _endpoint(catalog: str, field: str) -> Endpoint:
    return replace(DELETE, path=DELETE.path.format(catalog_name=catalog, field_name=field))


class CatalogFieldDeletions(LimitedDeletion, to="catalog_field_deletions"):
    """Deletes the field that a record names."""

    limit = "max_fields_deleted_with_all_values"
    lost = "its values in all items"
    named = "catalog_field"
    settings: ClassVar[Mapping[str, Any]] = {
        limit: described(
            {"type": "integer", "minimum": 1},
            "Limit of deleted fields",
            "Maximum number of catalog fields that a run may delete with their values in all items, which cannot be "
            "undone. If more are due, the run stops and deletes none. Required.",
        )
    }
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (SEMANTICS,)
    endpoints = (LIST, DELETE)
    on_delete_actions = ("nothing",)
    object_type = CatalogContents()
    title = "field"
    fields: ClassVar[Mapping[str, ObjectField]] = {
        "catalog_name": ObjectField(to_catalog_name, required=True),
        "field_name": ObjectField(_field_name, required=True),
    }

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        fields = self._values(record)
        catalog, name = fields["catalog_name"], fields["field_name"]
        return self._deletion((self.named, catalog, name), _endpoint(catalog, name))
