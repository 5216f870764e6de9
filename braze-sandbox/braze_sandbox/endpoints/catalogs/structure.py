"""Create and delete catalogs and their fields.

Docs: post_create_catalog, delete_catalog, post_create_catalog_fields, delete_catalog_field.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from braze_sandbox.endpoints.catalogs.catalogs import CatalogRefusal, list_row, named
from braze_sandbox.endpoints.catalogs.values import TYPES
from braze_sandbox.model.objects import Catalog
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, success

if TYPE_CHECKING:
    from braze_sandbox.wire.answer import Json

NAME = 250
DESCRIPTION = 250
FIELDS = 500
NEW_FIELDS = 50

_NAME = re.compile(r"[A-Za-z0-9_-]+")


def create(call: Call) -> Answer:
    """Create a catalog immediately. The only documented error text is that of a taken name."""
    catalogs = call.body.get("catalogs")
    if not isinstance(catalogs, list) or not catalogs or not all(isinstance(one, dict) for one in catalogs):
        raise CatalogRefusal(400, "catalog-array-invalid", "'catalogs' must be an array of objects", "catalogs", "")
    if len(catalogs) > 1:
        raise CatalogRefusal(
            400, "too-many-catalog-atoms", "Only one catalog can be created per request", "catalogs", str(len(catalogs))
        )
    name, description, fields = (catalogs[0].get(key) for key in ("name", "description", "fields"))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CatalogRefusal(400, "invalid-catalog-name", "The catalog name is not valid", "name", str(name))
    if len(name) > NAME:
        raise CatalogRefusal(400, "catalog-name-too-large", f"The catalog name is over {NAME} characters", "name", name)
    if name in call.instance.workspace.catalogs:
        text = "A catalog with that name already exists"
        raise CatalogRefusal(400, "catalog-name-already-exists", text, "name", name)
    # Required; the error id if it is missing is not documented.
    if not isinstance(description, str) or len(description) > DESCRIPTION:
        raise CatalogRefusal(
            400,
            "description-too-long",
            f"The description must be a string of at most {DESCRIPTION} characters",
            "description",
            str(description),
        )
    columns = _fields(fields, set())
    if len(columns) > FIELDS:
        raise CatalogRefusal(400, "too-many-fields", f"At most {FIELDS} fields", "fields", str(len(columns)))
    if columns[0] != {"name": "id", "type": "string"}:
        raise CatalogRefusal(400, "id-not-first-column", "The first field must be an id of type string", "fields", name)
    catalog = Catalog(name=name, description=description, fields=columns, updated_at=call.instance.clock.utc_now())
    call.instance.workspace.catalogs[name] = catalog
    return success({"catalogs": [list_row(catalog, recorded=call.recorded)]}, 201)


def _fields(fields: Json, taken: set[str]) -> list[dict[str, str]]:
    """Return validated fields whose names are not taken."""
    shaped = isinstance(fields, list) and fields and all(_is_field(one) for one in fields)
    if not shaped:
        raise CatalogRefusal(400, "invalid-fields", "'fields' must be objects with name and type", "fields", "")
    seen = set(taken)
    for one in fields:
        name = one["name"]
        if not _NAME.fullmatch(name):
            raise CatalogRefusal(400, "invalid-field-names", "A field name is not valid", "fields", name)
        if len(name) > NAME:
            raise CatalogRefusal(400, "field-names-too-large", f"A name is over {NAME} characters", "fields", name)
        if name in seen:
            raise CatalogRefusal(400, "field-names-not-unique", "A field name is used twice", "fields", name)
        if one["type"] not in TYPES:
            raise CatalogRefusal(400, "invalid-field-types", "A field type is not valid", "fields", one["type"])
        seen.add(name)
    return [{"name": one["name"], "type": one["type"]} for one in fields]


def _is_field(one: Json) -> bool:
    return isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("type"), str)


def delete(call: Call) -> Answer:
    """Delete a catalog immediately."""
    del call.instance.workspace.catalogs[named(call).name]
    return success({})


def add_fields(call: Call) -> Answer:
    """Add fields to a catalog asynchronously. Bad names and types use the ids of catalog creation (docs silent)."""
    catalog = named(call)
    fields = _fields(call.body.get("fields"), {column["name"] for column in catalog.fields})
    if len(fields) > NEW_FIELDS:
        raise CatalogRefusal(
            400,
            "request-includes-too-many-fields",
            f"Each request can have at most {NEW_FIELDS} new fields",
            "fields",
            str(len(fields)),
        )
    if len(catalog.fields) + len(fields) > FIELDS:
        raise CatalogRefusal(
            400, "catalog-exceeds-fields-limit", f"A catalog has at most {FIELDS} fields", "catalog_name", catalog.name
        )
    call.apply(lambda: _add(call, catalog.name, fields))
    return success({}, 202)


def _add(call: Call, name: str, fields: list[dict[str, str]]) -> None:
    if catalog := call.instance.workspace.catalogs.get(name):
        there = {column["name"] for column in catalog.fields}
        catalog.fields.extend(field for field in fields if field["name"] not in there)
        catalog.updated_at = call.instance.clock.utc_now()


def delete_field(call: Call) -> Answer:
    """Remove a field and its values from a catalog asynchronously. `id` cannot be removed (docs silent)."""
    catalog, field = named(call), call.params["field"]
    if field == "id" or field not in {column["name"] for column in catalog.fields}:
        # The page lists no statuses other than 202 and 404.
        raise CatalogRefusal(404, "invalid-field-name", "The field name is not valid", "field_name", field)
    if any(
        field in (one.get("field") for one in selection.get("filters", ())) for selection in catalog.selections.values()
    ):
        # Documented as refused; the error id is ours.
        raise CatalogRefusal(400, "field-in-use", "The field is used by a selection", "field_name", field)
    call.apply(lambda: _delete_field(call, catalog.name, field))
    return success({}, 202)


def _delete_field(call: Call, name: str, field: str) -> None:
    if catalog := call.instance.workspace.catalogs.get(name):
        catalog.fields[:] = [column for column in catalog.fields if column["name"] != field]
        for item in catalog.items.values():
            item.pop(field, None)
        catalog.updated_at = call.instance.clock.utc_now()


ENDPOINTS = [
    Endpoint(method="POST", path="/catalogs", permission="catalogs.create", pool="catalogs", handler=create),
    Endpoint(
        method="DELETE",
        path="/catalogs/{name}",
        permission="catalogs.delete",
        pool="catalogs",
        handler=delete,
        has_body=False,
    ),
    Endpoint(
        method="POST",
        path="/catalogs/{name}/fields",
        permission="catalogs.create_fields",
        pool="catalog_fields",
        handler=add_fields,
    ),
    Endpoint(
        method="DELETE",
        path="/catalogs/{name}/fields/{field}",
        permission="catalogs.delete_fields",
        pool="catalog_fields",
        handler=delete_field,
        has_body=False,
    ),
]
