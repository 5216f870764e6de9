"""Preference centers (docs: get_list_preference_center, get_view_details_…, get_create_url_preference_center)."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from braze_sandbox.model.clock import iso
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, Refusal, encode

if TYPE_CHECKING:
    from braze_sandbox.model.objects import PreferenceCenter


def _head(center: PreferenceCenter) -> dict[str, str]:
    return {
        "name": center.name,
        "preference_center_api_id": center.id,
        "created_at": iso(center.created_at),
        "updated_at": iso(center.updated_at),
    }


def list_(call: Call) -> Answer:
    """GET /preference_center/v1/list: in the order of creation (docs silent). None of the three has a `message`."""
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
    """GET /preference_center/v1/{preferenceCenterExternalId}/url/{userId}. A user nobody knows: 404 (docs silent)."""
    center, user = _center(call), call.params["user"]
    if call.instance.profiles.find("external_id", user) is None:
        raise Refusal(404, "User not found")
    token = blake2b(f"{center.id}/{user}".encode(), digest_size=12).hexdigest()
    return Answer(encode({"preference_center_url": f"https://preferences.example/{center.id}?token={token}"}))


ENDPOINTS = [
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
