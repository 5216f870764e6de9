"""Syncs, SDK keys, push credentials, the media library, SCIM, Data Objects and cancelled exports."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import requests
from braze_sandbox.testing import Sandbox

from tests.sandbox.conftest import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

USERS = "/scim/v2/Users"
PERSON = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ada@shop.example",
    "name": {"givenName": "Ada", "familyName": "Okafor"},
    "department": "finance",
    "permissions": {"companyPermissions": ["manage_company_settings"]},
}
ACCOUNTS = "/data_objects/objects/account"


def test_syncs_are_triggered(client: Client, sandbox: Sandbox) -> None:
    running, idle = sandbox.workspace.integrations.values()
    answer = client.call("POST", f"/cdi/integrations/{idle.id}/sync")
    assert (answer.status_code, answer.json()) == (202, {"message": "success"})
    rows = client.get(f"/cdi/integrations/{idle.id}/job_sync_status").json()["results"]
    assert rows[0]["job_status"] == "success"
    refused = [client.call("POST", f"/cdi/integrations/{key}/sync") for key in (running.id, "none")]
    assert [(one.status_code, one.json()["message"]) for one in refused] == [
        (429, "Another job is in progress"),
        (404, "Integration not found"),
    ]


def test_sdk_keys_are_created_made_primary_and_deleted(client: Client, sandbox: Sandbox) -> None:
    (app, *_) = sandbox.workspace.apps
    path = "/app_group/sdk_authentication"
    text = "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----"
    body = {"app_id": app, "rsa_public_key_str": text, "description": "d", "make_primary": True}
    key = client.post(f"{path}/create", body).json()["id"]
    keys = client.get(f"{path}/keys", app_id=app).json()["keys"]
    assert [one["id"] for one in keys if one["is_primary"]] == [key]
    assert client.post(f"{path}/create", body).json()["message"] == "An app can have at most 3 SDK Authentication keys"
    assert client.call("DELETE", f"{path}/delete", {"app_id": app, "key_id": key}).status_code == 400
    other = keys[0]["id"]
    changed = client.call("PUT", f"{path}/primary", {"app_id": app, "key_id": other}).json()["keys"]
    assert [one["id"] for one in changed if one["is_primary"]] == [other]
    left = client.call("DELETE", f"{path}/delete", {"app_id": app, "key_id": key}).json()["keys"]
    assert key not in {one["id"] for one in left}
    mistakes: list[dict[str, Any]] = [{"app_id": "x"}, {"description": ""}, {"rsa_public_key_str": "abc"}]
    for wrong in mistakes:
        assert client.post(f"{path}/create", {**body, **wrong}).status_code == 400


def test_push_credentials(client: Client, sandbox: Sandbox) -> None:
    (app, *_) = sandbox.workspace.apps
    secret = base64.b64encode(b"{}").decode()
    body: dict[str, Any] = {"app_id": app, "firebase": {"credential": secret}}
    answer = client.post("/apps/push_credential/update", body)
    assert (answer.status_code, answer.json()) == (201, {"message": "success"})
    assert sandbox.workspace.push_credentials[app, "firebase"] == {"credential": secret}
    mistakes: list[dict[str, Any]] = [
        {"firebase": {}},
        {"firebase": {"credential": "?"}},
        {"kindle": {"client_id": "a", "client_secret": "b"}},
        {"app_id": "x"},
    ]
    for wrong in mistakes:
        assert client.post("/apps/push_credential/update", {**body, **wrong}).status_code == 400


def test_the_media_library(client: Client) -> None:
    url = "https://cdn.example/cat.jpg"
    created = client.post("/media_library/create", {"asset_url": url})
    assert created.status_code == 200
    (asset,) = created.json()["new_assets"]
    assert (asset["name"], asset["ext"]) == ("cat", "jpg")
    key = created.json()["dashboard_url"].rpartition("/")[2]
    replaced = client.call("PUT", "/media_library/replace_file", {"asset_id": key, "asset_url": url})
    assert replaced.json()["new_image_asset"]["url"] == asset["url"]
    cases = [
        ("POST", "/media_library/create", {}, 400, None),
        ("POST", "/media_library/create", {"asset_url": url, "asset_file": "x"}, 400, None),
        ("POST", "/media_library/create", {"asset_url": "cat"}, 400, "INVALID_ASSET_URL"),
        ("POST", "/media_library/create", {"asset_url": "https://a.example/b.exe"}, 400, "UNSUPPORTED_FILE_TYPE"),
        ("POST", "/media_library/create", {"asset_file": "x"}, 501, None),
        ("PUT", "/media_library/replace_file", {"asset_url": url}, 400, None),
        ("PUT", "/media_library/replace_file", {"asset_id": "x", "asset_url": url}, 404, "ASSET_NOT_FOUND"),
        (
            "PUT",
            "/media_library/replace_file",
            {"asset_id": key, "asset_url": "https://a.example/b.png"},
            400,
            "EXTENSION_MISMATCH",
        ),
    ]
    for method, path, body, status, code in cases:
        answer = client.call(method, path, body)
        assert (answer.status_code, answer.json().get("error_code")) == (status, code), body


@pytest.mark.parametrize("encoded", ["data", "files"])
def test_the_media_library_takes_forms(client: Client, encoded: str) -> None:
    """Braze's MCP server sends them: urlencoded with a URL, multipart with a file."""
    fields = {"asset_url": "https://cdn.example/cat.jpg", "name": "Käthe"}
    form: Any = fields if encoded == "data" else {name: (None, text) for name, text in fields.items()}
    created = client.post("/media_library/create", None, **{"json": None, encoded: form})
    assert created.status_code == 200, created.text
    assert created.json()["new_assets"][0]["name"] == "Käthe"
    elsewhere = client.post("/email/blacklist", None, **{"json": None, encoded: {"email": "a@shop.example"}})
    assert elsewhere.status_code == 415


