"""Segments: list, details, and size by day (docs: get_segment, get_segment_details, get_segment_analytics)."""

from __future__ import annotations

from braze_sandbox.endpoints.analytics.series import Figure, Line, Shape, by_day
from braze_sandbox.endpoints.analytics.series_responses import DAYS, late_days, series
from braze_sandbox.model.clock import iso
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import choice, ending_at, integer, lookup, paged
from braze_sandbox.wire.answer import Answer, Refusal, success

PAGE = 100
UNKNOWN = "Invalid Segment ID"
SHAPE = Shape({"size": Figure(1.0, late=True)})


def list_(call: Call) -> Answer:
    """GET /segments/list; never includes archived segments."""
    descending = choice(call, "sort_direction", ("asc", "desc")) == "desc"
    kept = [segment for segment in call.instance.workspace.segments.values() if not segment.archived]
    kept.sort(key=lambda segment: (segment.created_at, segment.id), reverse=descending)
    rows = [
        {
            "id": segment.id,
            "name": segment.name,
            "analytics_tracking_enabled": segment.analytics_tracking_enabled,
            "tags": segment.tags,
        }
        for segment in paged(call, kept, PAGE)
    ]
    return success({"segments": rows})


def details(call: Call) -> Answer:
    """GET /segments/details."""
    segment = lookup(call, "segment_id", call.instance.workspace.segments, UNKNOWN)
    return success(
        {
            "created_at": iso(segment.created_at),
            "updated_at": iso(segment.updated_at),
            "name": segment.name,
            "description": segment.description,
            "text_description": segment.text_description,
            "tags": segment.tags,
            "teams": segment.teams,
        }
    )


def data_series(call: Call) -> Answer:
    """GET /segments/data_series. Without analytics tracking: 400 (docs silent)."""
    segment = lookup(call, "segment_id", call.instance.workspace.segments, UNKNOWN)
    length = integer(call, "length", None, 1, DAYS)
    clock = call.instance.clock
    if not segment.analytics_tracking_enabled:
        raise Refusal(400, "Analytics tracking is not enabled for this segment")
    days = clock.days(ending_at(call, clock), length)
    rows = by_day(
        SHAPE,
        Line(segment.id, steady=True),
        days,
        active=(segment.created_at.astimezone(clock.zone).date(), clock.today()),
        late=late_days(call, "segments", segment.id),
        zero_rows=call.instance.options.zero_rows,
    )
    return series(call, rows)


ENDPOINTS = [
    Endpoint(method="GET", path="/segments/list", permission="segments.list", pool="a", handler=list_),
    Endpoint(method="GET", path="/segments/details", permission="segments.details", pool="a", handler=details),
    Endpoint(
        method="GET", path="/segments/data_series", permission="segments.data_series", pool="a", handler=data_series
    ),
]
