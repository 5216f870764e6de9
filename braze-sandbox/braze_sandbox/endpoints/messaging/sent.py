"""Add messages sent through the API to series."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.messaging.metrics import SERIES_KEY
from braze_sandbox.wire.answer import encode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from braze_sandbox.model.messages import Message
    from braze_sandbox.model.workspace import Campaign, Canvas
    from braze_sandbox.request.endpoint import Call

_COUNTED = ("sent", "delivered", "sent_to_carrier")


def with_messages(call: Call, rows: list[str], campaign: Campaign, messages: Iterable[Message]) -> list[str]:
    """Return the rows of a campaign or send, counting messages on the company's days on which they were sent."""
    by_day = _by_day(call, messages)
    if not by_day:
        return rows
    order: dict[str, tuple[str, int]] = {}
    for variation, message in campaign.messages.items():
        key = SERIES_KEY.get(message["channel"], message["channel"])
        order[variation] = key, sum(channel == key for channel, _ in order.values())
    return [_with_campaign(row, order, by_day) for row in rows]


def _with_campaign(text: str, order: dict[str, tuple[str, int]], by_day: dict[str, list[Message]]) -> str:
    row = json.loads(text)
    sent = by_day.get(row["time"], [])
    for message in sent:
        channel, index = order.get(message.message_variation_id or "", ("", 0))
        if channel:
            _count(row["messages"][channel][index])
    row["unique_recipients"] += len({message.braze_id for message in sent})
    return encode(row).decode() if sent else text


def with_entries(call: Call, rows: list[str], canvas: Canvas) -> list[str]:
    """Return a Canvas's rows, counting its entries and messages through the API."""
    workspace, zone = call.instance.workspace, call.instance.clock.zone
    entries: dict[str, list[str]] = {}
    for key, variant, at in workspace.canvas_entries:
        if key == canvas.id:
            entries.setdefault(at.astimezone(zone).date().isoformat(), []).append(variant)
    if not entries:
        return rows
    sent = _by_day(call, (message for message in workspace.messages if message.canvas_id == canvas.id))
    steps = {step["id"]: _positions(step["messages"]) for step in canvas.steps}
    return [_with_canvas(row, entries, sent, steps) for row in rows]


def _with_canvas(
    text: str,
    entries: dict[str, list[str]],
    by_day: dict[str, list[Message]],
    steps: dict[str, dict[str, tuple[str, int]]],
) -> str:
    row = json.loads(text)
    entered = entries.get(row["time"])
    if not entered:
        return text
    row["total_stats"]["entries"] += len(entered)
    for variant in entered:
        if variant in row.get("variant_stats", {}):
            row["variant_stats"][variant]["entries"] += 1
    for message in by_day.get(row["time"], []):
        step = row.get("step_stats", {}).get(message.canvas_step_id)
        position = steps.get(message.canvas_step_id or "", {}).get(message.message_variation_id or "")
        if step and position:
            _count(step["messages"][position[0]][position[1]])
    return encode(row).decode()


def _positions(messages: dict[str, dict[str, Any]]) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for variation, message in messages.items():
        found[variation] = message["channel"], sum(channel == message["channel"] for channel, _ in found.values())
    return found


def _count(element: dict[str, Any]) -> None:
    for name in _COUNTED:
        if name in element:
            element[name] += 1


def _by_day(call: Call, messages: Iterable[Message]) -> dict[str, list[Message]]:
    zone = call.instance.clock.zone
    by_day: dict[str, list[Message]] = {}
    for message in messages:
        by_day.setdefault(message.sent_at.astimezone(zone).date().isoformat(), []).append(message)
    return by_day
