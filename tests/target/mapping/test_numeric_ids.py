"""Ids that are numbers: each is sent with all its digits and in one spelling, or its record is reported."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.encode import decode
from target_braze.mapping.values.scalars import to_id, to_integer, to_numeric_id

from tests.target.support.singer import INTEGER, NUMBER, TEXT, TIME, Stream, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

DECIMAL = {"type": ["string", "null"], "format": "singer.decimal"}
WRITTEN = ["12345678901234567", "12345678901234567.0", "1.2345678901234567e16", "12345678901234567000e-3"]


def record(stream: str, written: str, **columns: Any) -> bytes:
    """A record whose column `id` has a number as it stands, which Python's json would rewrite."""
    text = json.dumps({"type": "RECORD", "stream": stream, "record": {**columns, "id": "?"}})
    return text.replace('"?"', written).encode()


@pytest.mark.parametrize("kind", ["external_id", "braze_id"])
@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("schema", [INTEGER, NUMBER, TEXT, {}])
def test_a_long_number_is_one_user_in_each_notation(
    run_target: Callable[..., Run], sandbox: Sandbox, kind: str, written: str, schema: dict[str, Any]
) -> None:
    stream = Stream("people", {"id": schema, "plan": TEXT})
    run_target(stream, record("people", written, plan="gold"), streams={"people": {"user": [{kind: "id"}]}})
    (person,) = sent(sandbox)
    assert person == {kind: "12345678901234567", "plan": "gold"}


def test_a_number_is_an_alias_a_product_and_an_item_likewise(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    purchases = Stream(
        "purchases", {"id": NUMBER, "external_id": TEXT, "currency": TEXT, "price": NUMBER, "time": TIME}
    )
    bought = {"external_id": "c-1", "currency": "EUR", "price": 1, "time": "2026-03-04T00:00:00Z"}
    run_target(
        Stream("people", {"id": NUMBER, "plan": TEXT}),
        record("people", WRITTEN[1], plan="gold"),
        purchases,
        record("purchases", WRITTEN[2], **bought),
        Stream("goods", {"id": NUMBER, "name": TEXT}),
        record("goods", WRITTEN[3], name="tea"),
        streams={
            "people": {"user": [{"user_alias": {"name": "id", "label": "crm"}}]},
            "purchases": {"purchase": {"product_id": "id"}},
            "goods": {"to": "catalog_items"},
        },
    )
    assert sent(sandbox)[0]["user_alias"]["alias_name"] == WRITTEN[0]
    assert sent(sandbox, "purchases")[0]["product_id"] == WRITTEN[0]
    assert [item["id"] for item in sent(sandbox, "items") or _items(sandbox)] == [WRITTEN[0]]


def _items(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [item for request in sandbox.requests for item in (request.body or {}).get("items", [])]


def test_an_item_whose_id_is_a_number_stays_when_the_next_version_lists_it(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    stream = Stream("goods", {"id": NUMBER, "name": TEXT})
    activate = {"type": "ACTIVATE_VERSION", "stream": "goods", "version": 1}
    listed = json.dumps({"type": "RECORD", "stream": "goods", "version": 1, "record": {"id": 1001.0, "name": "tea"}})
    run_target(stream, listed.encode(), activate, streams={"goods": {"to": "catalog_items"}})
    deleted = [request for request in sandbox.requests if request.method == "DELETE"]
    assert not deleted


@pytest.mark.parametrize("written", ["1001.5", "12345678901234567.5", "1e400", "1e-3", "true", "[1]"])
def test_what_is_no_id_exactly_is_reported_and_never_rounded(
    run_target: Callable[..., Run], sandbox: Sandbox, written: str
) -> None:
    mapping = {"people": {"user": [{"external_id": "id"}]}}
    run = run_target(Stream("people", {"id": {}, "plan": TEXT}), record("people", written), streams=mapping, expect=1)
    assert "column 'id': expected text or a whole number" in run.errors[0]
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("schema", "given_id", "user"),
    [
        (DECIMAL, "12345678901234567.00", "12345678901234567"),
        (NUMBER, "1001.0", "1001"),
        (DECIMAL, "007", "007"),
        (TEXT, "1001.0", "1001.0"),
        (TEXT, " 1e3 ", "1e3"),
    ],
)
def test_text_is_a_number_only_where_the_schema_says_so(
    run_target: Callable[..., Run], sandbox: Sandbox, schema: dict[str, Any], given_id: str, user: str
) -> None:
    stream = Stream("people", {"external_id": schema, "plan": TEXT}, [{"external_id": given_id, "plan": "gold"}])
    run_target(stream)
    assert the(sandbox.profile(user)).custom_attributes == {"plan": "gold"}


@given(
    number=st.integers(-(10**60), 10**60),
    notation=st.sampled_from(["{}", "{}.0", "{}.000", "{}e0", "{}E+0", "{}00e-2", "{}.0e0"]),
)
def test_any_whole_number_in_any_notation_has_one_id(number: int, notation: str) -> None:
    written = notation.format(number)
    expected = str(number)
    assert to_id(decode(written.encode())) == expected
    assert to_numeric_id(written) == expected
    assert to_integer(decode(written.encode())) == number


@given(whole=st.integers(-(10**30), 10**30), fraction=st.from_regex(r"[0-9]{0,20}[1-9]", fullmatch=True))
def test_no_fraction_has_one(whole: int, fraction: str) -> None:
    written = f"{whole}.{fraction}"
    for value in (Decimal(written), decode(written.encode())):
        # A float may have rounded it to a whole number, which `decode` does to none.
        with pytest.raises(ValueError, match="whole number"):
            to_id(value)


@pytest.mark.parametrize("value", [Decimal("1e999999999"), Decimal("-1e2000"), float("inf"), float("nan")])
def test_a_number_that_would_fill_the_memory_is_no_id(value: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        to_id(value)
