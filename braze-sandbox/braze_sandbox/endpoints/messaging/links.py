"""Link aliases of email messages (docs: get_campaign_link_alias, get_canvas_link_alias, both hidden pages)."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, Refusal, success

LINKS = 3
"""Number of links in a message."""

_VARIANT = "Missing/Invalid Message Variant ID"


def links(variation: str) -> list[dict[str, Any]]:
    """Return a message variation's links."""
    found = []
    for number in range(LINKS):
        lid = blake2b(f"{variation}/{number}".encode(), digest_size=6).hexdigest()
        found.append(
            {
                "link_URL": f"https://shop.example/{number}?lid={lid}",
                "link_id": lid,
                # Elements are not documented; the sample has none.
                "content_block_path_info": [],
                "link_alias": f"link{number + 1}",
            }
        )
    return found


def _switched_on(call: Call) -> None:
    # Workspaces without link aliasing cannot grant the permission (docs: basics), so no key has it.
    if not call.instance.options.link_aliasing:
        raise Refusal(403, "Access Denied", ["link aliasing is not turned on for this workspace"])


def _answer(call: Call, messages: dict[str, dict[str, Any]]) -> Answer:
    variation = call.query.get("message_variation_id", "")
    message = messages.get(variation)
    # Only emails have aliases; responses for other messages are not documented.
    if message is None or message["channel"] != "email" or message.get("type") == "control":
        raise Refusal(400, _VARIANT)
    wanted = call.query.get("includes_link_id")
    data = [link for link in links(variation) if wanted in (None, "", "null", link["link_id"])]
    return success({"channel": "email", "name": message["name"], "link_data": data})


def campaign_links(call: Call) -> Answer:
    """GET /campaigns/url_info/details. The status of its errors is not documented: 400."""
    _switched_on(call)
    campaign = call.instance.workspace.campaigns.get(call.query.get("campaign_id", ""))
    if campaign is None:
        raise Refusal(400, "Missing/Invalid Campaign ID")
    return _answer(call, campaign.messages)


def canvas_links(call: Call) -> Answer:
    """GET /canvas/url_info/details, by `canvas_step_id`, although its page's sample has a `campaign_id`."""
    _switched_on(call)
    wanted = call.query.get("canvas_step_id", "")
    for canvas in call.instance.workspace.canvases.values():
        for step in canvas.steps:
            if step["id"] == wanted:
                return _answer(call, step["messages"])
    raise Refusal(400, "Missing/Invalid Canvas ID")


# Limit: docs silent.
ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/campaigns/url_info/details",
        permission="campaigns.url_info.details",
        pool="a",
        handler=campaign_links,
    ),
    Endpoint(
        method="GET",
        path="/canvas/url_info/details",
        permission="canvas.url_info.details",
        pool="a",
        handler=canvas_links,
    ),
]