def test_a_form_that_is_too_large_is_refused(client: Client) -> None:
    form = {"asset_url": "https://cdn.example/cat.jpg", "name": "x" * (5 << 20)}
    assert client.post("/media_library/create", None, json=None, data=form).status_code == 413


def test_uploads_are_not_in_the_sandbox(client: Client) -> None:
    answer = client.post("/media_library/create", None, json=None, files={"asset_file": b"GIF89a"})
    assert (answer.status_code, answer.json()["message"]) == (501, "Not Implemented")


@pytest.fixture
def scim(sandbox: Sandbox) -> Iterator[requests.Session]:
    """A session with the header that SCIM requires."""
    with requests.Session() as session:
        session.headers.update({"Authorization": f"Bearer {sandbox.api_key}", "X-Request-Origin": "idp.example"})
        yield session


def test_dashboard_users(scim: requests.Session, sandbox: Sandbox) -> None:
    root = sandbox.url + USERS
    created = scim.post(root, json=PERSON, timeout=10)
    assert created.status_code == 201
    key = created.json()["id"]
    assert created.json().items() >= PERSON.items()
    again = scim.post(root, json=PERSON, timeout=10)
    assert (again.status_code, again.json()["detail"]) == (409, "User already exists in the database.")
    found = scim.get(root, params={"filter": 'userName eq "ada@shop.example"'}, timeout=10).json()
    assert (found["totalResults"], found["Resources"][0]["id"]) == (1, key)
    nobody = scim.get(root, params={"filter": 'userName eq "x@shop.example"'}, timeout=10).json()
    assert (nobody["totalResults"], nobody["Resources"]) == (0, [])
    change = {**PERSON, "department": "sales"}
    assert scim.put(f"{root}/{key}", json=change, timeout=10).json()["department"] == "sales"
    assert scim.get(f"{root}/{key}", timeout=10).json()["department"] == "sales"
    gone = scim.delete(f"{root}/{key}", timeout=10)
    assert (gone.status_code, gone.content) == (204, b"")
    missing = scim.get(f"{root}/{key}", timeout=10)
    assert (missing.status_code, missing.json()) == (
        404,
        {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "detail": "User not found", "status": 404},
    )
    mistakes: list[dict[str, Any]] = [{"schemas": []}, {"name": {}}, {"userName": "x"}, {"department": None}]
    for wrong in mistakes:
        assert scim.post(root, json={**PERSON, **wrong}, timeout=10).status_code == 400
    del scim.headers["X-Request-Origin"]
    assert scim.post(root, json=PERSON, timeout=10).status_code == 400


