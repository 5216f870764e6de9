"""Read, create, and update Content Blocks (docs: the content_blocks_templates pages)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from braze_sandbox.endpoints.messaging.templates import checked_tags, zoneless
from braze_sandbox.model.clock import iso, parse_iso
from braze_sandbox.model.objects import ContentBlock
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import flag, whole_number
from braze_sandbox.wire.answer import Answer, Refusal, encode, success

if TYPE_CHECKING:
    from datetime import datetime

LIMIT = 1_000
NAME = 100
DESCRIPTION = 250
CONTENT = 50_000


def _time(call: Call, name: str, word: str) -> datetime | None:
    text = call.query.get(name)
    parsed = parse_iso(text) if text is not None else None
    if text is not None and parsed is None:
        raise Refusal(400, f"Modified {word} time is invalid.")
    return parsed and parsed[0]


def _positive(call: Call, name: str, default: int, words: str) -> int:
    text = call.query.get(name)
    if text is None:
        return default
    number = whole_number(text)
    if number is None:
        raise Refusal(400, f"{words} is invalid.")
    if number <= 0:
        raise Refusal(400, f"{words} must be greater than 0.")
    return number


def _liquid_tag(name: str) -> str:
    return f"{{{{content_blocks.${{{name}}}}}}}"


def list_(call: Call) -> Answer:
    """GET /content_blocks/list: by creation time (docs silent), both bounds inclusive; no `message` (sample).

    `offset=0` is refused, following the list of errors, although a sample request sends it. `count` is that of the page
    (docs silent).
    """
    after, before = _time(call, "modified_after", "after"), _time(call, "modified_before", "before")
    if after and before and after > before:
        raise Refusal(400, "Modified after time must be earlier than or the same as modified before time.")
    limit = _positive(call, "limit", 100, "Content Block number limit")
    if limit > LIMIT:
        raise Refusal(400, f"Content Block number limit exceeds maximum of {LIMIT}.")
    offset = _positive(call, "offset", 0, "Offset")
    kept = [
        block
        for block in call.instance.workspace.content_blocks.values()
        if not block.deleted
        and (after is None or block.updated_at >= after)
        and (before is None or block.updated_at <= before)
    ]
    kept.sort(key=lambda block: (block.created_at, block.id))
    rows = [
        {
            "content_block_id": block.id,
            "name": block.name,
            "content_type": block.content_type,
            "liquid_tag": _liquid_tag(block.name),
            "inclusion_count": len(block.included_in),
            "created_at": zoneless(block.created_at),
            "last_edited": zoneless(block.updated_at),
            "tags": block.tags,
        }
        for block in kept[offset : offset + limit]
    ]
    return Answer(encode({"count": len(rows), "content_blocks": rows}))


def info(call: Call) -> Answer:
    """GET /content_blocks/info. The status of its errors is not documented: 400."""
    key = call.query.get("content_block_id")
    if not key:
        raise Refusal(400, "Content Block ID cannot be blank.")
    included = flag(call, "include_inclusion_data")
    block = call.instance.workspace.content_blocks.get(key)
    if block is None:
        raise Refusal(400, "Content Block ID is invalid for this workspace.")
    if block.deleted:
        raise Refusal(400, "Content Block has been deleted - content not available.")
    answer = {
        "content_block_id": block.id,
        "name": block.name,
        "content": block.content,
        "description": block.description,
        "content_type": block.content_type,
        "tags": block.tags,
        "created_at": zoneless(block.created_at),
        "last_edited": zoneless(block.updated_at),
        "inclusion_count": len(block.included_in),
    }
    return success(answer | ({"inclusion_data": _inclusions(call, block)} if included else {}))


def _inclusions(call: Call, block: ContentBlock) -> list[Any]:
    """Return where a block is used: recorded as objects, documented as message variation ids."""
    return [one if call.recorded else one["message_variation_id"] for one in block.included_in]


def _text(call: Call, name: str, words: str, longest: int) -> str:
    value = call.body[name]
    if not isinstance(value, str):
        raise Refusal(400, f"{words} must be a string")
    if not value:
        raise Refusal(400, f"{words} cannot be blank")
    if len(value) >= longest:
        raise Refusal(400, f"{words} must be shorter than {longest} characters")
    return value


def _name(call: Call, block: ContentBlock | None) -> str:
    name = _text(call, "name", "Content Block name", NAME)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise Refusal(400, "Content Block name can only contain alphanumeric characters")
    others = call.instance.workspace.content_blocks.values()
    if any(one.name == name and one is not block and not one.deleted for one in others):
        raise Refusal(400, "Content Block with this name already exists")
    if block and block.state == "active" and name != block.name:
        raise Refusal(400, "Content Block name cannot be updated for active Content Blocks")
    return name


def _changes(call: Call, block: ContentBlock | None) -> dict[str, Any]:
    """Return the validated block fields in a body."""
    changes: dict[str, Any] = {}
    if "name" in call.body:
        changes["name"] = _name(call, block)
    if "description" in call.body:
        changes["description"] = _text(call, "description", "Content Block description", DESCRIPTION)
    if "content" in call.body:
        changes["content"] = _content(call, changes.get("name", block and block.name))
    if "state" in call.body:
        if call.body["state"] not in ("active", "draft"):
            raise Refusal(400, "Content Block state must be either active or draft")
        if block and block.state == "active" and call.body["state"] == "draft":
            raise Refusal(400, "Active Content Block can not be updated to Draft. Create a new Content Block.")
        changes["state"] = call.body["state"]
    if "tags" in call.body:
        changes["tags"] = checked_tags(call)
    return changes


def _content(call: Call, name: str | None) -> str:
    value = call.body["content"]
    if not isinstance(value, str):
        raise Refusal(400, "Content must be a string")
    if not value:
        raise Refusal(400, "Content cannot be blank")
    if len(value.encode()) >= CONTENT:
        raise Refusal(400, "Content must be smaller than 50kb")
    if name and _liquid_tag(name) in value.replace(" ", ""):
        raise Refusal(400, "Content Block cannot be referenced within itself")
    return value


def _written(block: ContentBlock) -> Answer:
    """Return the response to a write. Status 201 (docs silent)."""
    answer = {"content_block_id": block.id, "liquid_tag": _liquid_tag(block.name), "created_at": iso(block.created_at)}
    return success(answer, 201)


def create(call: Call) -> Answer:
    """POST /content_blocks/create. Liquid is not parsed, so malformed Liquid is accepted."""
    for name, says in (("name", "Content Block name cannot be blank"), ("content", "Content cannot be blank")):
        if call.body.get(name) is None:
            raise Refusal(400, says)
    now = call.instance.clock.utc_now()
    block = ContentBlock(id=str(uuid4()), created_at=now, updated_at=now, **_changes(call, None))
    call.instance.workspace.content_blocks[block.id] = block
    return _written(block)


def update(call: Call) -> Answer:
    """POST /content_blocks/update."""
    key = call.body.get("content_block_id")
    if not isinstance(key, str) or not key:
        raise Refusal(400, "Content Block ID cannot be blank.")
    block = call.instance.workspace.content_blocks.get(key)
    if block is None or block.deleted:
        raise Refusal(400, "Content Block ID is invalid for this workspace.")
    call.instance.workspace.edit("content_blocks", key, **_changes(call, block))
    return _written(call.instance.workspace.content_blocks[key])


ENDPOINTS = [
    *(
        Endpoint(
            method="POST",
            path=f"/content_blocks/{handler.__name__}",
            permission=f"content_blocks.{handler.__name__}",
            pool="a",
            handler=handler,
        )
        for handler in (create, update)
    ),
    Endpoint(method="GET", path="/content_blocks/list", permission="content_blocks.list", pool="a", handler=list_),
    Endpoint(method="GET", path="/content_blocks/info", permission="content_blocks.info", pool="a", handler=info),
]
