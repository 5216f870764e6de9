"""Responses shared by several endpoint families: lists of series rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_sandbox.endpoints.analytics.series import Line, Shape, by_day, by_hour, fraction
from braze_sandbox.request.query import choice, ending_at, integer
from braze_sandbox.wire.answer import Answer, Refusal

if TYPE_CHECKING:
    from datetime import date

    from braze_sandbox.request.endpoint import Call

DAYS = 100
"""Maximum length of a series (docs: the pages of all data_series except those of Canvas)."""


def late_days(call: Call, kind: str, key: str) -> dict[date, int]:
    """Return the amounts added to each day of an object later."""
    restated = call.instance.workspace.restatements
    if not restated:
        return {}
    return {day: by for (of, name, day), by in restated.items() if of == kind and name == key}


def ordered(call: Call, rows: list[str]) -> list[str]:
    """Return rows in the order set in the sandbox's options."""
    return rows[::-1] if call.instance.options.row_order == "desc" else rows


def series(call: Call, rows: list[str]) -> Answer:
    """Return a series response."""
    return Answer(f'{{"data":[{",".join(ordered(call, rows))}],"message":"success"}}'.encode())


def share_of_filters(call: Call) -> float:
    """Return the share of users under `app_id` and `segment_id`. Unknown ones are a 400 (docs silent)."""
    share = 1.0
    workspace = call.instance.workspace
    if (app := call.query.get("app_id")) is not None:
        if app not in workspace.apps:
            raise Refusal(400, "Invalid App ID")
        share *= fraction("app", app)
    if (segment := call.query.get("segment_id")) is not None:
        found = workspace.segments.get(segment)
        if found is None:
            raise Refusal(400, "Invalid Segment ID")
        if not found.analytics_tracking_enabled:
            raise Refusal(400, "Analytics tracking is not enabled for this segment")
        share *= fraction("segment", segment)
    return share


def plain_series(
    call: Call, shape: Shape, line: Line, *, late: dict[date, int], hourly: bool, active: tuple[date, date] | None
) -> Answer:
    """Return a series with one row per day, or per hour if `hourly` allows it and `unit` requests it."""
    options, clock = call.instance.options, call.instance.clock
    length = integer(call, "length", None, 1, DAYS)
    end = ending_at(call, clock)
    share = share_of_filters(call)
    if hourly and choice(call, "unit", ("day", "hour")) == "hour":
        rows = by_hour(shape, line, clock.hours(end, length), share=share, zero_rows=options.zero_rows)
    else:
        rows = by_day(
            shape, line, clock.days(end, length), active=active, late=late, share=share, zero_rows=options.zero_rows
        )
    return series(call, rows)
