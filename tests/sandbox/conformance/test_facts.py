"""Replay requests, and hold the answers against what the real Braze was recorded to answer.

`facts.json` has one row per fact, with its source: R1 are HTTP recordings of braze_ruby, R2 measurements of braze-cli,
R3 bodies in tests of RudderStack and Segment, R4 the models of Braze's MCP server, R5 answers that Airbyte recorded, D
the documentation. In a shape, `=x` is the value x, `~x` text that matches x, `...` stands for further keys, and an
array has the shape of its elements.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.conftest import Client

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox
    from requests import Response

FACTS = json.loads((Path(__file__).parent / "facts.json").read_text(encoding="utf-8"))
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null or array": (type(None), list),
    "any": (object,),
}


def mismatches(shape: Any, value: Any, path: str = "") -> list[str]:
    """Return where a value differs from a shape."""
    if isinstance(shape, dict):
        return in_object(shape, value, path)
    if isinstance(shape, list):
        if not isinstance(value, list) or bool(shape) is not bool(value):
            return [f"{path} is {value!r}, not an array {'with' if shape else 'without'} elements"]
        return [one for index, inner in enumerate(value) for one in mismatches(shape[0], inner, f"{path}[{index}]")]
    return [] if is_like(shape, value) else [f"{path} is {value!r}, not {shape}"]


def in_object(shape: dict[str, Any], value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    rest = shape.get("...")
    wanted = {name: one for name, one in shape.items() if name != "..." and one != "absent"}
    found = [f"{path}.{name} is missing" for name in wanted.keys() - value.keys()]
    for name, inner in value.items():
        if name in wanted:
            found += mismatches(wanted[name], inner, f"{path}.{name}")
        elif rest is not None:
            found += mismatches(rest, inner, f"{path}.{name}")
        elif shape.get(name) != "absent":
            found.append(f"{path}.{name} is not in the recording")
    return found


def is_like(shape: str, value: Any) -> bool:
    if shape.startswith("="):
        wanted = shape[1:].removesuffix(" as text")
        return value == wanted if isinstance(value, str) else str(value) == shape[1:]
    if shape.startswith("~"):
        return isinstance(value, str) and re.fullmatch(shape[1:], value) is not None
    return isinstance(value, TYPES[shape]) and (shape in ("boolean", "any") or not isinstance(value, bool))


def filled(value: Any, names: dict[str, str]) -> Any:
    """Return a request with the ids of the workspace in place of their names."""
    if isinstance(value, dict):
        return {name: filled(inner, names) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, names) for inner in value]
    return names[value] if isinstance(value, str) and value.startswith("$") else value


def ask(client: Client, request: dict[str, Any]) -> Response:
    if request["method"] == "GET":
        return client.get(request["path"], **request.get("query", {}))
    return client.post(request["path"], request["body"])


@pytest.fixture
def names(sandbox: Sandbox) -> dict[str, str]:
    """What the rows call the objects of the seed."""
    workspace = sandbox.workspace
    segment, *_, untracked = workspace.segments.values()
    untracked.analytics_tracking_enabled = False
    block = next(iter(workspace.content_blocks.values()))
    campaign = next(iter(workspace.campaigns.values()))
    campaign.messages = {key: one for key, one in campaign.messages.items() if one.get("type") != "control"}
    block.included_in = [{"campaign_id": "c", "message_variation_id": "m"}]
    return {
        "$campaign": campaign.id,
        "$segment": segment.id,
        "$untracked_segment": untracked.id,
        "$block": block.id,
        "$email_group": next(one.id for one in workspace.subscription_groups.values() if one.channel == "email"),
    }


@pytest.mark.parametrize("row", FACTS, ids=[row["fact"] for row in FACTS])
def test_recorded_facts(client: Client, sandbox: Sandbox, names: dict[str, str], row: dict[str, Any]) -> None:
    for request in row.get("setup", []):
        assert ask(client, filled(request, names)).status_code == 201
    request = filled(row["request"], names)
    if "key" in request:
        stranger = Client(sandbox, request["key"])
        answer = ask(stranger, request)
        stranger.close()
    else:
        answer = ask(client, request)
    assert answer.status_code == row["status"], answer.text
    assert mismatches(row["shape"], answer.json()) == []
    assert {name: answer.headers[name] for name in row.get("headers", {})} == row.get("headers", {})
    if "users" in row:
        assert [profile.external_id for profile in sandbox.profiles()] == row["users"]
    assert sandbox.violations == []


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ({"a": "string"}, {}),
        ({"a": "string"}, {"a": "x", "b": 1}),
        ({"a": "string"}, {"a": 1}),
        ({"a": "integer"}, {"a": True}),
        ({"a": "=1"}, {"a": 2}),
        ({"a": "=5 as text"}, {"a": 5}),
        ({"a": ["string"]}, {"a": []}),
        ({"a": []}, {"a": [1]}),
        ({"a": "~x+"}, {"a": "y"}),
        ({"a": "absent", "...": "string"}, {"b": 1}),
    ],
)
def test_a_shape_tells_values_apart(shape: Any, value: Any) -> None:
    assert mismatches(shape, value)


def test_every_row_has_a_source() -> None:
    assert all(row["source"] and row["fact"] for row in FACTS)
    assert len({row["fact"] for row in FACTS}) == len(FACTS)
