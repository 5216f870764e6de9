"""What schemas say in less usual words: references, numbers that are times; and names that Braze takes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.mapping.values.schemas import resolved
from target_braze.mapping.values.times import EPOCHS, from_epoch, to_date, to_moment, to_time

from tests.target.support.cdp import calls, track
from tests.target.support.singer import ANY_OBJECT, INTEGER, NUMBER, TEXT, TIME, Stream, customers, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Profile, Sandbox

    from tests.target.support.singer import Run

MOMENT = datetime(2026, 3, 4, 8, 10, 11, 250_000, tzinfo=timezone.utc)
COUNTS: dict[str, object] = {
    "epoch-seconds": 1_772_611_811.25,
    "epoch-milliseconds": 1_772_611_811_250,
    "epoch-microseconds": "1772611811250000",
}


def with_definitions(stream: Stream, **definitions: Any) -> list[dict[str, Any]]:
    """The stream's messages, with definitions in its SCHEMA."""
    first, *others = stream.messages
    return [{**first, "schema": {**first["schema"], "definitions": definitions}}, *others]


def test_a_reference_is_what_it_points_to(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    stream = customers(
        {"external_id": "c-1", "at": "2026-03-04 08:10:11", "visits": "7", "home": {"since": "2026-03-04", "no": "5"}},
        at={"$ref": "#/definitions/time"},
        visits={"anyOf": [{"$ref": "#/definitions/count"}, {"type": "null"}]},
        home={"$ref": "#/definitions/home"},
    )
    home = {"type": "object", "properties": {"since": {"$ref": "#/definitions/day"}, "no": {"type": "integer"}}}
    run_target(
        *with_definitions(
            stream,
            time=TIME,
            count={"allOf": [{"$ref": "#/definitions/n%20~1"}]},
            day={"type": "string", "format": "date"},
            home=home,
            **{"n /": INTEGER},
        )
    )
    assert sent(sandbox) == [
        {
            "external_id": "c-1",
            "at": "2026-03-04T08:10:11+00:00",
            "visits": 7,
            "home": {"since": {"$time": "2026-03-04"}, "no": 5},
        }
    ]


@pytest.mark.parametrize("optional", [False, True])
def test_a_reference_counts_in_objects_of_properties_too(
    run_target: Callable[..., Run], sandbox: Sandbox, *, optional: bool
) -> None:
    event = {"external_id": "c-1", "name": "Read", "time": "2026-03-04T00:00:00Z", "properties": {"depth": "4"}}
    reference = {"$ref": "#/definitions/read"}
    properties = {"anyOf": [reference, {"type": "null"}]} if optional else reference
    columns = {"external_id": TEXT, "name": TEXT, "time": TIME, "properties": properties}
    read = {"type": "object", "properties": {"depth": {"$ref": "#/definitions/depth"}}}
    run_target(*with_definitions(Stream("events", columns, [event]), read=read, depth=INTEGER))
    stream = calls(track("Read", depth="4"))
    stream.properties["properties"] = properties
    run_target(*with_definitions(stream, read=read, depth=INTEGER), streams={"*": {"to": "calls"}})
    assert [one["properties"] for one in sent(sandbox, "events")] == [{"depth": 4}, {"depth": 4}]


def test_a_schema_that_contains_itself_ends(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    node = {"type": "object", "properties": {"n": INTEGER, "next": {"$ref": "#/definitions/node"}}}
    chain = {"n": "1", "next": {"n": "2", "next": {"n": 3}}}
    stream = customers({"external_id": "c-1", "chain": chain}, chain={"$ref": "#/definitions/node"})
    run_target(*with_definitions(stream, node=node))
    assert sent(sandbox)[0]["chain"]["n"] == 1


@pytest.mark.parametrize("reference", ["#/definitions/none", "other.json#/a", "#/definitions/0"])
def test_a_reference_to_nothing_stops_before_the_first_record_unless_types_says_what_it_is(
    run_target: Callable[..., Run], sandbox: Sandbox, reference: str
) -> None:
    stream = customers({"external_id": "c-1", "it": "7"}, it={"$ref": reference})
    run = run_target(stream, expect=1)
    assert f"column 'it': its schema has the $ref '{reference}'" in run.errors[0]
    assert not sandbox.requests
    run_target(stream, streams={"customers": {"types": {"it": "integer"}}})
    assert sent(sandbox)[0]["it"] == 7


def test_definitions_that_grow_with_each_level_are_given_up() -> None:
    names = [f"d{n}" for n in range(30)]
    both = {name: {"anyOf": [{"$ref": f"#/{other}"} for other in names]} for name in names}
    with pytest.raises(ValueError, match="refers to itself"):
        resolved({"$ref": "#/d0"}, both)


@pytest.mark.parametrize("unit", COUNTS)
def test_a_number_is_a_time_where_types_says_so(run_target: Callable[..., Run], sandbox: Sandbox, unit: str) -> None:
    number = COUNTS[unit]
    event = {"external_id": "c-1", "name": "Read", "at": number, "seen": number}
    run_target(
        customers(
            {"external_id": "c-1", "seen": number, "date_of_last_session": number}, seen={}, date_of_last_session={}
        ),
        Stream("events", {"external_id": TEXT, "name": TEXT, "at": NUMBER, "seen": NUMBER}, [event]),
        Stream("goods", {"id": TEXT, "seen": NUMBER}, [{"id": "g", "seen": number}]),
        streams={
            "customers": {"types": {"seen": unit, "date_of_last_session": unit}},
            "events": {"types": {"at": unit, "seen": unit}, "time_field": "at"},
            "goods": {"to": "catalog_items", "types": {"seen": unit}},
        },
    )
    profile = the(sandbox.profile("c-1"))
    assert profile.custom_attributes == {"seen": MOMENT}
    assert datetime.fromisoformat(sent(sandbox)[0]["date_of_last_session"]) == MOMENT
    (read,) = sent(sandbox, "events")
    assert read["time"] == read["properties"]["seen"] == MOMENT.isoformat()
    items = [item for request in sandbox.requests for item in (request.body or {}).get("items", [])]
    assert items == [{"id": "g", "seen": MOMENT.isoformat()}]


@pytest.mark.parametrize(
    ("schema", "number", "moment"),
    [
        ({"type": ["integer", "null"], "logicalType": "timestamp-millis"}, 1_772_611_811_250, MOMENT),
        ({"type": "integer", "logicalType": "timestamp-micros"}, 1_772_611_811_250_000, MOMENT),
        ({"type": "number", "format": "unix-time"}, 1_772_611_811.25, MOMENT),
        ({"type": "integer", "format": "utc-millisec"}, 1_772_611_811_250, MOMENT),
        ({"type": [{"type": "long", "logicalType": "timestamp-millis"}, "null"]}, 1_772_611_811_250, MOMENT),
        ({"type": "integer", "logicalType": "date"}, 20_516, datetime(2026, 3, 4, tzinfo=timezone.utc)),
    ],
)
def test_a_number_is_a_time_where_the_schema_says_so(
    load: Callable[..., Profile], schema: dict[str, Any], number: object, moment: datetime
) -> None:
    assert load({"seen": schema}, {"seen": number}).custom_attributes == {"seen": moment}


def test_a_call_and_a_birthday_come_as_numbers_too(run_calls: Callable[..., Run], sandbox: Sandbox) -> None:
    columns = {"userId": TEXT, "event": TEXT, "at": INTEGER, "type": TEXT, "properties": ANY_OBJECT}
    call = {"type": "track", "userId": "c-1", "event": "Read", "at": COUNTS["epoch-milliseconds"]}
    run_calls(Stream("calls", columns, [call]), time_field="at", types={"at": "epoch-milliseconds"})
    assert sent(sandbox, "events")[0]["time"] == MOMENT.isoformat()


def test_a_birthday_may_be_a_count_of_days_or_of_milliseconds(load: Callable[..., Profile]) -> None:
    for unit, number in (("epoch-days", -3_653), ("epoch-milliseconds", -315_619_200_000)):
        profile = load({"dob": NUMBER}, {"dob": number}, streams={"*": {"types": {"dob": unit}}})
        assert profile.attributes == {"dob": "1960-01-01"}


@pytest.mark.parametrize("value", [True, "soon", "1e9", [1], 10**30, -(10**30), 32_503_680_000_000])
def test_a_count_that_is_no_time_is_reported(run_target: Callable[..., Run], sandbox: Sandbox, value: object) -> None:
    stream = customers({"external_id": "c-1", "seen": value}, seen={})
    run = run_target(stream, streams={"customers": {"types": {"seen": "epoch-seconds"}}}, expect=1)
    assert "column 'seen': " in run.errors[0]
    assert not sandbox.requests


@given(
    moment=st.datetimes(datetime(1, 1, 1), datetime(3000, 12, 31), timezones=st.just(timezone.utc)),  # noqa: DTZ001
    unit=st.sampled_from(sorted(EPOCHS)),
)
def test_any_count_is_its_moment_exactly(moment: datetime, unit: str) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    count = (moment - epoch) // timedelta(microseconds=EPOCHS[unit])
    expected = epoch + timedelta(microseconds=count * EPOCHS[unit])
    found = from_epoch(count, unit)
    assert found is not None
    assert to_moment(found, timezone.utc) == expected


@given(
    moment=st.datetimes(datetime(2, 1, 2), datetime(2999, 12, 30)),  # noqa: DTZ001
    minutes=st.integers(-14 * 60, 14 * 60),
    form=st.sampled_from(
        ["{sign}{hours}:{minutes:02}", "{sign}{hours:02}:{minutes:02}", "{sign}{hours:02}{minutes:02}"]
    ),
    separator=st.sampled_from("T "),
)
def test_any_offset_is_read_however_it_is_written(moment: datetime, minutes: int, form: str, separator: str) -> None:
    offset = form.format(sign="-" if minutes < 0 else "+", hours=abs(minutes) // 60, minutes=abs(minutes) % 60)
    expected = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert to_moment(moment.isoformat(separator) + offset, timezone.utc) == expected
    assert datetime.fromisoformat(to_time(moment.isoformat(separator) + offset, timezone.utc)) == expected


@pytest.mark.parametrize(
    ("written", "sent_as"),
    [
        ("2020-06-28T23:59:59-5:00", "2020-06-28T23:59:59-05:00"),
        ("2020-06-28 23:59:59+5", "2020-06-28T23:59:59+05:00"),
        ("2020-01-01T20:01:33.385Z", "2020-01-01T20:01:33.385+00:00"),
        ("2020-01-01T20:01:33:385Z", "2020-01-01T20:01:33.385000+00:00"),
        ("1880-01-01 00:00:00+00:53:28", "1879-12-31T23:06:32+00:00"),
    ],
)
def test_times_are_read_as_braze_and_databases_write_them(
    run_target: Callable[..., Run], sandbox: Sandbox, written: str, sent_as: str
) -> None:
    run_target(customers({"external_id": "c-1", "seen": written}, seen=TIME))
    assert sent(sandbox)[0]["seen"] == sent_as


@pytest.mark.parametrize("written", ["2020-01-01T20:01:5Z", "2020-01-01T20:01:33-500", "2020-01-01T20:01:33-5:0"])
def test_a_time_that_could_be_two_is_none(written: str) -> None:
    with pytest.raises(ValueError, match="date-time"):
        to_moment(written, timezone.utc)


@pytest.mark.parametrize("clock", ["", "T00:00:00-05:00", " 00:00:00.000+05:30", "T00:00:00-5:00", " 00:00"])
def test_a_date_is_the_day_of_its_midnight_anywhere(clock: str) -> None:
    assert to_date(f"1980-12-31{clock}") == "1980-12-31"


ODD = ["Page Title", "a.b", "cost$", "ä ö", "utm.source name"]


@pytest.mark.parametrize("name", ODD)
def test_properties_may_have_any_name_but_those_with_a_leading_dollar(
    run_target: Callable[..., Run], run_calls: Callable[..., Run], sandbox: Sandbox, name: str
) -> None:
    properties = {name: "Home", "inside": {name: [{name: 1}]}}
    event = {"external_id": "c-1", "name": "Read", "time": "2026-03-04T00:00:00Z", "properties": properties}
    columns = {"external_id": TEXT, "name": TEXT, "time": TIME, "properties": ANY_OBJECT, name: TEXT}
    run_target(Stream("events", columns, [event]))
    run_calls(calls(track("Read", **properties)))
    assert [one["properties"] for one in sent(sandbox, "events")] == [properties, properties]
    assert not sandbox.violations


@pytest.mark.parametrize("name", ODD)
def test_so_may_attributes_but_not_the_keys_inside_of_them(
    run_target: Callable[..., Run], sandbox: Sandbox, name: str
) -> None:
    run_target(customers({"external_id": "c-1", name: "x"}, **{name: TEXT}))
    assert sent(sandbox) == [{"external_id": "c-1", name: "x"}]
    assert not sandbox.violations
    run = run_target(customers({"external_id": "c-1", "o": {name: "x"}}, o=ANY_OBJECT), expect=1)
    assert "the name of a key inside an object may not contain" in run.errors[0]


@pytest.mark.parametrize("name", ["$a", " ", "x" * 256])
@pytest.mark.parametrize("nested", [False, True])
def test_a_name_that_breaks_the_rule_is_reported(
    run_target: Callable[..., Run], sandbox: Sandbox, name: str, *, nested: bool
) -> None:
    properties = {"inside": {name: 1}} if nested else {name: 1}
    event = {"external_id": "c-1", "name": "Read", "time": "2026-03-04T00:00:00Z", "properties": properties}
    columns = {"external_id": TEXT, "name": TEXT, "time": TIME, "properties": ANY_OBJECT}
    run = run_target(Stream("events", columns, [event]), expect=1)
    assert "column 'properties': property '" in run.errors[0]
    assert "a name may" in run.errors[0]
    assert not sandbox.requests
