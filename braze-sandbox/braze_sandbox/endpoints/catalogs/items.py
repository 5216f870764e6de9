"""Write catalog items: many asynchronously, or one immediately (docs: the pages of catalog_items).

If one item is bad, Braze's handling of the good ones is not documented: here none is accepted, and `errors` has an
entry for each bad item. If an asynchronous request expects an item to exist, or not to, and it is otherwise, nothing
happens (docs silent).
"""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.catalogs.catalogs import CatalogRefusal, named
from braze_sandbox.endpoints.catalogs.values import Unfit, coerce, edited
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, Refusal, success

if TYPE_CHECKING:
    from collections.abc import Sequence

    from braze_sandbox.model.objects import Catalog

ITEMS = 50
ID = 250

_ID = re.compile(r"[A-Za-z0-9_-]+")
_TEXTS = {
    "ids-not-strings": "Item ids must be strings",
    "ids-not-string": "Item ids must be strings",
    "ids-not-unique": "Item ids must be unique in the request",
    "ids-too-large": f"Item ids can have at most {ID} characters",
    "invalid-fields": "Some of the fields given do not exist in the catalog",
    "invalid-ids": "Item ids can only have letters, numbers, hyphens and underscores",
    "invalid-keys-in-value-object": "Keys of objects cannot have . or $",
    "items-missing-ids": "Some items have no id",
    "items-too-large": "Item values cannot exceed 5,000 characters",
    "too-deep-nesting-in-value-object": "Objects cannot have more than 50 levels",
    "unable-to-coerce-value": "A value cannot be converted to the type of its field",
}
"""The docs show only the text of `invalid-fields`."""

Item = dict[str, Any]


def write_many(call: Call, method: str) -> Answer:
    """POST, PATCH, PUT and DELETE of /catalogs/{catalog_name}/items: 202."""
    catalog = named(call)
    items = _array(call, ITEMS)
    _check_ids(items, "ids-not-string" if method == "PUT" else "ids-not-strings")
    fitted = [{"id": item["id"]} for item in items] if method == "DELETE" else _fit_all(call, catalog, items, method)
    if method == "DELETE":
        _refuse([(slug, items[index]["id"]) for (array, index), slug in call.rejects.items() if array == "items"])
        for item in items:
            if len(item) > 1:
                call.report("an item to delete has only an id (docs silent: ignored)", item["id"], item)
    call.apply(lambda: _apply(call, catalog.name, method, fitted))
    return success({}, 202)


def _array(call: Call, most: int) -> list[Item]:
    items = call.body.get("items")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise CatalogRefusal(400, "item-array-invalid", "'items' must be an array of objects", "items", "")
    if len(items) > most:
        raise CatalogRefusal(
            400, "request-includes-too-many-items", f"At most {most} items per request", "items", str(len(items))
        )
    return items


def _refuse(errors: Sequence[tuple[str, object]]) -> None:
    """Refuse a request because of some items."""
    if errors:
        entries = [
            {"id": slug, "message": _TEXTS.get(slug, slug), "parameters": ["id"], "parameter_values": [key]}
            for slug, key in errors
        ]
        raise Refusal(400, "Invalid Request", entries)


def _check_ids(items: list[Item], not_string: str) -> None:
    _refuse([("items-missing-ids", None) for item in items if item.get("id") is None])
    _refuse([(not_string, item["id"]) for item in items if not isinstance(item["id"], str)])
    for item in items:
        _check_id(item["id"])
    counts = Counter(item["id"] for item in items)
    _refuse([("ids-not-unique", key) for key, count in counts.items() if count > 1])


def _check_id(key: str) -> None:
    if len(key) > ID:
        _refuse([("ids-too-large", key)])
    if not _ID.fullmatch(key):
        _refuse([("invalid-ids", key)])


def _fit_all(call: Call, catalog: Catalog, items: list[Item], method: str) -> list[Item]:
    fitted, errors = [], []
    for index, item in enumerate(items):
        try:
            if ("items", index) in call.rejects:
                raise Unfit(call.rejects["items", index])  # noqa: TRY301 - as any other refusal
            fitted.append(_fit(call, catalog, item, method))
        except Unfit as why:  # noqa: PERF203 - every item is looked at
            errors.append((str(why), item["id"]))
    _refuse(errors)
    return fitted


