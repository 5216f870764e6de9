"""Columns of objects whose members become attributes or properties of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import ANY_OBJECT, TEXT, TIME, Stream, sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

USERS: dict[str, Any] = {"external_id": TEXT, "first_name": TEXT, "custom_attributes": ANY_OBJECT}
SPREAD = {"flatten": ["custom_attributes"]}


def test_members_are_attributes_of_their_own(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    attributes = {
        "plan": "pro",
        "orders": 3,
        "vip": True,
        "tags": ["a", "b"],
        "address": {"city": "Porto", "zip": None},
    }
    user = {"external_id": "c-1", "first_name": "Ines", "custom_attributes": {**attributes, "gone": None}}
    run_target(Stream("users", USERS, [user]), streams={"users": SPREAD})
    (told,) = sent(sandbox)
    assert told == {"external_id": "c-1", "first_name": "Ines", **attributes, "address": {"city": "Porto"}}


def test_a_null_member_removes_the_attribute_under_unset(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    user = {"external_id": "c-1", "custom_attributes": {"plan": None}}
    run_target(Stream("users", USERS, [user]), streams={"users": SPREAD | {"fields": []}}, nulls="unset")
    assert sent(sandbox) == [{"external_id": "c-1", "plan": None}]


def test_a_user_without_any_is_sent_too(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(Stream("users", USERS, [{"external_id": "c-1", "first_name": "Ines"}]), streams={"users": SPREAD})
    assert sent(sandbox) == [{"external_id": "c-1", "first_name": "Ines"}]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"plan": "x" * 256}, "attribute 'plan': 256 characters long"),
        ({"braze_id": "1"}, "attribute 'braze_id': 'braze_id' is a control key of Braze"),
        ({"first_name": "Ana"}, "attribute 'first_name' comes both from a column of its own and from one in 'flatten'"),
        ({"country": "Atlantis"}, "attribute 'country': expected an ISO 3166-1 country code"),
        ("plan", "column 'custom_attributes': expected a JSON object, got 'plan'"),
    ],
)
def test_what_braze_would_not_take_is_said(run_target: Callable[..., Run], attributes: object, reason: str) -> None:
    user = {"external_id": "c-1", "first_name": "Ines", "custom_attributes": attributes}
    run = run_target(Stream("users", USERS, [user]), streams={"users": SPREAD}, expect=1)
    assert reason in run.errors[0]


def test_a_column_that_is_not_there_or_holds_no_objects_stops_the_run(run_target: Callable[..., Run]) -> None:
    user = {"external_id": "c-1"}
    run = run_target(Stream("users", {"external_id": TEXT}, [user]), streams={"users": SPREAD}, expect=1)
    assert "'flatten' names the column 'custom_attributes', but the stream has only: external_id" in run.errors[0]
    columns = {"external_id": TEXT, "custom_attributes": {"type": "integer"}}
    run = run_target(Stream("users", columns, [user]), streams={"users": SPREAD}, expect=1)
    assert "column 'custom_attributes' cannot be flattened: it holds integer, not object or string" in run.errors[0]


EVENTS: dict[str, Any] = dict.fromkeys(("id", "external_id", "name", "time", "properties"), TEXT)


def test_json_text_is_flatten_and_nothing_else_is_a_property(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    event = {"id": "e-1", "external_id": "c-1", "name": "seen", "time": "2026-03-01T08:00:00Z"}
    rows = [
        {**event, "properties": json.dumps({"page": 1, "tags": ["a"]})},
        {**event, "name": "left", "properties": "{}"},
    ]
    mapping = {"to": "events", "properties": [], "flatten": ["properties"]}
    run_target(Stream("web", EVENTS, rows, ["id", "name"]), streams={"web": mapping})
    profile = sandbox.profile("c-1")
    assert profile
    assert [(did["name"], did["properties"]) for did in profile.events] == [
        ("seen", {"page": 1, "tags": ["a"]}),
        ("left", {}),
    ]


def test_a_reserved_property_is_said(run_target: Callable[..., Run]) -> None:
    event = {
        "id": "e-1",
        "external_id": "c-1",
        "name": "seen",
        "time": "2026-03-01T08:00:00Z",
        "properties": '{"time": 1}',
    }
    mapping = {"to": "events", "properties": [], "flatten": ["properties"]}
    run = run_target(Stream("web", EVENTS, [event]), streams={"web": mapping}, expect=1)
    assert "column 'properties': property 'time': Braze reserves the name 'time'" in run.errors[0]


def test_a_property_that_comes_twice_is_reported_for_only_one_would_be_sent(run_target: Callable[..., Run]) -> None:
    columns = {"external_id": TEXT, "name": TEXT, "time": TIME, "page": TEXT, "properties": ANY_OBJECT, "o": ANY_OBJECT}
    event = {"external_id": "c-1", "name": "visit", "time": "2026-03-04T12:00:00Z", "properties": {"page": "/a"}}
    for twice, flatten in (({"page": "/b"}, ["properties"]), ({"o": {"page": "/b"}}, ["o", "properties"])):
        stream = Stream("events", columns, [event | twice])
        run = run_target(stream, streams={"events": {"flatten": flatten}}, expect=1)
        assert "column 'properties': the property 'page' comes from another column, too" in run.errors[0]
