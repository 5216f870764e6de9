"""Templates, Content Blocks, preference centers, catalogs, definitions, syncs: lists, details and what changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.objects import Catalog, CustomAttribute, Integration, Run
from tap_braze.braze.client import Answer
from tap_braze.braze.cursors import next_cursor
from tap_braze.streams.base import lists
from tap_braze.times import moment, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]

EVER = "2020-01-01"
NOW = datetime.now(timezone.utc)

# Each with its details: kind in the workspace, key, replication key.
CHANGING = {
    "email_templates": ("templates", "email_template_id", "updated_at"),
    "content_blocks": ("content_blocks", "content_block_id", "last_edited"),
    "preference_centers": ("preference_centers", "preference_center_api_id", "updated_at"),
}
WITH_DETAILS = [(name + suffix, *rest) for name, rest in CHANGING.items() for suffix in ("", "_details")]


def grow(sandbox: Sandbox, kind: str, count: int) -> dict[str, Any]:
    """Make as many objects of a kind as that, each a minute younger."""
    objects: dict[str, Any] = getattr(sandbox.workspace, kind)
    pattern = next(iter(objects.values()))
    objects.clear()
    for number in range(count):
        changed = datetime(2026, 3, 1, tzinfo=timezone.utc) + timedelta(minutes=number)
        objects[f"{number:05}"] = replace(pattern, id=f"{number:05}", created_at=changed, updated_at=changed)
    return objects


def queries(sandbox: Sandbox, path: str) -> list[dict[str, str]]:
    return [dict(request.query) for request in sandbox.requests if request.path == path]


def same(record: dict[str, Any], **expected: Any) -> bool:
    """Return whether a record has these values; times may be written in another form."""
    return {
        name: moment(record[name]) if isinstance(value, datetime) else record[name] for name, value in expected.items()
    } == expected


def test_templates(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("email_templates", "email_templates_details", start_date=EVER)
    details = {record["email_template_id"]: record for record in run.records("email_templates_details")}
    records = {record["email_template_id"]: record for record in run.records("email_templates")}
    assert set(records) == set(details) == set(sandbox.workspace.templates)
    for key, template in sandbox.workspace.templates.items():
        common = {
            "template_name": template.name,
            "tags": template.tags,
            "created_at": template.created_at,
            "updated_at": template.updated_at,
        }
        assert same(records[key], **common)
        assert same(
            details[key],
            **common,
            **{
                field: getattr(template, field)
                for field in ("description", "subject", "preheader", "body", "plaintext_body", "should_inline_css")
            },
        )
        assert records[key]["updated_at"].endswith("Z")


@pytest.mark.parametrize(("sent", "passed_on"), [("one, two", ["one, two"]), ("", []), (["a", "b"], ["a", "b"])])
def test_tags_of_template_details_may_be_a_text(
    sandbox: Sandbox, run_tap: RunTap, sent: str | list[str], passed_on: list[str]
) -> None:
    body = {"email_template_id": "1", "tags": sent}
    sandbox.fault(path="/templates/email/info", do="status", status=200, body=body)
    run = run_tap("email_templates_details", start_date=EVER)
    assert run.records("email_templates_details")[0]["tags"] == passed_on


def test_content_blocks(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("content_blocks", "content_blocks_details", start_date=EVER)
    details = {record["content_block_id"]: record for record in run.records("content_blocks_details")}
    records = {record["content_block_id"]: record for record in run.records("content_blocks")}
    assert set(records) == set(details) == set(sandbox.workspace.content_blocks)
    for key, block in sandbox.workspace.content_blocks.items():
        common = {
            "name": block.name,
            "content_type": block.content_type,
            "tags": block.tags,
            "inclusion_count": len(block.included_in),
            "created_at": block.created_at,
            "last_edited": block.updated_at,
        }
        assert same(records[key], **common, liquid_tag=f"{{{{content_blocks.${{{block.name}}}}}}}")
        assert same(
            details[key],
            **common,
            content=block.content,
            description=block.description,
            inclusion_data=block.included_in,
        )


def test_preference_centers(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("preference_centers", "preference_centers_details", start_date=EVER)
    (record,), (details,) = run.records("preference_centers"), run.records("preference_centers_details")
    (center,) = sandbox.workspace.preference_centers.values()
    common = {
        "preference_center_api_id": center.id,
        "name": center.name,
        "created_at": center.created_at,
        "updated_at": center.updated_at,
    }
    assert same(record, **common)
    assert same(
        details,
        **common,
        state="active",
        preference_center_title=center.title,
        preference_center_page_html=center.page_html,
        confirmation_page_html=center.confirmation_html,
        redirect_page_html=None,
        preference_center_options={"meta-viewport-content": "width=device-width, initial-scale=2"},
    )


@pytest.mark.parametrize(("stream", "kind", "key", "field"), WITH_DETAILS)
def test_what_changed_comes_again(
    sandbox: Sandbox,
    run_tap: RunTap,
    monkeypatch: pytest.MonkeyPatch,
    *,
    stream: str,
    kind: Any,
    key: str,
    field: str,
) -> None:
    objects = grow(sandbox, kind, 80)
    first = run_tap(stream, start_date=EVER, deletions="keep")
    assert [record[key] for record in first.records(stream)] == list(objects)
    assert first.bookmark(stream) == max(record[field] for record in first.records(stream))
    # Nothing moved, so nothing comes again, however close together the last edits were.
    second = run_tap(stream, start_date=EVER, deletions="keep", state=first.state)
    assert second.records(stream) == []
    assert second.state == first.state
    sandbox.workspace.edit(kind, "00007", name="new name", updated_at=NOW - timedelta(minutes=5))
    third = run_tap(stream, start_date=EVER, deletions="keep", state=first.state)
    assert [record[key] for record in third.records(stream)] == ["00007"]
    assert run_tap(stream, start_date=EVER, deletions="keep", state=third.state).records(stream) == []
    # Once the edit is old enough to show everywhere, it comes once more.
    monkeypatch.setattr(lists, "EDIT_OVERLAP", timedelta(minutes=1))
    fourth = run_tap(stream, start_date=EVER, deletions="keep", state=third.state)
    assert [record[key] for record in fourth.records(stream)] == ["00007"]
    assert run_tap(stream, start_date=EVER, deletions="keep", state=fourth.state).records(stream) == []


@pytest.mark.parametrize(("stream", "kind", "key"), [(stream, kind, key) for stream, kind, key, _ in WITH_DETAILS])
def test_what_has_not_changed_since_the_setting_stays_out(
    sandbox: Sandbox, run_tap: RunTap, *, stream: str, kind: str, key: str
) -> None:
    grow(sandbox, kind, 3)
    run = run_tap(stream, edited_since="2026-03-01T00:01:00Z", deletions="keep")
    assert [record[key] for record in run.records(stream)] == ["00001", "00002"]
    run = run_tap(stream, start_date="2026-03-01T00:01:00Z", deletions="keep")
    assert [record[key] for record in run.records(stream)] == ["00000", "00001", "00002"]


@pytest.mark.parametrize(
    ("stream", "path", "limit"),
    [("email_templates", "/templates/email/list", 1000), ("content_blocks", "/content_blocks/list", 999)],
)
@pytest.mark.parametrize("more", [-1, 0, 1, 1100])
def test_every_page_by_offset_is_read(
    sandbox: Sandbox, run_tap: RunTap, *, stream: str, path: str, limit: int, more: int
) -> None:
    kind, key, _ = CHANGING[stream]
    objects = grow(sandbox, kind, limit + more)
    run = run_tap(stream, edited_since=EVER, deletions="keep")
    assert [record[key] for record in run.records(stream)] == list(objects)
    offsets = [query.get("offset") for query in queries(sandbox, path)]
    assert offsets == [None, str(limit - 10), str(2 * limit - 20)][: len(offsets)]
    assert len(offsets) == {-1: 1, 0: 2, 1: 2, 1100: 3}[more]
    assert {query["limit"] for query in queries(sandbox, path)} == {str(limit)}


def test_an_edit_between_two_pages_costs_no_row(sandbox: Sandbox, run_tap: RunTap) -> None:
    objects = grow(sandbox, "templates", 1300)

    def edit(_request: Any) -> None:
        # They leave the window, and all behind them move up.
        for number in range(5):
            sandbox.workspace.edit("templates", f"{number:05}", updated_at=datetime.now(timezone.utc))

    sandbox.after_request("/templates/email/list", edit, times=1)
    run = run_tap("email_templates", start_date=EVER)
    assert [record["email_template_id"] for record in run.records("email_templates")] == list(objects)
    assert moment(run.bookmark("email_templates")) == objects["01299"].updated_at
    again = run_tap("email_templates", start_date=EVER, state=run.state)
    assert {f"{number:05}" for number in range(5)} <= {r["email_template_id"] for r in again.records("email_templates")}


@pytest.mark.parametrize(
    ("stream", "kind", "listed"),
    [
        ("email_templates_details", "templates", "/templates/email/list"),
        ("content_blocks_details", "content_blocks", "/content_blocks/list"),
        ("preference_centers_details", "preference_centers", "/preference_center/v1/list"),
        ("catalog_items", "catalogs", "/catalogs"),
        ("cdi_sync_runs", "integrations", "/cdi/integrations"),
    ],
)
def test_what_vanished_since_it_was_listed_is_passed_over(
    sandbox: Sandbox, run_tap: RunTap, *, stream: str, kind: Any, listed: str
) -> None:
    gone = next(iter(getattr(sandbox.workspace, kind)))
    sandbox.after_request(listed, lambda _request: sandbox.workspace.delete(kind, gone), times=1)
    run = run_tap(stream, start_date=EVER)
    assert run.exit_code == 0, run.stderr
    assert f"'{gone}' was refused and is skipped" in run.stderr
    key = run.messages[0]["key_properties"][0] if stream != "catalog_items" else "catalog_name"
    assert gone not in {record[key] for record in run.records(stream)}


def test_catalogs(sandbox: Sandbox, run_tap: RunTap) -> None:
    records = run_tap("catalogs").records("catalogs")
    catalogs = sandbox.workspace.catalogs.values()
    assert len(records) == len(catalogs)
    for record, catalog in zip(records, catalogs, strict=True):
        assert same(
            record,
            name=catalog.name,
            description=catalog.description,
            fields=[{**one, "token": str(at - 1)} for at, one in enumerate(catalog.fields)],
            num_items=len(catalog.items),
            updated_at=catalog.updated_at,
        )


@pytest.mark.parametrize("sizes", [(0,), (50,), (51, 0, 120), (0, 1)])
def test_catalog_items(sandbox: Sandbox, run_tap: RunTap, sizes: tuple[int, ...]) -> None:
    sandbox.workspace.catalogs = {
        f"catalog-{number}_A": Catalog(
            name=f"catalog-{number}_A",
            updated_at=NOW,
            fields=[{"name": "id", "type": "string"}],
            # Columns that are called like the stream's own, and differ in nothing but case.
            items={
                f"i {at}": {"id": f"i {at}", "catalog_name": at, "item": {"a": [at]}, "Id": None, "ID": True}
                for at in range(size)
            },
        )
        for number, size in enumerate(sizes)
    }
    run = run_tap("catalog_items")
    assert run.records("catalog_items") == [
        {"catalog_name": catalog.name, "id": key, "item": {n: value for n, value in item.items() if n != "id"}}
        for catalog in sandbox.workspace.catalogs.values()
        for key, item in catalog.items.items()
    ]
    assert len([r for r in sandbox.requests if r.path.endswith("/items")]) == sum(max(1, -(-n // 50)) for n in sizes)


def test_an_item_that_is_inserted_between_two_pages_costs_and_doubles_no_row(sandbox: Sandbox, run_tap: RunTap) -> None:
    catalog = sandbox.workspace.catalogs["products"]
    catalog.items = {f"{at:03}": {"id": f"{at:03}"} for at in range(120)}

    def insert(_request: Any) -> None:
        catalog.items = {"new": {"id": "new"}, **catalog.items}

    sandbox.after_request("/catalogs/products/items", insert, times=1)
    ids = [record["id"] for record in run_tap("catalog_items").records("catalog_items")]
    assert ids == [f"{at:03}" for at in range(120)]


@pytest.mark.parametrize("count", [0, 1, 50, 51, 120])
def test_definitions(sandbox: Sandbox, run_tap: RunTap, count: int) -> None:
    names = sorted(f"größe + {number:03} & more" for number in range(count))
    workspace = sandbox.workspace
    workspace.events = set(names)
    workspace.attribute_definitions = {
        name: CustomAttribute(description="why", data_type="Array", array_length=25, tag_names=["t"]) for name in names
    }
    run = run_tap("events_details", "custom_attributes")
    assert [record["name"] for record in run.records("events_details")] == names
    expected = {"description": "why", "data_type": "Array", "array_length": 25, "tag_names": ["t"], "status": "Active"}
    assert run.records("custom_attributes") == [{**expected, "name": name} for name in names]
    assert len(queries(sandbox, "/custom_attributes")) == max(1, -(-count // 50))


def integrations(sandbox: Sandbox, *runs: int) -> None:
    begin = datetime(2026, 3, 1, tzinfo=timezone.utc)
    sandbox.workspace.integrations = {
        f"i-{number}": Integration(
            id=f"i-{number}",
            name=f"Integration {number}",
            runs=[
                Run(
                    started_at=begin + timedelta(days=at, minutes=number),
                    finished_at=begin + timedelta(days=at, minutes=number + 1),
                    last_timestamp_synced=begin,
                    rows_synced=at,
                )
                for at in range(count)
            ],
        )
        for number, count in enumerate(runs)
    }


def test_integrations_and_their_syncs(sandbox: Sandbox, run_tap: RunTap) -> None:
    integrations(sandbox, 0, 10, 11, 31, *[1] * 8)
    run = run_tap("cdi_integrations", "cdi_sync_runs")
    assert [record["integration_id"] for record in run.records("cdi_integrations")] == [f"i-{n}" for n in range(12)]
    assert run.records("cdi_integrations")[1]["last_job_status"] == "success"
    expected = {
        (key, sync.started_at): sync.rows_synced
        for key, integration in sandbox.workspace.integrations.items()
        for sync in integration.runs
    }
    records = run.records("cdi_sync_runs")
    assert {(r["integration_id"], moment(r["sync_start_time"])): r["rows_synced"] for r in records} == expected
    assert len(records) == len(expected)
    assert len(queries(sandbox, "/cdi/integrations")) == 2
    assert len(queries(sandbox, "/cdi/integrations/i-3/job_sync_status")) == 4


def test_a_sync_that_runs_holds_the_bookmark(sandbox: Sandbox, run_tap: RunTap) -> None:
    integrations(sandbox, 5, 20)
    running = sandbox.workspace.integrations["i-0"].runs[-1]
    running.status, running.finished_at = "running", None
    first = run_tap("cdi_sync_runs")
    assert moment(first.bookmark("cdi_sync_runs")) == running.started_at
    running.status, running.finished_at = "success", NOW
    second = run_tap("cdi_sync_runs", state=first.state)
    assert {record["job_status"] for record in second.records("cdi_sync_runs")} == {"success"}
    assert min(moment(r["sync_start_time"]) for r in second.records("cdi_sync_runs")) == running.started_at
    last = sandbox.workspace.integrations["i-1"].runs[-1].started_at
    assert moment(second.bookmark("cdi_sync_runs")) == last
    assert len(run_tap("cdi_sync_runs", state=second.state).records("cdi_sync_runs")) == 1


def test_keys_of_apps(sandbox: Sandbox, run_tap: RunTap) -> None:
    apps = list(sandbox.workspace.apps)[:2]
    run = run_tap("sdk_authentication_keys", app_ids=apps)
    assert run.records("sdk_authentication_keys") == [
        {
            "app_id": key.app_id,
            "id": key.id,
            "rsa_public_key": key.rsa_public_key,
            "description": key.description,
            "is_primary": key.is_primary,
        }
        for key in sandbox.workspace.sdk_keys
    ]
    none = run_tap("sdk_authentication_keys")
    assert none.records("sdk_authentication_keys") == []
    assert "stream 'sdk_authentication_keys' reads nothing: setting 'app_ids' is empty" in none.stderr


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        ("", None),
        ('</catalogs/other?cursor=c2tpcDow>; rel="prev"', None),
        ('</a?cursor=c2tpcDow>; rel="prev",</b?cursor=c2tp+Do1MA==>; rel="next"', "c2tp+Do1MA=="),
        (
            '<https://x.example/a?x=1&cursor=c2tpcDo1MA%3D%3D&y=2>; rel="next", </b?cursor=1>; rel="prev"',
            "c2tpcDo1MA==",
        ),
        ("<a?cursor=%2B>; title=t; rel=next", "+"),
        ('<a?page=2>; rel="next"', None),
        ('</a?cursor=1>; title="next"; rel="prev", </b?cursor=2>; rel="last next"', "2"),
        ('</a?cursor=1>; rel="next-archive"', None),
        ("no link", None),
    ],
)
def test_the_cursor_of_a_link(link: str, cursor: str | None) -> None:
    assert next_cursor(Answer(200, {"link": link}, b"")) == cursor


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2026-01-31T10:00:00", "2026-01-31T10:00:00Z"),
        ("2026-01-31T10:00:00.123456", "2026-01-31T10:00:00.123456Z"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
        ("2026-01-31T10:00:00.879+00:00", "2026-01-31T10:00:00.879+00:00"),
        ("2026-01-31 10:00:00 +0000", "2026-01-31T10:00:00+00:00"),
        ("2026-01-31 10:00:00.25 -0530", "2026-01-31T15:30:00.25Z"),
        ("0001-01-01 00:00:00 +0530", "0001-01-01T00:00:00+05:30"),
        ("2026-01-31 10:00:00.000 UTC", "2026-01-31T10:00:00.000Z"),
        ("31 January", "31 January"),
        ("2026-01-31", "2026-01-31"),
        ("", ""),
    ],
)
def test_moments_are_in_utc(text: str, normal: str) -> None:
    assert rfc3339(text) == normal
