"""Canvases: list, details, series, summary (docs: get_canvases, get_canvas_details, get_canvas_analytics…)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.analytics.series import Figure, Line, Shape, by_day
from braze_sandbox.endpoints.analytics.series_responses import late_days, ordered
from braze_sandbox.endpoints.messaging.campaigns import (
    PAGE,
    active_days,
    last_active,
    listed,
    with_translatable,
)
from braze_sandbox.endpoints.messaging.metrics import metrics
from braze_sandbox.endpoints.messaging.sent import with_entries
from braze_sandbox.model.clock import iso
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import flag, integer, lookup, moment, paged, required
from braze_sandbox.wire.answer import Answer, Refusal, success

if TYPE_CHECKING:
    from datetime import date

    from braze_sandbox.model.workspace import Canvas

UNKNOWN = "canvas_id must be a string of the Canvas api identifier"
DAYS = 14
"""The longest window (docs: get_canvas_analytics)."""


def list_(call: Call) -> Answer:
    """GET /canvas/list. Drafts are listed (docs silent)."""
    kept = listed(call, list(call.instance.workspace.canvases.values()))
    rows = [
        {"id": canvas.id, "last_edited": iso(canvas.updated_at), "name": canvas.name, "tags": canvas.tags}
        for canvas in paged(call, kept, PAGE)
    ]
    return success({"canvases": rows})


def details(call: Call) -> Answer:
    """GET /canvas/details. For a Canvas without entries, first and last are null (docs silent)."""
    canvas = lookup(call, "canvas_id", call.instance.workspace.canvases, UNKNOWN)
    pending = flag(call, "post_launch_draft_version") and canvas.has_post_launch_draft
    last = last_active(canvas.first_entry, canvas.last_entry, call.instance.clock.now())
    variants = [
        variant | ({"first_step_id": variant["first_step_ids"][0]} if len(variant["first_step_ids"]) == 1 else {})
        for variant in canvas.variants
    ]
    steps = [step | {"messages": with_translatable(call, step["messages"])} for step in canvas.steps]
    return success(
        {
            "created_at": iso(canvas.created_at),
            "updated_at": iso(canvas.updated_at),
            "name": canvas.name,
            "description": canvas.description + (" (draft)" if pending else ""),
            "archived": canvas.archived,
            "draft": canvas.draft,
            "enabled": canvas.enabled,
            "has_post_launch_draft": canvas.has_post_launch_draft,
            "schedule_type": canvas.schedule_type,
            "first_entry": iso(canvas.first_entry) if last and canvas.first_entry else None,
            "last_entry": iso(last) if last else None,
            "channels": canvas.channels,
            "variants": variants,
            "tags": canvas.tags,
            "teams": canvas.teams,
            "steps": steps,
        }
    )


def _stats(canvas: Canvas, share: float, *, entries: bool, late: bool = False) -> dict[str, Any]:
    stats: dict[str, Any] = {"revenue": Figure(0.5 * share, money=True)}
    for number in range(canvas.conversions):
        name = f"conversions{number or ''}"
        stats[name] = Figure(0.05 * share / (number + 1), late=late)
        stats[f"{name}_by_entry_time"] = Figure(0.045 * share / (number + 1), late=late)
    if entries:
        stats["entries"] = Figure(share)
    return stats


def shape(canvas: Canvas, *, variants: bool, steps: bool, deleted: bool, recorded: bool) -> Shape:
    """Return the form of a Canvas's rows, with the requested breakdowns."""
    row: dict[str, Any] = {"total_stats": _stats(canvas, 1.0, entries=True, late=True)}
    if variants:
        split = 1 / max(1, len(canvas.variants))
        row["variant_stats"] = {
            variant["id"]: {"name": variant["name"], **_stats(canvas, split, entries=True)}
            for variant in canvas.variants
        }
    if steps:
        shown = canvas.steps + (canvas.deleted_steps if deleted else [])
        row["step_stats"] = {
            step["id"]: {
                "name": step["name"],
                **_stats(canvas, 0.8, entries=False),
                "messages": _messages(step, recorded=recorded),
            }
            for step in shown
        }
    return Shape(row)


