"""Catalogs made and filled, and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import requests
    from braze_sandbox.testing import Sandbox

    from tests.sandbox.conftest import Client

FIELDS = {
    "id": "string",
    "name": "string",
    "rating": "number",
    "open": "boolean",
    "since": "time",
    "extra": "object",
    "tags": "array",
    "place": "geo",
}
ITEM = {
    "name": "Green tea",
    "rating": 4.5,
    "open": True,
    "since": "2026-01-02T03:04:05.678+00:00",
    "extra": {"a": {"b": 1}},
    "tags": ["x", "y"],
    "place": [-73.9, 40.7],
}


def catalog(name: str = "teas", fields: Any = None, **more: Any) -> dict[str, Any]:
    columns = [{"name": field, "type": kind} for field, kind in FIELDS.items()] if fields is None else fields
    return {"catalogs": [{"name": name, "description": "All teas", "fields": columns, **more}]}


@pytest.fixture(autouse=True)
def teas(client: Client) -> None:
    answer = client.post("/catalogs", catalog())
    assert answer.status_code == 201
    made = answer.json()["catalogs"][0]
    assert (made["name"], made["num_items"], len(made["fields"])) == ("teas", 0, 8)


def error(answer: requests.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["message"] == "Invalid Request"
    assert body["errors"][0].keys() == {"id", "message", "parameters", "parameter_values"}
    return answer.status_code, body["errors"][0]["id"]


def items(client: Client) -> dict[str, Any]:
    return {item["id"]: item for item in client.get("/catalogs/teas/items").json()["items"]}


def test_a_catalog_is_listed_and_deleted(client: Client) -> None:
    assert "teas" in {row["name"] for row in client.get("/catalogs").json()["catalogs"]}
    assert client.call("DELETE", "/catalogs/teas").status_code == 200
    assert error(client.call("DELETE", "/catalogs/teas")) == (404, "catalog-not-found")
    assert "teas" not in {row["name"] for row in client.get("/catalogs").json()["catalogs"]}


def column(name: str, kind: str = "string") -> dict[str, str]:
    return {"name": name, "type": kind}


@pytest.mark.parametrize(
    ("given", "slug"),
    [
        ({"catalogs": {}}, "catalog-array-invalid"),
        ({"catalogs": catalog()["catalogs"] * 2}, "too-many-catalog-atoms"),
        (catalog(), "catalog-name-already-exists"),
        (catalog("a b"), "invalid-catalog-name"),
        (catalog("a" * 251), "catalog-name-too-large"),
        (catalog("new", description="a" * 251), "description-too-long"),
        (catalog("new", []), "invalid-fields"),
        (catalog("new", [column("name"), column("id")]), "id-not-first-column"),
        (catalog("new", [column("id", "number")]), "id-not-first-column"),
        (catalog("new", [column("id"), column("a.b")]), "invalid-field-names"),
        (catalog("new", [column("id"), column("a" * 251)]), "field-names-too-large"),
        (catalog("new", [column("id"), column("a"), column("a")]), "field-names-not-unique"),
        (catalog("new", [column("id"), column("a", "text")]), "invalid-field-types"),
        (catalog("new", [column("id"), *(column(f"f{n}") for n in range(500))]), "too-many-fields"),
    ],
)
def test_catalogs_that_are_refused(client: Client, given: Any, slug: str) -> None:
    assert error(client.post("/catalogs", given)) == (400, slug)


def test_fields_come_and_go(client: Client, sandbox: Sandbox) -> None:
    assert client.call("PUT", "/catalogs/teas/items", {"items": [{"id": "a", "name": "n"}]}).status_code == 202
    answer = client.post("/catalogs/teas/fields", {"fields": [column("grade", "number")]})
    assert (answer.status_code, answer.json()) == (202, {"message": "success"})
    assert client.call("PATCH", "/catalogs/teas/items", {"items": [{"id": "a", "grade": 1}]}).ok
    assert client.call("DELETE", "/catalogs/teas/fields/name").status_code == 202
    assert sandbox.workspace.catalogs["teas"].items == {"a": {"id": "a", "grade": 1}}
    assert error(client.call("DELETE", "/catalogs/teas/fields/name")) == (404, "invalid-field-name")
    assert error(client.post("/catalogs/nil/fields", {"fields": [column("a")]})) == (404, "catalog-not-found")
    many = [column(f"f{n}") for n in range(51)]
    assert error(client.post("/catalogs/teas/fields", {"fields": many})) == (400, "request-includes-too-many-fields")
    assert error(client.post("/catalogs/teas/fields", {"fields": [column("grade")]})) == (400, "field-names-not-unique")


def test_items_of_all_types_come_back(client: Client, sandbox: Sandbox) -> None:
    answer = client.call("PUT", "/catalogs/teas/items", {"items": [{"id": "a", **ITEM}, {"id": "b"}]})
    assert (answer.status_code, answer.json()) == (202, {"message": "success"})
    assert items(client) == {"a": {"id": "a", **ITEM}, "b": {"id": "b"}}
    assert sandbox.violations == []


def test_the_verbs(client: Client, sandbox: Sandbox) -> None:
    def send(method: str, *given: dict[str, Any]) -> None:
        assert client.call(method, "/catalogs/teas/items", {"items": given}).status_code == 202

    send("POST", {"id": "a", **ITEM}, {"id": "b", **ITEM})
    send("POST", {"id": "a", "name": "other"})
    assert items(client)["a"]["name"] == "Green tea"
    send("PATCH", {"id": "a", "rating": 1, "tags": {"$add": ["z"], "$remove": ["x"]}}, {"id": "nobody", "rating": 1})
    assert items(client)["a"] == {"id": "a", **ITEM, "rating": 1, "tags": ["y", "z"]}
    send("PUT", {"id": "a", "rating": 2})
    assert items(client)["a"] == {"id": "a", "rating": 2}
    send("DELETE", {"id": "a"}, {"id": "nobody"})
    assert set(items(client)) == {"b"}
    assert [v["path"] for v in sandbox.violations if "nothing happens" in v["reason"]] == ["teas.a", "teas.nobody"]


def deep(levels: int) -> Any:
    return {"a": deep(levels - 1)} if levels else 1


@pytest.mark.parametrize(
    ("given", "slug"),
    [
        ([], "item-array-invalid"),
        ([1], "item-array-invalid"),
        ([{"id": f"i{n}"} for n in range(51)], "request-includes-too-many-items"),
        ([{"name": "n"}], "items-missing-ids"),
        ([{"id": 1}], "ids-not-strings"),
        ([{"id": "a" * 251}], "ids-too-large"),
        ([{"id": "a.b"}], "invalid-ids"),
        ([{"id": "a"}, {"id": "a"}], "ids-not-unique"),
        ([{"id": "a", "nil": 1}], "invalid-fields"),
        ([{"id": "a", "name": "n" * 5001}], "items-too-large"),
        ([{"id": "a", "extra": {"a.b": 1}}], "invalid-keys-in-value-object"),
        ([{"id": "a", "extra": {"a": [{"$b": 1}]}}], "invalid-keys-in-value-object"),
        ([{"id": "a", "extra": deep(51)}], "too-deep-nesting-in-value-object"),
        ([{"id": "a", "rating": "many"}], "unable-to-coerce-value"),
        ([{"id": "a", "open": "maybe"}], "unable-to-coerce-value"),
        ([{"id": "a", "since": "yesterday"}], "unable-to-coerce-value"),
        ([{"id": "a", "tags": [1]}], "unable-to-coerce-value"),
        ([{"id": "a", "tags": ["t"] * 101}], "unable-to-coerce-value"),
        ([{"id": "a", "place": [40.7, -173.9]}], "unable-to-coerce-value"),
        ([{"id": "a", "name": {"$add": ["x"]}}], "unable-to-coerce-value"),
    ],
)
def test_items_that_are_refused(client: Client, sandbox: Sandbox, given: Any, slug: str) -> None:
    for method in ("POST", "PATCH", "PUT"):
        expected = "ids-not-string" if (method, slug) == ("PUT", "ids-not-strings") else slug
        assert error(client.call(method, "/catalogs/teas/items", {"items": given})) == (400, expected)
    assert sandbox.workspace.catalogs["teas"].items == {}


def test_bad_items_are_named_and_their_siblings_wait(client: Client) -> None:
    given = [{"id": "a"}, {"id": "b", "nil": 1}, {"id": "c", "rating": "x"}]
    answer = client.call("PUT", "/catalogs/teas/items", {"items": given})
    assert [(one["id"], one["parameter_values"]) for one in answer.json()["errors"]] == [
        ("invalid-fields", ["b"]),
        ("unable-to-coerce-value", ["c"]),
    ]
    assert items(client) == {}


def test_values_that_are_converted(client: Client, sandbox: Sandbox) -> None:
    given = {"id": "a", "name": 5, "rating": "4.5", "open": "TRUE", "since": 1767323045}
    client.call("PUT", "/catalogs/teas/items", {"items": [given]})
    since = "2026-01-02T03:04:05.000+00:00"
    assert items(client)["a"] == {"id": "a", "name": "5", "rating": 4.5, "open": True, "since": since}
    assert len(sandbox.violations) == 4


def test_single_items(client: Client) -> None:
    path = "/catalogs/teas/items/a"
    assert error(client.call("PATCH", path, {"items": [{"rating": 1}]})) == (404, "item-not-found")
    assert client.call("POST", path, {"items": [ITEM]}).status_code == 201
    assert error(client.call("POST", path, {"items": [ITEM]})) == (400, "item-already-exists")
    assert error(client.call("PUT", path, {"items": [{"id": "a"}]})) == (400, "id-in-body")
    assert error(client.call("PUT", path, {"items": [ITEM, ITEM]})) == (400, "request-includes-too-many-items")
    assert error(client.call("PUT", "/catalogs/teas/items/a.b", {"items": [ITEM]})) == (400, "invalid-ids")
    assert error(client.call("PUT", "/catalogs/nil/items/a", {"items": [ITEM]})) == (404, "catalog-not-found")
    assert client.call("PATCH", path, {"items": [{"rating": 1}]}).status_code == 200
    assert client.get(path).json()["items"] == [{"id": "a", **ITEM, "rating": 1}]
    assert client.call("PUT", path, {"items": [{"rating": 2}]}).status_code == 200
    assert client.get(path).json()["items"] == [{"id": "a", "rating": 2}]
    assert client.call("DELETE", path).status_code == 202
    assert error(client.call("DELETE", path)) == (404, "item-not-found")


def test_the_pools(client: Client) -> None:
    many = client.call("PUT", "/catalogs/teas/items", {"items": [{"id": "a"}]})
    one = client.call("PUT", "/catalogs/teas/items/a", {"items": [{}]})
    assert (many.headers["x-ratelimit-limit"], one.headers["x-ratelimit-limit"]) == ("16000", "50")
    assert client.get("/catalogs").headers["x-ratelimit-remaining"] == "48"


def test_a_fault_refuses_single_items(client: Client, sandbox: Sandbox) -> None:
    rule = {"input_array": "items", "contains": "guilty", "type": "arbitrary-error"}
    sandbox.fault(path="/catalogs/*", do="partial_errors", errors=[rule])
    answer = client.call("PUT", "/catalogs/teas/items", {"items": [{"id": "a"}, {"id": "b", "name": "guilty"}]})
    assert error(answer) == (400, "arbitrary-error")
    assert answer.json()["errors"][0]["parameter_values"] == ["b"]
    assert client.call("PUT", "/catalogs/teas/items", {"items": [{"id": "a"}]}).ok
