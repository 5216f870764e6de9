"""Ecommerce events of a customer-data platform: purchases, or the events that Braze recommends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.cdp import calls, track
from tests.target.support.singer import NUMBER, TEXT, TIME, Stream, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

TEA = {"product_id": "tea-9", "sku": "T9", "name": "Green tea", "price": 10.5, "quantity": 3, "variant": "250g"}
CUP = {"product_id": "cup-1", "sku": "C1", "name": "Cup", "price": "4.00", "brand": "Loam"}
ORDER: dict[str, Any] = {
    "order_id": "A-17",
    "total": 38.9,
    "revenue": 35.5,
    "shipping": 3.4,
    "coupon": "SPRING",
    "currency": "eur",
    "products": [TEA, CUP],
}


@pytest.mark.parametrize("event", ["Order Completed", "Completed Order", "order completed"])
def test_an_order_is_a_purchase_for_each_product(run_calls: Callable[..., Run], sandbox: Sandbox, event: str) -> None:
    run_calls(calls(track(event, **ORDER)), settings={"app_id": "app-1"})
    profile = the(sandbox.profile("c-1"))
    assert not profile.events
    first, second = sent(sandbox, "purchases")
    order = {"order_id": "A-17", "total": 38.9, "revenue": 35.5, "shipping": 3.4, "coupon": "SPRING"}
    assert first == {
        "external_id": "c-1",
        "product_id": "tea-9",
        "price": 10.5,
        "quantity": 3,
        "currency": "EUR",
        "time": "2026-03-04T12:00:00.000+00:00",
        "app_id": "app-1",
        "properties": {**order, "sku": "T9", "name": "Green tea", "variant": "250g"},
    }
    assert (second["product_id"], second["price"], second["quantity"]) == ("cup-1", 4.0, 1)
    assert second["properties"] == {**order, "sku": "C1", "name": "Cup", "brand": "Loam"}
    assert profile.total_revenue == pytest.approx(35.5)
    assert not sandbox.violations


def test_what_an_order_and_its_product_both_say_is_the_product_s_and_the_other_is_named(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    products = [{**TEA, "coupon": "TEA"}, {**TEA, "coupon": None}]
    run = run_calls(calls(track("Order Completed", currency="EUR", coupon="SPRING", products=products)))
    assert [one["properties"]["coupon"] for one in sent(sandbox, "purchases")] == ["TEA", "SPRING"]
    (line,) = (line for line in run.warnings if "whose product has a property of the same name" in line)
    assert "property 'coupon' of an order" in line


def test_a_table_of_orders_holds_its_products_as_text(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = {
        **dict.fromkeys(("id", "user_id", "event", "event_text", "order_id", "currency", "products"), TEXT),
        "total": NUMBER,
        "timestamp": TIME,
    }
    row = {
        "id": "m-1",
        "user_id": "c-1",
        "event": "order_completed",
        "event_text": "Order Completed",
        "order_id": "A-17",
        "total": 38.9,
        "currency": "EUR",
        "products": json.dumps([TEA, CUP]),
        "timestamp": "2026-03-04 12:00:00",
    }
    run_calls(Stream("shop_order_completed", columns, [row]))
    assert [one["product_id"] for one in sent(sandbox, "purchases")] == ["tea-9", "cup-1"]
    run_calls(Stream("shop_order_completed", columns, [row]), orders={"to": "events"})
    (event,) = sent(sandbox, "events")
    assert event["properties"]["products"] == [TEA, CUP]


def test_an_order_without_products_is_one_purchase_or_else_an_event(
    run_calls: Callable[..., Run], sandbox: Sandbox
) -> None:
    outcome = run_calls(
        calls(
            track("Order Completed", currency="EUR", order_id="A-18", **TEA),
            track("Order Completed", currency="EUR", order_id="A-19"),
        )
    )
    (purchase,) = sent(sandbox, "purchases")
    assert purchase["properties"]["order_id"] == "A-18"
    (event,) = sent(sandbox, "events")
    assert event["properties"]["order_id"] == "A-19"
    assert any("names no product" in line for line in outcome.warnings)


def test_orders_become_the_recommended_event(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(calls({**track("Order Completed", **ORDER), "channel": "web"}), orders={"to": "ecommerce"})
    (event,) = sent(sandbox, "events")
    assert event["name"] == "ecommerce.order_placed"
    assert event["properties"] == {
        "order_id": "A-17",
        "total_value": 38.9,
        "shipping": 3.4,
        "currency": "EUR",
        "source": "web",
        "products": [
            {
                "product_id": "tea-9",
                "product_name": "Green tea",
                "variant_id": "250g",
                "price": 10.5,
                "quantity": 3,
                "metadata": {"sku": "T9"},
            },
            {
                "product_id": "cup-1",
                "product_name": "Cup",
                "variant_id": "C1",
                "price": 4,
                "quantity": 1,
                "metadata": {"brand": "Loam"},
            },
        ],
        "metadata": {"revenue": 35.5, "coupon": "SPRING"},
    }
    assert not sandbox.violations


@pytest.mark.parametrize("form", [dict, json.dumps])
def test_metadata_of_the_source_is_merged_with_what_has_no_place_of_its_own(
    run_calls: Callable[..., Run], sandbox: Sandbox, form: Callable[..., object]
) -> None:
    line = {**TEA, "metadata": {"organic": True, "sku": "T9"}}
    order = {**ORDER, "products": [line], "metadata": form({"Order Status": "paid", "coupon": "SPRING"})}
    schema = {"type": "object", "properties": {"metadata": {"type": "object"}}}
    stream = calls(track("Order Completed", **order))
    stream.properties["properties"] = schema
    run_calls(stream, orders={"to": "ecommerce", "source": "shop"})
    (event,) = the(sandbox.profile("c-1")).events
    assert event["properties"]["metadata"] == {"revenue": 35.5, "coupon": "SPRING", "Order Status": "paid"}
    assert event["properties"]["products"][0]["metadata"] == {"organic": True, "sku": "T9"}
    assert not sandbox.violations


@pytest.mark.parametrize(
    ("event", "properties", "expected"),
    [
        ("Product Viewed", {"url": "https://example.com/t", **TEA}, {"product_url": "https://example.com/t"}),
        ("Product Viewed", {"type": "price_drop", **TEA}, {"type": ["price_drop"]}),
        ("Product Added", {"cart_id": "k-1", **TEA}, {"action": "add", "cart_id": "k-1"}),
        ("Product Removed", {"cart_id": "k-1", **TEA}, {"action": "remove"}),
        ("Checkout Started", {"order_id": "A-17", "value": 12, "products": [TEA]}, {"checkout_id": "A-17"}),
        ("Order Refunded", {"order_id": "A-17", "total": 5, "products": [TEA]}, {"total_value": 5}),
        ("Order Cancelled", {**ORDER, "reason": "late"}, {"cancel_reason": "late"}),
    ],
)
def test_its_likes_become_theirs_by_braze_s_schema(
    run_calls: Callable[..., Run], sandbox: Sandbox, event: str, properties: dict[str, Any], expected: dict[str, Any]
) -> None:
    orders = {"to": "ecommerce", "currency": "EUR", "source": "shop"}
    run_calls(calls(track(event, **properties)), orders=orders)
    (found,) = the(sandbox.profile("c-1")).events
    assert found["name"].startswith("ecommerce.")
    assert expected.items() <= found["properties"].items()
    assert (found["properties"]["currency"], found["properties"]["source"]) == ("EUR", "shop")
    assert not sandbox.violations


def test_a_large_quantity_in_an_order_is_split(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    order = ORDER | {"products": [TEA | {"quantity": 201}, CUP]}
    run_calls(calls(track("Order Completed", **order)), settings={"large_quantities": "split"})
    found = [(one["product_id"], one["quantity"], one["price"]) for one in sent(sandbox, "purchases")]
    assert found == [("tea-9", 100, 10.5), ("tea-9", 100, 10.5), ("tea-9", 1, 10.5), ("cup-1", 1, 4.0)]
    assert not sandbox.violations


def test_a_large_quantity_stays_whole_in_the_event_of_an_order(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    order = ORDER | {"products": [TEA | {"quantity": 201}]}
    orders = {"to": "ecommerce", "currency": "EUR", "source": "shop"}
    run_calls(calls(track("Order Completed", **order)), orders=orders, settings={"large_quantities": "split"})
    (event,) = sent(sandbox, "events")
    assert [line["quantity"] for line in event["properties"]["products"]] == [201]


@pytest.mark.parametrize(
    ("case", "changed", "reason"),
    [
        ("purchases: Order Completed", {"currency": None}, "'products[0].currency'"),
        ("purchases: Order Completed", {"products": [{"sku": "s"}]}, "'products[0].price' (from price)"),
        ("purchases: Order Completed", {"products": "tea"}, "property 'products': expected a JSON array"),
        ("purchases: Order Completed", {"products": ["tea"]}, "expected an array of objects"),
        ("purchases: Order Completed", {"products": [{**TEA, "quantity": 250}]}, "1 to 100, got 250"),
        ("ecommerce: Order Completed", {"total": None, "revenue": None}, "'total_value' (from total_value or total"),
        ("ecommerce: Order Completed", {"products": []}, "'products'"),
        ("ecommerce: Order Completed", {"products": [{**TEA, "name": ""}]}, "'products[0].product_name'"),
        (
            "ecommerce: Order Completed",
            {"total": -1},
            "property 'total': recommended events take no negative amounts",
        ),
        ("ecommerce: Product Added", {"products": None, **TEA}, "'cart_id'"),
        ("ecommerce: Order Completed", {"$a": 1}, "property '$a': a name may not begin with '$'"),
        (
            "ecommerce: Order Completed",
            {"metadata": {"coupon": "AUTUMN"}},
            "'coupon' is in 'metadata' and outside of it",
        ),
        ("ecommerce: Order Completed", {"currency": "ÄÖÜ"}, "expected an ISO 4217 currency code"),
        ("ecommerce: Product Viewed", {**TEA, "type": ["sale"]}, "property 'type': Braze knows only price_drop and"),
    ],
)
def test_what_braze_would_refuse_is_reported_with_what_is_lacking(
    run_calls: Callable[..., Run], sandbox: Sandbox, case: str, changed: dict[str, Any], reason: str
) -> None:
    to, _, event = case.partition(": ")
    orders = {"to": to} | ({"source": "shop"} if to == "ecommerce" else {})
    outcome = run_calls(calls(track(event, **ORDER | changed)), orders=orders, expect=1)
    assert reason in outcome.errors[0]
    assert not sandbox.requests


def test_the_source_of_recommended_events_has_to_come_from_somewhere(run_calls: Callable[..., Run]) -> None:
    outcome = run_calls(calls(track("Order Completed", **ORDER)), orders={"to": "ecommerce"}, expect=1)
    assert "'source'" in outcome.errors[0]
    assert "'calls.orders'" in outcome.errors[0]


def test_properties_are_chosen_and_renamed_in_orders_too(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    run_calls(calls(track("Order Completed", **ORDER)), properties=["order_id", "sku"], rename={"sku": "article"})
    first, _ = sent(sandbox, "purchases")
    assert first["properties"] == {"order_id": "A-17", "article": "T9"}
