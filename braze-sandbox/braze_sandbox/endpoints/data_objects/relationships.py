"""Links from data objects to users and to each other (docs: user_relationships, object_relationships).

A PUT creates or replaces a link and returns 200; a PATCH requires an existing one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from braze_sandbox.endpoints.data_objects.objects import shown
from braze_sandbox.endpoints.data_objects.types import (
    READ,
    WRITE,
    DataObjectRefusal,
    anchor_of,
    checked,
    invalid,
    page,
    record_of,
    type_of,
)
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.model.objects import DataObjectType

Action = Literal["create", "replace", "update", "delete"]
Of = Literal["user", "object"]


@dataclass(frozen=True, slots=True)
class _Link:
    """The link in a request: its container, its key, its schema, and its display format."""

    kept: dict[Any, dict[str, Any]]
    key: tuple[str, ...]
    fields: dict[str, str]
    row: dict[str, Any]


def _text(call: Call, name: str, former: str = "") -> str:
    value = call.body.get(name, call.body.get(former))
    if not isinstance(value, str) or not value:
        raise invalid(f"'{name}' is required and must be a non-empty string")
    return value


def _user_link(call: Call) -> _Link:
    kind, key = record_of(call)
    braze_id, rel_kind = _text(call, "braze_id"), _text(call, "rel_kind")
    if rel_kind not in kind.user_relationships:
        raise invalid(f"the type has no relationship {rel_kind!r} to users")
    if call.instance.profiles.find("braze_id", braze_id) is None:
        raise DataObjectRefusal(404, "user-not-found", "Could not find the user")
    row = {"type_name": kind.name, "object_id": key, "rel_kind": rel_kind, "user": {"braze_id": braze_id}}
    return _Link(kind.users, (key, rel_kind, braze_id), kind.user_relationships[rel_kind], row)


def _object_link(call: Call) -> _Link:
    here, key = record_of(call)
    rel_kind, anchor = _text(call, "rel_kind"), anchor_of(call.body.get("anchor"))
    related, related_key = (
        type_of(call, _text(call, "related_type_name")),
        _text(call, "related_object_id", "related_external_id"),
    )
    if related_key not in related.records:
        raise DataObjectRefusal(404, "data-object-not-found", "Could not find the related data object")
    (kind, begin), (other, end) = ((here, key), (related, related_key))[:: 1 if anchor == "source" else -1]
    fields = kind.object_relationships.get((rel_kind, other.name))
    if fields is None:
        raise invalid(f"there is no relationship {rel_kind!r} between these types")
    row = _object_row(rel_kind, anchor, related, related_key)
    return _Link(kind.links, (begin, rel_kind, other.name, end), fields, row)


def _object_row(rel_kind: str, anchor: str, related: DataObjectType, key: str) -> dict[str, Any]:
    side = "to_data_object" if anchor == "source" else "from_data_object"
    return {"rel_kind": rel_kind, side: shown(related, key)}


_LINKS: dict[Of, Callable[[Call], _Link]] = {"user": _user_link, "object": _object_link}


def write(call: Call, of: Of, action: Action) -> Answer:
    """Create, replace, update or delete a link."""
    link = _LINKS[of](call)
    there = link.kept.get(link.key)
    if action == "create" and there is not None:
        raise DataObjectRefusal(409, f"duplicate-{of}-relationship", "The relationship already exists")
    if action in ("update", "delete") and there is None:
        raise DataObjectRefusal(404, "data-object-relationship-not-found", "Could not find the relationship")
    if action == "delete":
        del link.kept[link.key]
        return Answer(encode({"deleted": True}))
    given = call.body.get("attributes", {})
    attributes = checked(given, link.fields)
    if action == "update" and there is not None:
        attributes = {**{name: value for name, value in there.items() if name not in given}, **attributes}
    link.kept[link.key] = attributes
    return Answer(
        encode({f"{of}_relationship": {**link.row, "attributes": attributes}}), 201 if action == "create" else 200
    )


def users(call: Call) -> Answer:
    """GET /data_objects/objects/{type_name}/{object_id}/user_relationships."""
    kind, key = record_of(call)
    wanted = call.query.get("rel_kind")
    rows = [
        {
            "type_name": kind.name,
            "object_id": key,
            "rel_kind": rel_kind,
            "user": {"braze_id": braze_id},
            "attributes": attributes,
        }
        for (record, rel_kind, braze_id), attributes in kind.users.items()
        if record == key and wanted in (None, rel_kind)
    ]
    return page(call, rows)


def objects(call: Call) -> Answer:
    """GET /data_objects/objects/{type_name}/{object_id}/object_relationships."""
    here, key = record_of(call)
    anchor, wanted = anchor_of(call.query.get("anchor")), call.query.get("rel_kind")
    rows = []
    for kind in call.instance.workspace.data_objects.values():
        for (begin, rel_kind, other, end), attributes in kind.links.items():
            source, target = (kind, begin), (type_of(call, other), end)
            near, far = (source, target) if anchor == "source" else (target, source)
            if (near[0].name, near[1]) == (here.name, key) and wanted in (None, rel_kind):
                rows.append({**_object_row(rel_kind, anchor, *far), "attributes": attributes})
    return page(call, rows)


_METHODS: dict[str, Action] = {"POST": "create", "PUT": "replace", "PATCH": "update", "DELETE": "delete"}
_RIGHTS = {"create": "create", "replace": "update", "update": "update", "delete": "delete"}
_RECORD = "/data_objects/objects/{type}/{id}"


def _writes(of: Of, path: str) -> list[Endpoint]:
    return [
        Endpoint(
            method=method,
            path=_RECORD + path,
            permission=f"data_objects.{of}_relationships.{_RIGHTS[action]}",
            pool=WRITE,
            handler=partial(write, of=of, action=action),
        )
        for method, action in _METHODS.items()
    ]


ENDPOINTS = [
    Endpoint(
        method="GET",
        path=f"{_RECORD}/user_relationships",
        permission="data_objects.user_relationships.read",
        pool=READ,
        handler=users,
    ),
    Endpoint(
        method="GET",
        path=f"{_RECORD}/object_relationships",
        permission="data_objects.read",
        pool=READ,
        handler=objects,
    ),
    *_writes("user", "/users"),
    *_writes("object", "/object_relationships"),
]
