"""Scheduled campaigns and Canvases (docs: get_messages_scheduled)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import moment, required
from braze_sandbox.wire.answer import Answer, encode

if TYPE_CHECKING:
    from braze_sandbox.model.clock import Clock
    from braze_sandbox.model.objects import Broadcast


def _next(broadcast: Broadcast, clock: Clock) -> datetime:
    """Return when a broadcast next goes out, in the company's zone; a past time if it is over."""
    when, now = broadcast.next_send_time.astimezone(clock.zone), clock.now()
    if broadcast.daily:
        # At the same local time of the company's day, across DST changes.
        when = datetime.combine(now.date(), when.time(), clock.zone)
        if when < now:
            when = datetime.combine(now.date() + timedelta(days=1), when.time(), clock.zone)
    return when


def _row(broadcast: Broadcast, when: datetime, clock: Clock) -> dict[str, Any]:
    local = broadcast.schedule_type != "company"
    return {
        "name": broadcast.name,
        "id": broadcast.id,
        "type": broadcast.type,
        "tags": broadcast.tags,
        # Only company time has a zone name.
        "next_send_time": when.replace(tzinfo=None).isoformat() if local else when.isoformat(),
        "schedule_type": broadcast.schedule_type if local else clock.zone.key,
    }


def scheduled(call: Call) -> Answer:
    """GET /messages/scheduled_broadcasts: from now to the midnight (UTC) at the start of the day of `end_time`.

    Sorted by send time, excluding midnight itself (docs silent on both); no `message` (sample).
    """
    required(call, "end_time")
    given = moment(call, "end_time")
    assert given is not None  # noqa: S101 - for the type checker; it is required above
    end = given.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    clock = call.instance.clock
    now = clock.now()
    due = [(_next(broadcast, clock), broadcast) for broadcast in call.instance.workspace.broadcasts]
    due.sort(key=lambda pair: (pair[0], pair[1].id))
    rows = [_row(broadcast, when, clock) for when, broadcast in due if now <= when < end]
    return Answer(encode({"scheduled_broadcasts": rows}))


ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/messages/scheduled_broadcasts",
        permission="messages.schedule_broadcasts",
        pool="a",
        handler=scheduled,
    ),
]