def _fit(call: Call, catalog: Catalog, item: Item, method: str) -> Item:
    """Return an item with its values coerced to their fields' types; operator values stay as sent until applied."""
    types = {field["name"]: field["type"] for field in catalog.fields}
    if not item.keys() <= types.keys():
        raise Unfit("invalid-fields")
    if method == "POST" and item.keys() != types.keys():
        call.report("an item to create should have all fields (docs silent: accepted without)", item["id"], item)
    fitted = {}
    for name, value in item.items():
        if method == "PATCH" and types[name] == "array" and isinstance(value, dict):
            edited(value, None)
            fitted[name] = value
            continue
        fitted[name] = coerce(types[name], value)
        if fitted[name] != value or type(fitted[name]) is not type(value):
            call.report(f"a value was coerced to the type {types[name]}", f"{item['id']}.{name}", value)
    return fitted


def _apply(call: Call, name: str, method: str, items: list[Item]) -> None:
    catalog = call.instance.workspace.catalogs.get(name)
    if catalog is None:
        call.report("a catalog that was deleted before its items arrived", name, items)
        return
    for item in items:
        there = item["id"] in catalog.items
        if there if method == "POST" else (not there and method == "PATCH"):
            state = "there already" if there else "not there"
            call.report(f"an item is {state} (docs silent: nothing happens)", f"{name}.{item['id']}", item)
        else:
            _write(catalog, method, item)


def _write(catalog: Catalog, method: str, item: Item) -> None:
    """Write an item; a replacement clears omitted fields (docs silent)."""
    if method == "DELETE":
        catalog.items.pop(item["id"], None)
        return
    new = dict(catalog.items[item["id"]]) if method == "PATCH" else {}
    types = {field["name"]: field["type"] for field in catalog.fields}
    for name, value in item.items():
        if name not in types:
            continue
        if method == "PATCH" and types[name] == "array" and isinstance(value, dict):
            new[name] = edited(value, new.get(name))
        else:
            new[name] = value
    catalog.items[item["id"]] = new


def write_one(call: Call, method: str) -> Answer:
    """POST, PATCH and PUT of /catalogs/{catalog_name}/items/{item_id}: 201, 200, 200."""
    catalog, key = named(call), call.params["item"]
    _check_id(key)
    (item,) = _array(call, 1)
    if "id" in item:
        raise CatalogRefusal(400, "id-in-body", "The id of an item belongs in the path only", "id", str(item["id"]))
    there = key in catalog.items
    if there and method == "POST":
        raise CatalogRefusal(400, "item-already-exists", "The item already exists", "item_id", key)
    if not there and method == "PATCH":
        raise CatalogRefusal(404, "item-not-found", "Could not find item", "item_id", key)
    (fitted,) = _fit_all(call, catalog, [{"id": key, **item}], method)
    try:
        _write(catalog, method, fitted)
    except Unfit as why:
        _refuse([(str(why), key)])
    return success({}, 201 if method == "POST" else 200)


def delete_one(call: Call) -> Answer:
    """DELETE /catalogs/{catalog_name}/items/{item_id}: 202, although it is listed among the synchronous endpoints."""
    catalog, key = named(call), call.params["item"]
    if catalog.items.pop(key, None) is None:
        raise CatalogRefusal(404, "item-not-found", "Could not find item", "item_id", key)
    return success({}, 202)


_MANY = {
    "POST": "catalogs.add_items",
    "PATCH": "catalogs.update_items",
    "PUT": "catalogs.replace_items",
    "DELETE": "catalogs.delete_items",
}
_ONE = {"POST": "catalogs.create_item", "PATCH": "catalogs.update_item", "PUT": "catalogs.replace_item"}

ENDPOINTS = [
    *(
        Endpoint(
            method=method,
            path="/catalogs/{name}/items",
            permission=permission,
            pool="catalog_items",
            handler=partial(write_many, method=method),
        )
        for method, permission in _MANY.items()
    ),
    *(
        Endpoint(
            method=method,
            path="/catalogs/{name}/items/{item}",
            permission=permission,
            pool="catalog_item",
            handler=partial(write_one, method=method),
        )
        for method, permission in _ONE.items()
    ),
    Endpoint(
        method="DELETE",
        path="/catalogs/{name}/items/{item}",
        permission="catalogs.delete_item",
        pool="catalog_item",
        handler=delete_one,
        has_body=False,
    ),
]
