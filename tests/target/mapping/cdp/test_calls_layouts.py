"""Calls in other layouts than raw JSON: the tables of a warehouse, flattened streams, exports of Amplitude."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import ANY_OBJECT, INTEGER, NUMBER, TEXT, TIME, Stream, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

NOON = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)
ENVELOPE = {
    **dict.fromkeys(("id", "user_id", "anonymous_id", "context_ip", "context_library_name"), TEXT),
    **dict.fromkeys(("timestamp", "received_at", "sent_at", "original_timestamp", "uuid_ts"), TIME),
}
ROW = {
    "id": "m-1",
    "user_id": "c-1",
    "context_ip": "192.0.2.1",
    "timestamp": "2026-03-04 12:00:00",
    "received_at": "2026-03-04 12:00:01",
}


def table(stream: str, *rows: dict[str, Any], **columns: Any) -> Stream:
    return Stream(stream, {**ENVELOPE, **columns}, [ROW | row for row in rows], ["id"])


def test_the_tables_of_a_warehouse_are_known_by_their_names(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(
        table(
            "segment_identifies",
            {"first_name": "Ines", "birthday": "1990-05-14", "plan": "gold", "address_city": "Porto", "seats": None},
            **dict.fromkeys(("first_name", "birthday", "plan", "address_city", "seats"), TEXT),
        ),
        table("segment_pages", {"name": "Pricing", "path": "/p"}, name=TEXT, path=TEXT),
        table("segment_screens", {"name": "Basket"}, name=TEXT),
        table(
            "segment_tracks",
            {"event": "cart_viewed", "event_text": "Cart Viewed"},
            event=TEXT,
            event_text=TEXT,
        ),
        table("segment_groups", {"group_id": "g-7"}, group_id=TEXT),
    )
    profile = the(sandbox.profile("c-1"))
    assert profile.attributes == {"first_name": "Ines", "dob": "1990-05-14", "home_city": "Porto"}
    assert profile.custom_attributes == {"plan": "gold", "address_city": "Porto", "group_id": "g-7"}
    assert [event["name"] for event in profile.events] == ["Viewed Pricing Page", "Viewed Basket Screen", "Cart Viewed"]
    assert profile.events[0]["properties"] == {"name": "Pricing", "path": "/p"}
    assert {event["time"] for event in profile.events} == {NOON}
    assert not sandbox.violations


def test_the_users_table_has_the_id_in_its_own_column(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = {"id": TEXT, "email": TEXT, "plan": TEXT, "received_at": TIME}
    row = {"id": "c-1", "email": "i@example.com", "plan": None, "received_at": "2026-03-04 12:00:00"}
    run_calls(Stream("prod.users", columns, [row]), settings={"nulls": "unset"})
    assert sent(sandbox) == [{"external_id": "c-1", "email": "i@example.com", "plan": None}]


def test_a_null_in_a_table_of_calls_says_nothing(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    rows = ({"plan": "gold", "seats": None}, {"plan": None, "seats": 3})
    run_calls(table("identifies", *rows, plan=TEXT, seats=INTEGER), settings={"nulls": "unset"})
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "gold", "seats": 3}


def test_a_table_of_one_event_has_its_properties_as_columns(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = {"event": TEXT, "event_text": TEXT, "type": TEXT, "price": NUMBER, "context_traits_email": TEXT}
    row = {"event": "plan_chosen", "event_text": "Plan Chosen", "type": "yearly", "price": 9.5}
    outcome = run_calls(table("rudder.plan_chosen", row | {"context_traits_email": "i@example.com"}, **columns))
    (event,) = the(sandbox.profile("c-1")).events
    assert (event["name"], event["properties"]) == ("Plan Chosen", {"type": "yearly", "price": 9.5})
    assert any("context_ip" in line and "context_traits_email" in line for line in outcome.warnings)


def test_columns_named_in_the_list_are_sent_whatever_they_are(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = {"event": TEXT, "price": NUMBER}
    run_calls(
        table("visits", {"event": "visit", "price": 1}, **columns),
        properties=["context_ip", "pr*"],
        rename={"context_ip": "ip"},
    )
    assert the(sandbox.profile("c-1")).events[0]["properties"] == {"ip": "192.0.2.1", "price": 1}


def test_all_calls_may_stand_in_one_flat_table(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    parts = ("type", "event", "context_traits_email", "traits_plan", "properties_path", "traits__tier")
    run_calls(
        table(
            "all_calls",
            {"type": "identify", "context_traits_email": "i@example.com", "traits_plan": "gold", "traits__tier": "1"},
            {"type": "track", "event": "Visited", "properties_path": "/"},
            **dict.fromkeys(parts, TEXT),
        )
    )
    profile = the(sandbox.profile("c-1"))
    assert profile.email == "i@example.com"
    assert profile.custom_attributes == {"plan": "gold", "tier": "1"}
    assert profile.events[0]["properties"] == {"path": "/"}


def test_an_alias_table_merges(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(
        table("identifies", {"user_id": "old", "plan": "x"}, {"seats": "3"}, plan=TEXT, seats=TEXT),
        table("aliases", {"previous_id": "old"}, previous_id=TEXT),
    )
    (profile,) = sandbox.profiles()
    assert profile.custom_attributes == {"plan": "x", "seats": "3"}
    (merge,) = [request.body for request in sandbox.requests if request.path == "/users/merge"]
    assert merge == {
        "merge_updates": [{"identifier_to_merge": {"external_id": "old"}, "identifier_to_keep": {"external_id": "c-1"}}]
    }


def test_the_previous_ids_of_an_alias_table_can_be_anonymous_ones(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    columns = {"user_id": TEXT, "previous_id": TEXT, "timestamp": TIME}
    row = {"user_id": "c-1", "previous_id": "a-1"}
    run_calls(Stream("segment_aliases", columns, [row]), previous_id="user_alias", anonymous_label="web")
    (merge,) = sandbox.requests[-1].body["merge_updates"]
    assert merge["identifier_to_merge"] == {"user_alias": {"alias_label": "web", "alias_name": "a-1"}}


def test_the_method_can_be_said(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = {"event": TEXT, "kind": TEXT, "plan": TEXT}
    run_calls(table("people", {"plan": "gold"}, **columns), method="identify", fields=["plan"])
    run_calls(table("stuff", {"kind": "track", "event": "Visited"}, **columns), method_field="kind")
    profile = the(sandbox.profile("c-1"))
    assert profile.custom_attributes == {"plan": "gold"}
    assert [event["name"] for event in profile.events] == ["Visited"]


@pytest.mark.parametrize(
    ("stream", "given", "reason"),
    [
        (table("people", {}), {}, "'calls.method'"),
        (table("identifies", {}, **{"$a": TEXT}), {}, "column '$a'"),
        (table("identifies", {}, plan=TEXT), {"fields": ["pan"]}, "'fields' names the column 'pan'"),
        (
            table("visits", {}, event=TEXT, time=TEXT),
            {},
            "column 'time': the name is reserved by Braze; rename it with 'rename' or leave it out",
        ),
    ],
)
def test_a_table_that_does_not_fit_stops_before_the_first_record(
    run_calls: Callable[..., Run], sandbox: Sandbox, stream: Stream, given: dict[str, Any], reason: str
) -> None:
    outcome = run_calls(stream, **given, expect=1)
    assert reason in outcome.errors[0]
    assert not sandbox.requests


AMPLITUDE = {
    **dict.fromkeys(("user_id", "device_id", "event_type", "$insert_id", "country", "platform"), TEXT),
    **dict.fromkeys(("event_time", "server_upload_time"), TEXT),
    **dict.fromkeys(("event_properties", "user_properties", "groups"), ANY_OBJECT),
    "amplitude_id": INTEGER,
}


def amplitude(*records: dict[str, Any]) -> Stream:
    shared = {"user_id": "c-1", "event_time": "2026-03-04 12:00:00.123000", "amplitude_id": 7, "$insert_id": "i-1"}
    return Stream("amplitude_export", AMPLITUDE, [shared | record for record in records])


def test_amplitude_s_events_carry_user_properties_and_event_properties(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_calls(
        amplitude(
            {
                "event_type": "Song Played",
                "event_properties": {"genre": "fado", "[Amplitude] Page Path": "/x"},
                "user_properties": {"plan": "gold", "email": "i@example.com"},
            }
        ),
        settings={"time_zone": "Asia/Tokyo"},
    )
    profile = the(sandbox.profile("c-1"))
    assert (profile.email, profile.custom_attributes) == ("i@example.com", {"plan": "gold"})
    (event,) = profile.events
    assert event["time"] == NOON.replace(microsecond=123000)
    assert event["properties"] == {"genre": "fado", "[Amplitude] Page Path": "/x"}


def test_amplitude_s_identify_sets_and_removes_and_merges_the_device(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    outcome = run_calls(
        amplitude(
            {"event_type": "Opened", "user_id": None, "device_id": "d-1"},
            {
                "event_type": "$identify",
                "device_id": "d-1",
                "user_properties": {"$set": {"plan": "gold"}, "$unset": {"trial": "-"}, "$setOnce": {"first": 1}},
            },
            {"event_type": "$groupidentify"},
        ),
        settings={"nulls": "unset"},
    )
    (profile,) = sandbox.profiles()
    assert (profile.external_id, profile.aliases) == ("c-1", {"device_id": "d-1"})
    assert sent(sandbox) == [{"external_id": "c-1", "plan": "gold", "trial": None}]
    assert any("$setOnce" in line for line in outcome.warnings)
    assert any("$groupidentify" in line for line in outcome.warnings)
    assert any("country" in line and "are not sent" in line for line in outcome.warnings)


def test_amplitude_s_settings_are_those_of_calls(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(
        amplitude(
            {"event_type": "Song Played", "event_properties": {"genre": "fado", "x": 1}, "user_properties": {"crm": 7}},
            {"event_type": "Debug", "user_properties": {"crm": 7}},
        ),
        user=[{"user_alias": {"label": "crm", "name": "user_properties.crm"}}],
        events={"only": ["Song *"]},
        properties=["genre"],
        fields=[],
    )
    profile = the(sandbox.profile_by(alias=("crm", "7")))
    assert [(event["name"], event["properties"]) for event in profile.events] == [("Song Played", {"genre": "fado"})]
    assert not profile.custom_attributes


def test_a_flattened_export_of_amplitude_is_one_too(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = {name: schema for name, schema in AMPLITUDE.items() if "properties" not in name}
    parts = {"event_properties__genre": "fado", "user_properties__plan": "gold", "user_properties__seats": None}
    record = {"user_id": "c-1", "event_type": "Song Played", "event_time": "2026-03-04 12:00:00", "country": "PT"}
    run_calls(
        Stream("amplitude_export", {**columns, **dict.fromkeys(parts, TEXT)}, [record | parts]),
        settings={"nulls": "unset"},
    )
    assert sent(sandbox) == [{"external_id": "c-1", "plan": "gold"}]
    assert sent(sandbox, "events")[0]["properties"] == {"genre": "fado"}
