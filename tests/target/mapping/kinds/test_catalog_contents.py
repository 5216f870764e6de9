"""Selections of catalogs, and deletions of catalogs and their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.objects import Catalog

from tests.target.support.singer import INTEGER, TEXT, TIME, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

NAME, GONE = {"catalog_name": "shop"}, {"_sdc_deleted_at": "2026-03-04T09:10:11Z"}
FILTERS = [{"field": "price", "operator": "greater than", "value": 7}]
SELECTIONS = {"streams": {"selections": {"to": "catalog_selections"}}}
CATALOGS = {"streams": {"old": {"to": "catalog_deletions", "max_catalogs_deleted_with_all_items": 2}}}
FIELDS = {"streams": {"old": {"to": "catalog_field_deletions", "max_fields_deleted_with_all_values": 2}}}


@pytest.fixture(autouse=True)
def shop(sandbox: Sandbox) -> Catalog:
    fields = [{"name": name, "type": "number" if name == "price" else "string"} for name in ("id", "price", "colour")]
    for name in ("shop", "other"):
        catalog = sandbox.workspace.catalogs[name] = Catalog(
            name=name, updated_at=sandbox.instance.clock.utc_now(), fields=[*fields]
        )
        catalog.items["i"] = {"id": "i", "price": 9, "colour": "red"}
    return sandbox.workspace.catalogs["shop"]


def selections(*records: dict[str, Any]) -> Stream:
    columns = {
        **dict.fromkeys(("catalog_name", "name", "description", "sort_field", "sort_order"), TEXT),
        "filters": {"type": ["array", "null"], "items": {"type": "object"}},
        "results_limit": INTEGER,
        "_sdc_deleted_at": TIME,
    }
    return Stream("selections", columns, [{**NAME, **record} for record in records])


def old(*records: dict[str, Any]) -> Stream:
    return Stream("old", {"catalog_name": TEXT, "field_name": TEXT}, [*records])


def test_a_selection_is_created_once(run_target: RunTarget, sandbox: Sandbox, shop: Catalog) -> None:
    record = {"name": "dear ones", "filters": FILTERS, "results_limit": 5, "sort_field": "price", "sort_order": "DESC"}
    run = run_target(selections(record, record, {"name": "all"}), **SELECTIONS)
    created = {**record, "sort_order": "desc", "external_id": "dear ones", "source": "custom"}
    assert shop.selections == {
        "dear ones": created,
        "all": {"name": "all", "external_id": "all", "source": "custom"},
    }
    assert run.summary["total"]["coalesced"] == 1
    again = run_target(selections(record, {"name": "all"}), **SELECTIONS)
    assert again.summary["total"]["unchanged"] == 2
    assert [one.method for one in sandbox.requests].count("POST") == 2
    assert not sandbox.violations


def test_a_selection_that_differs_is_rejected(run_target: RunTarget, sandbox: Sandbox, shop: Catalog) -> None:
    run_target(selections({"name": "s", "filters": FILTERS}), **SELECTIONS)
    run = run_target(selections({"name": "s", "filters": []}), expect=1, **SELECTIONS)
    assert "catalog 'shop': selection 's' exists with another 'filters', and Braze cannot change" in run.errors[0]
    assert shop.selections["s"]["filters"] == FILTERS
    assert len([one for one in sandbox.requests if one.method == "POST"]) == 1


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"name": "s", "catalog_name": "a/b"}, "the name of a catalog may contain only letters"),
        ({"name": None}, "column 'name' is blank"),
        ({"name": "s", "sort_field": "price"}, "sort_field and sort_order together, or neither"),
        ({"name": "s", "results_limit": 51}, "expected a number from 1 to 50, got 51"),
        ({"name": "s", "filters": [{"field": "price"}]}, "expected an array of objects with field, operator, value"),
        ({"name": "s", "filters": FILTERS * 5}, "5 filters, Braze takes at most 4"),
        ({"name": "s", "sort_order": "up"}, "expected asc or desc"),
    ],
)
def test_invalid_selections_are_rejected(
    run_target: RunTarget, sandbox: Sandbox, record: dict[str, Any], reason: str
) -> None:
    assert reason in run_target(selections(record), expect=1, **SELECTIONS).errors[0]
    assert all(one.method == "GET" for one in sandbox.requests)


def test_braze_refuses_one_selection_and_takes_the_others(run_target: RunTarget, shop: Catalog, tmp_path: Path) -> None:
    bad = {"name": "bad", "filters": [{"field": "none", "operator": "equals", "value": 1}]}
    letters = str(tmp_path / "letters.singer")
    lost = {**NAME, "catalog_name": "no-catalog", "name": "lost"}
    run = run_target(
        selections(bad, lost, {"name": "good"}), on_error="dead_letter", dead_letter_path=letters, **SELECTIONS
    )
    assert run.summary["total"]["rejected"] == 2
    assert "catalog-not-found" in run.stderr
    assert list(shop.selections) == ["good"]


def test_a_deleted_record_deletes_the_selection_only_if_told(
    run_target: RunTarget, sandbox: Sandbox, shop: Catalog
) -> None:
    run_target(selections({"name": "s"}), **SELECTIONS)
    run_target(selections({"name": "s", **GONE}), **SELECTIONS)
    assert list(shop.selections) == ["s"]
    removing = {"streams": {"selections": {"to": "catalog_selections", "on_delete": "remove"}}}
    # The first answer is lost after Braze has deleted the selection, so the second one is a 404.
    sandbox.fault(do="drop_after", method="DELETE", times=1)
    run_target(selections({"name": "s", **GONE}), **removing)
    assert not shop.selections
    assert run_target(selections({"name": "s", **GONE}), **removing).summary["total"]["unchanged"] == 1


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("last", [{}, GONE])
def test_the_last_record_of_a_selection_decides(
    run_target: RunTarget, shop: Catalog, *, there: bool, last: dict[str, Any]
) -> None:
    removing = {"streams": {"selections": {"to": "catalog_selections", "on_delete": "remove"}}}
    if there:
        run_target(selections({"name": "s"}), **removing)
    run_target(selections({"name": "s", **(GONE if last == {} else {})}, {"name": "s", **last}), **removing)
    assert list(shop.selections) == ([] if last else ["s"])


def test_a_selection_without_an_answer_is_in_doubt_and_found_by_the_next_run(
    run_target: RunTarget, sandbox: Sandbox, shop: Catalog
) -> None:
    sandbox.fault(do="drop_after", method="POST", times=1)
    assert "in doubt" in run_target(selections({"name": "s"}), expect=1, **SELECTIONS).errors[0]
    assert list(shop.selections) == ["s"]
    assert run_target(selections({"name": "s"}), **SELECTIONS).summary["total"]["unchanged"] == 1


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        ("catalog_deletions", "loses all its items, which cannot be undone: set max_catalogs_deleted_with_all_items"),
        ("catalog_field_deletions", "loses its values in all items, which cannot be undone: set max_fields_deleted_"),
    ],
)
def test_deletions_need_a_limit(run_target: RunTarget, sandbox: Sandbox, kind: str, setting: str) -> None:
    run = run_target(old({**NAME, "field_name": "price"}), streams={"old": {"to": kind}}, expect=1)
    assert setting in run.errors[0]
    assert not sandbox.requests


def test_catalogs_are_deleted(run_target: RunTarget, sandbox: Sandbox) -> None:
    sandbox.fault(do="drop_after", method="DELETE", times=1)
    run = run_target(old(NAME, NAME, {"catalog_name": "never-there"}), **CATALOGS)
    assert list(sandbox.workspace.catalogs) == ["other"]
    assert (run.summary["total"]["coalesced"], run.summary["total"]["unchanged"]) == (1, 1)
    assert run_target(old(NAME), **CATALOGS).summary["total"]["unchanged"] == 1


def test_fields_are_deleted(run_target: RunTarget, sandbox: Sandbox, shop: Catalog) -> None:
    sandbox.fault(do="drop_after", method="DELETE", times=1)
    run_target(old({**NAME, "field_name": "price"}, {**NAME, "field_name": "colour"}), **FIELDS)
    assert (shop.fields, shop.items["i"]) == ([{"name": "id", "type": "string"}], {"id": "i"})
    assert len(sandbox.workspace.catalogs["other"].fields) == 3
    assert "always has the field 'id'" in run_target(old({**NAME, "field_name": "id"}), expect=1, **FIELDS).errors[0]


def test_a_field_that_a_selection_uses_is_rejected(run_target: RunTarget, shop: Catalog) -> None:
    run_target(selections({"name": "s", "filters": FILTERS}), **SELECTIONS)
    run = run_target(old({**NAME, "field_name": "price"}), expect=1, **FIELDS)
    assert "field-in-use" in run.errors[0]
    assert len(shop.fields) == 3


@pytest.mark.parametrize(("settings", "what"), [(CATALOGS, "catalogs"), (FIELDS, "fields")])
def test_more_than_the_limit_deletes_nothing(
    run_target: RunTarget, sandbox: Sandbox, settings: dict[str, Any], what: str
) -> None:
    records = [{"catalog_name": name, "field_name": name} for name in ("shop", "other", "third")]
    run = run_target(old(*records), expect=1, **settings)
    assert f"_deleted_with_all_{'items' if what == 'catalogs' else 'values'} of 2 {what}; none was" in run.errors[0]
    assert all(one.method == "GET" for one in sandbox.requests)


def test_a_dry_run_says_what_would_be_lost(run_target: RunTarget, sandbox: Sandbox) -> None:
    run = run_target(old(NAME), dry_run=True, preflight=True, **CATALOGS)
    assert "catalog 'shop' would be deleted with all its items (1)" in run.stderr
    run = run_target(old({**NAME, "field_name": "price"}), dry_run=True, preflight=True, **FIELDS)
    assert "catalog 'shop': field 'price' would be deleted" in run.stderr
    assert all(one.method == "GET" for one in sandbox.requests)