def test_data_objects(client: Client) -> None:
    kinds = client.get("/data_objects/types", search_term="ACC").json()
    assert kinds["items"] == [{"type_name": "account", "metadata": {"display_name_source": "name"}}]
    assert client.get("/data_objects/types/account").json()["data_object_type"]["schema_def"]["properties"][
        "since"
    ] == {
        "type": "string",
        "format": "date-time",
        "title": "Since",
    }
    created = client.post(ACCOUNTS, {"object_id": "new", "attributes": {"name": "New", "credits": 5}})
    assert (created.status_code, created.json()) == (
        201,
        {"data_object": {"type_name": "account", "object_id": "new", "attributes": {"name": "New", "credits": 5}}},
    )
    merged = client.call("PATCH", f"{ACCOUNTS}/new", {"attributes": {"credits": None, "industry": "tea"}})
    assert merged.json()["data_object"]["attributes"] == {"name": "New", "industry": "tea"}
    replaced = client.call("PUT", f"{ACCOUNTS}/new", {"attributes": {"name": "Newer"}})
    assert replaced.json()["data_object"]["attributes"] == {"name": "Newer"}
    assert client.get(f"{ACCOUNTS}/new").json() == replaced.json()
    page = client.get(ACCOUNTS, limit=2, offset=1, search_term="acct").json()
    assert [one["object_id"] for one in page["items"]] == ["acct-1", "acct-2"]
    assert (page["total_count"], page["has_more"], page["next_offset"]) == (3, False, None)
    assert client.call("DELETE", f"{ACCOUNTS}/new").json() == {"deleted": True}
    for method, path, body, status, slug in (
        ("POST", ACCOUNTS, {"external_id": "acct-0", "attributes": {}}, 409, "duplicate-data-object"),
        ("GET", f"{ACCOUNTS}/new", None, 404, "data-object-not-found"),
        ("GET", "/data_objects/objects/policy", None, 404, "data-object-type-not-found"),
    ):
        answer = client.call(method, path, body)
        assert (answer.status_code, answer.json()["errors"][0]["id"]) == (status, slug)
    for attributes in ({"x": 1}, {"name": 5}, None):
        answer = client.post(ACCOUNTS, {"external_id": "bad", "attributes": attributes})
        assert (answer.status_code, answer.json().keys()) == (400, {"error"})


