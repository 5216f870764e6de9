"""Catalogs and their items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.settings.opt_in import INCLUDE_COSTLY_STREAMS
from tap_braze.streams.base import columns
from tap_braze.streams.base.lists import ListStream
from tap_braze.streams.base.stream import CATALOG_ITEMS, CATALOGS

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record

    from tap_braze.fetching.fetch import Document, Request


class Catalogs(ListStream):
    """All catalogs, with the columns of their items."""

    # `updated_at` is not a replication key: the docs do not say whether it also changes when items do.
    name = "catalogs"
    path = "/catalogs"
    permission = "catalogs.get"
    pool = CATALOGS
    payload = "catalogs"
    primary_keys = ("name",)
    unversioned = frozenset({"num_items", "updated_at"})  # `updated_at` may change with the items
    schema = columns.schema(
        columns.key("name", "Name of the catalog, which is also its ID."),
        th.Property("description", th.StringType, description="Description of the catalog."),
        columns.moment("updated_at", "When the catalog last changed."),
        *columns.counts(num_items="Items in the catalog."),
        th.Property(
            "fields",
            th.ArrayType(
                th.ObjectType(
                    th.Property("name", th.StringType, description="Name of the column."),
                    th.Property(
                        "type",
                        th.StringType,
                        description="`string`, `number`, `boolean`, `time`, `object`, `array` or `geo`.",
                    ),
                )
            ),
            description="Columns of its items, `id` first.",
        ),
    )


class CatalogItems(ListStream):
    """All items of all catalogs: 50 per request, about 2,000 per minute."""

    name = "catalog_items"
    path = "/catalogs/{catalog_name}/items"
    permission = "catalogs.get_items"
    pool = CATALOG_ITEMS
    payload = "items"
    selected_by_default = False
    opt_in = INCLUDE_COSTLY_STREAMS
    parent = Catalogs
    parent_key = "catalog_name"
    primary_keys = ("catalog_name", "id")
    schema = columns.schema(
        columns.key("catalog_name", "Name of the catalog."),
        columns.key("id", "ID of the item, unique within the catalog."),
        # The columns are the customer's: they vary by catalog, may have the same names as the two above, and are
        # unknown without a request.
        th.Property(
            "item",
            th.ObjectType(additional_properties=True),
            description="All other fields of the item, by name.",
        ),
    )

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        items = document[self.payload] or []
        return [{**request.tags, "id": item.pop("id"), "item": item} for item in items]
