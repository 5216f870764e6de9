"""Catalogs and their items (docs: get_list_catalogs, get_catalog_items_details_bulk, get_catalog_item_details)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.paging import by_cursor
from braze_sandbox.wire.answer import Answer, Refusal, encode, success

if TYPE_CHECKING:
    from datetime import datetime

    from braze_sandbox.model.objects import Catalog

PAGE = 50


class CatalogRefusal(Refusal):
    """A refusal in the format of catalogs: `message` is always the same; the reason is an object with an id."""

    def __init__(self, status: int, slug: str, text: str, parameter: str, value: str) -> None:
        super().__init__(status, "Invalid Request")
        self._error = {"id": slug, "message": text, "parameters": [parameter], "parameter_values": [value]}

    def answer(self) -> Answer:  # type: ignore[explicit-override] # typing has no override on 3.10
        """Return the response for the refusal."""
        return Answer(encode({"errors": [self._error], "message": self.message}), self.status)


def _stamp(when: datetime) -> str:
    """Format a moment with milliseconds and an offset, as in the sample."""
    return when.isoformat(timespec="milliseconds")


def list_row(catalog: Catalog, *, recorded: bool) -> dict[str, Any]:
    """Return a catalog without its items. The recorded form has more fields than the documented one."""
    row = {
        "description": catalog.description,
        "fields": catalog.fields,
        "name": catalog.name,
        "num_items": len(catalog.items),
        "updated_at": _stamp(catalog.updated_at),
    }
    if recorded:
        # Tokens count from -1, the token of the id.
        row["fields"] = [{**column, "token": str(number - 1)} for number, column in enumerate(catalog.fields)]
        row |= {
            "source": "Braze",
            "storage_size": sum(len(encode(item)) for item in catalog.items.values()),
            "selections_size": sum(len(encode(one)) for one in catalog.selections.values()),
            "selections": list(catalog.selections.values()),
        }
    return row


def list_(call: Call) -> Answer:
    """GET /catalogs: all of them, in creation order (docs silent)."""
    catalogs = call.instance.workspace.catalogs.values()
    return success({"catalogs": [list_row(catalog, recorded=call.recorded) for catalog in catalogs]})


def named(call: Call) -> Catalog:
    """Return the catalog in the path."""
    name = call.params["name"]
    catalog = call.instance.workspace.catalogs.get(name)
    if catalog is None:
        raise CatalogRefusal(404, "catalog-not-found", "Could not find catalog", "catalog_name", name)
    return catalog


def _bad_cursor(cursor: str) -> Refusal:
    return CatalogRefusal(400, "invalid-cursor", "'cursor' is not valid", "cursor", cursor)


def items(call: Call) -> Answer:
    """GET /catalogs/{catalog_name}/items: 50 at a time, in order of arrival (docs silent)."""
    catalog = named(call)
    page, headers = by_cursor(call, f"/catalogs/{catalog.name}/items", list(catalog.items.values()), PAGE, _bad_cursor)
    return Answer(encode({"items": page, "message": "success"}), headers=headers)


def item(call: Call) -> Answer:
    """GET /catalogs/{catalog_name}/items/{item_id}."""
    key = call.params["item"]
    found = named(call).items.get(key)
    if found is None:
        raise CatalogRefusal(404, "item-not-found", "Could not find item", "item_id", key)
    return success({"items": [found]})


ENDPOINTS = [
    Endpoint(method="GET", path="/catalogs", permission="catalogs.get", pool="catalogs", handler=list_),
    Endpoint(
        method="GET",
        path="/catalogs/{name}/items",
        permission="catalogs.get_items",
        pool="catalog_item",
        handler=items,
    ),
    Endpoint(
        method="GET",
        path="/catalogs/{name}/items/{item}",
        permission="catalogs.get_item",
        pool="catalog_item",
        handler=item,
    ),
]
