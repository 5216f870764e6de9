"""The setting `history`: each version of an object is a row."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox
from tap_braze.streams import STREAMS

from tests.tap.support.singer import catalog_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    RunTap = Callable[..., Any]

OBJECTS = ("campaigns", "campaigns_details", "canvases_details", "segments", "email_templates_details", "events")
KEYS = {
    "campaigns": "id",
    "campaigns_details": "campaign_id",
    "canvases_details": "canvas_id",
    "segments": "id",
    "email_templates_details": "email_template_id",
    "events": "event_name",
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed="small", users=5) as sandbox:
        yield sandbox


def objects(sandbox: Sandbox, stream: str) -> set[str]:
    kind = {"email_templates_details": "templates"}.get(stream, stream.removesuffix("_details"))
    return {str(key) for key in getattr(sandbox.workspace, kind)}


@pytest.mark.parametrize("deletions", ["hard", "soft", "keep"])
def test_a_row_comes_when_an_object_appears_changes_or_goes(sandbox: Sandbox, run_tap: RunTap, deletions: str) -> None:
    workspace, setup = sandbox.workspace, {"history": True, "deletions": deletions}
    first = run_tap(*OBJECTS, **setup)
    assert first.exit_code == 0, first.stderr
    for stream in OBJECTS:
        (schema,) = [m for m in first.messages if m["type"] == "SCHEMA" and m["stream"] == stream]
        assert schema["key_properties"] == [KEYS[stream], "valid_from"]
        assert {record[KEYS[stream]] for record in first.records(stream)} >= objects(sandbox, stream)
        assert all(record["valid_from"] and record["deleted_at"] is None for record in first.records(stream))
    assert not [m for m in first.messages if m["type"] == "ACTIVATE_VERSION" or m.get("version")]

    second = run_tap(*OBJECTS, state=first.state, **setup)
    assert {stream: second.records(stream) for stream in OBJECTS} == {stream: [] for stream in OBJECTS}

    edited, gone, *_ = workspace.campaigns
    workspace.edit("campaigns", edited, name="New name", updated_at=workspace.now() + timedelta(minutes=1))
    workspace.delete("campaigns", gone)
    left = next(iter(workspace.segments))
    del workspace.segments[left]
    third = run_tap(*OBJECTS, state=second.state, **setup)
    versions = {stream: third.records(stream) for stream in OBJECTS}
    for stream in ("campaigns", "campaigns_details"):
        by_id = {record[KEYS[stream]]: record for record in versions.pop(stream)}
        assert by_id.pop(edited)["name"] == "New name"
        assert ([*by_id] == [gone]) == (deletions != "keep")
        for record in by_id.values():
            assert record == {
                KEYS[stream]: gone,
                "valid_from": record["deleted_at"],
                "deleted_at": record["deleted_at"],
            }
    closed = versions.pop("segments")
    assert [record["id"] for record in closed if record["deleted_at"]] == ([left] if deletions != "keep" else [])
    assert len(closed) == (deletions != "keep")
    assert {stream: [] for stream in versions} == versions

    fourth = run_tap(*OBJECTS, state=third.state, **setup)
    assert {stream: fourth.records(stream) for stream in OBJECTS} == {stream: [] for stream in OBJECTS}


def test_a_send_is_no_new_version(sandbox: Sandbox, run_tap: RunTap) -> None:
    first = run_tap("campaigns_details", "content_blocks", history=True)
    campaign = next(iter(sandbox.workspace.campaigns.values()))
    campaign.last_sent = (campaign.last_sent or sandbox.workspace.now()) + timedelta(hours=1)
    second = run_tap("campaigns_details", "content_blocks", history=True, state=first.state)
    assert second.records("campaigns_details") == second.records("content_blocks") == []


@pytest.mark.parametrize("setting", [["segments"], '["segments"]'])
def test_only_the_streams_in_a_list_keep_versions(run_tap: RunTap, setting: Any) -> None:
    run = run_tap("segments", "campaigns", history=setting)
    keys = {m["stream"]: m["key_properties"] for m in run.messages if m["type"] == "SCHEMA"}
    assert keys == {"segments": ["id", "valid_from"], "campaigns": ["id"]}
    assert {m["stream"] for m in run.messages if m["type"] == "ACTIVATE_VERSION"} == {"campaigns"}


def test_the_setting_can_be_text(run_tap: RunTap) -> None:
    assert run_tap("segments", history="true").messages[0]["key_properties"] == ["id", "valid_from"]


@pytest.mark.parametrize("name", ["segment", "campaigns_analytics", "users", "catalog_items"])
def test_a_stream_without_history_is_an_error(run_tap: RunTap, name: str) -> None:
    run = run_tap("segments", history=["segments", name])
    assert run.exit_code == 1
    (error,) = run.errors
    assert f"setting 'history': '{name}' is no stream that keeps history; these do: campaigns, " in error


def test_people_and_statistics_have_no_history() -> None:
    kept = {stream.name for stream in STREAMS if stream.unversioned is not None}
    assert not [
        stream.name for stream in STREAMS if stream.unversioned and stream.unversioned - {*stream.schema["properties"]}
    ]
    assert not {name for name in kept if "analytics" in name or name.startswith("user") or "subscription" in name}
    assert kept >= {*OBJECTS, "content_blocks", "preference_centers", "catalogs", "custom_attributes", "canvases"}


def test_without_all_rows_nothing_ends(sandbox: Sandbox, run_tap: RunTap) -> None:
    first = run_tap("segments", "campaigns_details", history=True)
    sandbox.fault(path="/segments/list", do="status", status=200, body={"segments": [{"name": "no id"}]}, times=1)
    rows = [{"id": "new", "name": "n"}, {"name": "no id"}]
    sandbox.fault(path="/campaigns/list", do="status", status=200, body={"campaigns": rows}, times=1)
    second = run_tap("segments", "campaigns_details", history=True, state=first.state)
    assert second.exit_code == 1
    assert second.records("segments") == []
    assert not [record for record in second.records("campaigns_details") if record["deleted_at"]]


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (False, True, "'history' adds valid_from to its key"),
        (True, False, "'history' leaves valid_from out of its key"),
    ],
)
@pytest.mark.parametrize(
    ("stream", "deletions"), [("campaigns", "hard"), ("segments", "soft"), ("canvases_details", "keep")]
)
def test_a_table_with_another_key_stops_the_run(
    sandbox: Sandbox, run_tap: RunTap, stream: str, deletions: str, *, before: bool, after: bool, text: str
) -> None:
    state = run_tap(stream, history=before, deletions=deletions).state
    requests = len(sandbox.requests)
    run = run_tap(stream, history=after, deletions=deletions, state=state)
    assert run.exit_code == 1
    (error,) = run.errors
    assert text in error
    assert "Remove the stream from 'bookmarks' in the state" in error
    assert len(sandbox.requests) == requests
    del state["bookmarks"][stream]
    assert run_tap(stream, history=after, deletions=deletions, state=state).exit_code == 0


def test_a_run_that_is_cut_anywhere_doubles_nothing(sandbox: Sandbox, run_tap: RunTap) -> None:
    """What a loader holds after a run was cut after each of its messages and the next one went to its end."""
    first = run_tap("segments", "campaigns_details", history=True)
    workspace = sandbox.workspace
    edited, gone, *_ = workspace.campaigns
    workspace.edit("campaigns", edited, name="New name", updated_at=workspace.now() + timedelta(minutes=1))
    workspace.delete("campaigns", gone)
    del workspace.segments[next(iter(workspace.segments))]
    whole = run_tap("segments", "campaigns_details", history=True, state=first.state)
    changed = versions(whole.messages)
    assert len(changed) == 3
    for cut in range(len(whole.messages)):
        loaded = whole.messages[:cut]
        states = [message["value"] for message in loaded if message["type"] == "STATE"]
        rest = run_tap("segments", "campaigns_details", history=True, state=states[-1] if states else first.state)
        rows = versions([*loaded, *rest.messages])
        assert sorted(rows.values()) == sorted(changed.values()), cut


def versions(messages: list[dict[str, Any]]) -> dict[tuple[str, ...], tuple[str, str, bool]]:
    """Return what a loader that upserts holds: by key, the object, its name and whether it is gone."""
    found: dict[tuple[str, ...], tuple[str, str, bool]] = {}
    for message in messages:
        if message["type"] == "RECORD":
            row = message["record"]
            key = row.get("id") or row["campaign_id"]
            found[message["stream"], key, row["valid_from"]] = (key, row.get("name", ""), row["deleted_at"] is not None)
    return found


def test_ten_thousand_objects_do_not_make_a_large_state(sandbox: Sandbox, run_tap: RunTap) -> None:
    rows = [{"id": f"{number:08x}-9c1f-4b6e-8f30-{number * 7919:012x}", "name": "n"} for number in range(10_002)]
    sandbox.workspace.segments.clear()
    sandbox.fault(path="/segments/list", do="status", status=200, body={"segments": rows}, times=2)
    run = run_tap("segments", history=True)
    assert run.exit_code == 1
    assert len(run.records("segments")) == 10_000
    assert len(json.dumps(run.state)) < 500_000
    assert "stream 'segments': 2 objects more failed" in run.errors[-1]
    assert "leave this stream out of the setting" in run.errors[-1]


@pytest.mark.parametrize(("of", "now"), [(False, True), (True, False)])
def test_a_catalog_of_another_setting_is_named(run_tap: RunTap, *, of: bool, now: bool) -> None:
    run = run_tap(catalog=catalog_of({"history": of}, ("segments",)), history=now)
    assert run.exit_code == 1
    assert any("the catalog was made with another setting 'history'" in line for line in run.errors)


def test_a_state_that_is_damaged_is_named(run_tap: RunTap) -> None:
    run = run_tap("segments", history=True, state={"bookmarks": {"segments": {"history": {"keys": "?"}}}})
    assert run.exit_code == 1
    assert "stream 'segments': 'history' is damaged" in run.errors[0]


def test_versions_are_in_the_order_of_reading(sandbox: Sandbox, run_tap: RunTap) -> None:
    first = run_tap("segments", history=True)
    segment = next(iter(sandbox.workspace.segments.values()))
    segment.name = "New name"
    second = run_tap("segments", history=True, state=first.state)
    (version,) = second.records("segments")
    assert version["name"] == "New name"
    earlier = max(datetime.fromisoformat(record["valid_from"][:-1]) for record in first.records("segments"))
    assert datetime.fromisoformat(version["valid_from"][:-1]) > earlier
