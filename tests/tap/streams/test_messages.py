"""Links and translations, which are read for each message variation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.messaging.links import links
from braze_sandbox.endpoints.messaging.translations import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]

TRANSLATIONS = (
    "campaigns_translations",
    "campaigns_translations_source",
    "canvases_translations",
    "canvases_translations_source",
    "email_templates_translations",
    "email_templates_translations_source",
    "content_blocks_translations",
    "content_blocks_translations_source",
)


def of_channels(messages: dict[str, dict[str, Any]], channels: frozenset[str]) -> list[str]:
    return [key for key, each in messages.items() if each["channel"] in channels and each.get("type") != "control"]


def emails(messages: dict[str, dict[str, Any]]) -> list[str]:
    return of_channels(messages, frozenset({"email"}))


def test_links(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("campaigns_links", "canvases_links")
    assert run.exit_code == 0, run.stderr
    expected = [
        {"campaign_id": campaign.id, "message_variation_id": variation, **link}
        for campaign in sandbox.workspace.campaigns.values()
        for variation in emails(campaign.messages)
        for link in links(variation)
    ]
    for record in run.records("campaigns_links"):
        assert (record.pop("channel"), bool(record.pop("name"))) == ("email", True)
        expected.remove(record)
    assert expected == []
    found = {
        tuple(record[name] for name in ("canvas_id", "canvas_step_id", "message_variation_id", "link_URL"))
        for record in run.records("canvases_links")
    }
    assert found == {
        (canvas.id, step["id"], variation, link["link_URL"])
        for canvas in sandbox.workspace.canvases.values()
        for step in canvas.steps
        for variation in emails(step["messages"])
        for link in links(variation)
    }
    assert found
    assert {request.status for request in sandbox.requests} == {200}


def test_without_link_aliasing_the_permission_is_named(run_tap: RunTap) -> None:
    from braze_sandbox.testing import Sandbox  # noqa: PLC0415 - at run time here only

    with Sandbox(link_aliasing=False) as plain:
        run = run_tap("campaigns_links", endpoint=plain.url, api_key=plain.api_key)
    assert run.exit_code == 1
    assert "permission 'campaigns.url_info.details'" in run.errors[0]


def test_the_permission_for_the_details_is_named(sandbox: Sandbox, run_tap: RunTap) -> None:
    sandbox.add_key("k-3f1c9e", permissions=["campaigns.list", "campaigns.url_info.details"])
    run = run_tap("campaigns_links", api_key="k-3f1c9e")
    assert run.exit_code == 1
    assert "stream 'campaigns_details' (read for 'campaigns_links')" in run.errors[0]
    assert "permission 'campaigns.details'" in run.errors[0]


def test_a_campaign_that_vanished_is_passed_over(sandbox: Sandbox, run_tap: RunTap) -> None:
    gone, *_ = (key for key, campaign in sandbox.workspace.campaigns.items() if emails(campaign.messages))
    sandbox.after_request("/campaigns/list", lambda _request: sandbox.workspace.delete("campaigns", gone), times=1)
    run = run_tap("campaigns_links")
    assert run.exit_code == 0, run.stderr
    assert f"campaign_id '{gone}' was refused and is skipped" in run.stderr
    left = {key for key, campaign in sandbox.workspace.campaigns.items() if emails(campaign.messages)}
    assert {record["campaign_id"] for record in run.records("campaigns_links")} == left


def test_translations(sandbox: Sandbox, run_tap: RunTap) -> None:
    workspace = sandbox.workspace
    run = run_tap(*TRANSLATIONS)
    assert run.exit_code == 0, run.stderr
    kinds = {
        "campaigns": (
            "message_variation_id",
            {key for each in workspace.campaigns.values() for key in of_channels(each.messages, CHANNELS)},
        ),
        "canvases": (
            "message_variation_id",
            {
                key
                for each in workspace.canvases.values()
                for step in each.steps
                for key in of_channels(step["messages"], CHANNELS)
            },
        ),
        "email_templates": ("email_template_id", {*workspace.templates}),
        "content_blocks": ("content_block_id", {*workspace.content_blocks}),
    }
    for kind, (field, objects) in kinds.items():
        translated = {key: each for key, each in workspace.translations.items() if key in objects}
        assert {
            (record[field], record["locale_uuid"]): record["translation_map"]
            for record in run.records(f"{kind}_translations")
        } == {(key, uuid): texts for key, each in translated.items() for uuid, texts in each.locales.items()}
        sources = run.records(f"{kind}_translations_source")
        assert {record[field]: record["translation_map"] for record in sources} == {
            key: each.source for key, each in translated.items()
        }
    (locale, *_) = run.records("campaigns_translations")
    assert locale["locale"]["uuid"] == locale["locale_uuid"]
    # What has no translations is no reason for a warning.
    assert "is skipped" not in run.stderr
    assert "objects have no translations" in run.stderr


def test_a_workspace_without_translations_is_read_quietly(sandbox: Sandbox, run_tap: RunTap) -> None:
    sandbox.workspace.multi_language = False
    run = run_tap(*TRANSLATIONS)
    assert run.exit_code == 0, run.stderr
    assert not [message for message in run.messages if message["type"] == "RECORD"]
    assert "is skipped" not in run.stderr


def test_drafts_of_launched_campaigns_and_canvases(sandbox: Sandbox, run_tap: RunTap) -> None:
    workspace = sandbox.workspace
    for number, campaign in enumerate(workspace.campaigns.values()):
        campaign.has_post_launch_draft = number == 1
    for number, canvas in enumerate(workspace.canvases.values()):
        canvas.has_post_launch_draft = number == 1
    names = ("campaigns_details", "campaigns_drafts", "canvases_details", "canvases_drafts")
    run = run_tap(*names)
    assert run.exit_code == 0, run.stderr
    for kind, key in (("campaigns", "campaign_id"), ("canvases", "canvas_id")):
        live = {record[key]: record for record in run.records(f"{kind}_details")}
        (draft,) = run.records(f"{kind}_drafts")
        assert draft[key] == list(getattr(workspace, kind))[1]
        assert draft == live[draft[key]] | {"description": draft["description"]}
        assert draft["description"] == f"{live[draft[key]]['description']} (draft)"
    workspace.campaigns[list(workspace.campaigns)[1]].has_post_launch_draft = False
    again = run_tap("campaigns_drafts", state=run.state)
    assert again.records("campaigns_drafts") == []
    assert "ACTIVATE_VERSION" in {message["type"] for message in again.messages}


def test_details_tell_which_messages_can_be_translated(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("campaigns_details", "canvases_details")
    messages = [each for record in run.records("campaigns_details") for each in record["messages"].items()]
    steps = [step for record in run.records("canvases_details") for step in record["steps"]]
    messages += [each for step in steps for each in step["messages"].items()]
    assert {key: message["has_translatable_content"] for key, message in messages} == {
        key: key in sandbox.workspace.translations for key, _ in messages
    }
    assert {message["has_translatable_content"] for _, message in messages} == {True, False}
