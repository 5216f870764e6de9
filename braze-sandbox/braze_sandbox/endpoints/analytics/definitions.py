"""Definitions of custom events and custom attributes (docs: get_custom_events_data, get_custom_attributes)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.model.objects import CustomAttribute, CustomEvent
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.paging import by_cursor
from braze_sandbox.rules.values import ELEMENTS
from braze_sandbox.wire.answer import Answer, Refusal, encode

if TYPE_CHECKING:
    from braze_sandbox.model.workspace import Workspace

PAGE = 50

DATA_TYPES = {
    "string": "String",
    "number": "Number",
    "boolean": "Boolean",
    "time": "Time",
    "array": "Array",
    "object": "Object",
    "objects": "Object Array",
}
"""The docs show only `Number`; the others follow its spelling and the dashboard's type names."""

BLOCKLISTED = "Blocklisted"
"""The docs name no status other than `Active`; this is the dashboard's word."""


def _page(call: Call, key: str, rows: list[dict[str, Any]]) -> Answer:
    """Return rows by name, 50 at a time. A bad cursor is a 400, as elsewhere (docs silent)."""
    rows.sort(key=lambda row: row["name"])
    page, headers = by_cursor(call, f"/{key}", rows, PAGE, lambda _: Refusal(400, "Invalid cursor"))
    name = "attributes" if key == "custom_attributes" else key
    return Answer(encode({name: page, "message": "success"}), headers=headers)


_UNKNOWN_EVENT = CustomEvent()


def events(call: Call) -> Answer:
    """GET /events."""
    workspace = call.instance.workspace
    rows = []
    for name in workspace.events:
        event = workspace.event_definitions.get(name, _UNKNOWN_EVENT)
        rows.append(
            {
                "name": name,
                "description": event.description,
                "included_in_analytics_report": event.included_in_analytics_report,
                "status": event.status,
                "tag_names": event.tag_names if call.recorded else event.tag_names or [],
            }
        )
    return _page(call, "events", rows)


def attributes(call: Call) -> Answer:
    """GET /custom_attributes: both defined attributes and those that users have had."""
    workspace, types = call.instance.workspace, call.instance.profiles.types
    rows = [
        _attribute(workspace, name, types.get(name))
        for name in {*workspace.attribute_definitions, *types, *workspace.blocked_attributes}
    ]
    return _page(call, "custom_attributes", rows)


_UNKNOWN_ATTRIBUTE = CustomAttribute()


def _attribute(workspace: Workspace, name: str, kind: str | None) -> dict[str, Any]:
    attribute = workspace.attribute_definitions.get(name, _UNKNOWN_ATTRIBUTE)
    data_type = DATA_TYPES[kind] if kind else attribute.data_type
    length = attribute.array_length
    if data_type == "Array" and length is None:
        length = ELEMENTS
    return {
        "array_length": length,
        "data_type": data_type,
        "description": attribute.description,
        "name": name,
        "status": BLOCKLISTED if name in workspace.blocked_attributes else attribute.status,
        "tag_names": attribute.tag_names,
    }


# Both pages show the notice of pool C; the limits page omits them.
ENDPOINTS = [
    Endpoint(method="GET", path="/events", permission="events.get", pool="c", handler=events),
    Endpoint(method="GET", path="/custom_attributes", permission="custom_attributes.get", pool="c", handler=attributes),
]
