"""Replay requests, and hold the answers against what the real Braze was recorded to answer.

`facts.json` has one row per fact, with its source: R1 are HTTP recordings of braze_ruby, R2 measurements of braze-cli,
R3 bodies in tests of RudderStack and Segment, R4 the models of Braze's MCP server, R5 answers that Airbyte recorded, D
the documentation. In a shape, `=x` is the value x, `~x` text that matches x, `...` stands for further keys, and an
array has the shape of all of its elements or a shape for each.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.currents import files as currents
from braze_sandbox.model.objects import Send

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
        shapes = shape if len(shape) > 1 else shape * len(value)
        if len(shapes) != len(value):
            return [f"{path} has {len(value)} elements, not {len(shapes)}"]
        pairs = enumerate(zip(shapes, value, strict=True))
        return [one for index, (form, inner) in pairs for one in mismatches(form, inner, f"{path}[{index}]")]
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
    if "form" in request:
        return client.post(request["path"], None, json=None, data=request["form"])
    return client.call(request["method"], request["path"], request["body"])


@pytest.fixture
def names(sandbox: Sandbox) -> dict[str, str]:
    """What the rows call the objects of the small seed."""
    workspace = sandbox.workspace
    segment, *_, untracked = workspace.segments.values()
    untracked.analytics_tracking_enabled = False
    block = next(iter(workspace.content_blocks.values()))
    campaign = next(iter(workspace.campaigns.values()))
    campaign.messages = {key: one for key, one in campaign.messages.items() if one.get("type") != "control"}
    block.included_in = [{"campaign_id": "c", "message_variation_id": "m"}]
    push = next(one for one in workspace.campaigns.values() if "ios_push" in one.channels)
    push.is_api_campaign = True
    workspace.sends["mine"] = Send(id="mine", campaign_id=push.id, sent_at=workspace.now())
    return {
        "$app": next(iter(workspace.apps)),
        "$campaign": campaign.id,
        "$push": push.id,
        "$send": "mine",
        "$segment": segment.id,
        "$untracked_segment": untracked.id,
        "$block": block.id,
        "$email_group": next(one.id for one in workspace.subscription_groups.values() if one.channel == "email"),
    }


@pytest.fixture
def demo_names(demo: Sandbox) -> dict[str, str]:
    """What the rows call the objects of the demo seed."""
    campaigns = demo.workspace.campaigns.values()
    return {
        "$banner": next(one.id for one in campaigns if one.channels == ["banners"]),
        "$push": next(one.id for one in campaigns if one.channels == ["ios_push", "android_push"]),
        "$five_conversions": next(one.id for one in campaigns if len(one.conversion_behaviors) == 5),
    }


@pytest.mark.parametrize("row", [row for row in FACTS if "seed" in row], ids=lambda row: row["fact"])
def test_recorded_facts_of_the_demo(reader: Client, demo_names: dict[str, str], row: dict[str, Any]) -> None:
    answer = ask(reader, filled(row["request"], demo_names))
    assert answer.status_code == row["status"], answer.text
    assert mismatches(row["shape"], answer.json()) == []


@pytest.mark.parametrize("row", [row for row in FACTS if "currents" in row], ids=lambda row: row["fact"])
def test_recorded_facts_of_currents(demo: Sandbox, tmp_path: Path, row: dict[str, Any]) -> None:
    wanted = row["currents"]
    currents.write(tmp_path, demo.instance, currents.Options(hours=24, event_types=(wanted["event_type"],)))
    folders = {folder.name for folder in tmp_path.rglob("event_type=*")}
    assert folders == {wanted["folder"]}


@pytest.mark.parametrize(
    "row", [row for row in FACTS if not row.keys() & {"seed", "currents"}], ids=lambda row: row["fact"]
)
def test_recorded_facts(client: Client, sandbox: Sandbox, names: dict[str, str], row: dict[str, Any]) -> None:
    if "fault" in row:
        sandbox.fault(**row["fault"])
    for request in row.get("setup", []):
        assert ask(client, filled(request, names)).status_code == 201
    request = filled(row["request"], names)
    if "key" in request:
        sandbox.add_key("without permissions", [])
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
        ({"a": ["integer", "integer"]}, {"a": [1]}),
        ({"a": ["integer", "string"]}, {"a": [1, 1]}),
        ({"a": "~x+"}, {"a": "y"}),
        ({"a": "absent", "...": "string"}, {"b": 1}),
    ],
)
def test_a_shape_tells_values_apart(shape: Any, value: Any) -> None:
    assert mismatches(shape, value)


def test_every_row_has_a_source() -> None:
    assert all(row["source"] and row["fact"] for row in FACTS)
    assert len({row["fact"] for row in FACTS}) == len(FACTS)
