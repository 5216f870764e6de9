"""Ids and names of workspace objects, which requests need and Braze shows only in its dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from braze_sandbox.model.workspace import Workspace

_BY_ID = (
    "campaigns",
    "canvases",
    "segments",
    "cards",
    "templates",
    "content_blocks",
    "preference_centers",
    "integrations",
    "subscription_groups",
)
"""Objects with an `id` and a `name`; for a card, the name is its title."""


def apps(workspace: Workspace) -> list[dict[str, str]]:
    """Return each app's `id` and `name`; the id is the `app_id` of requests."""
    return [{"id": key, "name": name} for key, name in workspace.apps.items()]


def directory(workspace: Workspace) -> dict[str, Any]:
    """Return the ids and names of everything in a workspace, by kind.

    Campaigns include the ids of their message variations, and Canvases those of their variants and steps.
    """
    found: dict[str, Any] = {"apps": apps(workspace)}
    for kind in _BY_ID:
        found[kind] = [
            {"id": key, "name": one.title if kind == "cards" else one.name}
            for key, one in getattr(workspace, kind).items()
        ]
    for row in found["campaigns"]:
        campaign = workspace.campaigns[row["id"]]
        row["message_variation_ids"] = list(campaign.messages)
    for row in found["canvases"]:
        canvas = workspace.canvases[row["id"]]
        row["variants"] = [{"id": one["id"], "name": one["name"]} for one in canvas.variants]
        row["steps"] = [{"id": one["id"], "name": one["name"]} for one in canvas.steps]
    group = workspace.control_group
    found["global_control_group"] = group and {"id": group.id, "name": group.name}
    found["catalogs"] = [{"name": name, "fields": one.fields} for name, one in workspace.catalogs.items()]
    found["sends"] = [{"id": one.id, "campaign_id": one.campaign_id} for one in workspace.sends.values()]
    found["sdk_authentication_keys"] = [{"id": one.id, "app_id": one.app_id} for one in workspace.sdk_keys]
    found["locales"] = [{"id": one.uuid, "name": one.name} for one in workspace.locales.values()]
    found["events"] = sorted(workspace.events)
    found["products"] = sorted(workspace.products)
    return found
