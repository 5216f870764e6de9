"""Calls of a customer-data platform, nested as raw JSON: what each method becomes in Braze."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.braze.endpoints import TRACK
from target_braze.delivery.batch_limits import BatchLimits
from target_braze.delivery.user_queues import UserQueues
from target_braze.mapping.kinds.identities.aliases import INTRODUCE
from target_braze.records import Record

from tests.target.support.cdp import calls
from tests.target.support.changes import new_change
from tests.target.support.singer import TEXT, Stream, reasons, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

NOON = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)
GROUP = "3b1f6a52-94b6-4c1e-8f0a-2f6f0b7f4c11"


def test_an_identify_call_sets_braze_s_own_fields_and_custom_attributes(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    traits = {
        "firstName": "Ines",
        "lastName": "Prado",
        "email": "ines@example.com",
        "phone": "+351912345678",
        "gender": "Female",
        "birthday": "1990-05-14",
        "avatar": "https://example.com/ines.png",
        "address": {"street": "Rua 1", "city": "Porto", "country": "pt"},
        "plan": "gold",
        "logins": 5,
    }
    run_calls(calls({"type": "identify", "userId": "c-1", "traits": traits}))
    profile = the(sandbox.profile("c-1"))
    assert profile.attributes == {
        "first_name": "Ines",
        "last_name": "Prado",
        "email": "ines@example.com",
        "phone": "+351912345678",
        "gender": "F",
        "dob": "1990-05-14",
        "image_url": "https://example.com/ines.png",
        "home_city": "Porto",
        "country": "PT",
    }
    assert profile.custom_attributes == {"address": traits["address"], "plan": "gold", "logins": 5}
    assert not sandbox.violations


def test_traits_in_the_context_count_where_the_call_has_none_of_its_own(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    context = {"traits": {"plan": "free", "seats": 3}, "ip": "192.0.2.1"}
    run_calls(calls({"type": "identify", "userId": "c-1", "traits": {"plan": "gold"}, "context": context}))
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "gold", "seats": 3}


def test_an_identify_call_with_both_ids_merges_the_anonymous_user_first_and_once(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    both = {"type": "identify", "userId": "c-1", "anonymousId": "a-1"}
    run_calls(
        calls(
            {"type": "track", "anonymousId": "a-1", "event": "Cart Viewed"},
            {**both, "traits": {"plan": "gold"}},
            {"type": "track", "userId": "c-1", "anonymousId": "a-1", "event": "Signed Up"},
            {**both, "traits": {"plan": "platinum"}},
        )
    )
    (profile,) = sandbox.profiles()
    assert profile.external_id == "c-1"
    assert profile.aliases == {"anonymous_id": "a-1"}
    assert profile.custom_attributes == {"plan": "platinum"}
    assert [event["name"] for event in profile.events] == ["Cart Viewed", "Signed Up"]
    paths = [request.path for request in sandbox.requests]
    assert paths == ["/users/alias/new", "/users/track", "/users/identify", "/users/track"]
    assert not sandbox.violations


def test_an_anonymous_user_gets_attributes_and_events_by_alias(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(
        calls(
            {"type": "identify", "anonymousId": "a-1", "traits": {"plan": "trial"}},
            {"type": "track", "anonymousId": "a-2", "event": "Visited"},
        ),
        anonymous_label="web",
    )
    assert the(sandbox.profile_by(alias=("web", "a-1"))).custom_attributes == {"plan": "trial"}
    assert [event["name"] for event in the(sandbox.profile_by(alias=("web", "a-2"))).events] == ["Visited"]


def test_calls_of_anonymous_users_can_be_left_out(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    outcome = run_calls(
        calls(
            {"type": "track", "anonymousId": "a-1", "event": "Visited"},
            {"type": "identify", "userId": "c-1", "anonymousId": "a-1", "traits": {"plan": "gold"}},
        ),
        anonymous_label=None,
    )
    assert [profile.external_id for profile in sandbox.profiles()] == ["c-1"]
    assert [request.path for request in sandbox.requests] == ["/users/track"]
    assert any("calls of anonymous users are skipped" in line for line in outcome.warnings)


def test_a_track_call_is_an_event(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    properties = {"review_id": "r-9", "rating": 4.5, "tags": ["tea"], "none": None}
    run_calls(calls({"type": "track", "userId": "c-1", "event": "Product Reviewed", "properties": properties}))
    (event,) = the(sandbox.profile("c-1")).events
    assert event["name"] == "Product Reviewed"
    assert event["time"] == NOON
    assert event["properties"] == {"review_id": "r-9", "rating": 4.5, "tags": ["tea"]}


def test_a_time_without_zone_is_utc_whatever_the_time_zone(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    record = {"type": "track", "userId": "c-1", "event": "Visited", "timestamp": "2026-03-04 12:00:00"}
    run_calls(calls(record), settings={"time_zone": "Asia/Tokyo"})
    assert the(sandbox.profile("c-1")).events[0]["time"] == NOON


def test_a_time_that_is_blank_text_leaves_it_to_the_next(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    row = {"user_id": "c-1", "event_text": "Read", "timestamp": "", "sent_at": " ", "received_at": "2026-03-04 12:00"}
    run_calls(Stream("web_read", dict.fromkeys(row, TEXT), [row]))
    (event,) = sent(sandbox, "events")
    assert event["time"] == "2026-03-04T12:00:00+00:00"


def test_a_trait_that_is_called_like_the_user_s_id_is_sent_all_the_same(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_calls(calls({"type": "identify", "userId": "c-1", "traits": {"userId": "42", "anonymousId": "a"}}))
    row = {"crm_id": "c-2", "plan": "gold"}
    table = Stream("web_users", dict.fromkeys(row, TEXT), [row])
    run_calls(table, user=[{"external_id": "crm_id"}])
    run_calls(table, user=[{"external_id": "crm_id"}], fields=["crm_id"])
    assert sent(sandbox) == [
        {"external_id": "c-1", "userId": "42", "anonymousId": "a"},
        {"external_id": "c-2", "plan": "gold"},
        {"external_id": "c-2", "crm_id": "c-2"},
    ]


def test_pages_and_screens_are_events_by_a_template(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(
        calls(
            {"type": "page", "userId": "c-1", "name": "Pricing", "properties": {"path": "/pricing"}},
            {"type": "page", "userId": "c-1", "properties": {"path": "/"}},
            {"type": "screen", "userId": "c-1", "name": "Basket", "category": "Shop"},
        ),
        screen="{category}: {name}",
    )
    events = the(sandbox.profile("c-1")).events
    assert [event["name"] for event in events] == ["Viewed Pricing Page", "Viewed Page", "Shop: Basket"]
    assert events[0]["properties"] == {"path": "/pricing", "name": "Pricing"}


def test_a_group_call_sets_an_attribute(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(calls({"type": "group", "userId": "c-1", "groupId": "g-7", "traits": {"name": "Initech"}}))
    run_calls(calls({"type": "group", "userId": "c-2", "groupId": "g-7"}), group={"attribute": "company_id"})
    assert the(sandbox.profile("c-1")).custom_attributes == {"group_id": "g-7"}
    assert the(sandbox.profile("c-2")).custom_attributes == {"company_id": "g-7"}


def test_a_group_call_sets_the_state_of_a_subscription_group(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    other = GROUP.replace("3", "4", 1)
    run_calls(
        calls(
            {"type": "group", "userId": "c-1", "groupId": GROUP, "traits": {"subscriptionState": "unsubscribed"}},
            {"type": "group", "userId": "c-1", "groupId": other},
        ),
        group={"subscription_state": "subscriptionState"},
    )
    states = the(sandbox.profile("c-1")).attributes["subscription_groups"]
    assert states == {GROUP: "unsubscribed", other: "subscribed"}


def test_an_alias_call_merges_two_users(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    for previous, given in (("old-1", {}), ("a-9", {"previous_id": "user_alias"})):
        run_calls(
            calls(
                {"type": "identify", "userId": "old-1", "traits": {"plan": "gold"}},
                {"type": "track", "anonymousId": "a-9", "event": "Visited"},
                {"type": "identify", "userId": "c-1", "traits": {"seats": 3}},
                {"type": "alias", "userId": "c-1", "previousId": previous},
                {"type": "identify", "userId": "c-1", "traits": {"seats": 4}},
            ),
            **given,
        )
    profile = the(sandbox.profile("c-1"))
    assert sandbox.profile("old-1") is not None  # made again by the second run
    assert profile.custom_attributes == {"plan": "gold", "seats": 4}
    assert [event["name"] for event in profile.events][:1] == ["Visited"]


def test_an_alias_call_with_the_anonymous_id_of_the_call_merges_that(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_calls(
        calls(
            {"type": "track", "anonymousId": "a-9", "event": "Visited"},
            {"type": "identify", "userId": "c-1", "traits": {"seats": 3}},
            {"type": "alias", "userId": "c-1", "previousId": "a-9", "anonymousId": "a-9"},
        )
    )
    (profile,) = sandbox.profiles()
    assert [event["name"] for event in profile.events] == ["Visited"]


def test_an_anonymous_id_that_names_nobody_is_left_out(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    record = {"type": "identify", "userId": "c-1", "anonymousId": "undefined", "traits": {"plan": "x"}}
    outcome = run_calls(calls(record))
    assert [request.path for request in sandbox.requests] == ["/users/track"]
    assert any("an anonymous ID is left out" in line for line in outcome.warnings)


def test_events_can_be_filtered_and_the_rest_is_named(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    names = ["Cart Viewed", "Product Viewed", "Order Completed", "Debug"]
    outcome = run_calls(
        calls(*({"type": "track", "userId": "c-1", "event": name} for name in names)),
        events={"only": ["Cart *", "Product Viewed", "Debug"], "except": ["Debug"]},
        orders={"to": "events"},
    )
    assert [event["name"] for event in the(sandbox.profile("c-1")).events] == names[:2]
    assert any("'Order Completed' is left out" in line for line in outcome.warnings)


def test_lists_choose_traits_and_properties_and_rename_names_them(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_calls(
        calls(
            {"type": "identify", "userId": "c-1", "traits": {"plan_name": "gold", "email": "i@example.com", "x": 1}},
            {"type": "track", "userId": "c-1", "event": "Visited", "properties": {"url": "/a", "utm_x": "b", "y": 2}},
        ),
        fields=["plan_*", "email"],
        properties=["url", "utm_*"],
        rename={"plan_name": "plan", "utm_x": "campaign"},
    )
    profile = the(sandbox.profile("c-1"))
    assert profile.custom_attributes == {"plan": "gold"}
    assert profile.email == "i@example.com"
    assert profile.events[0]["properties"] == {"url": "/a", "campaign": "b"}


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ([{"braze_id": "userId"}], {"braze_id": "c-1"}),
        (
            [{"user_alias": {"label": "crm", "name": "userId"}}],
            {"user_alias": {"alias_label": "crm", "alias_name": "c-1"}, "_update_existing_only": False},
        ),
        ([{"email": "context.traits.email"}], {"email": "i@example.com"}),
    ],
)
def test_the_id_of_a_user_can_be_another_than_the_external_id(
    run_calls: Callable[..., Run], sandbox: Sandbox, user: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    context = {"traits": {"email": "i@example.com"}}
    run_calls(calls({"type": "identify", "userId": "c-1", "traits": {"plan": "x"}, "context": context}), user=user)
    (item,) = sent(sandbox)
    assert item == {"email": "i@example.com", "plan": "x", **expected}


def test_update_only_makes_no_profile(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(
        calls(
            {"type": "identify", "userId": "c-1", "traits": {"plan": "x"}},
            {"type": "track", "anonymousId": "a-1", "event": "Visited"},
        ),
        settings={"update_existing_only": True},
    )
    assert sandbox.profiles() == []
    assert {request.path for request in sandbox.requests} == {"/users/track"}


def test_raw_json_may_come_as_text(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    texts = {"traits": TEXT, "properties": TEXT, "context": TEXT}
    run_calls(
        calls(
            {"type": "identify", "userId": "c-1", "traits": '{"plan": "gold"}', "context": '{"traits": {"seats": 3}}'},
            {"type": "track", "userId": "c-1", "event": "Visited", "properties": '{"path": "/"}', "context": ""},
            **texts,
        )
    )
    profile = the(sandbox.profile("c-1"))
    assert profile.custom_attributes == {"plan": "gold", "seats": 3}
    assert profile.events[0]["properties"] == {"path": "/"}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"type": "visit", "userId": "c-1"}, "column 'type': expected one of identify, track"),
        ({"type": "track", "event": "Visited"}, "identifies no user"),
        ({"type": "track", "userId": "c-1"}, "names no event"),
        ({"type": "track", "userId": "c-1", "event": "V", "timestamp": None}, "has no time"),
        ({"type": "track", "userId": "c-1", "event": "V", "properties": {"$a": 1}}, "property '$a'"),
        ({"type": "track", "userId": "c-1", "event": "V", "properties": {"time": 1}}, "the name is reserved by Braze"),
        ({"type": "track", "userId": "c-1", "event": "V", "properties": "[1]"}, "expected an object"),
        ({"type": "identify", "userId": "c-1", "traits": {"email": "nobody"}}, "trait 'email': expected an email"),
        ({"type": "identify", "userId": "c-1", "traits": {"external_id": "x"}}, "control key of Braze"),
        ({"type": "identify", "userId": "c-1", "traits": {"firstName": "a", "first_name": "b"}}, "both be sent"),
        ({"type": "group", "userId": "c-1"}, "lacks 'groupId'"),
        ({"type": "alias", "userId": "c-1"}, "lacks 'previousId'"),
        ({"type": "alias", "userId": "c-1", "previousId": "c-1"}, "into itself"),
        ({"type": "alias", "userId": "c-1", "previousId": "undefined"}, "placeholder"),
        ({"type": "group", "userId": "c-1", "groupId": "g" * 256}, "256 characters"),
    ],
)
def test_a_call_that_cannot_be_sent_is_reported(
    run_calls: Callable[..., Run], record: dict[str, Any], reason: str
) -> None:
    outcome = run_calls(calls(record), expect=1)
    assert reason in outcome.errors[0]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"page": "Viewed {name"}, "calls.page"),
        ({"orders": {"currency": "euro"}}, "calls.orders.currency"),
        ({"group": {"attribute": "braze_id"}}, "calls.group.attribute"),
        ({"group": {"attribute": "$a"}}, "calls.group.attribute"),
        ({"method_field": "kind"}, "calls.method_field"),
        ({"user": [{"external_id": "id"}]}, "'user' names the column 'id'"),
        ({"time_field": "at"}, "time_field"),
    ],
)
def test_a_wrong_mapping_stops_before_the_first_record(
    run_calls: Callable[..., Run], sandbox: Sandbox, given: dict[str, Any], reason: str
) -> None:
    outcome = run_calls(calls({"type": "identify", "userId": "c-1", "traits": {"a": 1}}), **given, expect=1)
    assert reason in outcome.errors[0]
    assert not sandbox.requests


def test_what_is_no_trait_and_no_property_is_named(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    outcome = run_calls(calls({"type": "identify", "userId": "c-1", "traits": {"a": 1}}))
    assert any("are not sent" in line and "messageId" in line and "integrations" in line for line in outcome.warnings)
    assert not reasons(sandbox)


def test_traits_make_the_profile_of_an_anonymous_user_so_that_its_events_need_no_alias(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_calls(
        calls(
            {"type": "identify", "anonymousId": "a-1", "traits": {"plan": "trial"}},
            {"type": "track", "anonymousId": "a-1", "event": "Visited"},
            {"type": "group", "anonymousId": "a-2", "groupId": "g-7"},
            {"type": "page", "anonymousId": "a-2", "name": "Home"},
        ),
    )
    assert {request.path for request in sandbox.requests} == {"/users/track"}
    first, second = (the(sandbox.profile_by(alias=("anonymous_id", name))) for name in ("a-1", "a-2"))
    assert [event["name"] for event in (*first.events, *second.events)] == ["Visited", "Viewed Home Page"]
    assert not sandbox.violations


def test_a_new_alias_waits_for_nothing_that_went_before() -> None:
    queues = UserQueues(0, BatchLimits(75), max_delay=300)
    record = Record("s", 1, 1, (), {}, {})
    queues.add(new_change("events", ("external_id", "c-1"), {"name": "a"}, [record]), 0)
    found = queues.next_request(0, hurry=True, ended=True)
    assert found is not None
    queues.release(found[1], TRACK, 1)
    alias = ("user_alias", "anonymous_id", "a-1")
    queues.add(new_change("user_aliases", alias, {}, [record], INTRODUCE), 2)
    queues.add(new_change("events", alias, {"name": "a"}, [record]), 2)
    found = queues.next_request(2, hurry=True, ended=True)
    assert found is not None
    assert found[0].endpoint is INTRODUCE
    queues.release(found[1], INTRODUCE, 3)
    # Its events do wait, because they depend on it.
    assert queues.delayed.next_until == 303


def test_a_call_with_both_ids_counts_for_the_one_that_named_its_user(run_calls: Callable[..., Run]) -> None:
    both = {"type": "identify", "userId": "c-1", "anonymousId": "a-1", "traits": {"plan": "gold"}}
    outcome = run_calls(calls(both, {"type": "identify", "anonymousId": "a-2", "traits": {"plan": "x"}}))
    assert "external_id of column 'userId' named the user of 1 records, 1 blank" in outcome.stderr
    assert "user_alias of column 'anonymousId' named the user of 1 records" in outcome.stderr


def test_a_group_call_with_a_subscription_state_brings_the_addresses_along(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    traits = {"subscriptionState": "subscribed", "email": "i@example.com", "phone": "+351912345678", "name": "Loam"}
    outcome = run_calls(
        calls({"type": "group", "userId": "c-1", "groupId": GROUP, "traits": traits}),
        group={"subscription_state": "subscriptionState"},
    )
    assert sent(sandbox) == [
        {
            "external_id": "c-1",
            "email": "i@example.com",
            "phone": "+351912345678",
            "subscription_groups": [{"subscription_group_id": GROUP, "subscription_state": "subscribed"}],
        }
    ]
    assert any("other traits of the group are not sent" in line for line in outcome.warnings)


@pytest.mark.parametrize("method", ["track", "page", "screen"])
def test_traits_of_a_call_that_sets_no_attributes_are_reported(
    run_calls: Callable[..., Run], sandbox: Sandbox, method: str
) -> None:
    call = {"type": method, "userId": "c-1", "event": "Visited", "context": {"traits": {"plan": "gold"}}}
    outcome = run_calls(calls(call))
    assert any(f"traits of {method} calls are not sent" in line for line in outcome.warnings)
    outcome = run_calls(calls(call | {"context": {"ip": "192.0.2.1"}}))
    assert not any("traits of" in line for line in outcome.warnings)
    assert not sent(sandbox)


def test_two_spellings_of_a_trait_that_say_the_same_are_one(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(calls({"type": "identify", "userId": "c-1", "traits": {"firstName": "Ines", "first_name": "Ines"}}))
    assert sent(sandbox) == [{"external_id": "c-1", "first_name": "Ines"}]


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.5), ({"a": 1}, {"a": True}), ("1", 1)])
def test_values_that_python_alone_takes_for_equal_are_not(
    run_calls: Callable[..., Run], one: object, other: object
) -> None:
    traits = {"plan": one, "tier": other}
    outcome = run_calls(
        calls({"type": "identify", "userId": "c-1", "traits": traits}), rename={"tier": "plan"}, expect=1
    )
    assert "would both be sent as 'plan'" in outcome.errors[0]


def test_the_label_of_an_alias_can_be_a_part_of_an_object(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    context = {"crm": {"name": "shop", "id": "17"}}
    run_calls(
        calls({"type": "identify", "traits": {"plan": "x"}, "context": context}),
        user=[{"user_alias": {"name": "context.crm.id", "label_field": "context.crm.name"}}],
    )
    (item,) = sent(sandbox)
    assert item["user_alias"] == {"alias_label": "shop", "alias_name": "17"}


def test_a_trait_that_may_mean_a_field_of_braze_s_is_reported(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    outcome = run_calls(calls({"type": "identify", "userId": "c-1", "traits": {"firstname": "Ines", "plan": "gold"}}))
    assert any("trait 'firstname' becomes a custom attribute" in line for line in outcome.warnings)
    assert sent(sandbox) == [{"external_id": "c-1", "firstname": "Ines", "plan": "gold"}]
