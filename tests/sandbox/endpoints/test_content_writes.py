"""Templates, Content Blocks, preference centers, translations, selections and copies, written through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox

    from tests.sandbox.conftest import Client

TEMPLATE = {"template_name": "Weekly", "subject": "News", "body": "<p>Hi</p>"}
BLOCK = {"name": "footer", "content": "Bye"}
CENTER = {"name": "mine", "preference_center_page_html": "<p/>", "confirmation_page_html": "<b/>"}


def test_templates_are_created_and_updated(client: Client) -> None:
    created = client.post("/templates/email/create", {**TEMPLATE, "tags": ["seed"], "should_inline_css": False})
    assert created.status_code == 201
    key = created.json()["email_template_id"]
    info = client.get("/templates/email/info", email_template_id=key).json()
    assert info.items() >= {**TEMPLATE, "tags": ["seed"], "should_inline_css": False}.items()
    assert client.post("/templates/email/update", {"email_template_id": key, "subject": "New"}).status_code == 201
    assert client.get("/templates/email/info", email_template_id=key).json()["subject"] == "New"
    since = "2026-03-20T00:00:00"
    assert client.get("/templates/email/list", modified_after=since).json()["count"] == 1


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/templates/email/create", {"subject": "s", "body": "b"}, "Template name is required"),
        ("/templates/email/create", {**TEMPLATE, "tags": "x"}, "Tags must be an array"),
        ("/templates/email/create", {**TEMPLATE, "tags": [1]}, "All tags must be strings"),
        ("/templates/email/create", {**TEMPLATE, "tags": ["x"]}, "Some tags could not be found"),
        (
            "/templates/email/create",
            {**TEMPLATE, "should_inline_css": "true"},
            "Invalid value for should_inline_css. One of true or false was expected",
        ),
        ("/templates/email/update", {"email_template_id": "x", "subject": "s"}, "Invalid Email Template ID"),
        ("/content_blocks/create", {"name": "x"}, "Content cannot be blank"),
        ("/content_blocks/create", {**BLOCK, "content": 5}, "Content must be a string"),
        ("/content_blocks/create", {**BLOCK, "content": "x" * 50_000}, "Content must be smaller than 50kb"),
        (
            "/content_blocks/create",
            {**BLOCK, "name": "a b"},
            "Content Block name can only contain alphanumeric characters",
        ),
        (
            "/content_blocks/create",
            {**BLOCK, "name": "x" * 100},
            "Content Block name must be shorter than 100 characters",
        ),
        ("/content_blocks/create", {**BLOCK, "state": "on"}, "Content Block state must be either active or draft"),
        (
            "/content_blocks/create",
            {**BLOCK, "content": "{{content_blocks.${footer}}}"},
            "Content Block cannot be referenced within itself",
        ),
        ("/content_blocks/update", {"content_block_id": "x"}, "Content Block ID is invalid for this workspace."),
    ],
)
def test_content_that_is_refused(client: Client, path: str, body: dict[str, Any], says: str) -> None:
    answer = client.post(path, body)
    assert (answer.status_code, answer.json()["message"]) == (400, says)


def test_blocks_are_created_and_updated(client: Client) -> None:
    created = client.post("/content_blocks/create", {**BLOCK, "state": "draft", "description": "d"})
    assert created.status_code == 201
    answer = created.json()
    assert answer["liquid_tag"] == "{{content_blocks.${footer}}}"
    key = answer["content_block_id"]
    assert (
        client.post("/content_blocks/create", BLOCK).json()["message"] == "Content Block with this name already exists"
    )
    change = {"content_block_id": key, "name": "foot", "state": "active"}
    assert client.post("/content_blocks/update", change).json()["liquid_tag"] == "{{content_blocks.${foot}}}"
    for name, value, says in (
        ("state", "draft", "Active Content Block can not be updated to Draft. Create a new Content Block."),
        ("name", "other", "Content Block name cannot be updated for active Content Blocks"),
    ):
        assert client.post("/content_blocks/update", {"content_block_id": key, name: value}).json()["message"] == says
    assert client.get("/content_blocks/info", content_block_id=key).json()["content"] == "Bye"


def test_preference_centers_are_created_and_updated(client: Client) -> None:
    created = client.post("/preference_center/v1", CENTER)
    assert created.status_code == 201
    assert created.json()["liquid_tag"] == "{{preference_center.${mine}}}"
    path = f"/preference_center/v1/{created.json()['preference_center_api_id']}"
    change = {**CENTER, "confirmation_page_html": "<i/>", "state": "draft"}
    assert client.call("PUT", path, change).json().keys() == {
        "preference_center_api_id",
        "created_at",
        "updated_at",
        "message",
    }
    center = client.get(path).json()
    assert (center["confirmation_page_html"], center["state"]) == ("<i/>", "draft")
    assert center["preference_center_title"] == "Preference Center"
    for body in (CENTER, {**CENTER, "name": "a b"}, {"name": "other"}, {**CENTER, "name": "other", "state": "on"}):
        assert client.post("/preference_center/v1", body).status_code == 400
    assert client.call("PUT", "/preference_center/v1/none", CENTER).status_code == 404
    assert created.headers["x-ratelimit-limit"] == "10"


def test_translations_are_updated(client: Client, sandbox: Sandbox) -> None:
    workspace = sandbox.workspace
    campaign, canvas = next(iter(workspace.campaigns.values())), next(iter(workspace.canvases.values()))
    step = canvas.steps[0]
    locale = next(iter(workspace.locales))
    of_campaign = {"campaign_id": campaign.id, "message_variation_id": next(iter(campaign.messages))}
    of_canvas = {"workflow_id": canvas.id, "step_id": step["id"], "message_variation_id": next(iter(step["messages"]))}
    cases = {
        "/campaigns/translations": of_campaign,
        "/canvas/translations": of_canvas,
        "/templates/email/translations/": {"template_id": next(iter(workspace.templates))},
        "/content_blocks/translations": {"content_block_id": next(iter(workspace.content_blocks))},
    }
    for path, owner in cases.items():
        body = {**owner, "locale_id": locale, "translation_map": {"id_0": "¡Buenas!"}}
        assert client.call("PUT", path, body).json() == {"message": "success"}
        (found,) = client.get(path, **owner, locale_id=locale).json()["translations"]
        assert found["translation_map"]["id_0"] == "¡Buenas!"
        assert len(found["translation_map"]) == 2
        wrong = client.call("PUT", path, {**body, "locale_id": "none"})
        assert wrong.json() == {"errors": [{"message": "The provided locale code does not exist."}]}
        assert client.call("PUT", path, {**body, "translation_map": {"id_9": "x"}}).status_code == 400


SELECTION = {"name": "top", "external_id": "top", "source": "custom"}


def test_selections_are_created_and_deleted(client: Client) -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "price", "type": "number"}, {"name": "tags", "type": "array"}]
    client.post("/catalogs", {"catalogs": [{"name": "shop", "description": "", "fields": fields}]})
    cheap = {"field": "price", "operator": "less than", "value": 5}
    tagged = {"field": "tags", "operator": "includes value", "value": "x"}
    good = {**SELECTION, "filters": [cheap], "results_limit": 10, "sort_field": "price", "sort_order": "asc"}
    path = "/catalogs/shop/selections"
    assert client.post(path, {"selection": good}).status_code == 202
    (catalog,) = [one for one in client.get("/catalogs").json()["catalogs"] if one["name"] == "shop"]
    assert catalog["selections"] == [good]
    other = {**good, "name": "other"}
    for selection, slug in (
        (good, "selection-name-already-exists"),
        (None, "invalid-selection"),
        ({**other, "filters": [cheap] * 5}, "too-many-filters"),
        ({**other, "filters": [{**cheap, "operator": "is"}]}, "selection-has-invalid-filter"),
        ({**other, "filters": [tagged, tagged]}, "selection-contains-too-many-arrays"),
        ({**other, "results_limit": 51}, "selection-invalid-results-limit"),
        ({**other, "sort_order": None}, "invalid-sorting"),
        ({**other, "sort_field": "x"}, "invalid-sort-field"),
        ({**other, "sort_order": "up"}, "invalid-sort-order"),
    ):
        answer = client.post(path, {"selection": selection})
        assert (answer.status_code, answer.json()["errors"][0]["id"]) == (400, slug)
    assert client.call("DELETE", "/catalogs/shop/fields/price").status_code == 400
    assert client.call("DELETE", f"{path}/top").status_code == 202
    assert client.call("DELETE", f"{path}/top").status_code == 404
    assert client.post("/catalogs/none/selections", {"selection": good}).status_code == 404


def test_campaigns_and_canvases_are_copied_as_drafts(client: Client, sandbox: Sandbox) -> None:
    workspace = sandbox.workspace
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("/campaigns/duplicate", "campaign_id", workspace.campaigns),
        ("/canvas/duplicate", "canvas_id", workspace.canvases),
    ]
    for path, name, objects in cases:
        first = next(iter(objects.values()))
        before = set(objects)
        answer = client.post(path, {name: first.id, "name": "Copy", "tag_names": ["seed"]})
        assert answer.status_code == 202
        (key,) = set(objects) - before
        copy = objects[key]
        assert (copy.name, copy.draft, copy.tags, copy.id) == ("Copy", True, ["seed"], key)
        assert client.post(path, {name: first.id}).status_code == 400
        assert client.post(path, {name: first.id, "name": "Copy", "tag_names": ["none"]}).status_code == 400
        assert client.post(path, {name: "none", "name": "Copy"}).status_code == 400
