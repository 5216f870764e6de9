"""Read, create, and update preference centers (docs: the preference_center pages)."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any
from uuid import uuid4

from braze_sandbox.model.clock import iso
from braze_sandbox.model.objects import PreferenceCenter
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, Refusal, encode, success


def _head(center: PreferenceCenter) -> dict[str, str]:
    return {
        "name": center.name,
        "preference_center_api_id": center.id,
        "created_at": iso(center.created_at),
        "updated_at": iso(center.updated_at),
    }


def list_(call: Call) -> Answer:
    """GET /preference_center/v1/list: in creation order (docs silent). None of the three has a `message`."""
    centers = call.instance.workspace.preference_centers.values()
    return Answer(encode({"preference_centers": [_head(center) for center in centers]}))


def _center(call: Call) -> PreferenceCenter:
    center = call.instance.workspace.preference_centers.get(call.params["id"])
    if center is None:
        # Docs silent.
        raise Refusal(404, "Preference Center not found")
    return center


def details(call: Call) -> Answer:
    """GET /preference_center/v1/{preferenceCenterExternalID}."""
    center = _center(call)
    return Answer(
        encode(
            {
                **_head(center),
                "preference_center_title": center.title,
                "preference_center_page_html": center.page_html,
                "confirmation_page_html": center.confirmation_html,
                "redirect_page_html": center.redirect_html,
                "preference_center_options": center.options,
                "state": center.state,
            }
        )
    )


def url(call: Call) -> Answer:
    """GET /preference_center/v1/{preferenceCenterExternalId}/url/{userId}. Unknown user: 404 (docs silent)."""
    center, user = _center(call), call.params["user"]
    if call.instance.profiles.find("external_id", user) is None:
        raise Refusal(404, "User not found")
    token = blake2b(f"{center.id}/{user}".encode(), digest_size=12).hexdigest()
    return Answer(encode({"preference_center_url": f"https://preferences.example/{center.id}?token={token}"}))


_FIELDS = {
    "preference_center_title": "title",
    "preference_center_page_html": "page_html",
    "confirmation_page_html": "confirmation_html",
}


def _changes(call: Call) -> dict[str, Any]:
    """Return the validated center fields in a body. The refusal texts are ours (docs silent)."""
    changes: dict[str, Any] = {}
    for given in ("preference_center_page_html", "confirmation_page_html"):
        if not isinstance(call.body.get(given), str) or not call.body[given]:
            raise Refusal(400, f"'{given}' is required and must be a non-empty string")
    for given, name in _FIELDS.items():
        if given in call.body:
            if not isinstance(call.body[given], str):
                raise Refusal(400, f"'{given}' must be a string")
            changes[name] = call.body[given]
    if "state" in call.body:
        if call.body["state"] not in ("active", "draft"):
            raise Refusal(400, "'state' must be active or draft")
        changes["state"] = call.body["state"]
    if "options" in call.body:
        if not isinstance(call.body["options"], dict):
            raise Refusal(400, "'options' must be an object")
        changes["options"] = call.body["options"]
    return changes


def create(call: Call) -> Answer:
    """POST /preference_center/v1. Status 201; a taken name is a 400 (docs silent on both)."""
    name, centers = call.body.get("name"), call.instance.workspace.preference_centers
    # No documented name contains a plus sign or a dot.
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise Refusal(400, "'name' is required and may have letters, numbers, hyphens and underscores only")
    if any(center.name == name for center in centers.values()):
        raise Refusal(400, "A preference center with this name already exists")
    now = call.instance.clock.utc_now()
    given = {"title": "Preference Center", **_changes(call)}
    center = PreferenceCenter(id=str(uuid4()), name=name, created_at=now, updated_at=now, **given)
    centers[center.id] = center
    answer = {
        "preference_center_api_id": center.id,
        "liquid_tag": f"{{{{preference_center.${{{center.name}}}}}}}",
        "created_at": now.isoformat(),
    }
    return success(answer, 201)


def update(call: Call) -> Answer:
    """PUT /preference_center/v1/{preferenceCenterExternalID}. The name does not change."""
    center = _center(call)
    if call.body.get("name", center.name) != center.name:
        call.report("the name of a preference center cannot be changed", "name", call.body["name"])
    call.instance.workspace.edit("preference_centers", center.id, **_changes(call))
    center = _center(call)
    answer = {
        "preference_center_api_id": center.id,
        "created_at": iso(center.created_at),
        "updated_at": iso(center.updated_at),
    }
    return success(answer)


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/preference_center/v1",
        permission="preference_center.update",
        pool="preference_center_writes",
        handler=create,
    ),
    Endpoint(
        method="PUT",
        path="/preference_center/v1/{id}",
        permission="preference_center.update",
        pool="preference_center_writes",
        handler=update,
    ),
    Endpoint(
        method="GET",
        path="/preference_center/v1/list",
        permission="preference_center.list",
        pool="preference_centers",
        handler=list_,
    ),
    Endpoint(
        method="GET",
        path="/preference_center/v1/{id}",
        permission="preference_center.get",
        pool="preference_centers",
        handler=details,
    ),
    Endpoint(
        method="GET",
        path="/preference_center/v1/{id}/url/{user}",
        permission="preference_center.user.get",
        pool="preference_centers",
        handler=url,
    ),
]
