"""Start and update Live Activities (docs: the live_activity pages)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from braze_sandbox.endpoints.sending.bodies import check_audience, known
from braze_sandbox.endpoints.sending.delivery import Delivery
from braze_sandbox.model.clock import parse_iso
from braze_sandbox.model.messages import Dispatch, LiveActivity
from braze_sandbox.request.bodies import bad, mentioned, strings, texts
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, success


def _check(call: Call, *required: str) -> tuple[str, str]:
    app, activity = texts(call.body, "the body", "app_id", "activity_id")
    known(call.instance.workspace.apps, app, "Invalid App ID")
    for name in ("content_state", *required):
        if not isinstance(call.body.get(name), dict):
            raise bad(f"'{name}' is required and must be an object")
    for name in ("stale_date", "dismissal_date"):
        value = call.body.get(name)
        if value is not None and not (isinstance(value, str) and parse_iso(value)):
            raise bad(f"'{name}' must be an ISO 8601 date-time")
    return app, activity


def start(call: Call) -> Answer:
    """POST /messages/live_activity/start: for users, a segment or an audience."""
    app, activity = _check(call, "activity_attributes", "notification")
    texts(call.body, "the body", "activity_attributes_type")
    given = [name for name in ("external_user_ids", "segment_id", "custom_audience") if name in call.body]
    if len(given) != 1:
        raise bad("exactly one of external_user_ids, segment_id and custom_audience is required")
    if given == ["external_user_ids"]:
        strings(call.body["external_user_ids"], "external_user_ids")
    elif given == ["segment_id"]:
        known(call.instance.workspace.segments, call.body["segment_id"], "Invalid Segment ID")
    else:
        check_audience(call.body["custom_audience"])
    state: dict[str, Any] = call.body["content_state"]
    made = LiveActivity(app_id=app, activity_id=activity, content_state=state)
    call.instance.workspace.live_activities[activity] = made
    call.apply(Delivery(call.instance, Dispatch(id=uuid4().hex, source="live_activity", body=call.body)).run)
    return success({}, 201)


def update(call: Call) -> Answer:
    """POST /messages/live_activity/update. An activity started by an app is unknown here and also accepted."""
    app, activity = _check(call)
    if not isinstance(call.body.get("end_activity", False), bool):
        raise bad("'end_activity' must be true or false")
    state: dict[str, Any] = call.body["content_state"]
    made = LiveActivity(app_id=app, activity_id=activity, content_state=state)
    made.ended = call.body.get("end_activity", False)
    call.instance.workspace.live_activities[activity] = made
    return success({}, 201)


ENDPOINTS = [
    Endpoint(
        method="POST",
        path=f"/messages/live_activity/{handler.__name__}",
        permission=f"messages.live_activity.{handler.__name__}",
        pool="a",
        handler=handler,
        touches=mentioned,
    )
    for handler in (start, update)
]
