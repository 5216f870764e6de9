"""Types of Data Objects, created in the dashboard, and helpers shared by all their endpoints (docs: data_objects)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.model.clock import parse_iso
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import whole_number
from braze_sandbox.wire.answer import Answer, Refusal, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from braze_sandbox.model.objects import DataObjectType
    from braze_sandbox.wire.answer import Json

PAGE, LARGEST = 100, 250
ANCHORS = ("source", "target")
READ, WRITE = "data_objects_read", "data_objects_write"


class DataObjectRefusal(Refusal):
    """A refusal in the format of these endpoints: one text for 400, otherwise objects with an id."""

    def __init__(self, status: int, slug: str, text: str) -> None:
        super().__init__(status, text)
        self._slug = slug

    def answer(self) -> Answer:  # type: ignore[explicit-override] # typing has no override on 3.10
        """Return the response for the refusal."""
        error: dict[str, Any] = {"errors": [{"id": self._slug, "message": self.message}]}
        return Answer(encode({"error": self.message} if self.status == 400 else error), self.status)  # noqa: PLR2004


def invalid(text: str) -> DataObjectRefusal:
    """Return the refusal of a bad request."""
    return DataObjectRefusal(400, "", text)


def type_of(call: Call, name: str | None = None) -> DataObjectType:
    """Return the type in the path, or another one by name."""
    found = call.instance.workspace.data_objects.get(name or call.params["type"])
    if found is None:
        raise DataObjectRefusal(404, "data-object-type-not-found", "Could not find the data object type")
    return found


def record_of(call: Call) -> tuple[DataObjectType, str]:
    """Return the type and id of the object in the path."""
    kind, key = type_of(call), call.params["id"]
    if key not in kind.records:
        raise DataObjectRefusal(404, "data-object-not-found", "Could not find the data object")
    return kind, key


def anchor_of(given: Json) -> str:
    """Return the validated `anchor`; by default, `source`."""
    if given not in (None, *ANCHORS):
        raise invalid("'anchor' must be source or target")
    return given or "source"


_TYPES: dict[str, Callable[[Json], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "time": lambda value: isinstance(value, str) and (parsed := parse_iso(value)) is not None and parsed[1],
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


_SCHEMAS = {name: {"type": name} for name in _TYPES} | {"time": {"type": "string", "format": "date-time"}}


def checked(attributes: Json, fields: dict[str, str]) -> dict[str, Any]:
    """Return attributes validated against a schema's names and types. A null clears a field (docs silent)."""
    if not isinstance(attributes, dict):
        raise invalid("'attributes' must be an object")
    for name, value in attributes.items():
        if name not in fields:
            raise invalid(f"'attributes': the schema has no field {name!r}")
        if value is not None and not _TYPES[fields[name]](value):
            raise invalid(f"'attributes': {name!r} must be of type {fields[name]}")
    return {name: value for name, value in attributes.items() if value is not None}


def page(call: Call, items: Sequence[Any]) -> Answer:
    """Return the page at `limit` and `offset`; values out of bounds are clamped."""
    numbers = []
    for name, default in (("limit", PAGE), ("offset", 0)):
        number = whole_number(call.query.get(name, str(default)))
        if number is None:
            raise invalid(f"'{name}' must be an integer")
        numbers.append(number)
    limit, offset = min(max(numbers[0], 1), LARGEST), max(numbers[1], 0)
    more = offset + limit < len(items)
    answer = {
        "items": items[offset : offset + limit],
        "total_count": len(items),
        "has_more": more,
        "next_offset": offset + limit if more else None,
        "offset": offset,
        "limit": limit,
    }
    return Answer(encode(answer))


def _shown(kind: DataObjectType) -> dict[str, Any]:
    source = kind.display_name_source
    return {"type_name": kind.name, "metadata": {"display_name_source": source} if source else {}}


def list_(call: Call) -> Answer:
    """GET /data_objects/types."""
    term = call.query.get("search_term", "").lower()
    kinds = call.instance.workspace.data_objects.values()
    return page(call, [_shown(kind) for kind in kinds if kind.name.lower().startswith(term)])


def get(call: Call) -> Answer:
    """GET /data_objects/types/{type_name}."""
    kind = type_of(call)
    properties = {name: {**_SCHEMAS[form], "title": name.capitalize()} for name, form in kind.fields.items()}
    schema = {"type": "object", "properties": properties, "required": []}
    return Answer(encode({"data_object_type": {**_shown(kind), "schema_def": schema}}))


def user_kinds(call: Call) -> Answer:
    """GET /data_objects/types/{type_name}/user_relationship_types."""
    return page(call, [{"rel_kind": kind, "display_name": kind} for kind in type_of(call).user_relationships])


def object_kinds(call: Call) -> Answer:
    """GET /data_objects/types/{type_name}/object_relationship_types."""
    here, anchor = type_of(call), anchor_of(call.query.get("anchor"))
    rows = []
    for kind in call.instance.workspace.data_objects.values():
        for rel_kind, other in kind.object_relationships:
            if here.name == (kind.name if anchor == "source" else other):
                related = other if anchor == "source" else kind.name
                row = {"from_type_name": kind.name, "to_type_name": other, "rel_kind": rel_kind}
                rows.append({**row, "display_name": rel_kind, "related_type_name": related})
    return page(call, rows)


ENDPOINTS = [
    Endpoint(
        method="GET", path=f"/data_objects/types{path}", permission="data_objects.read", pool=READ, handler=handler
    )
    for path, handler in (
        ("", list_),
        ("/{type}", get),
        ("/{type}/user_relationship_types", user_kinds),
        ("/{type}/object_relationship_types", object_kinds),
    )
]
