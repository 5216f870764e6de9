"""Items of catalogs: the catalog made of the SCHEMA, items replaced and removed, values that a catalog takes."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.objects import Catalog
from target_braze.braze.objects import catalogs

from tests.target.support.singer import ANY_OBJECT, BOOLEAN, INTEGER, NUMBER, TEXT, TIME, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

COLUMNS = {
    "id": INTEGER,
    "name": TEXT,
    "price": {"type": ["string", "null"], "format": "singer.decimal"},
    "stock": INTEGER,
    "sold": BOOLEAN,
    "since": TIME,
    "day": {"type": "string", "format": "date"},
    "more": ANY_OBJECT,
    "tags": {"type": ["array", "null"], "items": TEXT},
    "any": {},
}
ITEM = {
    "id": 17,
    "name": "x" * 300,
    "price": "12.50",
    "stock": 3,
    "sold": False,
    "since": "2026-03-04T09:10:11Z",
    "day": "2026-03-04",
    "more": {"a": {"b": [1, None]}},
    "tags": ["a", "b"],
    "any": 1,
}
MAPPING = {"products": {"to": "catalog_items"}}


def products(*records: dict[str, Any], **columns: dict[str, Any]) -> Stream:
    return Stream("products", columns or COLUMNS, list(records))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogs, "_ASK_EVERY", 0.01)


def test_a_catalog_is_made_of_the_schema_and_holds_the_items(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(products(ITEM, {"id": 18, "name": None}), streams=MAPPING)
    catalog = sandbox.workspace.catalogs["products"]
    assert {field["name"]: field["type"] for field in catalog.fields} == {
        "id": "string",
        "name": "string",
        "price": "number",
        "stock": "number",
        "sold": "boolean",
        "since": "time",
        "day": "time",
        "more": "object",
        "tags": "array",
        "any": "string",
    }
    assert catalog.items["18"] == {"id": "18"}
    item = catalog.items["17"]
    assert item["price"] == 12.5
    assert item["since"].startswith("2026-03-04T09:10:11")
    assert (item["more"], item["tags"], item["any"]) == ({"a": {"b": [1, None]}}, ["a", "b"], "1")
    assert {violation["reason"] for violation in sandbox.violations} <= {"a value was coerced to the type time"}


def test_fields_are_added_and_those_of_others_are_told_of(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "margin", "type": "number"}]
    sandbox.workspace.catalogs["shop"] = Catalog(name="shop", updated_at=datetime.now(timezone.utc), fields=fields)
    entry = {"to": "catalog_items", "catalog": {"name": "shop", "id": "sku"}, "rename": {"na me": "title"}}
    many = {f"f{number}": TEXT for number in range(60)}
    run = run_target(
        products({"sku": "a-1", "na me": "Tea", "f59": "x"}, sku=TEXT, **{"na me": TEXT}, **many),
        streams={"products": entry},
    )
    catalog = sandbox.workspace.catalogs["shop"]
    assert len(catalog.fields) == 63
    assert catalog.items == {"a-1": {"id": "a-1", "title": "Tea", "f59": "x"}}
    assert "replaced items lose their values: margin" in run.stderr


def test_new_fields_are_waited_for(sandbox: Sandbox, run_target: Callable[..., Run], monkeypatch: Any) -> None:
    run_target(products({"id": "a"}, id=TEXT), streams=MAPPING)
    monkeypatch.setattr(sandbox.instance.write_lag, "_lag", 0.1)
    run_target(products({"id": "a", "name": "x"}, id=TEXT, name=TEXT), streams=MAPPING)
    sandbox.settle()
    assert sandbox.workspace.catalogs["products"].items["a"]["name"] == "x"


def test_the_last_record_of_an_item_wins_and_fifty_go_in_a_request(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    records: list[dict[str, Any]] = [{"id": f"i-{n % 120}", "name": str(n), "more": str(n)} for n in range(240)]
    records.append({"id": "i-0", "name": None, "more": "last"})
    run_target(products(*records, id=TEXT, name=TEXT, more=TEXT), streams=MAPPING)
    items = sandbox.workspace.catalogs["products"].items
    assert items["i-0"] == {"id": "i-0", "more": "last"}
    assert {key: item["name"] for key, item in items.items() if key != "i-0"} == {
        f"i-{n}": str(n + 120) for n in range(1, 120)
    }
    sizes = [len(request.body["items"]) for request in sandbox.requests if request.method == "PUT"]
    assert max(sizes) <= 50
    assert all(request.status == 202 for request in sandbox.requests if request.method == "PUT")


def test_items_go_when_the_source_deletes_them(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = {"id": TEXT, "name": TEXT}
    run_target(products(*({"id": key, "name": key} for key in "abc"), **columns), streams=MAPPING)
    gone: list[dict[str, Any]] = [
        {"id": "a", "_sdc_deleted_at": "2026-01-01T00:00:00Z"},
        {"id": "b", "_sdc_deleted_at": None},
    ]
    run_target(products(*gone, {"id": "c"}, {"id": "c", "_sdc_deleted_at": "2026"}, **columns), streams=MAPPING)
    assert list(sandbox.workspace.catalogs["products"].items) == ["b"]
    run_target(
        products({"id": "b", "_sdc_deleted_at": "2026"}, **columns),
        streams={"products": {**MAPPING["products"], "on_delete": "nothing"}},
    )
    assert list(sandbox.workspace.catalogs["products"].items) == ["b"]


def test_items_that_a_full_table_no_longer_lists_go_with_its_version(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    columns = {"id": TEXT, "name": TEXT}
    everything = products(*({"id": f"i-{n}", "name": "x"} for n in range(120)), **columns)
    run_target(everything, streams=MAPPING)
    activate = {"type": "ACTIVATE_VERSION", "stream": "products", "version": 2}
    records = [{**everything.record({"id": f"i-{n}", "name": "y"}), "version": 2} for n in range(3)]
    # The first comes before the version's records, as at the first run of some taps, and means nothing yet.
    run_target(everything.schema, activate, *records, activate, streams=MAPPING)
    assert sorted(sandbox.workspace.catalogs["products"].items) == ["i-0", "i-1", "i-2"]


def test_other_kinds_say_that_they_ignore_a_version(run_target: Callable[..., Run]) -> None:
    stream = Stream("people", {"external_id": TEXT}, [{"external_id": "a"}])
    run = run_target(stream, {"type": "ACTIVATE_VERSION", "stream": "people", "version": 2})
    assert "ACTIVATE_VERSION is ignored: 'on_delete' does not say what to do" in run.stderr


def test_a_dry_run_makes_no_catalog(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(products(ITEM), streams=MAPPING, dry_run=True)
    assert not sandbox.requests
    assert not sandbox.workspace.catalogs


def test_a_bad_item_is_found_among_the_others(run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(
        path="/catalogs/*/items",
        do="partial_errors",
        errors=[{"input_array": "items", "contains": "bad", "type": "unable-to-coerce-value"}],
        times=None,
    )
    records = [{"id": f"i-{n}", "name": "bad" if n == 7 else "good"} for n in range(20)]
    letters = {"on_error": "dead_letter", "dead_letter_path": str(tmp_path / "dead.singer")}
    run = run_target(products(*records, id=TEXT, name=TEXT), streams=MAPPING, **letters)
    assert len(sandbox.workspace.catalogs["products"].items) == 19
    assert "records rejected: 1." in run.stderr
    letter = (tmp_path / "dead.singer").read_text().splitlines()[-1]
    assert "unable-to-coerce-value" in letter
    assert "i-7" in letter


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("id", "a b", "may contain only letters, digits, '-' and '_' and is at most 250 characters long, got 'a b'"),
        ("id", "x" * 251, "at most 250 characters long"),
        ("id", "", "column 'id' is blank"),
        ("name", "x" * 5001, "5,001 characters long, a catalog takes at most 5,000"),
        ("tags", ["x"] * 101, "expected an array of at most 100 strings"),
        ("tags", [{"a": 1}], "expected text"),
        ("more", {"a": [{"b.c": 1}]}, "may not contain '.' or '$': 'b.c'"),
        ("more", "[1]", "expected an object"),
        ("price", "cheap", "expected a number"),
    ],
)
def test_a_value_that_a_catalog_does_not_take_is_reported(
    column: str, value: Any, reason: str, run_target: Callable[..., Run]
) -> None:
    columns = {**COLUMNS, "id": TEXT}
    run = run_target(products({**ITEM, "id": "a", column: value}, **columns), streams=MAPPING, expect=1)
    assert f"column '{column}'" in run.errors[0]
    assert reason in run.errors[0]


@pytest.mark.parametrize(
    ("columns", "entry", "text"),
    [
        ({"sku": TEXT}, {}, "no column for 'id', which Braze requires"),
        ({"id": TEXT, "a b": TEXT}, {}, "'a b' cannot be the name of a field"),
        ({"id": TEXT}, {"catalog": {"name": "a b"}}, "'a b' cannot be the name of a catalog"),
        ({"id": TEXT, "sku": TEXT}, {"catalog": {"id": "sku"}}, "column 'id' would be sent as 'id'"),
        ({"id": TEXT, "x": {"type": "array", "items": ANY_OBJECT}}, {}, "this column holds array of object"),
        ({"id": TEXT, **{f"f{n}": TEXT for n in range(500)}}, {}, "a catalog has at most 500 fields"),
        (
            {"id": TEXT, "price": NUMBER},
            {"catalog": {"name": "shop"}},
            "has type string, which Braze cannot change",
        ),
    ],
)
def test_a_mapping_that_does_not_fit_stops_early(
    columns: dict[str, Any], entry: dict[str, Any], text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "price", "type": "string"}]
    sandbox.workspace.catalogs["shop"] = Catalog(name="shop", updated_at=datetime.now(timezone.utc), fields=fields)
    run = run_target(products(**columns), streams={"products": {"to": "catalog_items", **entry}}, expect=1)
    assert text in run.errors[0]
    assert not [request for request in sandbox.requests if request.method != "GET"]


def test_a_missing_permission_is_named(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    sandbox.add_key("reader", ["catalogs.get"])
    run = run_target(products(ITEM), streams=MAPPING, api_key="reader", expect=1)
    assert "Catalogs need an API key with the permission 'catalogs.create'" in run.errors[0]


def test_partial_records_change_what_they_have_of_items_that_are_there(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_target(products({"id": 17, "name": "tea", "stock": 3}, id=INTEGER, name=TEXT, stock=INTEGER), streams=MAPPING)
    levels = Stream(
        "levels",
        {"sku": INTEGER, "stock": INTEGER, "place": TEXT, "name": TEXT},
        [
            {"sku": 17, "stock": 5},
            {"sku": 17, "place": "A-7", "name": None},
            {"sku": 18, "stock": 1},
            {"sku": 17},
        ],
    )
    mapping = {"levels": {"to": "catalog_items", "catalog": {"name": "products", "id": "sku", "partial": True}}}
    run = run_target(levels, streams=mapping)
    assert {request.method for request in sandbox.requests if request.path.endswith("/items")} == {"PUT", "PATCH"}
    assert sandbox.workspace.catalogs["products"].items == {
        "17": {"id": "17", "name": "tea", "stock": 5, "place": "A-7"}
    }
    assert run.summary["total"]["left_out"] == 1
    assert "lose their values" not in run.stderr
    run_target(levels, streams=mapping, nulls="unset")
    assert sandbox.workspace.catalogs["products"].items["17"]["name"] is None


def test_partial_records_remove_nothing_unless_asked_and_make_no_catalog(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_target(products({"id": 17, "stock": 3}, {"id": 18, "stock": 1}, id=INTEGER, stock=INTEGER), streams=MAPPING)
    given: dict[str, Any] = {"to": "catalog_items", "catalog": {"name": "products", "partial": True}}
    gone = Stream("levels", {"id": INTEGER, "stock": INTEGER}, [{"id": 17, "_sdc_deleted_at": "2026-03-04T00:00:00Z"}])
    version = {"type": "ACTIVATE_VERSION", "stream": "levels", "version": 1}
    run_target(gone, version, streams={"levels": given})
    assert sandbox.workspace.catalogs["products"].items.keys() == {"17", "18"}
    run_target(gone, streams={"levels": given | {"on_delete": "remove"}})
    assert sandbox.workspace.catalogs["products"].items.keys() == {"18"}
    given["catalog"] = {"name": "others", "partial": True}
    run = run_target(gone, streams={"levels": given}, expect=1)
    assert "there is no catalog 'others', and 'catalog.partial' changes only existing items" in run.errors[0]


def test_places_are_pairs_of_longitude_and_latitude(
    run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    shops = Stream(
        "shops",
        {"id": TEXT, "at": {}},
        [
            {"id": "a", "at": [-8.6, 41.1]},
            {"id": "b", "at": {"latitude": 41.1, "longitude": -8.6}},
            {"id": "c", "at": "[-8.6, 41.1]"},
            {"id": "d", "at": None},
            {"id": "e", "at": [41.1, -98.6]},
            {"id": "f", "at": [1]},
            {"id": "g", "at": {"longitude": 1}},
        ],
    )
    letters = tmp_path / "dead.singer"
    run_target(
        shops,
        streams={"shops": {"to": "catalog_items", "catalog": {"geo": ["at"]}, "rename": {"at": "place"}}},
        on_error="dead_letter",
        dead_letter_path=str(letters),
    )
    catalog = sandbox.workspace.catalogs["shops"]
    assert {field["name"]: field["type"] for field in catalog.fields} == {"id": "string", "place": "geo"}
    assert {key: item.get("place") for key, item in catalog.items.items()} == {
        **{key: [-8.6, 41.1] for key in "abc"},
        "d": None,
    }
    found = [json.loads(line) for line in letters.read_bytes().splitlines()]
    assert [one["record"]["id"] for one in found if one["type"] == "RECORD"] == ["e", "f", "g"]
