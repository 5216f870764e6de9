"""What belongs to a call itself: it becomes no attribute and no property, however a source spells or flattens it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.mapping.cdp.layouts import recognise
from target_braze.mapping.columns import Columns

from tests.target.support.singer import ANY_OBJECT, TEXT, TIME, Stream, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

TIMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
NAMES = ("type", "userId", "anonymousId", "messageId", "channel", "version", "projectId", "rudderId", "writeKey")
ENVELOPE: dict[str, Any] = {**dict.fromkeys((*NAMES, "request_ip"), TEXT), **dict.fromkeys(TIMES, TIME)}
CALL = {
    **{name: f"{name}-1" for name in ENVELOPE if name not in TIMES},
    **dict.fromkeys(TIMES, "2026-03-04T12:00:00.000Z"),
    "userId": "c-1",
    "anonymousId": None,
}


def stream(call: Mapping[str, Any], **columns: Any) -> Stream:
    return Stream("calls", {**ENVELOPE, **columns}, [{**CALL, **call}])


def test_traits_in_the_context_alone_are_the_attributes(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    context = {"traits": {"email": "i@example.com", "plan": "gold"}, "ip": "192.0.2.1", "library": {"name": "x"}}
    columns = {"context": ANY_OBJECT, "integrations": ANY_OBJECT}
    run_calls(stream({"type": "identify", "context": context, "integrations": {"All": True}}, **columns))
    assert sent(sandbox) == [{"external_id": "c-1", "email": "i@example.com", "plan": "gold"}]


def test_the_context_may_be_the_text_of_an_object(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(stream({"type": "identify", "context": '{"traits": {"plan": "gold"}}'}, context=TEXT))
    assert sent(sandbox) == [{"external_id": "c-1", "plan": "gold"}]


def test_a_call_without_properties_has_none(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(stream({"type": "track", "event": "Visited"}, event=TEXT))
    (event,) = the(sandbox.profile("c-1")).events
    assert (event["name"], event.get("properties", {})) == ("Visited", {})
    outcome = run_calls(stream({"type": "identify"}))
    assert not sent(sandbox)
    assert any("an identify call without traits" in line for line in outcome.warnings)


def test_an_object_that_the_target_flattens_is_flat_raw_json(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    def members(**properties: Any) -> dict[str, Any]:
        return {"type": ["object", "null"], "properties": properties}

    columns = {
        "context": members(ip=TEXT, traits=members(email=TEXT), library=members(name=TEXT)),
        "traits": members(plan=TEXT, address=members(city=TEXT)),
        "properties": members(path=TEXT),
        "integrations": members(All={"type": ["boolean", "null"]}),
        "event": TEXT,
    }
    context = {"ip": "192.0.2.1", "traits": {"email": "i@example.com"}, "library": {"name": "x"}}
    traits = {"plan": "gold", "address": {"city": "Porto"}}
    both = {"integrations": {"All": True}, "context": context}
    run_calls(
        Stream(
            "calls",
            {**ENVELOPE, **columns},
            [
                {**CALL, **both, "type": "identify", "traits": traits},
                {**CALL, **both, "type": "track", "event": "Visited", "properties": {"path": "/"}},
            ],
        ),
        settings={"flattening_enabled": True, "flattening_max_depth": 3},
    )
    assert sent(sandbox) == [{"external_id": "c-1", "email": "i@example.com", "plan": "gold", "address__city": "Porto"}]
    assert sent(sandbox, "events")[0]["properties"] == {"path": "/"}


def test_flattening_may_stop_at_the_traits_of_the_context(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = {"context__ip": TEXT, "context__traits": TEXT}
    call = {"type": "identify", "context__ip": "192.0.2.1", "context__traits": '{"plan": "gold"}'}
    run_calls(stream(call, **columns))
    assert sent(sandbox) == [{"external_id": "c-1", "plan": "gold"}]


def test_a_table_s_own_columns_stay_what_they_are(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = (
        "id",
        "user_id",
        "received_at",
        "context_ip",
        "context",
        "version",
        "project_id",
        "request_ip",
        "traits_x",
    )
    row = {name: f"{name}-1" for name in columns} | {"user_id": "c-1", "received_at": "2026-03-04 12:00:00"}
    run_calls(Stream("segment_identifies", dict.fromkeys(columns, TEXT), [row]))
    assert sent(sandbox) == [
        {
            "external_id": "c-1",
            "x": "traits_x-1",
            "context": "context-1",
            "version": "version-1",
            "project_id": "project_id-1",
        }
    ]


SNAKE = {"userId": "user_id", "messageId": "message_id", "projectId": "project_id", "sentAt": "sent_at"}
SEPARATORS = st.sampled_from(["_", "__"])


@settings(max_examples=200, deadline=None)
@given(
    names=st.sets(st.sampled_from([*ENVELOPE, "event", "name", "category", "integrations"])),
    snake=st.booleans(),
    separator=SEPARATORS,
    parts=st.sets(st.sampled_from(["traits", "properties", "context_traits", "context", "integrations"]), min_size=1),
    member=st.text("abcXYZ", min_size=1, max_size=5),
    table=st.sampled_from(["calls", "raw_tracks", "public-identifies"]),
)
def test_nothing_but_members_of_traits_and_properties_is_sent_of_raw_json(  # noqa: PLR0917
    names: set[str],
    snake: bool,  # noqa: FBT001
    separator: str,
    parts: set[str],
    member: str,
    table: str,
) -> None:
    names = {"type", "userId", "messageId", *names}
    flattened = {part.replace("_", separator) + separator + member for part in parts}
    envelope = {SNAKE.get(name, name) if snake else name for name in names}
    columns = dict.fromkeys((*envelope, *flattened), TEXT)
    layout = recognise(Columns(table, {"properties": columns}, {"to": "calls"}, None))  # type: ignore[arg-type]
    if snake and not {"__"} & {separator} and not parts & {"traits", "properties", "integrations"}:
        return  # as a warehouse's table has them
    assert set(layout.flat_traits) <= {name for name in flattened if "traits" in name}
    assert set(layout.flat_properties) <= {name for name in flattened if name.startswith("properties")}
    assert {*layout.flat_traits.values(), *layout.flat_properties.values()} <= {member}
    assert layout.type == "type"


@pytest.mark.parametrize(
    "name", ["messageId", "message_id", "requestIp", "request_ip", "sentAt", "groupId", "rudderId"]
)
def test_both_spellings_belong_to_the_call_in_a_table_too(name: str) -> None:
    columns = {name: TEXT, "plan": TEXT}
    layout = recognise(Columns("web_identifies", {"properties": columns}, {"to": "calls"}, None))  # type: ignore[arg-type]
    assert name not in {**layout.flat_traits, **layout.flat_properties}
