"""Schedule messages, campaigns, and Canvases (docs: the schedule_messages pages).

Due messages are sent when the next request arrives or when messages are inspected.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from braze_sandbox.endpoints.sending.bodies import pool, schedule_time
from braze_sandbox.endpoints.sending.send import (
    check_campaign,
    check_canvas,
    check_message,
    dispatch,
    errors_of,
    messages_of,
)
from braze_sandbox.model.messages import Schedule
from braze_sandbox.request.bodies import bad, mentioned
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, success

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.model.messages import Source

_CHECKS: dict[Source, Callable[[Call], object]] = {
    "message": check_message,
    "campaign": check_campaign,
    "canvas": check_canvas,
}
_OWNERS: dict[Source, str] = {"campaign": "campaign_id", "canvas": "canvas_id"}


def create(call: Call, source: Source) -> Answer:
    """Schedule a dispatch. If the time is past, send it at once (docs silent)."""
    _CHECKS[source](call)
    at = schedule_time(call, call.body.get("schedule"))
    made = Schedule(id=uuid4().hex, dispatch=dispatch(call, source), at=at)
    call.instance.workspace.schedules[made.id] = made
    return success({"dispatch_id": made.dispatch.id, "schedule_id": made.id, **errors_of(call)}, 201)


def _schedule(call: Call, source: Source) -> Schedule:
    """Return a request's schedule. Unknown, already sent, or another source's: 400 with our own text (docs silent)."""
    found = call.instance.workspace.schedules.get(str(call.body.get("schedule_id")))
    if found is None or found.dispatch.source != source:
        raise bad("Invalid Schedule ID")
    owner = _OWNERS.get(source)
    if owner and found.dispatch.body[owner] != call.body.get(owner):
        raise bad("Invalid Schedule ID")
    return found


def update(call: Call, source: Source) -> Answer:
    """Change the send time and, for messages without a campaign, the content."""
    found = _schedule(call, source)
    changes = call.body.keys() & {"schedule", "messages"}
    if not changes or (source != "message" and "schedule" not in changes):
        raise bad("'schedule' is required" if source != "message" else "'schedule' or 'messages' is required")
    at = schedule_time(call, call.body["schedule"]) if "schedule" in changes else found.at
    if source == "message" and "messages" in changes:
        # Checked against the schedule's campaign, which the request does not repeat.
        messages_of(replace(call, body=found.dispatch.body), call.body["messages"])
        found.dispatch.body["messages"] = call.body["messages"]
    found.at = at
    return success({}, 201)


def delete(call: Call, source: Source) -> Answer:
    """Cancel a scheduled dispatch before it is sent."""
    del call.instance.workspace.schedules[_schedule(call, source).id]
    return success({}, 201)


def _endpoints(source: Source, path: str, permission: str) -> list[Endpoint]:
    return [
        Endpoint(
            method="POST",
            path=f"{path}/{action.__name__}",
            permission=f"{permission}.{action.__name__}",
            pool=pool if action is create else "a",
            handler=partial(action, source=source),
            touches=mentioned,
        )
        for action in (create, update, delete)
    ]


ENDPOINTS = [
    *_endpoints("message", "/messages/schedule", "messages.schedule"),
    *_endpoints("campaign", "/campaigns/trigger/schedule", "campaigns.trigger.schedule"),
    *_endpoints("canvas", "/canvas/trigger/schedule", "canvas.trigger.schedule"),
]
