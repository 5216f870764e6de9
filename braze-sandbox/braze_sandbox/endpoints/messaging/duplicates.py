"""Duplicate campaigns and Canvases (docs: the duplicate_messages pages)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Literal
from uuid import uuid4

from braze_sandbox.endpoints.messaging.campaigns import UNKNOWN as UNKNOWN_CAMPAIGN
from braze_sandbox.endpoints.messaging.canvases import UNKNOWN as UNKNOWN_CANVAS
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, Refusal, success

Kind = Literal["campaigns", "canvases"]

_ID: dict[Kind, tuple[str, str]] = {
    "campaigns": ("campaign_id", UNKNOWN_CAMPAIGN),
    "canvases": ("canvas_id", UNKNOWN_CANVAS),
}


def duplicate(call: Call, kind: Kind) -> Answer:
    """Copy an object as a draft, asynchronously, like a dashboard copy (docs silent). Unknown tags: 400."""
    name, unknown = _ID[kind]
    objects = getattr(call.instance.workspace, kind)
    found = objects.get(str(call.body.get(name)))
    if found is None:
        raise Refusal(400, unknown)
    given = {key: call.body[key] for key in ("name", "description") if key in call.body}
    if not given.get("name") or not all(isinstance(value, str) for value in given.values()):
        raise Refusal(400, "'name' is required; 'name' and 'description' must be strings")
    tags = call.body.get("tag_names", found.tags)
    if not isinstance(tags, list) or not set(map(str, tags)) <= call.instance.workspace.tags:
        raise Refusal(400, "'tag_names' must be an array of existing tags")

    def copy() -> None:
        now, key = call.instance.clock.utc_now(), str(uuid4())
        fresh = {"draft": True, "enabled": False, "created_at": now, "updated_at": now, "tags": list(tags)}
        never = ("first_sent", "last_sent") if kind == "campaigns" else ("first_entry", "last_entry")
        objects[key] = replace(deepcopy(found), id=key, **given, **fresh, **dict.fromkeys(never))

    call.apply(copy)
    return success({}, 202)


_PATHS: list[tuple[str, str, Kind]] = [
    ("/campaigns/duplicate", "campaigns.duplicate", "campaigns"),
    ("/canvas/duplicate", "canvas.duplicate", "canvases"),
]
ENDPOINTS = [
    Endpoint(
        method="POST",
        path=path,
        permission=permission,
        pool="duplicates",
        handler=partial(duplicate, kind=kind),
    )
    for path, permission, kind in _PATHS
]
