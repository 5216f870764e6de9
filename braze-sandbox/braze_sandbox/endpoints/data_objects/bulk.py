"""The bulk endpoints of Data Objects: up to 50 records, checked at once and applied later (docs: data_objects).

A request with an invalid record is refused as a whole. Types, attributes, objects and users are looked up only when
Braze processes the batch, which the caller does not learn: the sandbox reports these failures as violations. The text
of errors and the body of success are ours (docs silent).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from braze_sandbox.endpoints.data_objects.objects import delete as delete_object
from braze_sandbox.endpoints.data_objects.objects import replace as replace_object
from braze_sandbox.endpoints.data_objects.relationships import write
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, Refusal, success

if TYPE_CHECKING:
    from collections.abc import Hashable

Of = Literal["object", "user", "relationship"]
MOST = 50
_TEXTS: dict[Of, tuple[str, ...]] = {
    "object": ("type_name", "object_id"),
    "user": ("type_name", "object_id", "rel_kind"),
    "relationship": ("type_name", "object_id", "rel_kind", "related_type_name", "related_object_id"),
}
_ALIAS = ("alias_label", "alias_name")
_IDENTIFIERS = ("external_id", "braze_id", "email", "phone", "alias")


def bulk(call: Call, of: Of, *, deletes: bool) -> Answer:
    """PUT or DELETE records of objects, of links to users, or of links between objects."""
    records = call.body.get("records")
    if call.body.keys() - {"records"}:
        raise Refusal(400, "Invalid Request", ["only 'records' is allowed"])
    if not isinstance(records, list) or not 1 <= len(records) <= MOST:
        raise Refusal(400, "Invalid Request", [f"'records' must contain 1 to {MOST} records"])
    errors = [
        {"id": "invalid-record", "message": f"records[{place}]: {wrong}"}
        for place, record in enumerate(records)
        for wrong in _wrong(record, of, deletes=deletes)
    ]
    if errors:
        raise Refusal(400, "Invalid Request", errors)
    for record in records:
        call.users = _touched(record)
        call.apply(partial(_process, call, of, record, deletes=deletes))
    return success({}, 202)


def _wrong(record: Any, of: Of, *, deletes: bool) -> list[str]:  # noqa: ANN401 - whatever JSON can hold
    if not isinstance(record, dict):
        return ["must be an object"]
    found = [
        f"'{name}' is required and must be a non-empty string"
        for name in _TEXTS[of]
        if not isinstance(record.get(name), str) or not record[name]
    ]
    if not deletes and not isinstance(record.get("attributes"), dict):
        found.append("'attributes' is required and must be an object")
    if of == "user":
        user = record.get("user")
        values = [user[name] for name in _IDENTIFIERS if name in user] if isinstance(user, dict) else []
        if len(values) != 1 or not _names_a_user(values[0]):
            found.append(f"'user' must contain exactly one of {', '.join(_IDENTIFIERS)}")
    return found


def _names_a_user(value: Any) -> bool:  # noqa: ANN401 - whatever JSON can hold
    parts = [value.get(part) for part in _ALIAS] if isinstance(value, dict) else [value]
    return all(isinstance(part, str) and part for part in parts)


def _touched(record: dict[str, Any]) -> set[Hashable]:
    return {("data_object", record["type_name"], record["object_id"])}


def _process(call: Call, of: Of, record: dict[str, Any], *, deletes: bool) -> None:
    """Apply one record as the endpoint for single records would."""
    body = {name: value for name, value in record.items() if name not in {"type_name", "object_id", "user"}}
    single = Call(call.instance, {}, body, {"type": record["type_name"], "id": record["object_id"]})
    try:
        if of == "object":
            (delete_object if deletes else replace_object)(single)
            return
        if of == "user":
            single.body["braze_id"] = _braze_id(call, record["user"])
        write(single, "user" if of == "user" else "object", "delete" if deletes else "replace")
    except Refusal as refusal:
        if deletes and record["type_name"] in call.instance.workspace.data_objects:
            return  # nothing is lost: there is nothing to delete
        call.report(f"a record is dropped: {refusal.message}", "records", record)


def _braze_id(call: Call, user: dict[str, Any]) -> str:
    kind = next(name for name in _IDENTIFIERS if name in user)
    value = tuple(user[kind][part] for part in _ALIAS) if kind == "alias" else user[kind]
    found = call.instance.profiles.find(kind, value)
    if found is None:
        raise Refusal(404, "Could not find the user")
    return found.braze_id


_PATHS: dict[Of, tuple[str, str]] = {
    "object": ("objects", ""),
    "relationship": ("object_relationships", "object_relationships."),
    "user": ("user_relationships", "user_relationships."),
}
ENDPOINTS = [
    Endpoint(
        method=method,
        path=f"/data_objects/{path}",
        permission=f"data_objects.{right}bulk_{action}",
        pool="data_objects_bulk",
        handler=partial(bulk, of=of, deletes=method == "DELETE"),
    )
    for of, (path, right) in _PATHS.items()
    for method, action in (("PUT", "upsert"), ("DELETE", "delete"))
]
