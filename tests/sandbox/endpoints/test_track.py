"""/users/track: what it refuses, what it stores, and what it silently drops."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Profile, Sandbox

    from tests.sandbox.conftest import Client

UTC = timezone.utc
ECOMMERCE = {
    "order_id": "A17",
    "total_value": 31.5,
    "currency": "EUR",
    "source": "shop",
    "products": [
        {"product_id": "tea", "product_name": "Tea", "variant_id": "tea-1", "quantity": 3, "price": 10.5},
    ],
}


def user(**fields: Any) -> dict[str, Any]:
    return {"external_id": "c-1", **fields}


def event(**fields: Any) -> dict[str, Any]:
    return user(name="opened", time="2026-03-04T09:10:11Z") | fields


def purchase(**fields: Any) -> dict[str, Any]:
    return user(product_id="tea", currency="EUR", price=9.5, time="2026-03-04T09:10:11Z") | fields


def stored(sandbox: Sandbox) -> Profile:
    profile = sandbox.profile("c-1")
    assert profile is not None
    return profile


def reasons(sandbox: Sandbox) -> list[str]:
    return [violation["reason"] for violation in sandbox.violations]


def test_a_profile_keeps_what_was_sent(sandbox: Sandbox, client: Client) -> None:
    answer = client.track(
        attributes=[
            user(email="a@b.example", plan="plus", visits=3, vip=True, tags=["x", "y"], home={"city": "Porto"})
        ],
        events=[event(properties={"locker": "B7"}, app_id="app"), event(time="2026-03-04T10:00:00+01:00")],
        purchases=[purchase(quantity=2)],
    )
    assert answer == {"message": "success", "attributes_processed": 1, "events_processed": 2, "purchases_processed": 1}
    profile = stored(sandbox)
    assert profile.email == "a@b.example"
    assert profile.custom_attributes == {
        "plan": "plus",
        "visits": 3,
        "vip": True,
        "tags": ["x", "y"],
        "home": {"city": "Porto"},
    }
    time = datetime(2026, 3, 4, 9, 10, 11, tzinfo=UTC)
    assert profile.events[0] == {"name": "opened", "time": time, "properties": {"locker": "B7"}, "app_id": "app"}
    assert profile.events[1]["time"] == datetime(2026, 3, 4, 9, tzinfo=UTC)
    assert profile.purchases[0]["quantity"] == 2
    assert profile.total_revenue == 19.0
    assert sandbox.violations == []


def test_one_object_too_many_refuses_all(sandbox: Sandbox, client: Client) -> None:
    arrays = {"attributes": [user(x=1)] * 25, "events": [event()] * 25, "purchases": [purchase()] * 26}
    answer = client.post("/users/track", arrays)
    assert answer.status_code == 400
    assert answer.json()["message"] == "Max Input Length Exceeded"
    assert sandbox.profiles() == []
    arrays["purchases"].pop()
    assert client.track(**arrays)["purchases_processed"] == 25


@pytest.mark.parametrize("body", [{}, {"events": []}, {"attributes": {}}])
def test_a_body_without_objects_is_refused(client: Client, body: dict[str, Any]) -> None:
    assert client.post("/users/track", body).status_code == 400


ALIAS = {"alias_label": "web", "alias_name": "w-1"}


@pytest.mark.parametrize(
    ("array", "obj", "says"),
    [
        ("attributes", "text", "not an object"),
        ("attributes", {"x": 1}, "required"),
        ("attributes", user(user_alias=ALIAS), "You must specify only one of"),
        ("attributes", user(braze_id="b"), "You must specify only one of"),
        ("attributes", {"external_id": True}, "external_id"),
        ("attributes", {"external_id": ""}, "external_id"),
        ("attributes", {"external_id": "ü" * 494}, "EXTERNAL_USER_ID_TOO_LARGE"),
        ("attributes", {"user_alias": {"alias_label": "web"}}, "alias_name"),
        ("attributes", {"user_alias": {"alias_label": "", "alias_name": "x"}}, "alias_name"),
        ("attributes", {"user_alias": {"alias_label": "web", "alias_name": "ü" * 119}}, "236"),
        ("attributes", {"email": "nonsense"}, "is not a valid email."),
        ("attributes", {"phone": "12"}, "phone"),
        ("attributes", user(email="a@b"), "is not a valid email."),
        ("attributes", user(email_subscribe="yes"), "'email_subscribe' must be"),
        ("attributes", user(push_subscribe=None), "'push_subscribe' must be"),
        ("attributes", user(email_subscription_info={}), "INVALID_ATTRIBUTE_EMAIL_SUBSCRIPTION_INFO"),
        ("attributes", user(current_location={"longitude": 1}), "BAD_LOCATION_UPDATE"),
        ("attributes", user(push_tokens={}), "BAD_PUSH_TOKEN_VALUE"),
        ("attributes", user(push_tokens=[{"app_id": "none", "token": "t"}]), "BAD_PUSH_TOKEN_APP_ID"),
        ("attributes", user(push_token_import=True, push_tokens=[{}]), "BAD_PUSH_TOKEN_IMPORT"),
        ("attributes", user(subscription_groups={}), "BAD_SUBSCRIPTION_GROUP_ARRAY"),
        ("attributes", user(subscription_groups=[{}]), "BAD_SUBSCRIPTION_GROUP_HASH"),
        (
            "attributes",
            user(subscription_groups=[{"subscription_group_id": "x", "subscription_state": "subscribed"}]),
            "BAD_SUBSCRIPTION_GROUP_ID",
        ),
        ("attributes", user(_update_existing_only="yes"), "_update_existing_only"),
        ("events", event(name=""), "name"),
        ("events", event(name=None), "name"),
        ("events", event(time=None), "time"),
        ("events", event(time="yesterday"), "time"),
        ("events", event(time=1_700_000_000), "time"),
        ("events", event(properties=[]), "Invalid 'properties' field"),
        ("events", event(properties={"event_name": "x"}), "Invalid 'properties' field"),
        ("events", event(properties={"a": ["x" * 200] * 600}), "bytes"),
        ("events", event(name="ecommerce.order_placed", properties={}), "required"),
        ("events", event(name="ecommerce.order_placed", properties=ECOMMERCE | {"extra": 1}), "not allowed"),
        ("events", event(name="ecommerce.order_placed", properties=ECOMMERCE | {"total_value": "31.5"}), "not valid"),
        ("purchases", purchase(product_id=None), "product_id"),
        ("purchases", purchase(product_id="x" * 256), "product_id"),
        ("purchases", purchase(currency="EURO"), "'currency' must be an ISO 4217 currency"),
        ("purchases", purchase(price="9.5"), "price"),
        ("purchases", purchase(price=None), "price"),
        ("purchases", purchase(quantity=101), "'quantity' is not valid"),
        ("purchases", purchase(quantity=1.5), "'quantity' is not valid"),
        ("purchases", purchase(time=""), "time"),
        ("purchases", purchase(properties={"price": 1}), "Invalid 'properties' field"),
    ],
)
def test_a_bad_object_is_refused_and_the_rest_is_taken(
    sandbox: Sandbox, client: Client, array: str, obj: Any, says: str
) -> None:
    good = {"attributes": user(x=1), "events": event(), "purchases": purchase()}
    answer = client.track(**{array: [good[array], obj, good[array]]})
    (error,) = answer["errors"]
    assert (error["input_array"], error["index"]) == (array, 1)
    assert says in error["type"]
    assert answer["message"] == "success"
    (profile,) = sandbox.profiles()
    assert profile.external_id == "c-1"


def test_a_blocked_user(sandbox: Sandbox, client: Client) -> None:
    sandbox.workspace.blocked_external_ids.add("c-1")
    (error,) = client.track(attributes=[{"external_id": "c-2"}], events=[event()])["errors"]
    assert error["type"] == "provided external_id is blacklisted and disallowed"


def test_ecommerce_events_that_keep_the_schema(sandbox: Sandbox, client: Client) -> None:
    answer = client.track(events=[event(name="ecommerce.order_placed", properties=ECOMMERCE)])
    assert "errors" not in answer
    assert stored(sandbox).events[0]["properties"] == ECOMMERCE


@pytest.mark.parametrize(
    ("first", "then", "kept"),
    [
        (1, None, None),
        (1, 2.5, 2.5),
        (3, {"inc": -1}, 2),
        (None, {"inc": 4}, 4),
        (["a", "b"], {"add": ["a", "c"]}, ["b", "a", "c"]),
        (["a", "b"], {"remove": ["a"]}, ["b"]),
        (["a", "a"], ["b", "b", "c"], ["b", "c"]),
        ({"a": 1, "b": 2}, {"a": 3}, {"a": 3}),
        ([{"no": 1}], {"$add": [{"no": 2}]}, [{"no": 1}, {"no": 2}]),
        ([{"no": 1}, {"no": 2}], {"$remove": [{"$identifier_key": "no", "$identifier_value": 1}]}, [{"no": 2}]),
        (
            [{"no": 1, "state": "new"}],
            {"$update": [{"$identifier_key": "no", "$identifier_value": 1, "$new_object": {"state": "sent"}}]},
            [{"state": "sent"}],
        ),
        ({"a": 1}, {"at": {"$time": "2026-03-04T09:00:00Z"}}, {"at": datetime(2026, 3, 4, 9, tzinfo=UTC)}),
        ("2026-03-04T09:00:00Z", "2026-03-05T09:00:00+02:00", datetime(2026, 3, 5, 7, tzinfo=UTC)),
    ],
)
def test_operators(sandbox: Sandbox, client: Client, first: Any, then: Any, kept: Any) -> None:
    for value in (first, then):
        client.track(attributes=[user(x=value)])
    assert stored(sandbox).custom_attributes.get("x") == kept
    assert sandbox.violations == []


def test_objects_merge_on_request(sandbox: Sandbox, client: Client) -> None:
    orders = [{"no": 1, "state": "new"}]
    client.track(attributes=[user(home={"city": "Porto", "geo": {"x": 1}}, orders=orders)])
    change = {"$update": [{"$identifier_key": "no", "$identifier_value": 1, "$new_object": {"state": "sent"}}]}
    client.track(attributes=[user(_merge_objects=True, home={"geo": {"y": 2}}, orders=change)])
    assert stored(sandbox).custom_attributes == {
        "home": {"city": "Porto", "geo": {"x": 1, "y": 2}},
        "orders": [{"no": 1, "state": "sent"}],
    }


@pytest.mark.parametrize(
    ("first", "then", "kept", "says"),
    [
        ("12/1/2021", None, None, "looks like a date"),
        ("2026-03-04 09:00:00", "", datetime(2026, 3, 4, 9, tzinfo=UTC), "without offset"),
        ("9999-12-31T00:00:00Z", None, None, "3000"),
        ("2026-03-04T09:00:00Z", "9999-12-31T00:00:00Z", datetime(2026, 3, 4, 9, tzinfo=UTC), "3000"),
        ("a", "x" * 256, "a", "255"),
        ("a", 5, "5", "coerced"),
        ("a", True, "a", "ignored"),
        (1, "2", 2, "coerced"),
        (1, "two", 1, "ignored"),
        (True, "f", False, "coerced"),
        (True, 7, True, "ignored"),
        ("2026-03-04T09:00:00Z", "soon", datetime(2026, 3, 4, 9, tzinfo=UTC), "ignored"),
        ({"a": 1}, {"a": None}, {"a": 1}, "null"),
        ({"a": 1}, {"a": [{"b": None}]}, {"a": 1}, "null"),
        ({"a": 1}, {"b c": 1}, {"a": 1}, "space"),
        ({"a": 1}, {"b": {"$time": "soon"}}, {"a": 1}, "$time"),
        ({"a": 1}, {"b": ["x" * 250] * 500}, {"a": 1}, "100 KB"),
        ({"a": 1}, "text", {"a": 1}, "ignored"),
        (["a"], [{"a": 1}], ["a"], "ignored"),
        (["a"], ["b", None], ["b"], "not stored"),
        (["a"], list(range(501)), list(range(1, 501)), "oldest"),
        (1.5, {"inc": 1}, 1.5, "inc"),
    ],
)
def test_what_is_lost_in_silence_is_a_violation(  # noqa: PLR0917 - one parameter per column of the table
    sandbox: Sandbox, client: Client, first: Any, then: Any, kept: Any, says: str
) -> None:
    for value in (first, then):
        assert "errors" not in client.track(attributes=[user(x=value)])
    assert stored(sandbox).custom_attributes.get("x") == kept
    assert any(says in reason for reason in reasons(sandbox))
    assert sandbox.violations[0]["path"] == "attributes[0].x"
    assert sandbox.violations[0]["object"]["external_id"] == "c-1"


@pytest.mark.parametrize(
    ("field", "value", "kept", "says"),
    [
        ("country", "Atlantis", None, "NULL"),
        ("country", "Germany", "DE", "guessed"),
        ("language", "klingon", "en", "language"),
        ("gender", "female", "F", "gender"),
        ("dob", "12/24/1990", "1990-01-02", "dob"),
        ("time_zone", "Mars/Olympus", "Europe/Lisbon", "time zone"),
        ("first_name", "x" * 256, "Ines", "255"),
        ("phone", "(555) 010-0123", "+15550100123", "E.164"),
    ],
)
def test_standard_fields_that_are_lost_or_changed(  # noqa: PLR0917 - one parameter per column of the table
    sandbox: Sandbox, client: Client, field: str, value: str, kept: str | None, says: str
) -> None:
    good = user(country="PT", language="en", gender="F", dob="1990-01-02", first_name="Ines", phone="+351910000000")
    client.track(attributes=[good | {"time_zone": "Europe/Lisbon"}])
    assert sandbox.violations == []
    client.track(attributes=[user(**{field: value})])
    assert stored(sandbox).attributes.get(field) == kept
    assert says in reasons(sandbox)[0]


def test_names_in_the_wrong_case_or_with_spaces(sandbox: Sandbox, client: Client) -> None:
    client.track(attributes=[user(First_Name="Ines", **{" plan ": "plus"})])
    assert stored(sandbox).custom_attributes == {"First_Name": "Ines", "plan": "plus"}
    assert len(sandbox.violations) == 2


def test_events_of_the_future_happen_now(sandbox: Sandbox, client: Client) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    client.track(events=[event(time=tomorrow.isoformat())])
    assert stored(sandbox).events[0]["time"] < tomorrow - timedelta(hours=23)
    assert "future" in reasons(sandbox)[0]


def test_properties_that_are_not_stored(sandbox: Sandbox, client: Client) -> None:
    client.track(events=[event(properties={"a": None, "$b": 1, "c": "x" * 256, "d": 1}, extra=1)])
    assert stored(sandbox).events[0]["properties"] == {"d": 1}
    assert len(sandbox.violations) == 4


def test_aliases_make_users_only_when_told_to(sandbox: Sandbox, client: Client) -> None:
    for obj in ({"x": 1}, {"x": 1, "_update_existing_only": True}):
        client.track(attributes=[{"user_alias": ALIAS} | obj])
    no_id = {key: value for key, value in event().items() if key != "external_id"}
    client.track(events=[no_id | {"user_alias": ALIAS, "_update_existing_only": False}])
    assert sandbox.profiles() == []
    # An explicit wish to update only is no violation.
    assert len(sandbox.violations) == 2
    client.track(attributes=[{"user_alias": ALIAS, "x": 1, "_update_existing_only": False}])
    client.track(events=[no_id | {"user_alias": ALIAS}])
    profile = sandbox.profile_by(alias=("web", "w-1"))
    assert profile is not None
    assert profile.aliases == {"web": "w-1"}
    assert len(profile.events) == 1


def test_updating_only_makes_nobody(sandbox: Sandbox, client: Client) -> None:
    client.track(attributes=[user(x=1, _update_existing_only=True)], events=[event(_update_existing_only=True)])
    assert sandbox.profiles() == []


def test_matching_by_address(sandbox: Sandbox, client: Client) -> None:
    client.track(attributes=[{"email": "a@b.example", "x": 1}])
    (only,) = sandbox.profiles()
    assert only.external_id is None
    # The primary identifier wins: a second profile is born with the same address.
    client.track(attributes=[user(email="a@b.example")])
    assert len(sandbox.profiles()) == 2
    client.track(attributes=[{"email": "A@B.example", "x": 2}])
    assert stored(sandbox).custom_attributes == {"x": 2}
    assert only.custom_attributes == {"x": 1}
    client.track(attributes=[{"email": "new@b.example", "phone": "+15550100", "y": 1}])
    assert sandbox.profile_by(phone="+15550100") is sandbox.profile_by(email="new@b.example")
    client.track(attributes=[user(email=None)])
    assert sandbox.profile_by(email="a@b.example") is only


def test_subscriptions_reach_everybody_with_the_address(sandbox: Sandbox, client: Client) -> None:
    group = "7c4f0e6b-52f3-4a6e-9a2e-1d5a8c3b0f11"
    client.track(attributes=[{"external_id": name, "email": "a@b.example"} for name in ("a", "b")])
    state = [{"subscription_group_id": group, "subscription_state": "subscribed"}]
    client.track(attributes=[{"external_id": "a", "subscription_groups": state}])
    assert [p.attributes["subscription_groups"] for p in sandbox.profiles()] == [{group: "subscribed"}] * 2


def test_an_unknown_braze_id_does_nothing(sandbox: Sandbox, client: Client) -> None:
    client.track(attributes=[{"braze_id": "nobody", "x": 1}])
    assert sandbox.profiles() == []
    assert len(sandbox.violations) == 1


def test_requests_about_one_user_must_not_overlap(sandbox: Sandbox, client: Client) -> None:
    def both(*bodies: dict[str, Any]) -> None:
        threads = [threading.Thread(target=client.track, kwargs=body) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    client.track(attributes=[user(email="a@b.example")])
    sandbox.fault(path="/users/track", do="latency", latency_ms=150)
    both({"attributes": [user(x=1)]}, {"attributes": [{"external_id": "c-2", "x": 1}]})
    assert sandbox.violations == []
    both({"attributes": [user(x=1)]}, {"events": [{**event(), "external_id": None, "email": "a@b.example"}]})
    (violation,) = sandbox.violations
    assert "overlap" in violation["reason"]


def test_names_that_were_tracked_can_be_listed(sandbox: Sandbox, client: Client) -> None:
    client.track(events=[event(name="brand new")], purchases=[purchase()])
    assert "brand new" in client.get("/events/list").json()["events"]
    assert "tea" in client.get("/purchases/product_list").json()["products"]
    assert sandbox.requests[0].body["events"][0]["name"] == "brand new"
