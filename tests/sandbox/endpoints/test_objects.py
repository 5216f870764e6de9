"""Endpoints that read templates, Content Blocks, catalogs, definitions and integrations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from braze_sandbox.testing import Sandbox

from tests.sandbox.conftest import TODAY, Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

MANY = dict.fromkeys(("c", "catalogs", "catalog_item", "cdi_list", "cdi_status"), (100_000, 60))


@pytest.fixture(scope="module")
def library() -> Iterator[Sandbox]:
    """The demo without its narrow limits; read-only."""
    with Sandbox(seed="demo", today=TODAY, limits=MANY) as running:
        yield running


@pytest.fixture
def visitor(library: Sandbox) -> Iterator[Client]:
    made = Client(library)
    yield made
    made.close()


def links(answer: requests.Response) -> dict[str, str]:
    """The cursors of a `Link` header by `rel`."""
    assert "://" not in answer.headers.get("Link", "")
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers.get("Link", ""))
    return {rel: parse_qs(urlsplit(url).query)["cursor"][0] for url, rel in found}


def cursor_pages(client: Client, path: str, key: str) -> list[list[Any]]:
    found: list[list[Any]] = []
    query: dict[str, str] = {}
    while True:
        answer = client.get(path, **query)
        assert answer.status_code == 200, answer.text
        assert answer.json()["message"] == "success"
        found.append(answer.json()[key])
        following = links(answer)
        assert ("prev" in following) is bool(query)
        if "next" not in following:
            return found
        query = {"cursor": following["next"]}


def offset_pages(client: Client, path: str, key: str, limit: int, **query: Any) -> list[list[Any]]:
    found: list[list[Any]] = []
    while True:
        offset = {"offset": limit * len(found)} if found else {}
        answer = client.get(path, limit=limit, **offset, **query)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()[key])
        if len(found[-1]) < limit:
            return found


@pytest.mark.parametrize(
    ("path", "key", "name", "sizes"),
    [
        ("/events", "events", "name", [50, 50, 50, 50, 50, 12]),
        ("/custom_attributes", "attributes", "name", [50, 30]),
        ("/catalogs/products/items", "items", "id", [50, 50, 50, 50, 50, 10]),
        ("/catalogs/restaurants/items", "items", "id", [50]),
        ("/catalogs/stores-2024/items", "items", "id", [50, 1]),
        ("/catalogs/Empty_One/items", "items", "id", [0]),
        ("/cdi/integrations", "results", "integration_id", [10, 2]),
    ],
)
def test_cursors_lead_through_all_pages(visitor: Client, path: str, key: str, name: str, sizes: list[int]) -> None:
    pages = cursor_pages(visitor, path, key)
    assert [len(page) for page in pages] == sizes
    assert len({row[name] for page in pages for row in page}) == sum(sizes)


def test_each_integration_has_its_syncs_newest_first(visitor: Client, library: Sandbox) -> None:
    sizes = []
    for key, integration in library.workspace.integrations.items():
        pages = cursor_pages(visitor, f"/cdi/integrations/{key}/job_sync_status", "results")
        rows = [row for page in pages for row in page]
        assert [row["sync_start_time"] for row in rows] == sorted((r["sync_start_time"] for r in rows), reverse=True)
        assert len(rows) == len(integration.runs)
        sizes.append([len(page) for page in pages])
    assert sizes[:4] == [[10, 10, 10, 4], [10], [10, 1], [0]]
    running = visitor.get(f"/cdi/integrations/{next(iter(library.workspace.integrations))}/job_sync_status").json()
    assert running["results"][0]["job_status"] == "running"
    assert running["results"][0]["sync_finish_time"] is None


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (
            "/catalogs/products/items",
            400,
            {
                "errors": [
                    {
                        "id": "invalid-cursor",
                        "message": "'cursor' is not valid",
                        "parameters": ["cursor"],
                        "parameter_values": ["bad"],
                    }
                ],
                "message": "Invalid Request",
            },
        ),
        ("/events", 400, {"message": "Invalid cursor"}),
        ("/custom_attributes", 400, {"message": "Invalid cursor"}),
        ("/cdi/integrations", 400, {"message": "Invalid cursor"}),
    ],
)
def test_bad_cursors(visitor: Client, path: str, status: int, body: dict[str, Any]) -> None:
    answer = visitor.get(path, cursor="bad")
    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize("cursor", ["", "c2tpcDotMQ==", "c2tpcDp4", "anVtcDo1", "c2tpcDow!"])
def test_only_braze_makes_cursors(visitor: Client, cursor: str) -> None:
    assert visitor.get("/events", cursor=cursor).status_code == 400


def test_definitions_of_attributes(client: Client, sandbox: Sandbox) -> None:
    client.track(
        attributes=[
            {"external_id": "a", "n": 1, "s": "x", "t": "2024-01-01", "b": True, "l": ["x"], "o": {"k": 1}, "ol": [{}]},
            {"external_id": "a", "attribute 000": 5},
        ]
    )
    rows = {row["name"]: row for page in cursor_pages(client, "/custom_attributes", "attributes") for row in page}
    assert {name: rows[name]["data_type"] for name in ("n", "s", "t", "b", "l", "o", "ol")} == {
        "n": "Number",
        "s": "String",
        "t": "Time",
        "b": "Boolean",
        "l": "Array",
        "o": "Object",
        "ol": "Object Array",
    }
    assert rows["attribute 000"]["data_type"] == "Number"
    assert rows["l"]["array_length"] == 500
    assert rows["n"] == {
        "array_length": None,
        "data_type": "Number",
        "description": None,
        "name": "n",
        "status": "Active",
        "tag_names": [],
    }
    sandbox.workspace.blocklist_attribute("n")
    client.track(attributes=[{"external_id": "a", "n": 2, "s": "y"}])
    rows = {row["name"]: row for row in client.get("/custom_attributes").json()["attributes"]}
    assert rows["n"]["status"] == "Blocklisted"
    profile = sandbox.profile("a")
    assert profile
    assert (profile.custom_attributes["n"], profile.custom_attributes["s"]) == (1, "y")
    assert any("blocklisted" in violation["reason"] for violation in sandbox.violations)


def test_events_that_were_tracked_are_listed(client: Client) -> None:
    client.track(events=[{"external_id": "a", "name": "brand new", "time": "2026-03-01T00:00:00Z"}])
    rows = {row["name"]: row for row in client.get("/events").json()["events"]}
    assert rows["brand new"]["description"] is None
    assert rows["event 001"]["description"]
    assert set(rows["event 001"]) == {"name", "description", "included_in_analytics_report", "status", "tag_names"}


@pytest.mark.parametrize(
    ("path", "key", "total"),
    [("/templates/email/list", "templates", 150), ("/content_blocks/list", "content_blocks", 122)],
)
def test_templates_and_blocks_page_by_offset(visitor: Client, path: str, key: str, total: int) -> None:
    for limit in (50, 100, 1000):
        pages = offset_pages(visitor, path, key, limit)
        assert sum(map(len, pages)) == total
    first = visitor.get(path).json()
    assert first["count"] == len(first[key]) == 100
    assert "message" not in first


@pytest.mark.parametrize(
    ("path", "key", "changed"),
    [("/templates/email/list", "templates", "updated_at"), ("/content_blocks/list", "content_blocks", "last_edited")],
)
def test_both_bounds_are_included(visitor: Client, path: str, key: str, changed: str) -> None:
    rows = visitor.get(path, limit=1000).json()[key]
    times = sorted(row[changed] for row in rows)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", time) for time in times)
    one = times[40]
    found = visitor.get(path, modified_after=one, modified_before=one).json()[key]
    assert len(found) == times.count(one) >= 1
    assert visitor.get(path, modified_after=one, limit=1000).json()["count"] == sum(time >= one for time in times)


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        ("/templates/email/list", {"limit": 1001}, "limit"),
        ("/templates/email/list", {"limit": 0}, "limit"),
        ("/templates/email/list", {"offset": -1}, "offset"),
        ("/templates/email/list", {"modified_after": "x"}, "modified_after"),
        ("/templates/email/info", {}, "email_template_id"),
        ("/templates/email/info", {"email_template_id": "x"}, "Template"),
        ("/content_blocks/list", {"offset": 0}, "Offset must be greater than 0."),
        ("/content_blocks/list", {"offset": "x"}, "Offset is invalid."),
        ("/content_blocks/list", {"limit": 0}, "limit must be greater than 0."),
        ("/content_blocks/list", {"limit": 1001}, "limit exceeds maximum of 1000."),
        ("/content_blocks/list", {"modified_before": "x"}, "Modified before time is invalid."),
        (
            "/content_blocks/list",
            {"modified_after": "2026-01-02", "modified_before": "2026-01-01"},
            "Modified after time must be earlier than or the same",
        ),
        ("/content_blocks/info", {}, "cannot be blank"),
        ("/content_blocks/info", {"content_block_id": "x"}, "invalid"),
        ("/app_group/sdk_authentication/keys", {}, "app_id"),
        ("/app_group/sdk_authentication/keys", {"app_id": "x"}, "App"),
        ("/messages/scheduled_broadcasts", {}, "end_time"),
        ("/sends/data_series", {"length": 1}, "campaign_id"),
        ("/cdi/integrations/x/job_sync_status", {}, "Invalid integration ID"),
    ],
)
def test_bad_parameters_are_named(visitor: Client, path: str, query: dict[str, Any], names: str) -> None:
    answer = visitor.get(path, **query)
    assert answer.status_code == 400
    assert names in answer.json()["message"]


def test_templates_of_the_other_editor_are_hidden(visitor: Client, library: Sandbox) -> None:
    hidden = [template.id for template in library.workspace.templates.values() if template.drag_and_drop]
    listed = {row["email_template_id"] for row in visitor.get("/templates/email/list", limit=1000).json()["templates"]}
    assert hidden
    assert not listed & set(hidden)
    assert visitor.get("/templates/email/info", email_template_id=hidden[0]).status_code == 400
    shown = visitor.get("/templates/email/info", email_template_id=min(listed)).json()
    assert {"body", "plaintext_body", "description", "should_inline_css", "tags"} <= set(shown)


def test_an_edit_moves_the_time_of_change(client: Client, sandbox: Sandbox) -> None:
    key = next(iter(sandbox.workspace.templates))
    since = "2026-03-20T00:00:00"
    assert client.get("/templates/email/list", modified_after=since).json()["count"] == 0
    sandbox.workspace.edit("templates", key, subject="new")
    found = client.get("/templates/email/list", modified_after=since).json()["templates"]
    assert [row["email_template_id"] for row in found] == [key]
    assert client.get("/templates/email/info", email_template_id=key).json()["subject"] == "new"


def test_a_block_can_vanish_between_list_and_info(client: Client, sandbox: Sandbox) -> None:
    rows = client.get("/content_blocks/list").json()["content_blocks"]
    key = rows[1]["content_block_id"]
    sandbox.workspace.delete("content_blocks", key)
    answer = client.get("/content_blocks/info", content_block_id=key)
    assert answer.status_code == 400
    assert answer.json()["message"] == "Content Block has been deleted - content not available."
    assert client.get("/content_blocks/list").json()["count"] == len(rows) - 1


def test_inclusion_data_comes_on_request(visitor: Client, library: Sandbox) -> None:
    block = next(block for block in library.workspace.content_blocks.values() if block.included_in)
    plain = visitor.get("/content_blocks/info", content_block_id=block.id).json()
    full = visitor.get("/content_blocks/info", content_block_id=block.id, include_inclusion_data="true").json()
    assert full.pop("inclusion_data") == block.included_in
    assert full == plain
    bad = visitor.get("/content_blocks/info", content_block_id=block.id, include_inclusion_data="yes")
    assert bad.status_code == 400


def test_catalogs_and_single_items(visitor: Client) -> None:
    catalogs = visitor.get("/catalogs").json()["catalogs"]
    assert [catalog["num_items"] for catalog in catalogs] == [260, 50, 51, 0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", catalogs[0]["updated_at"])
    types = {field["name"]: field["type"] for field in catalogs[0]["fields"]}
    assert set(types.values()) == {"string", "number", "boolean", "time", "object", "array", "geo"}
    item = visitor.get("/catalogs/products/items/item-004").json()["items"]
    assert [set(one) for one in item] == [set(types)]
    for path, slug in [
        ("/catalogs/none/items", "catalog-not-found"),
        ("/catalogs/none/items/x", "catalog-not-found"),
        ("/catalogs/products/items/x", "item-not-found"),
    ]:
        answer = visitor.get(path)
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["id"] == slug


def test_a_deleted_row_shifts_the_pages_behind_it() -> None:
    with Sandbox(seed="demo", today=TODAY) as sandbox:
        client = Client(sandbox)
        items = sandbox.workspace.catalogs["products"].items
        sandbox.after_request("/catalogs/*/items", lambda _: items.pop("item-003"), times=1)
        first = client.get("/catalogs/products/items")
        assert "item-003" in {row["id"] for row in first.json()["items"]}
        second = client.get("/catalogs/products/items", cursor=links(first)["next"])
        assert second.json()["items"][0]["id"] == "item-051"
        client.close()


def test_catalogs_have_narrow_limits(client: Client) -> None:
    answers = [client.get("/catalogs/products/items") for _ in range(51)]
    assert answers[0].headers["x-ratelimit-limit"] == "50"
    # Unless the minute has just turned.
    assert 429 in {answer.status_code for answer in answers} or answers[-1].headers["x-ratelimit-remaining"] > "0"
    assert client.get("/catalogs").status_code == 200


def test_preference_centers(client: Client) -> None:
    centers = client.get("/preference_center/v1/list").json()
    assert set(centers) == {"preference_centers"}
    key = centers["preference_centers"][0]["preference_center_api_id"]
    details = client.get(f"/preference_center/v1/{key}").json()
    assert details["redirect_page_html"] is None
    assert "meta-viewport-content" in details["preference_center_options"]
    assert client.get("/preference_center/v1/none").status_code == 404
    assert client.get(f"/preference_center/v1/{key}/url/nobody").status_code == 404
    client.track(attributes=[{"external_id": "a", "x": 1}])
    assert set(client.get(f"/preference_center/v1/{key}/url/a").json()) == {"preference_center_url"}


def test_sdk_keys_belong_to_apps(visitor: Client, library: Sandbox) -> None:
    counts = []
    for app in library.workspace.apps:
        keys = visitor.get("/app_group/sdk_authentication/keys", app_id=app).json()["keys"]
        assert sum(key["is_primary"] for key in keys) <= 1
        counts.append(len(keys))
    assert counts == [2, 2, 0]


def test_link_aliases(visitor: Client, library: Sandbox) -> None:
    campaign = next(c for c in library.workspace.campaigns.values() if c.channels == ["email", "ios_push"])
    email, push = (next(k for k, m in campaign.messages.items() if m["channel"] == kind) for kind in campaign.channels)
    query = {"campaign_id": campaign.id, "message_variation_id": email}
    answer = visitor.get("/campaigns/url_info/details", **query).json()
    assert answer["channel"] == "email"
    assert len(answer["link_data"]) == 3
    one = answer["link_data"][1]
    assert set(one) == {"link_URL", "link_id", "content_block_path_info", "link_alias"}
    answer = visitor.get("/campaigns/url_info/details", **query, includes_link_id=one["link_id"])
    assert answer.json()["link_data"] == [one]
    for bad in ({"campaign_id": "x"}, {"message_variation_id": push}, {"message_variation_id": "x"}):
        answer = visitor.get("/campaigns/url_info/details", **(query | bad))
        assert answer.status_code == 400
        assert "Missing/Invalid" in answer.text
    step = next(s for c in library.workspace.canvases.values() for s in c.steps if "email" in s["channels"])
    variation = next(k for k, m in step["messages"].items() if m["channel"] == "email")
    answer = visitor.get("/canvas/url_info/details", canvas_step_id=step["id"], message_variation_id=variation)
    assert len(answer.json()["link_data"]) == 3


def test_link_aliases_exist_only_where_they_are_turned_on() -> None:
    with Sandbox(link_aliasing=False) as sandbox:
        client = Client(sandbox)
        assert client.get("/campaigns/url_info/details").status_code == 403
        assert client.get("/canvas/url_info/details").status_code == 403
        client.close()


def test_translations_of_a_campaign(client: Client, sandbox: Sandbox) -> None:
    campaigns = list(sandbox.workspace.campaigns.values())
    query = {"campaign_id": campaigns[0].id, "message_variation_id": next(iter(campaigns[0].messages))}
    answer = client.get("/campaigns/translations", **query).json()
    assert set(answer) == {"translations"}
    assert [row["locale"]["locale_key"] for row in answer["translations"]] == ["es-mx", "fr-ca"]
    uuid = answer["translations"][1]["locale"]["uuid"]
    # With the slash that some pages have.
    one = client.get("/campaigns/translations/", **query, locale_id=uuid).json()["translations"]
    assert one == answer["translations"][1:]
    source = client.get("/campaigns/translations/source", **query).json()
    assert source["translations"]["translation_map"].keys() == one[0]["translation_map"].keys()
    other = {"campaign_id": campaigns[1].id, "message_variation_id": next(iter(campaigns[1].messages))}
    sms = next(c for c in campaigns if c.channels == ["sms"])
    for bad, status, text in [
        (other, 400, "This message does not support multi-language."),
        ({"campaign_id": "x"}, 400, "INVALID_CAMPAIGN_ID"),
        ({"message_variation_id": "x"}, 404, "MESSAGE_NOT_FOUND"),
        ({"message_variation_id": ""}, 400, "INVALID_MESSAGE_VARIATION_ID"),
        ({"campaign_id": sms.id, "message_variation_id": next(iter(sms.messages))}, 400, "UNSUPPORTED_CHANNEL"),
        ({"locale_id": "x"}, 400, "INVALID_LOCALE_ID"),
        ({"locale_id": list(sandbox.workspace.locales)[2]}, 400, "The provided locale code does not exist."),
    ]:
        refused = client.get("/campaigns/translations", **(query | bad))
        assert (refused.status_code, refused.json()) == (status, {"errors": [{"message": text}]})
    sandbox.workspace.multi_language = False
    assert "MULTI_LANGUAGE_NOT_ENABLED" in client.get("/campaigns/translations", **query).text


def test_translations_of_all_else(client: Client, sandbox: Sandbox) -> None:
    workspace = sandbox.workspace
    canvas = next(iter(workspace.canvases.values()))
    step = canvas.steps[0]
    canvas_query = {
        "workflow_id": canvas.id,
        "step_id": step["id"],
        "message_variation_id": next(iter(step["messages"])),
    }
    template, block = (
        {"template_id": next(iter(workspace.templates))},
        {"content_block_id": next(iter(workspace.content_blocks))},
    )
    for path, query in [
        ("/canvas/translations", canvas_query),
        ("/templates/email/translations/", template),
        ("/templates/translations/email", template),
        ("/content_blocks/translations", block),
    ]:
        assert len(client.get(path, **query).json()["translations"]) == 2, path
    for path, query in [
        ("/canvas/translations/source", canvas_query),
        ("/templates/email/translations/source", template),
        ("/content_blocks/translations/source", block),
    ]:
        assert client.get(path, **query).json()["message"] == "success"
    plain = list(workspace.templates)[1]
    assert client.get("/templates/email/translations", template_id=plain).status_code == 400
    assert client.get("/templates/email/translations", template_id="x").status_code == 404
