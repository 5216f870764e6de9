"""What a stream becomes in Braze, by its mapping and without one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import (
    ANY_OBJECT,
    BOOLEAN,
    INTEGER,
    NUMBER,
    TEXT,
    TIME,
    Stream,
    customers,
    reasons,
    sent,
    the,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Profile, Sandbox

    from tests.target.support.singer import Run

NOON = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)
EVENT = {"external_id": "c-1", "name": "visit", "time": "2026-03-04T12:00:00Z"}
EVENTS = {"external_id": TEXT, "name": TEXT, "time": TIME}
PURCHASE = {
    "external_id": "c-1",
    "product_id": "tea",
    "price": 10.5,
    "currency": "EUR",
    "time": "2026-03-04T12:00:00Z",
}
PURCHASES = {"external_id": TEXT, "product_id": TEXT, "price": NUMBER, "currency": TEXT, "time": TIME}


def events(*records: dict[str, Any], **columns: dict[str, Any]) -> Stream:
    return Stream("events", {**EVENTS, **columns}, list(records))


def purchases(*records: dict[str, Any], **columns: dict[str, Any]) -> Stream:
    return Stream("purchases", {**PURCHASES, **columns}, list(records))


def test_the_mapping_of_the_documentation_does_what_it_says(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(
        Stream(
            "customers",
            {
                "customer_id": TEXT,
                "anonymous_id": TEXT,
                "email": TEXT,
                "first_name": TEXT,
                "plan_name": TEXT,
                "ssn": TEXT,
            },
            [
                {"customer_id": "c-1", "email": "a@example.com", "first_name": "Ana", "plan_name": "gold", "ssn": "1"},
                {"customer_id": None, "anonymous_id": "w-1", "first_name": "Bo", "plan_name": "blue"},
            ],
        ),
        Stream(
            "web_events",
            {"user_id": TEXT, "event_type": TEXT, "occurred_at": TIME, "url": TEXT, "utm_source": TEXT, "ip": TEXT},
            [
                {
                    "user_id": "c-1",
                    "event_type": "visit",
                    "occurred_at": "2026-03-04T12:00:00Z",
                    "url": "/",
                    "utm_source": "mail",
                    "ip": "::1",
                }
            ],
        ),
        Stream(
            "order_lines",
            {
                "customer_id": TEXT,
                "sku": TEXT,
                "unit_price": NUMBER,
                "currency": TEXT,
                "qty": INTEGER,
                "ordered_at": TIME,
                "coupon": TEXT,
            },
            [
                {
                    "customer_id": "c-1",
                    "sku": "tea",
                    "unit_price": "10.50",
                    "currency": "eur",
                    "qty": 2,
                    "ordered_at": "2026-03-04T12:00:00Z",
                    "coupon": "X",
                }
            ],
        ),
        streams={
            "customers": {
                "to": "attributes",
                "user": [
                    {"external_id": "customer_id"},
                    {"user_alias": {"label": "web", "name": "anonymous_id"}},
                    {"email": "email"},
                ],
                "fields": ["email", "first_name", "plan_*"],
                "rename": {"plan_name": "plan"},
            },
            "web_events": {
                "to": "events",
                "user": [{"external_id": "user_id"}],
                "event": {"name_field": "event_type"},
                "time_field": "occurred_at",
                "properties": ["url", "utm_*"],
            },
            "order_*": {
                "to": "purchases",
                "user": [{"external_id": "customer_id"}],
                "purchase": {"product_id": "sku", "price": "unit_price", "quantity": "qty"},
                "time_field": "ordered_at",
            },
        },
    )
    profile = the(sandbox.profile("c-1"))
    assert profile.attributes == {"email": "a@example.com", "first_name": "Ana"}
    assert profile.custom_attributes == {"plan": "gold"}
    assert [(e["name"], e["time"], e["properties"]) for e in profile.events] == [
        ("visit", NOON, {"url": "/", "utm_source": "mail"})
    ]
    (bought,) = profile.purchases
    assert bought["product_id"] == "tea"
    assert bought["price"] == 10.5
    assert bought["currency"] == "EUR"
    assert bought["quantity"] == 2
    assert bought["properties"] == {"coupon": "X"}
    assert the(sandbox.profile_by(alias=("web", "w-1"))).custom_attributes == {"plan": "blue"}
    assert len(sandbox.requests) == 1
    assert not sandbox.violations


def test_streams_named_like_brazes_objects_need_no_mapping(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(
        Stream("attributes", {"external_id": TEXT, "plan": TEXT}, [{"external_id": "c-1", "plan": "gold"}]),
        events(EVENT | {"url": "/"}, url=TEXT),
        purchases(PURCHASE | {"quantity": 2, "coupon": "X"}, quantity=INTEGER, coupon=TEXT),
    )
    profile = the(sandbox.profile("c-1"))
    assert profile.custom_attributes == {"plan": "gold"}
    assert profile.events[0]["properties"] == {"url": "/"}
    assert profile.purchases[0]["quantity"] == 2
    assert profile.purchases[0]["properties"] == {"coupon": "X"}
    assert not sandbox.violations


def test_a_stream_in_the_shape_of_brazes_objects_goes_as_it_is(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    properties = {
        "type": ["object", "null"],
        "properties": {"at": TIME, "price": {"type": "string", "format": "singer.decimal"}},
    }
    record = EVENT | {
        "app_id": "app",
        "properties": {"at": "2026-03-04T12:00:00", "price": "1.5", "none": None, "more": [1]},
    }
    run_target(events(record, app_id=TEXT, properties=properties), time_zone="Europe/Berlin")
    (event,) = sent(sandbox, "events")
    assert event == {
        "external_id": "c-1",
        "name": "visit",
        "time": "2026-03-04T12:00:00+00:00",
        "app_id": "app",
        "properties": {"at": "2026-03-04T12:00:00+01:00", "price": 1.5, "more": [1]},
    }


def test_the_name_of_the_event_may_be_a_literal_and_the_app_a_setting(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    stream = Stream(
        "visits",
        {"external_id": TEXT, "at": TIME, "name": TEXT},
        [{"external_id": "c-1", "at": "2026-03-04", "name": "n"}],
    )
    mapping = {"to": "events", "event": {"name": " visit "}, "time_field": "at"}
    run_target(stream, streams={"visits": mapping}, app_id="app-1")
    (event,) = the(sandbox.profile("c-1")).events
    assert (event["name"], event["app_id"], event["properties"]) == ("visit", "app-1", {"name": "n"})
    assert not sandbox.violations


def test_a_name_beats_a_glob_and_the_first_glob_beats_the_others(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    streams = {
        "a*": {"rename": {"plan": "first"}},
        "ab*": {"rename": {"plan": "second"}},
        "abc": {"rename": {"plan": "exact"}},
    }
    columns = {"external_id": TEXT, "plan": TEXT}
    run_target(
        *(Stream(name, columns, [{"external_id": name, "plan": "x"}]) for name in ("abc", "abd", "z")), streams=streams
    )
    names = {p.external_id: list(p.custom_attributes) for p in sandbox.profiles()}
    assert names == {"abc": ["exact"], "abd": ["first"], "z": ["plan"]}


def test_records_may_lack_columns_and_metadata_columns_are_not_sent(load: Callable[..., Profile]) -> None:
    columns = {"plan": TEXT, "vip": BOOLEAN, "_sdc_extracted_at": TIME}
    assert load(columns, {"plan": "gold", "_sdc_extracted_at": "2026-03-04"}).custom_attributes == {"plan": "gold"}


def test_a_column_that_the_schema_does_not_have_is_not_sent_and_that_is_said(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(customers(*({"external_id": f"c-{n}", "extra": n} for n in range(3))))
    assert not the(sandbox.profile("c-1")).custom_attributes
    first, again = (line for line in run.warnings if "column 'extra' is not in the stream's SCHEMA" in line)
    assert "(3 times)" not in first
    assert "(3 times)" in again


@pytest.mark.parametrize(
    ("columns", "mapping", "text"),
    [
        ({}, {"fields": ["plan"]}, "'fields' names the column 'plan', but the stream has only: external_id"),
        ({}, {"rename": {"plan": "tier"}}, "'rename' names the column 'plan'"),
        ({}, {"types": {"plan": "integer"}}, "'types' names the column 'plan'"),
        ({"plan": TEXT, "plan ": TEXT}, {}, "columns 'plan' and 'plan ' would both be sent as 'plan'"),
        ({"a": TEXT, "b": TEXT}, {"rename": {"a": "b"}}, "columns 'a' and 'b' would both be sent as 'b'"),
        ({"$a": TEXT}, {}, "column '$a': a name may not begin with '$': '$a'; rename it with 'rename' or leave it out"),
        ({" ": TEXT}, {}, "a name may not be blank"),
        ({"x" * 256: TEXT}, {}, "a name may be at most 255 characters long"),
        ({"o": {"type": "object", "properties": {"a b": TEXT}}}, {}, "may not contain a space: 'a b'"),
        *(
            ({name: {}}, {}, f"would be sent as '{name}', which is a control key of Braze")
            for name in (
                "_update_existing_only",
                "_merge_objects",
                "push_token_import",
                "user_alias",
                "email_subscription_info",
            )
        ),
        ({"a": TEXT}, {"rename": {"a": "external_id"}}, "which is a control key of Braze"),
        (
            {},
            {"time_field": "at"},
            "'time_field' does not apply to attributes, which take: allow_deletions, consented_at, fields",
        ),
        ({}, {"to": "events", "fields": ["a"]}, "'fields' does not apply to events"),
        ({}, {"to": "purchases", "event": {"name": "a"}}, "'event' does not apply to purchases"),
        (
            {"time": TIME},
            {"to": "events"},
            "no column for 'name', which Braze requires: write streams.s.event.name_field: the_column",
        ),
        ({"time": TIME}, {"to": "events", "event": {"name": "  "}}, "'event.name' must have 1 to 255 characters"),
        ({"name": TEXT}, {"to": "events"}, "no column for the time: write streams.s.time_field: the_column"),
        ({"name": TEXT}, {"to": "events", "time_field": "at"}, "'time_field' names the column 'at'"),
        (EVENTS, {"to": "events", "properties": ["url"]}, "'properties' names the column 'url'"),
        (
            EVENTS | {"a": TEXT},
            {"to": "events", "rename": {"a": "time"}},
            "which Braze reserves in the properties of events",
        ),
        (EVENTS | {"event_name": TEXT}, {"to": "events"}, "Braze reserves in the properties of events"),
        (PURCHASES | {"event_name": TEXT}, {"to": "purchases"}, "Braze reserves in the properties of purchases"),
        (PURCHASES, {"to": "purchases", "purchase": {"price": "cost"}}, "'purchase.price' names the column 'cost'"),
        ({"time": TIME}, {"to": "purchases"}, "no column for 'product_id', which Braze requires"),
    ],
)
def test_a_mapping_that_does_not_fit_stops_before_the_first_record_and_says_what_is_wrong(
    columns: dict[str, Any], mapping: dict[str, Any], text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    stream = Stream("s", {"external_id": TEXT, **columns}, [{"external_id": "c-1"}])
    run = run_target(stream, streams={"s": mapping}, expect=1)
    (error,) = run.errors
    assert error.startswith("stream 's': ")
    assert text in error
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        ({"user": [{"external_id": "a", "email": "b"}]}, "['user'][0]"),
        ({"user": [{"user_alias": {"name": "a"}}]}, "['user_alias']"),
        ({"user": [{"user_alias": {"name": "a", "label": "b", "label_field": "c"}}]}, "['user_alias']"),
        ({"user": []}, "['user']"),
        ({"to": "catalog"}, "['to']"),
        ({"usr": []}, "setting 'streams.customers.usr' does not exist; did you mean 'user'?"),
        ({"event": {"name": "a", "name_field": "b"}}, "['event']"),
        ({"types": {"a": "money"}}, "['types']['a']"),
    ],
)
def test_a_mapping_of_a_wrong_form_is_refused_with_its_place_in_the_settings(
    mapping: dict[str, Any], text: str, run_target: Callable[..., Run]
) -> None:
    run = run_target(customers(), streams={"customers": mapping}, expect=1)
    assert any(text in line for line in run.errors)


def test_a_glob_chooses_no_column_that_has_another_part(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    everything = {"fields": ["*"], "operators": {"visits": "inc"}, "flatten": ["more"]}
    people = customers(
        {"external_id": "c-1", "email": "a@example.com", "visits": 1, "more": {"a": 1}, "plan": "gold"},
        email=TEXT,
        visits=INTEGER,
        more=ANY_OBJECT,
        plan=TEXT,
    )
    visit = Stream("events", {**EVENTS, "page": TEXT}, [EVENT | {"page": "/"}])
    columns = {**EVENTS, "product_id": TEXT, "price": NUMBER, "currency": TEXT, "app_id": TEXT, "page": TEXT}
    bought = Stream("purchases", columns, [PURCHASE | {"app_id": "app-1", "page": "/"}])
    properties = {"properties": ["*"], "user": [{"external_id": "external_id"}]}
    run_target(people, visit, bought, streams={"customers": everything, "[ep]*": properties})
    assert sent(sandbox)[0].items() >= {"email": "a@example.com", "visits": {"inc": 1}, "a": 1, "plan": "gold"}.items()
    assert [event["properties"] for event in sent(sandbox, "events")] == [{"page": "/"}]
    assert [one["properties"] for one in sent(sandbox, "purchases")] == [{"page": "/"}]
    named = {"fields": ["external_id"]}
    assert "is a control key of Braze" in run_target(people, streams={"customers": named}, expect=1).errors[0]


def test_a_glob_that_fits_no_column_is_noted(run_target: Callable[..., Run]) -> None:
    run = run_target(customers({"external_id": "c-1"}), streams={"customers": {"fields": ["plan_*"]}})
    assert "stream 'customers': 'fields' has the glob 'plan_*', but no column matches it" in run.warnings


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"time": None}, "column 'time' is blank, but Braze requires 'time'"),
        ({"time": "soon"}, "column 'time': expected a date-time"),
        ({"name": " "}, "column 'name' is blank, but Braze requires 'name'"),
        ({"name": "x" * 256}, "column 'name': an event name may be at most 255 characters long"),
        ({"properties": {"time": 1}}, "column 'properties': property 'time': Braze reserves the name 'time'"),
        (
            {"properties": {"event_name": 1}},
            "column 'properties': property 'event_name': Braze reserves the name 'event_name'",
        ),
        ({"properties": {f"k{n}": "x" * 250 for n in range(400)}}, "Braze takes at most 102,400"),
        ({"a": "x" * 256}, "column 'a': 256 characters long"),
    ],
)
def test_an_event_that_braze_would_refuse_is_reported(
    change: dict[str, Any], text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(events(EVENT | change, properties=ANY_OBJECT, a=TEXT), expect=1)
    assert text in run.errors[0]
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"product_id": "x" * 256}, "column 'product_id': 256 characters long, Braze takes at most 255"),
        ({"product_id": None}, "column 'product_id' is blank"),
        ({"currency": "Euro"}, "column 'currency': expected an ISO 4217 currency code"),
        ({"price": "free"}, "column 'price': expected a number"),
        ({"price": ""}, "column 'price' is blank"),
        ({"quantity": 101}, "column 'quantity': Braze takes a quantity of 1 to 100, got 101"),
        ({"quantity": 0}, "column 'quantity': Braze takes a quantity of 1 to 100, got 0"),
        ({"quantity": 1.5}, "column 'quantity': expected a whole number"),
        ({"properties": {f"k{n}": "x" * 250 for n in range(200)}}, "Braze takes at most 51,200"),
        *(
            ({"properties": {name: 1}}, f"Braze reserves the name '{name}'")
            for name in ("time", "product_id", "quantity", "event_name", "price", "currency")
        ),
    ],
)
def test_a_purchase_that_braze_would_refuse_is_reported(
    change: dict[str, Any], text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(purchases(PURCHASE | change, properties=ANY_OBJECT, quantity={}), expect=1)
    assert text in run.errors[0]
    assert not sandbox.requests


@pytest.mark.parametrize(("quantity", "stored"), [(100, 100), ("2", 2), (3.0, 3), (None, 1), ("", 1)])
def test_a_purchase_has_its_quantity_or_one(
    quantity: object, stored: int, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_target(purchases(PURCHASE | {"quantity": quantity, "price": "-10.5"}, quantity={}))
    (bought,) = the(sandbox.profile("c-1")).purchases
    assert (bought["quantity"], bought["price"]) == (stored, -10.5)
    assert not sandbox.violations


@pytest.mark.parametrize(
    ("quantity", "parts"),
    [(101, [100, 1]), (200, [100, 100]), ("250", [100, 100, 50]), (100, [100]), (7500, [100] * 75)],
)
@pytest.mark.parametrize("more", [{}, {"coupon": "$S"}], ids=["", "with a property"])
def test_a_large_quantity_is_split_into_purchases_with_the_same_total(
    quantity: object, parts: list[int], more: dict[str, Any], run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    stream = purchases(PURCHASE | {"quantity": quantity} | more, quantity={}, coupon=TEXT)
    run_target(stream, large_quantities="split")
    bought = the(sandbox.profile("c-1")).purchases
    assert [one["quantity"] for one in bought] == parts
    assert {(one["price"], one["product_id"], str(one["properties"])) for one in bought} == {(10.5, "tea", str(more))}
    assert not sandbox.violations


def test_a_split_purchase_counts_once_in_a_ledger(
    run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    stream = purchases(PURCHASE | {"quantity": 250}, quantity=INTEGER)
    for _ in range(2):
        run_target(stream, large_quantities="split", ledger_path=str(tmp_path / "ledger"))
    assert [one["quantity"] for one in the(sandbox.profile("c-1")).purchases] == [100, 100, 50]


@pytest.mark.parametrize(
    ("quantity", "settings", "text"),
    [
        (101, {}, "got 101; 'large_quantities: split' sends several purchases"),
        (7501, {"large_quantities": "split"}, "expected a quantity of 1 to 7,500, got 7501"),
        (0, {"large_quantities": "split"}, "expected a quantity of 1 to 7,500, got 0"),
    ],
)
def test_an_impossible_quantity_is_rejected(
    quantity: int, settings: dict[str, str], text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(purchases(PURCHASE | {"quantity": quantity}, quantity=INTEGER), **settings, expect=1)
    assert text in run.errors[0]
    assert not sandbox.requests


def test_a_currency_that_is_none_is_reported_with_brazes_words(run_target: Callable[..., Run]) -> None:
    run = run_target(purchases(PURCHASE | {"currency": "ZZZ"}), expect=1)
    assert "Braze refused it: 'currency' must be an ISO 4217 currency" in run.errors[0]


def test_an_event_in_the_future_is_sent_and_noted(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    soon = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
    run = run_target(events(EVENT | {"time": soon}))
    assert any("column 'time' is in the future" in line for line in run.warnings)
    assert reasons(sandbox) == {"a time in the future is replaced by now": 1}


def test_data_in_place_of_event_names_is_noted(run_target: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_braze.braze.limits.MANY_EVENT_NAMES", 10)
    monkeypatch.setattr("target_braze.braze.limits.MANY_PRODUCTS", 10)
    run = run_target(
        events(*(EVENT | {"name": f"viewed {n}"} for n in range(12))),
        purchases(*(PURCHASE | {"product_id": f"order {n}"} for n in range(12))),
    )
    assert sum("more than 10 distinct event names" in line for line in run.warnings) == 1
    assert sum("more than 10 distinct product ids" in line for line in run.warnings) == 1


def test_null_properties_are_left_out(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(events(EVENT | {"a": None, "b": {"c": None}, "d": ""}, a=TEXT, b={}, d=INTEGER), nulls="unset")
    assert the(sandbox.profile("c-1")).events[0]["properties"] == {"b": {}}
    assert not sandbox.violations


def test_a_schema_that_changes_changes_the_mapping_with_it(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(
        customers({"external_id": "c-1", "plan": "1"}, plan=TEXT),
        customers({"external_id": "c-2", "size": "2"}, size=INTEGER),
    )
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "1"}
    assert the(sandbox.profile("c-2")).custom_attributes == {"size": 2}


def test_a_schema_that_changes_leaves_one_count_of_each_identifier(run_target: Callable[..., Run]) -> None:
    run = run_target(
        customers({"external_id": "c-1"}, email=TEXT),
        customers({"external_id": "c-2"}, {"external_id": "0", "email": "a@example.com"}, email=TEXT, plan=TEXT),
    )
    named = [line.split(": ")[-1] for line in run.stderr.splitlines() if "named the user of" in line]
    assert named == [
        "external_id of column 'external_id' named the user of 2 records, 1 placeholder",
        "email of column 'email' named the user of 1 records",
    ]


def test_stream_maps_come_before_the_mapping(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(
        Stream("people", {"id": TEXT, "plan": TEXT}, [{"id": "1", "plan": "gold"}, {"id": "2", "plan": "blue"}]),
        stream_maps={"people": {"external_id": "'c-' + id", "id": None, "__filter__": "plan == 'gold'"}},
    )
    assert {p.external_id: p.custom_attributes for p in sandbox.profiles()} == {"c-1": {"plan": "gold"}}
