"""Columns that are spelled almost like Braze's identifiers and fields do not silently become something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from target_braze.mapping.spelling import squashed, unmarked, unmarked_columns

from tests.target.support.singer import ANY_OBJECT, INTEGER, NUMBER, TEXT, TIME, Stream, sent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

BOM = "\ufeff"
LATIN_BOM = "\u00ef\u00bb\u00bf"


def people(*columns: str) -> Stream:
    return Stream(
        "people", dict.fromkeys(columns, TEXT), [dict.fromkeys(columns, "i@example.com") | {columns[0]: "c-1"}]
    )


@pytest.mark.parametrize("mark", [BOM, LATIN_BOM])
@pytest.mark.parametrize("streams", [{}, {"people": {"user": [{"external_id": "external_id"}]}}])
def test_a_byte_order_mark_is_no_part_of_a_name(
    run_target: Callable[..., Run], sandbox: Sandbox, mark: str, streams: dict[str, Any]
) -> None:
    stream = people(mark + "external_id", "email", "plan")
    stream.keys = [mark + "external_id"]
    run_target(stream, streams=streams)
    assert sent(sandbox) == [{"external_id": "c-1", "email": "i@example.com", "plan": "i@example.com"}]


def test_a_dead_letter_of_a_file_with_a_byte_order_mark_can_come_in_again(
    run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "dead"
    stream = Stream("people", {BOM + "external_id": TEXT, "email": TEXT}, [{BOM + "external_id": "c-1", "email": "no"}])
    settings = {"on_error": "dead_letter", "dead_letter_path": str(path)}
    run_target(stream, **settings)
    again = path.read_bytes().replace(b'"no"', b'"i@example.com"')
    run_target(*again.splitlines(), **settings)
    assert sent(sandbox) == [{"external_id": "c-1", "email": "i@example.com"}]


def test_two_names_that_differ_by_a_mark_only_stop(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run = run_target(people(BOM + "external_id", "external_id"), expect=1)
    assert "two columns 'external_id', one with a byte order mark" in run.errors[0]
    assert not sandbox.requests


def test_braze_s_own_headers_name_an_alias(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    record = {"user_alias_name": "a-1", "user_alias_label": "web", "email": "i@example.com"}
    run_target(Stream("people", dict.fromkeys(record, TEXT), [record]))
    assert sent(sandbox) == [
        {
            "user_alias": {"alias_label": "web", "alias_name": "a-1"},
            "_update_existing_only": False,
            "email": "i@example.com",
        }
    ]
    run_target(Stream("names", dict.fromkeys(record, TEXT), [record]), streams={"names": {"to": "aliases"}})
    assert sandbox.requests[-1].body == {"user_aliases": [{"alias_name": "a-1", "alias_label": "web"}]}


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (("External_ID", "email"), "[{external_id: External_ID}, {email: email}]"),
        (("externalId", "email"), "[{external_id: externalId}, {email: email}]"),
        (("EXTERNAL ID", "phone"), "[{external_id: EXTERNAL ID}, {phone: phone}]"),
        (("external-id", "email"), "[{external_id: external-id}, {email: email}]"),
        (("brazeId", "email"), "[{braze_id: brazeId}, {email: email}]"),
        (("external_id", "Email"), "[{external_id: external_id}, {email: Email}]"),
        (("external_id", "E-mail"), "[{external_id: external_id}, {email: E-mail}]"),
        (("Phone",), "[{phone: Phone}]"),
        (
            ("email", "aliasName", "aliasLabel"),
            "[{user_alias: {name: aliasName, label_field: aliasLabel}}, {email: email}]",
        ),
        (("email", "user_alias_name"), "[{user_alias: {name: user_alias_name, label: the_label}}, {email: email}]"),
    ],
)
def test_a_misspelled_identifier_stops_and_the_line_to_write_mends_it(
    run_target: Callable[..., Run], sandbox: Sandbox, columns: tuple[str, ...], line: str
) -> None:
    run = run_target(people(*columns), streams={}, expect=1)
    assert f"Write streams.people.user: {line}" in run.errors[0]
    assert not sandbox.requests
    record = {name: "a-1" if "lias" in name else "c-1" for name in columns}
    record |= {name: "i@example.com" for name in columns if squashed(name) == "email"}
    record |= {name: "+351912345678" for name in columns if squashed(name) == "phone"}
    run_target(
        Stream("people", dict.fromkeys(columns, TEXT), [record]), streams={"people": {"user": yaml.safe_load(line)}}
    )
    assert len(sent(sandbox)) == 1


def test_such_a_column_may_be_data_where_the_mapping_says_so(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    stream = people("externalId", "email")
    run_target(stream, streams={"people": {"rename": {"externalId": "shop_id"}}})
    run_target(stream, streams={"people": {"user": [{"email": "email"}]}})
    address = {"email": "i@example.com"}
    assert sent(sandbox) == [{**address, "shop_id": "c-1"}, {**address, "externalId": "c-1"}]


@pytest.mark.parametrize(
    ("to", "extra"), [("events", "name"), ("subscriptions", "subscription_group_id"), ("deletions", "x")]
)
def test_other_kinds_stop_where_it_would_go_before_what_identifies(
    run_target: Callable[..., Run], sandbox: Sandbox, to: str, extra: str
) -> None:
    columns = {"externalId": TEXT, "email": TEXT, extra: TEXT, "time": TIME, "subscription_state": TEXT}
    entry: dict[str, Any] = {"to": to} | ({"allow_deletions": True} if to == "deletions" else {})
    run = run_target(Stream("s", columns), streams={"s": entry}, expect=1)
    assert "Write streams.s.user: [{external_id: externalId}" in run.errors[0]
    assert not sandbox.requests


def test_a_property_may_be_spelled_as_it_likes(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = {"external_id": TEXT, "name": TEXT, "time": TIME, "Email": TEXT}
    record = {"external_id": "c-1", "name": "a", "time": "2026-03-04T12:00:00Z", "Email": "x"}
    run_target(Stream("events", columns, [record]))
    assert sent(sandbox, "events")[0]["properties"] == {"Email": "x"}


def test_a_call_s_user_id_is_not_overlooked(run_target: Callable[..., Run]) -> None:
    columns = {"UserID": TEXT, "anonymousId": TEXT, "type": TEXT, "traits": ANY_OBJECT}
    run = run_target(Stream("calls", columns), streams={"calls": {"to": "calls"}}, expect=1)
    assert "Write streams.calls.user: [{external_id: UserID}" in run.errors[0]


PURCHASE = {"external_id": TEXT, "product_id": TEXT, "price": NUMBER, "currency": TEXT, "time": TIME}


@pytest.mark.parametrize(
    ("missing", "given", "line"),
    [
        ("product_id", "productId", "purchase.product_id: productId"),
        ("price", "Price", "purchase.price: Price"),
        ("time", "Time", "time_field: Time"),
        ("", "Quantity", "purchase.quantity: Quantity"),
    ],
)
def test_misspelled_parts_of_a_purchase_stop(
    run_target: Callable[..., Run], missing: str, given: str, line: str
) -> None:
    columns = {name: schema for name, schema in PURCHASE.items() if name != missing} | {given: INTEGER}
    run = run_target(Stream("purchases", columns), expect=1)
    assert f"rite streams.purchases.{line}" in run.errors[0]


def test_a_misspelled_app_id_is_reported(run_target: Callable[..., Run]) -> None:
    run = run_target(Stream("purchases", PURCHASE | {"appId": TEXT}))
    assert any("column 'appId' becomes a property" in line for line in run.warnings)


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("firstName", "first_name"),
        ("First_Name", "first_name"),
        ("homeCity", "home_city"),
        ("TimeZone", "time_zone"),
        ("phoneNumber", "phone"),
        ("email_address", "email"),
        ("Date of birth", "dob"),
    ],
)
def test_a_misspelled_field_of_braze_s_is_reported(run_target: Callable[..., Run], column: str, field: str) -> None:
    run = run_target(Stream("people", {"external_id": TEXT, column: TEXT}))
    assert any(f"streams.people.rename: {{{column}: {field}}}" in line for line in run.warnings)
    run = run_target(Stream("people", {"external_id": TEXT, column: TEXT, field: TEXT}))
    assert not any(".rename:" in line for line in run.warnings)


TEXTS = st.text("abcXYZ_- ", min_size=1, max_size=8)


@given(name=TEXTS, marks=st.sampled_from(["", BOM, LATIN_BOM]))
def test_spelling_is_case_separators_and_marks(name: str, marks: str) -> None:
    assert squashed(marks + name.upper().replace("_", "-")) == squashed(name)
    assert unmarked(marks + name) == name


@given(names=st.lists(st.tuples(st.sampled_from(["", BOM, LATIN_BOM]), TEXTS).map("".join), unique=True))
def test_names_stay_distinct_without_their_marks(names: list[str]) -> None:
    renamed = unmarked_columns(names)
    assert len({renamed.get(name, name) for name in names}) == len(names)
