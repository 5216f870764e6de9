"""Lists: pages, edits, the archive."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]

EVER = "2020-01-01"


def grow(sandbox: Sandbox, kind: str, count: int) -> None:
    """Make as many objects of a kind as that, each a minute younger."""
    objects = getattr(sandbox.workspace, kind)
    pattern = next(iter(objects.values()))
    objects.clear()
    for number in range(count):
        moment = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=number)
        objects[f"{number:05}"] = replace(
            pattern, id=f"{number:05}", archived=number % 10 == 9, created_at=moment, updated_at=moment
        )


def pages(sandbox: Sandbox, path: str) -> list[str]:
    return [request.query["page"] for request in sandbox.requests if request.path == path]


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250])
@pytest.mark.parametrize(
    ("stream", "kind", "path"),
    [("campaigns", "campaigns", "/campaigns/list"), ("segments", "segments", "/segments/list")],
)
def test_every_page_is_read(
    sandbox: Sandbox, run_tap: RunTap, *, stream: str, kind: str, path: str, count: int
) -> None:
    grow(sandbox, kind, count)
    for thing in getattr(sandbox.workspace, kind).values():
        thing.archived = False
    run = run_tap(stream, start_date=EVER)
    assert [record["id"] for record in run.records(stream)] == [f"{number:05}" for number in range(count)]
    # Segments may be archived while the pages are read; so several pages are read twice.
    passes = 2 if stream == "segments" and count >= 100 else 1
    assert pages(sandbox, path) == [str(page) for page in range(count // 100 + 1)] * passes


@pytest.mark.parametrize("count", [0, 3, 250, 251])
@pytest.mark.parametrize(
    ("stream", "field", "path"),
    [("events", "event_name", "/events/list"), ("products", "product_id", "/purchases/product_list")],
)
def test_names_become_records(
    sandbox: Sandbox, run_tap: RunTap, *, stream: str, field: str, path: str, count: int
) -> None:
    names = {f"name {number:04}" for number in range(count)}
    setattr(sandbox.workspace, stream, names)
    run = run_tap(stream)
    assert [record[field] for record in run.records(stream)] == sorted(names)
    assert len(pages(sandbox, path)) <= 4  # events may leave their list, so several pages are read twice


@pytest.mark.parametrize(
    "by_page",
    [
        {"0": ["a", "b"], "1": ["c"], "2": []},
        {"0": [], "1": ["a", "b"], "2": ["c"], "3": []},
        {"0": ["a", "b"], "1": ["a", "b"], "2": ["c"], "3": []},
        {"0": ["a", "b", "c"], "1": ["a", "b", "c"], "2": ["a", "b", "c"]},
    ],
    ids=["from 0", "from 1", "0 is 1", "one page for ever"],
)
def test_products_may_be_counted_from_0_or_1(sandbox: Sandbox, run_tap: RunTap, by_page: dict[str, list[str]]) -> None:
    for page, products in by_page.items():
        body = {"products": products}
        sandbox.fault(path="/purchases/product_list", query={"page": page}, do="status", status=200, body=body)
    assert [record["product_id"] for record in run_tap("products").records("products")] == ["a", "b", "c"]


def test_a_row_that_moves_to_the_next_page_comes_out_once(sandbox: Sandbox, run_tap: RunTap) -> None:
    grow(sandbox, "segments", 150)
    first = [{"id": f"{number:05}", "name": "", "tags": []} for number in range(100)]
    second = [{"id": f"{number:05}", "name": "", "tags": []} for number in range(99, 150)]
    for page, rows in (("0", first), ("1", second)):
        body = {"segments": rows}
        sandbox.fault(path="/segments/list", query={"page": page}, do="status", status=200, body=body)
    run = run_tap("segments")
    assert [record["id"] for record in run.records("segments")] == [f"{number:05}" for number in range(150)]


@pytest.mark.parametrize("kind", ["campaigns", "segments"])
def test_what_is_archived_between_two_pages_takes_no_other_row_along(
    sandbox: Sandbox, run_tap: RunTap, kind: Literal["campaigns", "segments"]
) -> None:
    grow(sandbox, kind, 250)
    for thing in getattr(sandbox.workspace, kind).values():
        thing.archived = False
    gone = iter(["00003", "00004", "00150"])

    def archive(request: Any) -> None:
        if request.query["page"] in {"0", "1"} and (key := next(gone, None)):
            sandbox.workspace.archive(kind, key)

    sandbox.after_request(f"/{kind}/list", archive)
    run = run_tap(kind, f"{kind}_analytics", include_archived=False, start_date="2026-06-30")
    ids = [record["id"] for record in run.records(kind)]
    # `campaigns` has what was edited since, and that is a list of its own.
    assert len(ids) == len(set(ids))
    key = "campaign_id" if kind == "campaigns" else "segment_id"
    read = {record[key] for record in run.records(f"{kind}_analytics")}
    assert {f"{number:05}" for number in range(250)} - read <= {"00003", "00004", "00150"}


@pytest.mark.parametrize("stream", ["campaigns", "canvases"])
def test_the_second_run_brings_what_was_edited(
    sandbox: Sandbox, run_tap: RunTap, stream: Literal["campaigns", "canvases"]
) -> None:
    first = run_tap(stream, start_date=EVER, deletions="keep")
    objects = getattr(sandbox.workspace, stream)
    assert {record["id"] for record in first.records(stream)} == set(objects)
    latest = max(objects.values(), key=lambda thing: thing.updated_at)
    assert first.bookmark(stream) == latest.updated_at.isoformat().replace("+00:00", "Z")
    edited = next(key for key in objects if key != latest.id)
    sandbox.workspace.edit(stream, edited, name="new name")
    second = run_tap(stream, start_date=EVER, state=first.state, deletions="keep")
    assert {record["id"] for record in second.records(stream)} == {edited}
    assert second.bookmark(stream) > first.bookmark(stream)
    assert [record["name"] for record in second.records(stream)] == ["new name"]
    third = run_tap(stream, start_date=EVER, state=second.state, deletions="keep")
    assert third.records(stream) == []
    assert third.state == second.state


def test_what_was_not_edited_since_the_setting_stays_out(sandbox: Sandbox, run_tap: RunTap) -> None:
    grow(sandbox, "campaigns", 3)
    for day, campaign in enumerate(sandbox.workspace.campaigns.values(), 1):
        campaign.updated_at = datetime(2026, 2, day, tzinfo=timezone.utc)

    def ids(run: Any) -> list[str]:
        return [record["id"] for record in run.records("campaigns")]

    everything = ["00000", "00001", "00002"]
    assert ids(run_tap("campaigns", edited_since="2026-02-02", deletions="keep")) == everything[1:]
    assert ids(run_tap("campaigns", edited_since="2026-02-02T00:00:01Z", deletions="keep")) == everything[2:]
    assert ids(run_tap("campaigns", edited_since="2026-01-02", deletions="keep")) == everything
    assert ids(run_tap("campaigns", edited_since="2026-02-02")) == everything


def test_a_row_that_does_not_tell_when_it_was_edited_comes_out(sandbox: Sandbox, run_tap: RunTap) -> None:
    rows = [{"id": "1"}, {"id": "2", "last_edited": "2026-05-01T00:00:00Z"}, {"id": "3", "last_edited": None}]
    sandbox.fault(path="/campaigns/list", do="status", status=200, body={"campaigns": rows})
    run = run_tap("campaigns")
    assert [record["id"] for record in run.records("campaigns")] == ["1", "2", "3"]
    assert run.bookmark("campaigns") == "2026-05-01T00:00:00Z"


@pytest.mark.parametrize(
    ("stream", "series", "field"),
    [
        ("campaigns", "campaigns_analytics", "campaign_id"),
        ("canvases", "canvases_analytics", "canvas_id"),
        ("cards", "cards_analytics", "card_id"),
    ],
)
@pytest.mark.parametrize("include_archived", [True, False])
def test_the_archive(
    sandbox: Sandbox, run_tap: RunTap, stream: str, series: str, field: str, *, include_archived: bool
) -> None:
    objects = getattr(sandbox.workspace, stream)
    archived = next(iter(objects))
    objects[archived].archived = True
    wanted = set(objects) if include_archived else set(objects) - {archived}
    run = run_tap(stream, include_archived=include_archived, start_date=EVER)
    assert {record["id"] for record in run.records(stream)} == wanted
    run = run_tap(series, include_archived=include_archived, start_date="2026-06-30")
    assert {record[field] for record in run.records(series)} == wanted


def test_statistics_are_read_of_what_was_not_edited_too(sandbox: Sandbox, run_tap: RunTap) -> None:
    state = {"bookmarks": {"campaigns": {"replication_key": "last_edited", "replication_key_value": "2099-01-01"}}}
    run = run_tap("campaigns", "campaigns_analytics", state=state, deletions="keep")
    assert run.records("campaigns") == []
    assert {r["campaign_id"] for r in run.records("campaigns_analytics")} == set(sandbox.workspace.campaigns)


def test_a_field_without_a_column_is_in_the_column_for_them_and_named_once(sandbox: Sandbox, run_tap: RunTap) -> None:
    row = {"id": "1", "name": "n", "analytics_tracking_enabled": True, "tags": [], "novelty": 1, "_extra": 2}
    sandbox.fault(path="/segments/list", do="status", status=200, body={"segments": [row, {**row, "id": "2"}]})
    run = run_tap("segments")
    assert [record["_extra"] for record in run.records("segments")] == [{"novelty": 1, "_extra": 2}] * 2
    assert run.stderr.count("'novelty'") == 1


def test_a_catalog_that_lacks_a_column_is_named(run_tap: RunTap, cli: Callable[..., Any]) -> None:
    catalog = json.loads(cli(["--discover"]).stdout)
    for entry in catalog["streams"]:
        for name in ("tags", "_extra"):
            entry["schema"]["properties"].pop(name, None)
        root = next(item for item in entry["metadata"] if not item["breadcrumb"])
        root["metadata"]["selected"] = entry["stream"] == "segments"
    run = run_tap(catalog=catalog)
    assert run.exit_code == 0, run.stderr
    assert not any({"tags", "_extra"} & record.keys() for record in run.records("segments"))
    text = "the catalog has no columns for these fields and no '_extra'; discover it again (--discover): "
    assert run.stderr.count(text + "'tags'") == 1


def test_two_readers_of_a_list_read_it_once(sandbox: Sandbox, run_tap: RunTap) -> None:
    run_tap("events", "events_analytics")
    assert pages(sandbox, "/events/list") == ["0"]


@pytest.mark.parametrize("start_date", [None, "2026-06-01"])
@pytest.mark.parametrize("deletions", ["keep", "hard"])
@pytest.mark.parametrize(("kind", "field"), [("campaigns", "campaign_id"), ("canvases", "canvas_id")])
def test_each_object_with_statistics_has_its_row_whatever_the_start_date(
    sandbox: Sandbox, run_tap: RunTap, *, kind: str, field: str, start_date: str | None, deletions: str
) -> None:
    for each in getattr(sandbox.workspace, kind).values():
        each.updated_at = datetime(2015, 1, 1, tzinfo=timezone.utc)
    run = run_tap(
        kind, f"{kind}_details", f"{kind}_analytics", start_date=start_date, end_date=None, deletions=deletions
    )
    listed = {record["id"] for record in run.records(kind)}
    assert listed == set(getattr(sandbox.workspace, kind))
    assert {record[field] for record in run.records(f"{kind}_details")} == listed
    assert {record[field] for record in run.records(f"{kind}_analytics")} <= listed
    assert not [request for request in sandbox.requests if "last_edit.time[gt]" in request.query]
