"""Links in messages, and translations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.matrix.tables import Row, Table, table

if TYPE_CHECKING:
    from tests.e2e.matrix.api import Api


TRANSLATED: dict[str, tuple[str, dict[str, str]]] = {
    "campaigns": ("/campaigns/translations", {}),
    "canvases": ("/canvas/translations", {"canvas_id": "workflow_id", "canvas_step_id": "step_id"}),
    "email_templates": ("/templates/email/translations", {"email_template_id": "template_id"}),
    "content_blocks": ("/content_blocks/translations", {}),
}
"""Path, and the names in a query of columns that are called otherwise there."""

LINKED = {"campaigns": "/campaigns/url_info/details", "canvases": "/canvas/url_info/details"}


def _of_campaigns(api: Api) -> list[Row]:
    return [
        {"campaign_id": key, "message_variation_id": variation}
        for key in api.ids("campaigns")
        for variation, message in api.details("/campaigns/details", campaign_id=key)["messages"].items()
        if message.get("type") != "control"
    ]


def _of_steps(api: Api) -> list[Row]:
    return [
        {"canvas_id": key, "canvas_step_id": step["id"], "message_variation_id": variation}
        for key in api.ids("canvases")
        for step in api.details("/canvas/details", canvas_id=key)["steps"]
        for variation in step.get("messages", {})
    ]


def messages(api: Api) -> dict[str, Table]:
    """Return links and translations."""
    owners = {
        "campaigns": _of_campaigns(api),
        "canvases": _of_steps(api),
        "email_templates": [{"email_template_id": key} for key in api.ids("email_templates")],
        "content_blocks": [{"content_block_id": key} for key in api.ids("content_blocks")],
    }
    found = {}
    for kind, (path, names) in TRANSLATED.items():
        source, texts = [], []
        for owner in owners[kind]:
            query = {names.get(name, name): value for name, value in owner.items()}
            answer = api.session.get(f"{api.url}{path}/source", params=query, timeout=30)
            if answer.ok:
                source.append({**owner, **answer.json()["translations"]})
                texts += [
                    {**owner, **row, "locale_uuid": row["locale"]["uuid"]}
                    for row in api.get(path, **query)["translations"]
                ]
        # Braze refuses objects without any, so no reading of them is complete.
        found[f"{kind}_translations"] = table(texts, *owners[kind][0], "locale_uuid", kept=True)
        found[f"{kind}_translations_source"] = table(source, *owners[kind][0], kept=True)
    for kind, path in LINKED.items():
        rows = []
        for owner in owners[kind]:
            answer = api.session.get(api.url + path, params=owner, timeout=30)
            if answer.ok:  # only emails have links
                whole = answer.json()
                rows += [
                    {**owner, "channel": whole["channel"], "name": whole["name"], **link}
                    for link in whole["link_data"] or []
                ]
        found[f"{kind}_links"] = table(rows, *owners[kind][0], "link_id")
    return found