def _messages(step: dict[str, Any], *, recorded: bool) -> dict[str, list[dict[str, Figure]]]:
    # Elements have neither the id nor the name of the variation (docs: get_canvas_analytics).
    channels: dict[str, list[dict[str, Figure]]] = {}
    for message in step["messages"].values():
        channel = message["channel"]
        shares = metrics("step", channel, recorded=recorded)
        channels.setdefault(channel, []).append({name: Figure(share) for name, share in shares.items()})
    return channels


def _days(call: Call) -> list[date]:
    """Return the window: `ending_at`, marked required, with `starting_at` or else `length` (if both: docs silent)."""
    clock = call.instance.clock
    required(call, "ending_at")
    end, start = moment(call, "ending_at"), moment(call, "starting_at")
    assert end is not None  # noqa: S101 - for the type checker; it is required above
    length = integer(call, "length", None, 1, DAYS) if start is None or "length" in call.query else 0
    if start is None:
        return clock.days(end, length)
    first, last = start.astimezone(clock.zone).date(), clock.last_day(end)
    if end < start:
        raise Refusal(400, "'starting_at' is after 'ending_at'")
    if (last - first).days >= DAYS:
        raise Refusal(400, f"'starting_at' and 'ending_at' are more than {DAYS} days apart")
    return list(clock.between(first, last))


def _rows(call: Call, canvas: Canvas) -> list[str]:
    form = shape(
        canvas,
        variants=flag(call, "include_variant_breakdown"),
        steps=flag(call, "include_step_breakdown"),
        deleted=flag(call, "include_deleted_step_data"),
        recorded=call.recorded,
    )
    rows = by_day(
        form,
        Line(canvas.id, quiet=40),
        _days(call),
        active=active_days(call, canvas.first_entry, canvas.last_entry),
        late=late_days(call, "canvases", canvas.id),
        zero_rows=call.instance.options.zero_rows,
    )
    return with_entries(call, rows, canvas)


def data_series(call: Call) -> Answer:
    """GET /canvas/data_series. Archived Canvases work too (docs silent)."""
    canvas = lookup(call, "canvas_id", call.instance.workspace.canvases, UNKNOWN)
    name = json.dumps(canvas.name, ensure_ascii=False)
    rows = ",".join(ordered(call, _rows(call, canvas)))
    return Answer(f'{{"data":{{"name":{name},"stats":[{rows}]}},"message":"success"}}'.encode())


def data_summary(call: Call) -> Answer:
    """GET /canvas/data_summary: the sum of the window's days, without dates."""
    canvas = lookup(call, "canvas_id", call.instance.workspace.canvases, UNKNOWN)
    total: dict[str, Any] = {}
    for row in _rows(call, canvas):
        day = json.loads(row)
        del day["time"]
        _add(total, day)
    if not total:
        total["total_stats"] = {"revenue": 0.0, "conversions": 0, "conversions_by_entry_time": 0, "entries": 0}
    return success({"data": {"name": canvas.name, **total}})


def _add(total: dict[str, Any], day: dict[str, Any]) -> None:
    for key, value in day.items():
        if isinstance(value, dict):
            _add(total.setdefault(key, {}), value)
        elif isinstance(value, list):
            elements = total.setdefault(key, [{} for _ in value])
            for element, more in zip(elements, value, strict=True):
                _add(element, more)
        elif isinstance(value, str):
            total[key] = value
        else:
            total[key] = round(total.get(key, 0) + value, 2)


ENDPOINTS = [
    Endpoint(method="GET", path="/canvas/list", permission="canvas.list", pool="a", handler=list_),
    Endpoint(method="GET", path="/canvas/details", permission="canvas.details", pool="a", handler=details),
    Endpoint(method="GET", path="/canvas/data_series", permission="canvas.data_series", pool="a", handler=data_series),
    Endpoint(
        method="GET", path="/canvas/data_summary", permission="canvas.data_summary", pool="a", handler=data_summary
    ),
]
