"""Values that Braze would not accept: the record is rejected, or sent without the field if the setting says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.cdp import calls, track
from tests.target.support.singer import ANY_OBJECT, INTEGER, NUMBER, TEXT, TIME, Stream, customers, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

BAD: list[tuple[str, dict[str, Any], object]] = [
    ("renewed_at", TIME, "9999-12-31T00:00:00Z"),
    ("renewed_at", TIME, "9999-12-31"),
    ("renewed_at", TIME, "2016-12-31T23:59:60Z"),
    ("renewed_at", TIME, "infinity"),
    ("dob", TEXT, "9999-12-31"),
    ("country", TEXT, "Atlantis"),
    ("gender", TEXT, "X"),
    ("email", TEXT, "nobody"),
    ("phone", TEXT, "+12025550123.0"),
    ("current_location", ANY_OBJECT, {"longitude": 300, "latitude": 1}),
    ("email_subscribe", TEXT, "perhaps"),
    ("marked_email_as_spam_at", TEXT, "soon"),
    ("visits", INTEGER, "many"),
    ("first_name", TEXT, "x" * 300),
    ("address", ANY_OBJECT, {"a b": 1}),
]


@pytest.mark.parametrize(("column", "schema", "value"), BAD)
def test_a_record_goes_without_a_field_and_keeps_what_braze_has(
    run_target: Callable[..., Run], sandbox: Sandbox, column: str, schema: dict[str, Any], value: object
) -> None:
    stream = customers({"external_id": "c-1", "plan": "gold", column: value}, plan=TEXT, **{column: schema})
    # With `unset`, too: the value is not null.
    run = run_target(stream, on_bad_value="drop_field", nulls="unset")
    assert sent(sandbox) == [{"external_id": "c-1", "plan": "gold"}]
    (warning,) = run.warnings
    assert f"column '{column}' is left out of records" in warning
    assert str(value) not in run.stderr


@pytest.mark.parametrize(("column", "schema", "value"), BAD)
def test_by_default_the_record_is_rejected_and_the_field_named(
    run_target: Callable[..., Run], sandbox: Sandbox, column: str, schema: dict[str, Any], value: object
) -> None:
    run = run_target(customers({"external_id": "c-1", column: value}, **{column: schema}), expect=1)
    assert f"column '{column}': " in run.errors[0]
    assert not sandbox.requests


def test_one_report_stands_for_all_records_and_the_end_counts_them(run_target: Callable[..., Run]) -> None:
    records = [{"external_id": f"c-{n}", "plan": "x" * (300 + n)} for n in range(5)]
    run = run_target(customers(*records, plan=TEXT), on_bad_value="drop_field")
    first, last = run.warnings
    assert first.endswith("too many characters long, Braze keeps at most 255")
    assert last == f"{first} (5 times)"


def test_members_traits_and_properties_stay_out_alone(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    time = "2026-03-04T00:00:00Z"
    event = {"external_id": "c-1", "name": "Visited", "time": time}
    run_target(
        customers({"external_id": "c-1", "all": {"country": "?", "plan": "gold"}}, all=ANY_OBJECT),
        Stream(
            "events",
            {"external_id": TEXT, "name": TEXT, "time": TIME, "depth": INTEGER, "properties": ANY_OBJECT},
            [{**event, "depth": "deep", "properties": {"$ref": 1, "time": 2, "page": 3}}],
        ),
        streams={"customers": {"flatten": ["all"]}},
        on_bad_value="drop_field",
    )
    assert sent(sandbox) == [{"external_id": "c-1", "plan": "gold"}]
    assert sent(sandbox, "events")[0]["properties"] == {"page": 3}


def test_a_call_goes_without_a_trait_or_property(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    identify = {"type": "identify", "userId": "c-1", "traits": {"birthday": "soon", "plan": "gold"}}
    run_calls(calls(identify, track("Read", **{"$a": 1, "depth": 2})), settings={"on_bad_value": "drop_field"})
    assert sent(sandbox) == [{"external_id": "c-1", "plan": "gold"}]
    assert sent(sandbox, "events")[0]["properties"] == {"depth": 2}


@pytest.mark.parametrize("changed", [{"time": "9999-12-31"}, {"price": "?"}, {"external_id": None}, {"currency": "E"}])
def test_what_a_purchase_cannot_lack_rejects_it_all_the_same(
    run_target: Callable[..., Run], sandbox: Sandbox, changed: dict[str, Any]
) -> None:
    columns = {"external_id": TEXT, "product_id": TEXT, "currency": TEXT, "price": NUMBER, "time": TIME}
    record = {"external_id": "c-1", "product_id": "p", "currency": "EUR", "price": 1, "time": "2026-03-04T00:00:00Z"}
    run_target(Stream("purchases", columns, [record | changed]), on_bad_value="drop_field", expect=1)
    assert not sandbox.requests


def test_an_operator_rejects_it_too_for_nothing_would_make_up_for_the_change(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    stream = customers({"external_id": "c-1", "visits": "many"}, visits=TEXT)
    run_target(stream, streams={"customers": {"operators": {"visits": "inc"}}}, on_bad_value="drop_field", expect=1)
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("es-419", "es"),
        ("zh-Hans-CN", "zh"),
        ("sr-Latn-RS", "sr"),
        ("en_US.UTF-8", "en"),
        ("de_DE@euro", "de"),
        ("PT-br", "pt"),
        ("ca-ES-valencia", "ca"),
        ("en-u-ca-gregory", "en"),
        (" de ", "de"),
        ("gsw", "gsw"),
    ],
)
def test_a_language_tag_is_its_language(
    run_target: Callable[..., Run], sandbox: Sandbox, tag: str, language: str
) -> None:
    run = run_target(customers({"external_id": "c-1", "language": tag}, language=TEXT))
    assert sent(sandbox) == [{"external_id": "c-1", "language": language}]
    assert not run.warnings


@pytest.mark.parametrize("tag", ["English", "!", "C", "zh-yue", "i-klingon", "en US"])
def test_what_is_no_language_tag_is_passed_on_and_reported(
    run_target: Callable[..., Run], sandbox: Sandbox, tag: str
) -> None:
    run = run_target(customers({"external_id": "c-1", "language": tag, "plan": "gold"}, language=TEXT, plan=TEXT))
    assert sent(sandbox)[0]["language"] == tag
    assert the(sandbox.profile("c-1")).custom_attributes == {"plan": "gold"}
    assert "column 'language' holds text that is not a language tag" in run.warnings[0]