def test_links_of_data_objects_to_users(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a"}])
    profile = sandbox.profile("a")
    assert profile is not None
    path = f"{ACCOUNTS}/acct-0/users"
    link = {"braze_id": profile.braze_id, "rel_kind": "account_user"}
    created = client.post(path, {**link, "attributes": {"role": "owner"}})
    assert (created.status_code, created.json()["user_relationship"]["user"]) == (201, {"braze_id": profile.braze_id})
    assert client.post(path, link).json()["errors"][0]["id"] == "duplicate-user-relationship"
    assert client.call("PATCH", path, {**link, "attributes": {}}).json() == created.json()
    (found,) = client.get(f"{ACCOUNTS}/acct-0/user_relationships").json()["items"]
    assert found == created.json()["user_relationship"]
    assert client.call("DELETE", path, link).json() == {"deleted": True}
    gone = client.call("DELETE", path, link)
    assert (gone.status_code, gone.json()["errors"][0]["id"]) == (404, "data-object-relationship-not-found")
    assert client.call("PUT", path, link).status_code == 200
    assert client.post(path, {**link, "rel_kind": "friend"}).status_code == 400
    assert client.post(path, {**link, "braze_id": "none"}).status_code == 404


def test_links_of_data_objects_to_each_other(client: Client) -> None:
    link = {"rel_kind": "subaccount", "related_type_name": "account", "related_object_id": "acct-2"}
    created = client.post(f"{ACCOUNTS}/acct-0/object_relationships", link)
    assert created.json()["object_relationship"]["to_data_object"]["object_id"] == "acct-2"
    back = {
        "rel_kind": "subaccount",
        "related_type_name": "account",
        "anchor": "target",
        "related_external_id": "acct-0",
    }
    again = client.post(f"{ACCOUNTS}/acct-2/object_relationships", back)
    assert again.json()["errors"][0]["id"] == "duplicate-object-relationship"
    found = client.get(f"{ACCOUNTS}/acct-0/object_relationships").json()["items"]
    assert [one["to_data_object"]["object_id"] for one in found] == ["acct-1", "acct-2"]
    found = client.get(f"{ACCOUNTS}/acct-2/object_relationships", anchor="target").json()["items"]
    assert [one["from_data_object"]["object_id"] for one in found] == ["acct-0"]
    client.call("DELETE", f"{ACCOUNTS}/acct-2")
    assert client.get(f"{ACCOUNTS}/acct-0/object_relationships").json()["total_count"] == 1
    kinds = client.get("/data_objects/types/account/object_relationship_types", anchor="target").json()["items"]
    assert kinds[0]["related_type_name"] == "account"
    assert client.get("/data_objects/types/account/object_relationship_types", anchor="x").status_code == 400


def bulk(client: Client, method: str, path: str, *records: dict[str, Any]) -> int:
    return client.call(method, f"/data_objects/{path}", {"records": [*records]}).status_code


def test_data_objects_in_bulk(client: Client, sandbox: Sandbox) -> None:
    kind = sandbox.workspace.data_objects["account"]
    ids = [{"type_name": "account", "object_id": f"new-{number}"} for number in range(2)]
    assert bulk(client, "PUT", "objects", *({**one, "attributes": {"name": "N"}} for one in ids)) == 202
    assert bulk(client, "PUT", "objects", {**ids[0], "attributes": {"industry": "I"}}) == 202
    assert (kind.records["new-0"], kind.records["new-1"]) == ({"industry": "I"}, {"name": "N"})
    client.track(attributes=[{"external_id": "a", "email": "a@x.example"}])
    user = {**ids[0], "rel_kind": "account_user", "user": {"email": "a@x.example"}}
    assert bulk(client, "PUT", "user_relationships", {**user, "attributes": {"role": "owner"}}) == 202
    assert list(kind.users.values()) == [{"role": "owner"}]
    link = {**ids[0], "rel_kind": "subaccount", "related_type_name": "account", "related_object_id": "new-1"}
    assert bulk(client, "PUT", "object_relationships", {**link, "attributes": {}}) == 202
    assert ("new-0", "subaccount", "account", "new-1") in kind.links
    assert bulk(client, "DELETE", "object_relationships", link) == 202
    assert bulk(client, "DELETE", "user_relationships", user) == 202
    assert ("new-0", "subaccount", "account", "new-1") not in kind.links
    assert not kind.users
    assert bulk(client, "DELETE", "objects", *ids) == 202
    assert not {"new-0", "new-1"} & kind.records.keys()
    assert not sandbox.violations


def test_an_invalid_record_refuses_all_and_a_lookup_only_its_own(client: Client, sandbox: Sandbox) -> None:
    kind = sandbox.workspace.data_objects["account"]
    good = {"type_name": "account", "object_id": "good", "attributes": {}}
    wrong = client.call("PUT", "/data_objects/objects", {"records": [good, {"type_name": "account"}, {}]})
    assert (wrong.status_code, len(wrong.json()["errors"])) == (400, 5)
    assert bulk(client, "PUT", "objects") == bulk(client, "PUT", "objects", *[good] * 51) == 400
    assert client.call("PUT", "/data_objects/objects", {"records": [good], "more": 1}).status_code == 400
    assert "good" not in kind.records
    dropped = [
        {**good, "type_name": "policy"},
        {**good, "object_id": "bad", "attributes": {"since": "2026-03-04"}},
        {**good, "object_id": "bad", "attributes": {"unknown": 1}},
    ]
    assert bulk(client, "PUT", "objects", *dropped, good) == 202
    assert "good" in kind.records
    assert "bad" not in kind.records
    assert [one["object"] for one in sandbox.violations] == dropped
    link = {"type_name": "account", "object_id": "good", "rel_kind": "account_user"}
    for user in ({}, {"email": ""}, {"alias": {"alias_name": "n"}}, {"email": "a@x.example", "external_id": "a"}):
        assert bulk(client, "DELETE", "user_relationships", {**link, "user": user}) == 400
    nobody = {**link, "user": {"alias": {"alias_label": "l", "alias_name": "n"}}}
    assert bulk(client, "DELETE", "user_relationships", nobody) == 202
    assert len(sandbox.violations) == 3


def test_an_export_is_cancelled() -> None:
    with Sandbox(users=10, export_seconds=30) as sandbox:
        client = Client(sandbox)
        (segment, *_) = sandbox.workspace.segments
        body = {"segment_id": segment, "fields_to_export": ["braze_id"]}
        assert client.post("/users/export/segment", body).ok
        assert client.post("/users/export/segment", body).status_code == 429
        assert client.post("/export/segment/cancel", {"segment_id": segment}).json() == {"message": "success"}
        assert client.post("/users/export/segment", body).ok
        assert client.post("/export/segment/cancel", {"segment_id": "none"}).status_code == 400
        client.close()
