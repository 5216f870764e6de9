"""What a client without Python needs to know: ids, the API's description, the version."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.cli import main
from braze_sandbox.endpoints.registry import ENDPOINTS
from openapi_spec_validator import OpenAPIV31SpecValidator

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox

    from tests.sandbox.conftest import Client


def test_each_listed_id_works_in_requests(reader: Client) -> None:
    found = reader.get("/sandbox/workspace").json()
    for campaign in found["campaigns"]:
        details = reader.get("/campaigns/details", campaign_id=campaign["id"]).json()
        assert details["name"] == campaign["name"]
        assert list(details["messages"]) == campaign["message_variation_ids"]
    for canvas in found["canvases"]:
        details = reader.get("/canvas/details", canvas_id=canvas["id"]).json()
        assert details["name"] == canvas["name"]
        assert [one["id"] for one in details["variants"]] == [one["id"] for one in canvas["variants"]]
        assert [one["id"] for one in details["steps"]] == [one["id"] for one in canvas["steps"]]
    for path, parameter, kind in (
        ("/segments/details", "segment_id", "segments"),
        ("/templates/email/info", "email_template_id", "templates"),
        ("/content_blocks/info", "content_block_id", "content_blocks"),
    ):
        assert found[kind]
        assert reader.get(path, **{parameter: found[kind][0]["id"]}).status_code == 200
    assert {one["name"] for one in found["catalogs"]} == {
        one["name"] for one in reader.get("/catalogs").json()["catalogs"]
    }


@pytest.mark.parametrize(
    "kind",
    [
        "cards",
        "preference_centers",
        "integrations",
        "subscription_groups",
        "sends",
        "locales",
        "sdk_authentication_keys",
        "events",
        "products",
    ],
)
def test_every_kind_of_the_demo_seed_is_listed(reader: Client, kind: str) -> None:
    assert reader.get("/sandbox/workspace").json()[kind]


def test_what_a_test_adds_is_listed(sandbox: Sandbox, client: Client) -> None:
    sandbox.workspace.apps["app-9"] = "Watch"
    assert {"id": "app-9", "name": "Watch"} in client.get("/sandbox/apps").json()["apps"]
    assert client.get("/sandbox/workspace").json()["apps"] == client.get("/sandbox/apps").json()["apps"]
    sandbox.workspace.control_group = None
    assert client.get("/sandbox/workspace").json()["global_control_group"] is None


def test_openapi_describes_every_endpoint(client: Client) -> None:
    answer = client.get("/openapi.json")
    described: dict[Any, Any] = answer.json()
    OpenAPIV31SpecValidator(described).validate()
    operations = {
        (method.upper(), path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    }
    assert {key: one.get("x-braze-permission") for key, one in operations.items()} == {
        (endpoint.method, endpoint.path): endpoint.permission for endpoint in ENDPOINTS
    }
    assert operations["POST", "/users/track"]["x-rate-limit-pool"] == "track"
    assert "requestBody" in operations["POST", "/users/track"]
    assert "requestBody" not in operations["DELETE", "/catalogs/{name}"]


def test_the_command_has_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"braze-sandbox {version('braze-sandbox')}\n"
