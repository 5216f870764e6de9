"""What Braze no longer has: versions, tombstones, and readings that were not complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from braze_sandbox.testing import Sandbox
from tap_braze.streams import STREAMS
from tap_braze.streams.base.stream import BrazeStream

from tests.tap.support.singer import catalog_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    RunTap = Callable[..., Any]


PEOPLE = ("users", "segment_members", "user_devices", "global_control_group_users")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed="small", users=20) as sandbox:
        yield sandbox


def activated(run: Any) -> dict[str, int]:
    return {message["stream"]: message["version"] for message in run.messages if message["type"] == "ACTIVATE_VERSION"}


def versions(run: Any, stream: str) -> set[int | None]:
    records = [message for message in run.messages if message["type"] == "RECORD" and message["stream"] == stream]
    return {message.get("version") for message in records}


def forget(sandbox: Sandbox, kind: str) -> str:
    """Delete the first object of a kind, and return its id."""
    objects = getattr(sandbox.workspace, kind)
    gone = str(next(iter(objects)))
    del objects[gone]
    return gone


@pytest.mark.parametrize(
    "stream",
    [
        "segments",
        "campaigns",
        "canvases",
        "email_templates",
        "content_blocks",
        "preference_centers",
        "events",
        "products",
        "catalogs",
        "catalog_items",
        "cards",
        "custom_attributes",
        "events_details",
        "cdi_integrations",
        *PEOPLE,
    ],
)
def test_a_complete_reading_ends_with_its_version(run_tap: RunTap, stream: str) -> None:
    run = run_tap(stream)
    assert run.exit_code == 0, run.stderr
    (version,) = versions(run, stream)
    assert activated(run) == {stream: version}
    assert version is not None
    assert 0 < version < 2**31
    types = [message["type"] for message in run.messages if message.get("stream") == stream]
    assert types[0] == "SCHEMA"
    assert types[-1] == "ACTIVATE_VERSION"


@pytest.mark.parametrize(
    "stream",
    [
        "campaigns_details",
        "campaigns_analytics",
        "segments_analytics",
        "hard_bounces",
        "cdi_sync_runs",
        "kpi_daily_new_users",
    ],
)
def test_what_is_read_in_parts_has_no_version(run_tap: RunTap, stream: str) -> None:
    run = run_tap(stream)
    assert activated(run) == {}
    assert versions(run, stream) <= {None}


def test_only_whole_readings_are_snapshots() -> None:
    snapshots = {stream.name for stream in STREAMS if stream.is_snapshot}
    incremental = {stream.name for stream in STREAMS if stream.replication_key}
    assert snapshots & incremental == {
        "campaigns",
        "canvases",
        "email_templates",
        "content_blocks",
        "preference_centers",
    }
    assert snapshots | incremental == {stream.name for stream in STREAMS}
    assert not BrazeStream.is_snapshot


@pytest.mark.parametrize(("stream", "kind"), [("segments", "segments"), ("campaigns", "campaigns")])
def test_all_rows_come_again_whatever_the_bookmark_and_the_start_date_are(
    sandbox: Sandbox, run_tap: RunTap, stream: str, kind: str
) -> None:
    first = run_tap(stream, start_date="2026-06-30", deletions="hard")
    gone = forget(sandbox, kind)
    second = run_tap(stream, start_date="2026-06-30", deletions="hard", state=first.state)
    ids = {record["id"] for record in second.records(stream)}
    assert ids == {record["id"] for record in first.records(stream)} - {gone}
    assert activated(second)[stream] >= activated(first)[stream]


def test_archived_campaigns_leave_a_list_without_the_archive(sandbox: Sandbox, run_tap: RunTap) -> None:
    archived = next(iter(sandbox.workspace.campaigns))
    first = run_tap("campaigns", include_archived=False, deletions="soft")
    sandbox.workspace.archive("campaigns", archived)
    second = run_tap("campaigns", include_archived=False, deletions="soft", state=first.state)
    assert [record["id"] for record in second.records("campaigns") if record["_sdc_deleted_at"]] == [archived]


def test_kept_rows_have_no_version(run_tap: RunTap) -> None:
    run = run_tap("segments", "campaigns", deletions="keep", start_date="2020-01-01")
    assert activated(run) == {}
    assert versions(run, "segments") == versions(run, "campaigns") == {None}


@pytest.mark.parametrize(
    ("fault", "streams"),
    [
        # A row without its id, a refused list, a refused parent, a page that fails, no rows and no list.
        (
            {"path": "/segments/list", "do": "status", "status": 200, "body": {"segments": [{"name": "x"}]}},
            ["segments"],
        ),
        ({"path": "/segments/list", "do": "status", "status": 200, "body": {"segments": None}}, ["segments"]),
        ({"path": "/segments/list", "do": "status", "status": 400, "body": {"message": "no"}}, ["segments"]),
        ({"path": "/segments/list", "do": "status", "status": 403, "body": {"message": "no"}}, ["segments"]),
        (
            {"path": "/segments/list", "do": "status", "status": 200, "body": {"segments": [], "errors": ["x"]}},
            ["segments"],
        ),
        (
            {"path": "/catalogs/{name}/items", "do": "status", "status": 404, "body": {"message": "no"}},
            ["catalog_items"],
        ),
        ({"path": "/users/export/segment", "do": "status", "status": 400, "body": {"message": "no"}}, ["users"]),
    ],
)
@pytest.mark.parametrize("deletions", ["hard", "soft"])
def test_an_incomplete_reading_deletes_nothing(
    sandbox: Sandbox, run_tap: RunTap, fault: dict[str, Any], streams: list[str], deletions: str
) -> None:
    first = run_tap(*streams, deletions=deletions)
    if "{name}" in fault["path"]:
        name = next(iter(sandbox.workspace.catalogs))
        fault = {**fault, "path": fault["path"].replace("{name}", name)}
    times = {"times": 1} if streams == ["users"] else {}
    sandbox.fault(**fault, **times)
    run = run_tap(*streams, deletions=deletions, state=first.state, on_missing_permission="skip")
    assert activated(run) == {}
    assert not [record for name in streams for record in run.records(name) if record.get("_sdc_deleted_at")]


def test_rows_of_a_parent_that_was_left_out_are_kept(sandbox: Sandbox, run_tap: RunTap) -> None:
    body = {"catalogs": [{"name": next(iter(sandbox.workspace.catalogs))}, {"description": "no name"}]}
    sandbox.fault(path="/catalogs", do="status", status=200, body=body)
    run = run_tap("catalog_items")
    assert run.records("catalog_items")
    assert activated(run) == {}


def test_an_export_that_was_cut_off_is_activated_when_the_rest_is_read(sandbox: Sandbox, run_tap: RunTap) -> None:
    segments = list(sandbox.workspace.segments)[:2]
    settings = {"users": {"segment_ids": segments}, "concurrency": 1}
    version = 1_700_000_000
    state = {"bookmarks": {"segment_members": {"exported": segments[:1], "version": version}}}
    run = run_tap("segment_members", state=state, **settings)
    assert {record["segment_id"] for record in run.records("segment_members")} == {segments[1]}
    assert versions(run, "segment_members") == {version}
    assert activated(run) == {"segment_members": version}
    assert run.state["bookmarks"]["segment_members"] == {}
    after = run_tap("segment_members", state=run.state, **settings)
    assert activated(after)["segment_members"] > version


def test_a_tombstone_comes_once_and_a_row_that_returns_lives(sandbox: Sandbox, run_tap: RunTap) -> None:
    first = run_tap("segments", deletions="soft")
    assert {record["_sdc_deleted_at"] for record in first.records("segments")} == {None}
    assert first.messages[0]["schema"]["properties"]["_sdc_deleted_at"]["format"] == "date-time"
    segments = dict(sandbox.workspace.segments)
    gone = forget(sandbox, "segments")
    second = run_tap("segments", deletions="soft", state=first.state)
    (tombstone,) = [record for record in second.records("segments") if record["_sdc_deleted_at"]]
    assert tombstone == {"id": gone, "_sdc_deleted_at": tombstone["_sdc_deleted_at"]}
    assert activated(second) == {}
    third = run_tap("segments", deletions="soft", state=second.state)
    assert gone not in {record["id"] for record in third.records("segments")}
    sandbox.workspace.segments.update(segments)
    fourth = run_tap("segments", deletions="soft", state=third.state)
    assert {record["id"]: record["_sdc_deleted_at"] for record in fourth.records("segments")}[gone] is None


def test_what_comes_and_goes_between_incomplete_readings_is_not_forgotten(sandbox: Sandbox, run_tap: RunTap) -> None:
    first = run_tap("segments", deletions="soft")
    rows = [{"id": "new", "name": "n"}, {"name": "no id"}]
    sandbox.fault(path="/segments/list", do="status", status=200, body={"segments": rows}, times=1)
    second = run_tap("segments", deletions="soft", state=first.state)
    third = run_tap("segments", deletions="soft", state=second.state)
    assert [record["id"] for record in third.records("segments") if record["_sdc_deleted_at"]] == ["new"]


def test_state_does_not_grow_without_bound(sandbox: Sandbox, run_tap: RunTap) -> None:
    rows = [{"id": str(number), "name": ""} for number in range(10_001)]
    sandbox.fault(path="/segments/list", do="status", status=200, body={"segments": rows}, times=2)
    run = run_tap("segments", deletions="soft")
    assert "keys" not in run.state["bookmarks"]["segments"]
    assert "has more than 10,000 rows" in run.stderr


def test_a_catalog_of_another_setting_is_named(run_tap: RunTap) -> None:
    catalog = catalog_of({}, ("segments",))
    run = run_tap(catalog=catalog, deletions="soft")
    assert run.exit_code == 1
    assert any("the catalog was made with another setting 'deletions'" in line for line in run.errors)


def test_a_user_who_left_has_a_tombstone(sandbox: Sandbox, run_tap: RunTap) -> None:
    first = run_tap("users", deletions="soft")
    left = first.records("users")[0]["braze_id"]
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    body = {"braze_ids": [left]}
    requests.post(f"{sandbox.url}/users/delete", json=body, headers=headers, timeout=10).raise_for_status()
    second = run_tap("users", deletions="soft", state=first.state)
    (tombstone,) = [record for record in second.records("users") if record["_sdc_deleted_at"]]
    assert tombstone == {"braze_id": left, "_sdc_deleted_at": tombstone["_sdc_deleted_at"]}
