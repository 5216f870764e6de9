"""List, read, create, replace, update, and delete data objects (docs: data_objects/objects).

Until the fall of 2026, the docs called `object_id` `external_id`: answers have the newer name, and requests may have
either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.data_objects.types import (
    READ,
    WRITE,
    DataObjectRefusal,
    checked,
    invalid,
    page,
    record_of,
    type_of,
)
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, encode

if TYPE_CHECKING:
    from braze_sandbox.model.objects import DataObjectType


def shown(kind: DataObjectType, key: str) -> dict[str, Any]:
    """Return an object in the API's format."""
    return {"type_name": kind.name, "object_id": key, "attributes": kind.records[key]}


def _store(call: Call, kind: DataObjectType, key: str, attributes: dict[str, Any], status: int) -> Answer:
    name = call.body.get("display_name", kind.display_names.get(key, key))
    if not isinstance(name, str):
        raise invalid("'display_name' must be a string")
    kind.records[key] = attributes
    kind.display_names[key] = str(attributes.get(kind.display_name_source or "", name))
    return Answer(encode({"data_object": shown(kind, key)}), status)


def list_(call: Call) -> Answer:
    """GET /data_objects/objects/{type_name}."""
    kind, term = type_of(call), call.query.get("search_term", "")
    return page(call, [shown(kind, key) for key in kind.records if term in key])


def get(call: Call) -> Answer:
    """GET /data_objects/objects/{type_name}/{object_id}."""
    return Answer(encode({"data_object": shown(*record_of(call))}))


def create(call: Call) -> Answer:
    """POST /data_objects/objects/{type_name}."""
    kind, key = type_of(call), call.body.get("object_id", call.body.get("external_id"))
    if not isinstance(key, str) or not key:
        raise invalid("'object_id' is required and must be a non-empty string")
    attributes = checked(call.body.get("attributes"), kind.fields)
    if key in kind.records:
        raise DataObjectRefusal(409, "duplicate-data-object", "A data object with this object_id already exists")
    return _store(call, kind, key, attributes, 201)


def replace(call: Call) -> Answer:
    """PUT /data_objects/objects/{type_name}/{object_id}: clears omitted fields."""
    kind = type_of(call)
    return _store(call, kind, call.params["id"], checked(call.body.get("attributes"), kind.fields), 200)


def update(call: Call) -> Answer:
    """PATCH /data_objects/objects/{type_name}/{object_id}: keeps omitted fields."""
    kind, key = record_of(call)
    given = call.body.get("attributes")
    attributes = checked(given, kind.fields)
    kept = {name: value for name, value in kind.records[key].items() if name not in given}
    return _store(call, kind, key, {**kept, **attributes}, 200)


def delete(call: Call) -> Answer:
    """DELETE /data_objects/objects/{type_name}/{object_id}: also deletes its links (docs silent)."""
    kind, key = record_of(call)
    del kind.records[key], kind.display_names[key]
    kind.users = {link: kept for link, kept in kind.users.items() if link[0] != key}
    for one in call.instance.workspace.data_objects.values():
        one.links = {
            link: kept
            for link, kept in one.links.items()
            if (one.name, link[0]) != (kind.name, key) and link[2:] != (kind.name, key)
        }
    return Answer(encode({"deleted": True}))


ENDPOINTS = [
    *(
        Endpoint(
            method=method,
            path="/data_objects/objects/{type}",
            permission=permission,
            pool=READ if method == "GET" else WRITE,
            handler=handler,
        )
        for method, permission, handler in (
            ("GET", "data_objects.read", list_),
            ("POST", "data_objects.create", create),
        )
    ),
    *(
        Endpoint(
            method=method,
            path="/data_objects/objects/{type}/{id}",
            permission=permission,
            pool=READ if method == "GET" else WRITE,
            handler=handler,
            has_body=method != "DELETE",
        )
        for method, permission, handler in (
            ("GET", "data_objects.read", get),
            ("PUT", "data_objects.update", replace),
            ("PATCH", "data_objects.update", update),
            ("DELETE", "data_objects.delete", delete),
        )
    ),
]
