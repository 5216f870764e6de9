"""Whatever calls hold: what the target makes of them Braze takes, and each trait is stored or its call reported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from braze_sandbox.testing import Sandbox
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.braze.client import Client
from target_braze.mapping import compile_mapping
from target_braze.mapping.base.stream_mapping import Defaults
from target_braze.records import RecordError

from tests.target.mapping.test_properties import VALUES
from tests.target.support.cdp import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = st.one_of(
    st.text("abcXYZ_äß09", min_size=1, max_size=6),
    st.text("abc .$", min_size=1, max_size=3),
    st.sampled_from(["firstName", "email", "gender", "birthday", "address", "phone", "time", "id", "external_id"]),
)
PLAIN = st.one_of(st.integers(-9, 9), st.booleans(), st.text("abc ", max_size=5), st.lists(st.text("ab"), max_size=2))
SOME = st.one_of(PLAIN, PLAIN, VALUES)
FITTING = st.fixed_dictionaries(
    {},
    optional={
        "firstName": st.text("abc", max_size=4),
        "email": st.sampled_from(["i@example.com", "", None]),
        "gender": st.sampled_from(["female", "M", "x"]),
        "birthday": st.sampled_from(["1990-05-14", "1990-05-14T00:00:00Z", ""]),
        "address": st.fixed_dictionaries({}, optional={"city": PLAIN, "country": st.sampled_from(["PT", "Portugal"])}),
        "plan": PLAIN,
    },
)
PARTS = st.one_of(FITTING, st.dictionaries(st.text("abc_", min_size=1, max_size=3), SOME, max_size=3)).flatmap(
    lambda found: st.one_of(st.just(found), st.just(found), st.dictionaries(NAMES, SOME, max_size=3))
)
PRODUCT = st.fixed_dictionaries(
    {"product_id": st.sampled_from(["p-1", "p-2", 7, ""]), "price": st.sampled_from([1, 2, "2.5", -3])},
    optional={"quantity": st.sampled_from([1, "2", 250]), "variant": PLAIN, "x": SOME},
).flatmap(lambda found: st.just({"name": "tea", **found}))
ORDER = st.fixed_dictionaries(
    {
        "order_id": st.sampled_from(["o-1", 5]),
        "currency": st.sampled_from(["EUR", "usd", "EUR", "euro"]),
        "total": st.sampled_from([3, "4", 5, -1]),
        "products": st.one_of(st.lists(PRODUCT, max_size=3), st.lists(PRODUCT, max_size=2).map(json.dumps)),
    },
    optional={"cart_id": PLAIN, "coupon": SOME, "tax": st.sampled_from([1, "x"])},
)
EVENTS = st.sampled_from(["Visited", "Order Completed", "Product Added", "Checkout Started", "Order Refunded", " "])
CALLS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["identify", "identify", "track", "track", "page", "screen", "group", "alias"]),
        "userId": st.sampled_from(["c-1", "c-2", 17, "", None]),
        "anonymousId": st.sampled_from(["a-1", "a-2", None]),
        "previousId": st.sampled_from(["a-1", "c-2", "c-3"]),
        "groupId": st.sampled_from(["g-1", "3b1f6a52-94b6-4c1e-8f0a-2f6f0b7f4c11", 5]),
        "event": EVENTS,
        "timestamp": st.sampled_from(["2026-03-04T12:00:00Z", "2026-03-04 12:00:00", "2026-03-04", "noon"]),
        "properties": st.one_of(PARTS, ORDER),
    },
    optional={
        "name": SOME,
        "traits": PARTS,
        "context": st.one_of(st.fixed_dictionaries({"traits": PARTS}), st.just("{}")),
    },
)


@pytest.fixture(scope="module")
def braze() -> Iterator[tuple[Sandbox, Client]]:
    with Sandbox(seed="empty") as sandbox:
        yield sandbox, Client(sandbox.url, sandbox.api_key)


@settings(max_examples=150)
@given(
    call=CALLS,
    to=st.sampled_from(["purchases", "ecommerce", "events"]),
    state=st.booleans(),
    unset=st.booleans(),
)
def test_a_call_is_taken_or_reported(
    braze: tuple[Sandbox, Client],
    call: dict[str, Any],
    to: str,
    state: bool,  # noqa: FBT001
    unset: bool,  # noqa: FBT001
) -> None:
    sandbox, client = braze
    sandbox.reset()
    given: dict[str, Any] = {"orders": {"to": to, "source": "shop"}}
    if state:
        given["group"] = {"subscription_state": "state"}
    defaults = Defaults(app_id=None, unset_nulls=unset, update_existing_only=False, zone=ZoneInfo("UTC"))
    entry = {"to": "calls", "calls": given}
    mapping = compile_mapping("s", {"properties": COLUMNS}, entry, defaults, lambda _text: None)
    try:
        changes = mapping.changes(call)
    except RecordError:
        return
    for change in changes:
        body = change.endpoint.body([change], [json.dumps(change.fields, allow_nan=False, default=float).encode()])
        answer = client.request("POST", change.endpoint.path, body=body).json()
        assert "errors" not in answer, change
    for violation in sandbox.violations:
        assert not any(word in violation["reason"] for word in ("discards", "nested key", "not stored", "loses")), (
            violation
        )
    if call["type"] == "identify":
        traits = {
            **(call["context"]["traits"] if isinstance(call.get("context"), dict) else {}),
            **call.get("traits", {}),
        }
        filled = {name for name, value in traits.items() if value is not None and not _is_blank(value)}
        stored = {name for change in changes if change.payload_key == "attributes" for name in change.fields}
        renamed = {"firstName": "first_name", "birthday": "dob"}
        assert {renamed.get(name, name).strip() for name in filled} <= stored


def _is_blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip()
