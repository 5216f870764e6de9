"""People: exports and subscriptions."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import TYPE_CHECKING, Any

import requests

from tests.e2e.matrix.tables import Row, Table, table

if TYPE_CHECKING:
    from tests.e2e.matrix.api import Api


OF_USERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "user_aliases": ("user_aliases", ("alias_label", "alias_name")),
    "user_custom_events": ("custom_events", ("name",)),
    "user_purchases": ("purchases", ("name",)),
    "user_devices": ("devices", ("position",)),
    "user_campaigns_received": ("campaigns_received", ("api_campaign_id", "variation_api_id")),
    "user_canvases_received": ("canvases_received", ("api_canvas_id",)),
}
"""Field of a profile, and what is the key with its id."""


def _exported(api: Api, path: str, **body: Any) -> list[Row]:
    """The users of an export, whole."""
    url = api.post(path, callback_endpoint="", **body)["url"]
    until = time.monotonic() + 30
    while (answer := requests.get(url, timeout=30)).status_code != requests.codes.ok:
        assert time.monotonic() < until
        time.sleep(0.05)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as files:
        return [json.loads(line) for name in files.namelist() for line in files.read(name).splitlines()]


def people(api: Api) -> dict[str, Table]:
    users = _exported(api, "/users/export/segment", segment_id=api.scope.segment)
    by_id = api.post("/users/export/ids", external_ids=api.scope.people)
    control = _exported(api, "/users/export/global_control_group")
    members = [
        {
            "segment_id": api.scope.segment,
            "braze_id": user["braze_id"],
            "external_id": user.get("external_id"),
        }
        for user in users
    ]
    found = {
        "users": table(users, "braze_id"),
        "users_by_id": table(by_id["users"], "braze_id"),
        "global_control_group_users": table(control, "braze_id"),
        "segment_members": table(members, "segment_id", "braze_id"),
    }
    for stream, (field, keys) in OF_USERS.items():
        rows = [
            {
                "braze_id": user["braze_id"],
                "external_id": user.get("external_id"),
                **{name: value for name, value in one.items() if name != "engaged"},
                **one.get("engaged", {}),
                **({"position": place} if "position" in keys else {}),
            }
            for user in users
            for place, one in enumerate(user.get(field) or [])
        ]
        found[stream] = table(rows, "braze_id", *keys)
    return found


def subscriptions(api: Api) -> dict[str, Table]:
    states, of_groups = [], []
    for person in api.scope.people:
        for user in api.get("/subscription/user/status", external_id=person)["users"]:
            states += [
                {
                    "external_id": person,
                    "email": user.get("email"),
                    "phone": user.get("phone"),
                    "subscription_group_id": group["id"],
                    "subscription_group_name": group["name"],
                    "channel": group["channel"],
                    "status": group["status"],
                }
                for group in user["subscription_groups"]
            ]
        for key in api.scope.groups:
            status = api.get("/subscription/status/get", subscription_group_id=key, external_id=person)["status"]
            of_groups += [
                {"subscription_group_id": key, "external_id": one, "status": state} for one, state in status.items()
            ]
    return {
        "subscription_states": table(states, "external_id", "email", "phone", "subscription_group_id"),
        "subscription_group_states": table(of_groups, "subscription_group_id", "external_id", "email", "phone"),
    }


def colleagues(api: Api) -> dict[str, Table]:
    """Return dashboard users."""
    found = [
        user
        for email in api.scope.colleagues
        for user in api.get("/scim/v2/Users", filter=f'userName eq "{email}"')["Resources"]
    ]
    details = [api.get(f"/scim/v2/Users/{user['id']}") for user in found]
    return {"dashboard_users": table(found, "id"), "dashboard_users_details": table(details, "id")}
