"""What becomes of values: each rule of Braze's documentation that costs data when it is broken."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.encode import encode
from target_braze.mapping.values import times
from target_braze.mapping.values.nested import Place, compile_value
from target_braze.mapping.values.times import to_date, to_moment

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

DATE = {"type": ["string", "null"], "format": "date"}
BERLIN = ZoneInfo("Europe/Berlin")
MOMENT = datetime(2026, 3, 4, 8, 10, 11, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("schema", "value", "stored"),
    [
        (TEXT, "blue", "blue"),
        (TEXT, "", ""),
        (TEXT, 17, "17"),
        (TEXT, True, "true"),
        (INTEGER, 17, 17),
        (INTEGER, "17", 17),
        (INTEGER, 17.0, 17),
        (INTEGER, 2**70, 2**70),
        (NUMBER, "1.50", 1.5),
        (NUMBER, 3, 3),
        ({"type": ["string", "null"], "format": "singer.decimal"}, "12.30", 12.3),
        ({"type": ["string", "null"], "x-singer.decimal": True}, "12.30", 12.3),
        (BOOLEAN, True, True),
        (BOOLEAN, "f", False),
        (BOOLEAN, 1, True),
        ({"type": ["integer", "string"]}, 17, "17"),
        ({"type": ["integer", "number"]}, 17, 17),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "17", 17),
        ({}, {"a": 1}, {"a": 1}),
        (True, 17, 17),
        ({"type": "array", "items": {"type": "integer"}}, ["1", 2], [1, 2]),
        ({"type": "array"}, "[1, 2]", [1, 2]),
        ({"type": "array", "items": {"type": "string"}}, ["a", None, "b"], ["a", "b"]),
        (ANY_OBJECT, '{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        ({"type": ["object", "array", "null"]}, [1], [1]),
        ({"type": ["object", "array", "null"]}, {"a": 1}, {"a": 1}),
        (TIME, "2026-03-04T08:10:11Z", MOMENT),
        (TIME, "2026-03-04 09:10:11.000+01:00", MOMENT),
        (TIME, "2026-03-04T03:10:11-0500", MOMENT),
        (TIME, "2026-03-04T08:10:11.000000000+00", MOMENT),
        (TIME, "2026-03-04 08:10:11 UTC", MOMENT),
        (DATE, "2026-03-04", datetime(2026, 3, 4, tzinfo=timezone.utc)),
        (DATE, "2026-03-04T00:00:00Z", datetime(2026, 3, 4, tzinfo=timezone.utc)),
    ],
)
def test_a_value_has_the_type_of_its_column(
    schema: Any, value: object, stored: object, load: Callable[..., Profile], sandbox: Sandbox
) -> None:
    profile = load({"it": schema}, {"it": value})
    assert profile.custom_attributes == {"it": stored}
    assert not sandbox.violations


@pytest.mark.parametrize(
    ("schema", "value", "reason"),
    [
        (INTEGER, "17.5", "expected a whole number, got '17.5'"),
        (INTEGER, True, "expected a whole number, got True"),
        (INTEGER, "1_000", "expected a whole number, got '1_000'"),
        (NUMBER, "NaN", "expected a number, got 'NaN'"),
        (NUMBER, "Infinity", "expected a number, got 'Infinity'"),
        (NUMBER, "1e999", "expected a number"),
        (NUMBER, "9" * 5000, "expected a number"),
        (NUMBER, "twelve", "expected a number, got 'twelve'"),
        (BOOLEAN, "maybe", "expected true or false, got 'maybe'"),
        (BOOLEAN, 2, "expected true or false, got 2"),
        (TEXT, {"a": 1}, "expected text, got {'a': 1}"),
        (TEXT, "x" * 256, "256 characters long, Braze keeps at most 255"),
        (TIME, "04.03.2026", "expected a date-time such as 2026-03-04T09:10:11Z, got '04.03.2026'"),
        (TIME, "2026-02-30T00:00:00Z", "expected a date-time"),
        (TIME, "20260304", "expected a date-time"),
        (TIME, 1_772_000_000, "expected a date-time, got 1772000000"),
        (TIME, "9999-12-31T00:00:00Z", "Braze keeps no time after the year 3000"),
        (DATE, "9999-12-31", "Braze keeps no time after the year 3000"),
        (DATE, "2026-W10-3", "expected a date such as 2026-03-04"),
        (DATE, "2026-03-04T12:00:00Z", "expected a date such as 2026-03-04"),
        (ANY_OBJECT, "[1]", "expected an object, got [1]"),
        (ANY_OBJECT, "{", "expected a JSON object, got '{'"),
        (ANY_OBJECT, {"a": {"b c": 1}}, "the name of a key inside an object may not contain a space: 'b c'"),
        (ANY_OBJECT, {"a": {"b.c": 1}}, "a key inside an object may not contain '.' or '$': 'b.c'"),
        (ANY_OBJECT, {"$a": 1}, "a name may not begin with '$': '$a'"),
        (ANY_OBJECT, {"a": "x" * 256}, "256 characters long"),
        (ANY_OBJECT, {"inc": 1}, "as an operator, not as data"),
        (ANY_OBJECT, {"add": ["a"]}, "as an operator, not as data"),
        ({"type": "array"}, [[1], [2]], "arrays of objects; this one is neither"),
        ({"type": "array"}, [1, {"a": 1}], "arrays of objects; this one is neither"),
        ({"type": "array"}, "{}", "expected an array, got {}"),
        ({"type": "array"}, list(range(501)), "501 elements, Braze keeps 500 and drops the oldest"),
        ({"type": "array", "items": {"type": "integer"}}, ["a"], "expected a whole number, got 'a'"),
        (
            {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}},
            {"at": "soon"},
            "at 'at': expected a date-time",
        ),
        ({"type": ["object", "array"]}, "a", "expected array or object, got 'a'"),
    ],
)
def test_a_value_that_braze_would_refuse_or_drop_stops_the_run_and_names_record_and_column(
    schema: Any, value: object, reason: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(customers({"external_id": "c-1", "it": value}, it=schema), expect=1)
    (error,) = run.errors
    assert error.startswith("stream 'customers', record 1 (external_id=c-1): column 'it': ")
    assert reason in error
    assert not sandbox.requests


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("mapping", "column", "schema", "text"),
    [
        ({}, "it", {"type": "array"}, "["),
        ({}, "it", {"type": "array"}, DEEP),
        ({}, "it", {"type": "array"}, "[" * 200 + "]" * 200),
        ({}, "it", ANY_OBJECT, '{"a": ' * 200 + "1" + "}" * 200),
        ({}, "push_tokens", {}, DEEP),
        ({"flatten": ["it"]}, "it", ANY_OBJECT, DEEP),
        ({"to": "catalog_items"}, "it", {"type": "array"}, DEEP),
        ({"to": "catalog_items"}, "it", ANY_OBJECT, DEEP),
    ],
)
def test_json_text_that_cannot_be_read_costs_one_record(
    mapping: dict[str, Any], column: str, schema: Any, text: str, *, run_target: Callable[..., Run], tmp_path: Path
) -> None:
    key = "id" if "to" in mapping else "external_id"
    records: list[dict[str, Any]] = [{key: "c-1", column: text}, {key: "c-2", column: None}]
    run = run_target(
        Stream("customers", {key: TEXT, column: schema}, records),
        streams={"customers": mapping},
        on_error="dead_letter",
        dead_letter_path=str(tmp_path / "rejected.jsonl"),
    )
    assert (run.summary["total"]["read"], run.summary["total"]["rejected"]) == (2, 1)


def test_json_text_keeps_all_digits_of_its_numbers() -> None:
    convert = compile_value(ANY_OBJECT, Place(BERLIN, typed_nested_times=True))
    assert encode(convert('{"exact": 12345678901234567.25}')) == b'{"exact":12345678901234567.25}'


def test_an_object_over_100_kb_is_reported_and_one_just_below_is_stored(
    load: Callable[..., Profile], run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    def of(size: int) -> dict[str, str]:
        value: dict[str, str] = {}
        while room := size - len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()):
            key = f"k{len(value):04}"
            # Two bytes a character: it is bytes that count.
            value[key] = "é" * 100 if room > 500 else "x" * min(200, room - len(f',"{key}":""'))
        return value

    profile = load({"it": ANY_OBJECT}, {"it": of(102_400)})
    assert len(profile.custom_attributes["it"]["k0000"]) == 100
    run = run_target(customers({"external_id": "c-2", "it": of(102_401)}, it=ANY_OBJECT), expect=1)
    assert "102,401 bytes as JSON, Braze takes at most 102,400" in run.errors[0]
    assert not sandbox.violations


def test_an_array_of_objects_may_have_more_than_500_elements(load: Callable[..., Profile]) -> None:
    profile = load({"it": {"type": "array"}}, {"it": [{"n": number} for number in range(600)]})
    assert len(profile.custom_attributes["it"]) == 600


def test_nulls_inside_objects_are_left_out_because_they_would_discard_the_whole_object(
    load: Callable[..., Profile], sandbox: Sandbox
) -> None:
    value = {"a": None, "b": {"c": None, "d": 1}, "e": [{"f": None, "g": 2}, None]}
    profile = load({"typed": ANY_OBJECT, "free": {}}, {"typed": value, "free": value})
    for column in ("typed", "free"):
        assert profile.custom_attributes[column] == {"b": {"d": 1}, "e": [{"g": 2}]}
    assert not sandbox.violations


@pytest.mark.parametrize("column", [ANY_OBJECT, {"type": "object", "properties": {"a": INTEGER}}, {}])
@pytest.mark.parametrize("value", [{"a": 1, " a ": 2}, {"b": {"a": 1, "a ": 2}}])
def test_two_keys_of_one_name_are_reported_for_only_one_would_stay(
    column: dict[str, Any], value: dict[str, Any], run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(customers({"external_id": "c-1", "o": value}, o=column), expect=1)
    assert "two keys are called 'a' after trimming spaces" in run.errors[0]
    assert not sandbox.requests


def test_a_location_has_numbers_of_any_length_and_lies_on_earth(
    load: Callable[..., Profile], run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    place = {"longitude": "13.404953999999999123456789", "latitude": 52.5}
    found = load({"current_location": ANY_OBJECT}, {"current_location": place}).attributes["current_location"]
    assert found == {"longitude": 13.404953999999999123456789, "latitude": 52.5}
    sandbox.reset()
    line = b'{"type": "RECORD", "stream": "customers", "record": {"external_id": "c-1", "current_location": '
    line += b'{"longitude": 13.404953999999999123456789, "latitude": 52.5}}}'
    run_target(customers(current_location=ANY_OBJECT).schema, line)
    assert the(sandbox.profile("c-1")).attributes["current_location"] == found
    for wrong in ({"longitude": 181, "latitude": 0}, {"longitude": 0, "latitude": "-91"}, {"longitude": 1}, [1, 2]):
        stream = customers({"external_id": "c-1", "current_location": wrong}, current_location={})
        assert "column 'current_location': expected" in run_target(stream, expect=1).errors[0]


def test_times_inside_objects_and_arrays_of_objects_are_times(load: Callable[..., Profile], sandbox: Sandbox) -> None:
    inner = {"type": "object", "properties": {"at": TIME, "day": DATE, "note": TEXT}}
    value = {"at": "2026-03-04T08:10:11Z", "day": "2026-03-04", "note": "2026-03-04T08:10:11Z"}
    profile = load({"one": inner, "all": {"type": "array", "items": inner}}, {"one": value, "all": [value]})
    stored = {"at": MOMENT, "day": datetime(2026, 3, 4, tzinfo=timezone.utc), "note": "2026-03-04T08:10:11Z"}
    assert profile.custom_attributes == {"one": stored, "all": [stored]}
    assert not sandbox.violations


def test_a_time_without_a_zone_is_read_in_the_setting_time_zone(load: Callable[..., Profile], sandbox: Sandbox) -> None:
    profile = load({"it": TIME}, {"it": "2026-03-04T09:10:11"}, time_zone="Europe/Berlin")
    assert profile.custom_attributes["it"] == MOMENT
    assert not sandbox.violations


def test_a_time_older_than_time_zones_has_no_offset_of_seconds(
    load: Callable[..., Profile], run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    columns = {"o": {"type": "object", "properties": {"at": TIME}}, "at": TIME}
    old = "1880-01-01 00:00:00"
    load(columns, {"at": old, "o": {"at": old}}, time_zone="Europe/Berlin")
    (object_sent,) = sent(sandbox)
    assert object_sent["at"] == "1879-12-31T23:06:32+00:00"
    assert object_sent["o"] == {"at": {"$time": object_sent["at"]}}
    assert not sandbox.violations
    first = customers({"external_id": "c-1", "at": "0001-01-01"}, at=TIME)
    run = run_target(first, time_zone="Europe/Berlin", expect=1)
    assert "column 'at': expected a date-time of the year 1 or later, got '0001-01-01'" in run.errors[0]


def test_a_null_leaves_the_attribute_alone_unless_nulls_is_unset(load: Callable[..., Profile]) -> None:
    columns = {"plan": TEXT, "vip": BOOLEAN}
    load(columns, {"plan": "gold", "vip": True})
    assert load(columns, {"plan": None, "vip": None}).custom_attributes == {"plan": "gold", "vip": True}
    assert load(columns, {"vip": None}, nulls="unset").custom_attributes == {"plan": "gold"}
    assert load(columns, {"plan": None, "vip": None}, nulls="unset").custom_attributes == {}


def test_blank_text_in_a_column_of_another_type_counts_as_null(load: Callable[..., Profile]) -> None:
    columns = {
        "points": INTEGER,
        "price": NUMBER,
        "vip": BOOLEAN,
        "at": TIME,
        "tags": {"type": "array"},
        "o": ANY_OBJECT,
    }
    filled = {"points": 1, "price": 1.5, "vip": True, "at": "2026-03-04", "tags": [1], "o": {"a": 1}}
    load(columns, filled)
    blank = dict.fromkeys(columns, " ")
    assert load(columns, blank).custom_attributes.keys() == columns.keys()
    assert load(columns, blank, nulls="unset").custom_attributes == {}


def test_a_null_subscription_state_does_not_cost_the_record(load: Callable[..., Profile], sandbox: Sandbox) -> None:
    columns = {"email_subscribe": TEXT, "plan": TEXT}
    profile = load(columns, {"email_subscribe": None, "plan": "gold"}, nulls="unset")
    assert profile.custom_attributes == {"plan": "gold"}
    assert not sandbox.violations


def test_columns_of_text_are_typed_by_the_mapping(load: Callable[..., Profile], sandbox: Sandbox) -> None:
    profile = load(
        {
            "loyalty_points": TEXT,
            "vip": TEXT,
            "signed_up": TEXT,
            "size": TEXT,
            "zip": INTEGER,
            "tags": TEXT,
            "at": TEXT,
        },
        {
            "loyalty_points": "17",
            "vip": "true",
            "signed_up": "2026-03-04 08:10:11",
            "size": "1.5",
            "zip": 12345,
            "tags": '["a"]',
            "at": "",
        },
        streams={
            "customers": {
                "types": {
                    "loyalty_points": "integer",
                    "vip": "boolean",
                    "signed_up": "date-time",
                    "size": "number",
                    "zip": "string",
                    "tags": "array",
                    "at": "date",
                }
            }
        },
    )
    assert profile.custom_attributes == {
        "loyalty_points": 17,
        "vip": True,
        "signed_up": MOMENT,
        "size": 1.5,
        "zip": "12345",
        "tags": ["a"],
    }
    assert not sandbox.violations


def test_text_that_braze_will_make_a_time_is_noted_once_a_column(run_target: Callable[..., Run]) -> None:
    codes = [{"external_id": f"c-{day}", "code": f"12-{day}-2021", "at": "2026-03-04T00:00:00+00:00"} for day in (1, 2)]
    run = run_target(customers(*codes, code=TEXT, at={"anyOf": [TIME, {"type": "null"}]}))
    noted = [line for line in run.warnings if "converts to a time" in line]
    assert len(noted) == 2
    assert "column 'code'" in noted[0]
    assert noted[1].endswith("(2 times)")


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("country", "de", "DE"),
        ("language", "de", "de"),
        ("gender", "f", "F"),
        ("dob", "1980-12-31", "1980-12-31"),
        ("dob", "1980-12-31T00:00:00", "1980-12-31"),
        ("time_zone", "Europe/Berlin", "Europe/Berlin"),
        ("phone", "+49301234567", "+49301234567"),
        ("email_subscribe", "Opted_In", "opted_in"),
        ("push_subscribe", "unsubscribed", "unsubscribed"),
        ("first_name", "Zoë", "Zoë"),
        ("image_url", "https://example.com/" + "x" * 1000, "https://example.com/" + "x" * 1000),
        ("email_open_tracking_disabled", "true", True),
        ("date_of_first_session", "2026-03-04T08:10:11Z", MOMENT),
        (
            "current_location",
            {"longitude": 13.4, "latitude": 52.5, "altitude": 1},
            {"longitude": 13.4, "latitude": 52.5},
        ),
        ("twitter", {"id": 1, "screen_name": None}, {"id": 1}),
    ],
)
def test_a_standard_field_has_the_form_that_braze_wants(
    field: str, value: object, stored: object, load: Callable[..., Profile], sandbox: Sandbox
) -> None:
    profile = load({field: {}}, {field: value})
    assert profile.attributes == {field: stored}
    assert not profile.custom_attributes
    assert not sandbox.violations


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("country", "Germania"),
        ("gender", "x"),
        ("dob", "31.12.1980"),
        ("email", "nobody"),
        ("phone", "call me"),
        ("email_subscribe", "maybe"),
        ("image_url", "x" * 1025),
        ("current_location", {"longitude": 1}),
        ("email", "a" * 250 + "@example.com"),
        ("first_name", "x" * 256),
        ("marked_email_as_spam_at", "soon"),
        ("facebook", "me"),
    ],
)
def test_a_standard_field_that_braze_could_not_read_is_reported_before_it_erases_what_is_there(
    field: str, value: object, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(customers({"external_id": "c-1", field: value}, **{field: {}}), expect=1)
    assert f"column '{field}': " in run.errors[0]
    assert not sandbox.requests


def test_a_standard_field_in_another_case_is_noted_for_it_becomes_a_custom_attribute(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(customers({"external_id": "c-1", "Country": "DE"}, Country=TEXT))
    assert the(sandbox.profile("c-1")).custom_attributes == {"Country": "DE"}
    assert any("column 'Country' becomes a custom attribute" in line for line in run.warnings)


def test_a_column_keeps_its_type_over_all_records(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    records = [{"external_id": f"c-{n}", "it": value} for n, value in enumerate(["1", 2, "3.5", None, " ", 4.25])]
    run_target(customers(*records, it=NUMBER))
    assert all(type(item["it"]) in (int, float) for item in sent(sandbox) if "it" in item)
    assert not reasons(sandbox)


def test_moments_and_days_survive_the_ends_of_the_calendar() -> None:
    assert to_moment("0001-01-01T00:00:00+05:00", BERLIN).year == 1
    assert to_moment("3000-12-31", BERLIN).tzinfo is BERLIN
    assert to_date("0001-01-01") == "0001-01-01"
    with pytest.raises(ValueError, match="expected a date-time"):
        to_moment("", BERLIN)


def test_event_properties_hold_times_as_text() -> None:
    convert = compile_value({"type": "object", "properties": {"at": TIME}}, Place(BERLIN, typed_nested_times=False))
    assert convert({"at": "2026-03-04T09:10:11"}) == {"at": "2026-03-04T09:10:11+01:00"}


@settings(max_examples=60)
@given(
    schema=st.sampled_from(
        [TIME, DATE, {"type": "string", "format": "epoch-seconds"}, {"type": "array", "items": TIME}]
    ),
    values=st.lists(
        st.sampled_from(["2026-03-04", "2026-03-04 09:10", "1", 1, 1.0, True, "", " ", None, "2026-02-30", [], ["1"]]),
        max_size=12,
    ),
)
def test_a_column_remembers_times_by_their_text_alone(schema: dict[str, Any], values: list[Any]) -> None:
    place = Place(BERLIN, typed_nested_times=True)
    convert = compile_value(schema, place)
    for value in filter(None, values):
        found = [_result(one, value) for one in (convert, compile_value(schema, place))]
        assert found[0] == found[1]


def _result(convert: Callable[[Any], Any], value: object) -> str:
    try:
        return repr(convert(value))
    except ValueError as wrong:
        return str(wrong)


def test_only_so_many_times_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "_REMEMBERED", 2)
    asked: list[str] = []

    def upper(text: str) -> str:
        asked.append(text)
        return text.upper()

    convert = times.remembered(upper)
    assert [convert(text) for text in "abaabca"] == [*"ABAABCA"]
    assert asked == [*"abca"]
