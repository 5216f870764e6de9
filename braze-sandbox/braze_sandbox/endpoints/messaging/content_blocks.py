"""Content Blocks (docs: get_list_email_content_blocks, get_see_email_content_blocks_information)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.messaging.templates import zoneless
from braze_sandbox.model.clock import parse_iso
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import flag, whole_number
from braze_sandbox.wire.answer import Answer, Refusal, encode, success

if TYPE_CHECKING:
    from datetime import datetime

    from braze_sandbox.model.objects import ContentBlock

LIMIT = 1_000


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


def list_(call: Call) -> Answer:
    """GET /content_blocks/list: by time of creation (docs silent), both bounds included; no `message` (sample).

    `offset=0` is refused, as the list of its errors has it, though a sample request sends it. `count` is that of the
    page (docs silent).
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
            "liquid_tag": f"{{{{content_blocks.${{{block.name}}}}}}}",
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
    """Where a block is used: recorded as objects, documented as the ids of message variations."""
    return [one if call.recorded else one["message_variation_id"] for one in block.included_in]


ENDPOINTS = [
    Endpoint(method="GET", path="/content_blocks/list", permission="content_blocks.list", pool="a", handler=list_),
    Endpoint(method="GET", path="/content_blocks/info", permission="content_blocks.info", pool="a", handler=info),
]
