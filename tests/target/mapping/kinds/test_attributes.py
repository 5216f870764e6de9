"""Attributes beyond plain values: what changes instead of the whole, groups, tokens, objects that are merged, nulls."""

from __future__ import annotations

from datetime import datetime, timezone
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
    sent,
    the,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Profile, Sandbox

    from tests.target.support.singer import Run

ARRAY: dict[str, Any] = {"type": ["array", "null"]}
GROUP = "2f1f7c1a-9c5c-4c0e-8a7c-3f2b1f0e6d5c"
OTHER = "3f1f7c1a-9c5c-4c0e-8a7c-3f2b1f0e6d5c"


@pytest.fixture
def change(load: Callable[..., Profile]) -> Callable[..., Profile]:
    """Load records of one customer one after the other under a mapping, and show the profile."""

    def change(columns: dict[str, Any], *records: dict[str, Any], **mapping: Any) -> Profile:
        profiles = [load(columns, record, streams={"customers": mapping}) for record in records]
        return profiles[-1]

    return change


def test_a_counter_is_raised_and_lowered(change: Callable[..., Profile], sandbox: Sandbox) -> None:
    deltas = [{"visits": 3}, {"visits": "-1"}, {"visits": None}, {"visits": 5.0}]
    assert change({"visits": NUMBER}, *deltas, operators={"visits": "inc"}).custom_attributes == {"visits": 7}
    assert sent(sandbox)[0] == {"external_id": "c-1", "visits": {"inc": 3}}
    assert not sandbox.violations


def test_a_list_is_sent_as_what_changed_from_columns_of_lists_or_single_values(
    change: Callable[..., Profile], sandbox: Sandbox
) -> None:
    profile = change(
        {"new": ARRAY, "old": TEXT},
        {"new": ["a", "b"]},
        {"new": '["c"]', "old": "a"},
        {"new": [], "old": None},
        operators={"new": "add", "old": "remove"},
        rename={"new": "tags", "old": "tags"},
        types={"new": "array"},
    )
    assert profile.custom_attributes == {"tags": ["b", "c"]}
    assert sent(sandbox)[1]["tags"] == {"add": ["c"], "remove": ["a"]}
    assert not sandbox.violations


def test_objects_are_added_to_updated_in_and_removed_from_an_array(
    change: Callable[..., Profile], sandbox: Sandbox
) -> None:
    order = {"type": ["object", "null"], "properties": {"no": INTEGER, "at": TIME, "state": TEXT}}
    profile = change(
        {"new": order, "changed": {"type": "array", "items": order}, "gone": INTEGER},
        {"new": {"no": 1, "at": "2026-03-04T00:00:00Z", "state": "open"}},
        {"new": {"no": 2, "state": "open"}},
        {"changed": [{"no": 1, "state": "sent"}]},
        {"gone": 2},
        operators={"new": "$add", "changed": {"$update": "no"}, "gone": {"$remove": "no"}},
        rename=dict.fromkeys(("new", "changed", "gone"), "orders"),
        merge_objects=True,
    )
    moment = datetime(2026, 3, 4, tzinfo=timezone.utc)
    assert profile.custom_attributes == {"orders": [{"no": 1, "at": moment, "state": "sent"}]}
    assert not sandbox.violations


def test_objects_are_merged_only_where_the_mapping_says_so(change: Callable[..., Profile]) -> None:
    parts: list[dict[str, Any]] = [{"a": {"x": {"y": 1}}}, {"a": {"x": {"z": 2}}}]
    assert change({"a": ANY_OBJECT}, *parts).custom_attributes == {"a": {"x": {"z": 2}}}
    assert change({"a": ANY_OBJECT}, *parts, merge_objects=True).custom_attributes == {"a": {"x": {"y": 1, "z": 2}}}


OPERATORS = {"new": "$add", "changed": {"$update": "no"}, "gone": {"$remove": "no"}}


@pytest.mark.parametrize(
    ("record", "done"),
    [
        ({"new": [{"no": 7}], "gone": [7]}, "added"),
        ({"new": {"no": 7}, "gone": [{"no": "7"}]}, "added"),
        ({"new": [{"no": 5}, {"no": 7.0}], "gone": [6, 7]}, "added"),
        ({"changed": [{"no": 7, "state": "sent"}], "gone": [7]}, "updated"),
        ({"new": [{"no": 1}], "changed": [{"no": 7}], "gone": [7]}, "updated"),
    ],
)
def test_an_object_that_one_record_brings_and_removes_is_reported_for_braze_would_lose_it(
    run_target: Callable[..., Run], sandbox: Sandbox, record: dict[str, Any], done: str
) -> None:
    stream = customers({"external_id": "c-1", **record}, new={}, changed=ARRAY, gone=ARRAY)
    mapping = {"operators": OPERATORS, "rename": dict.fromkeys(OPERATORS, "orders")}
    run = run_target(stream, streams={"customers": mapping}, expect=1)
    assert "'orders': the object whose 'no' is " in run.errors[0]
    assert f"is both {done} and removed" in run.errors[0]
    assert not sandbox.requests


def test_objects_are_compared_by_the_key_that_removes_them(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    stream = customers({"external_id": "c-1", "new": [{"no": 7, "sku": 5}], "gone": [7]}, new=ARRAY, gone=ARRAY)
    operators = {"new": "$add", "gone": {"$remove": "sku"}}
    mapping = {"operators": operators, "rename": dict.fromkeys(operators, "orders")}
    run_target(stream, streams={"customers": mapping})
    assert sent(sandbox)[0]["orders"]["$add"] == [{"no": 7, "sku": 5}]


@pytest.mark.parametrize(
    ("columns", "operators", "record", "reason"),
    [
        ({"n": NUMBER}, {"n": "inc"}, {"n": 1.5}, "column 'n': expected a whole number, got 1.5"),
        ({"t": ARRAY}, {"t": "add"}, {"t": [{"a": 1}]}, "'add' is for text, numbers and booleans"),
        ({"t": ARRAY}, {"t": "add"}, {"t": list(range(501))}, "501 elements, Braze keeps 500"),
        ({"o": ARRAY}, {"o": "$add"}, {"o": [1]}, "'$add' takes objects"),
        ({"o": {}}, {"o": {"$update": "no"}}, {"o": [{"a": 1}]}, "'$update' needs objects with a plain value of 'no'"),
        ({"o": {}}, {"o": {"$remove": "no"}}, {"o": [{"no": [1]}]}, "'$remove' needs objects with a plain value"),
    ],
)
def test_an_operand_that_is_none_is_reported(
    columns: Any, operators: Any, record: Any, reason: str, run_target: Callable[..., Run]
) -> None:
    stream = customers({"external_id": "c-1", **record}, **columns)
    run = run_target(stream, streams={"customers": {"operators": operators}}, expect=1)
    assert reason in run.errors[0]


def test_an_element_that_is_both_added_and_removed_is_reported(run_target: Callable[..., Run]) -> None:
    mapping = {"operators": {"a": "add", "b": "remove"}, "rename": {"a": "t", "b": "t"}}
    stream = customers({"external_id": "c-1", "a": "x", "b": "x"}, a=TEXT, b=TEXT)
    run = run_target(stream, streams={"customers": mapping}, expect=1)
    assert "'t': 'x' is both added and removed" in run.errors[0]


@pytest.mark.parametrize("nothing", ["", " ", None, [], ["", None]])
def test_an_operand_that_is_blank_changes_nothing(
    nothing: Any, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    kinds = {"type": ["string", "array", "null"]}
    columns = {"new": kinds, "old": kinds, "gone": kinds, "visits": INTEGER}
    record = {"external_id": "c-1", "new": nothing, "old": nothing, "gone": nothing}
    operators = {"new": "add", "old": "remove", "gone": {"$remove": "number"}, "visits": "inc"}
    rename = {"new": "tags", "old": "tags", "gone": "orders"}
    run_target(customers(record, **columns), streams={"*": {"operators": operators, "rename": rename}})
    assert sent(sandbox) == [{"external_id": "c-1"}]


@pytest.mark.parametrize(
    ("columns", "mapping", "text"),
    [
        ({}, {"operators": {"x": "inc"}}, "'operators' names the column 'x'"),
        ({"a": ARRAY}, {"operators": {"a": "inc"}}, "'operators.a' is 'inc', which takes integer or number or string"),
        ({"a": ANY_OBJECT}, {"operators": {"a": "add"}}, "'operators.a' is 'add'"),
        ({"a": INTEGER}, {"operators": {"a": "$add"}}, "'operators.a' is '$add', which takes array or object or "),
        ({"email": TEXT}, {"operators": {"email": "add"}}, "'email' is Braze's own field"),
        (
            {"a": TEXT, "b": TEXT},
            {"operators": {"a": "inc", "b": "add"}, "rename": {"a": "c", "b": "c"}},
            "columns 'a' (inc) and 'b' (add) would both change 'c'",
        ),
        (
            {"a": TEXT, "b": TEXT},
            {"operators": {"a": "add"}, "rename": {"a": "b"}},
            "columns 'b' and 'a' would both be sent as 'b'",
        ),
        ({"a": TEXT}, {"to": "events", "operators": {"a": "inc"}}, "'operators' does not apply to events"),
    ],
)
def test_operators_that_do_not_fit_stop_before_the_first_record(
    columns: Any, mapping: Any, text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(customers({"external_id": "c-1"}, **columns), streams={"customers": mapping}, expect=1)
    assert text in run.errors[0]
    assert not sandbox.requests


def test_states_groups_and_tokens_are_part_of_the_attributes(load: Callable[..., Profile], sandbox: Sandbox) -> None:
    app = next(iter(sandbox.workspace.apps), None) or "app-1"
    groups = [
        {"subscription_group_id": GROUP, "subscription_state": "Subscribed"},
        {"subscription_group_id": OTHER, "subscription_state": "unsubscribed", "use_double_opt_in_logic": None},
    ]
    columns = {"email_subscribe": TEXT, "subscription_groups": ARRAY, "push_tokens": TEXT}
    tokens = f'[{{"app_id": "{app}", "token": "t-1", "device_id": "device-1"}}]' if sandbox.workspace.apps else None
    profile = load(columns, {"email_subscribe": "opted_in", "subscription_groups": groups, "push_tokens": tokens})
    assert profile.attributes["email_subscribe"] == "opted_in"
    assert profile.attributes["subscription_groups"] == {GROUP: "subscribed", OTHER: "unsubscribed"}
    if tokens:
        assert profile.attributes["push_tokens"] == [{"app_id": app, "token": "t-1", "device_id": "device-1"}]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("subscription_groups", [{"subscription_group_id": GROUP}], "expected the 'subscription_state'"),
        ("subscription_groups", [{"subscription_state": "subscribed"}], "expected the id of a group"),
        ("subscription_groups", [{"subscription_group_id": "g", "subscription_state": "subscribed"}], "got 'g'"),
        ("subscription_groups", [{"group": GROUP}], "Braze knows no key 'group' here"),
        ("subscription_groups", "subscribed", "expected an array of subscription groups"),
        ("push_tokens", [{"app_id": "a"}], "a push token needs text as its 'token'"),
        ("push_tokens", [{"app_id": "a", "token": "t", "device_id": "short"}], "8 to 255 bytes, got 'short'"),
    ],
)
def test_groups_and_tokens_that_braze_would_refuse_are_reported(
    column: str, value: object, reason: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run = run_target(customers({"external_id": "c-1", column: value}, **{column: {}}), expect=1)
    assert reason in run.errors[0]
    assert not sandbox.requests


FILLED: dict[str, Any] = {
    "first_name": "Ana",
    "last_name": "Lovelace",
    "email": "a@example.com",
    "phone": "+49 (30) 1234567",
    "country": "DE",
    "language": "de",
    "home_city": "Berlin",
    "time_zone": "Europe/Berlin",
    "gender": "F",
    "dob": "1980-12-31",
    "current_location": {"longitude": 13.4, "latitude": 52.5},
    "date_of_first_session": "2026-03-04T00:00:00Z",
    "date_of_last_session": "2026-03-04T00:00:00Z",
    "email_open_tracking_disabled": True,
    "email_click_tracking_disabled": True,
    "marked_email_as_spam_at": "2026-03-04T00:00:00Z",
    "image_url": "https://example.com/a.png",
    "facebook": '{"id": "1"}',
    "twitter": {"id": 1},
}


def test_every_standard_field_can_be_filled_and_cleared_with_null(
    load: Callable[..., Profile], sandbox: Sandbox
) -> None:
    columns: dict[str, Any] = {key: {} for key in FILLED}
    assert load(columns, FILLED).attributes.keys() == FILLED.keys()
    assert the(sandbox.profile("c-1")).phone == "+49301234567"
    kept = load(columns, dict.fromkeys(FILLED))
    assert kept.attributes.keys() == FILLED.keys()
    assert not load(columns, dict.fromkeys(FILLED), nulls="unset").attributes
    assert not sandbox.violations


def test_an_unknown_gender_or_country_never_erases_a_value(
    load: Callable[..., Profile], run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Any
) -> None:
    columns = {"gender": TEXT, "country": TEXT, "plan": TEXT}
    load(columns, {"gender": "F", "country": "DE"})
    records = [{"external_id": "c-1", field: value} for field in ("gender", "country") for value in ("??", "unknown")]
    for nulls in ("skip", "unset"):
        path = str(tmp_path / "dead")
        run_target(customers(*records, **columns), on_error="dead_letter", dead_letter_path=path, nulls=nulls)
    assert the(sandbox.profile("c-1")).attributes == {"gender": "F", "country": "DE"}
    assert not sandbox.violations


def test_long_text_is_cut_where_the_setting_says_so_and_reported(
    load: Callable[..., Profile], run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    long = "é" * 300
    columns = {"note": TEXT, "first_name": TEXT, "o": ANY_OBJECT, "tags": ARRAY}
    record = {"note": long, "first_name": long, "o": {"a": [long]}, "tags": [long]}
    profile = load(columns, record, long_strings="truncate")
    cut = long[:255]
    assert profile.custom_attributes == {"note": cut, "o": {"a": [cut]}, "tags": [cut]}
    assert profile.attributes == {"first_name": cut}
    assert not sandbox.violations
    event = {"external_id": "c-1", "name": "e", "time": "2026-03-04T00:00:00Z", "note": long}
    stream = Stream("events", {"external_id": TEXT, "name": TEXT, "time": TIME, "note": TEXT}, [event, event])
    run = run_target(stream, long_strings="truncate")
    assert the(sandbox.profile("c-1")).events[0]["properties"] == {"note": cut}
    noted = [line for line in run.warnings if "column 'note' holds text of more than 255 characters" in line]
    assert [line.endswith("(2 times)") for line in noted] == [False, True]
    run = run_target(stream, expect=1)
    assert "300 characters long, Braze keeps at most 255" in run.errors[0]


@pytest.mark.parametrize("text", ["12/1/2021", "2021-12-01", "2021-12-01T10:00:00Z", "Mon 03 04 10:00:00.GMT 2026"])
def test_text_that_braze_would_make_a_time_is_rejected_where_the_setting_says_so(
    text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    stream = customers({"external_id": "c-1", "code": text}, code=TEXT)
    run = run_target(stream, date_like_text="reject", expect=1)
    assert f"column 'code': expected text that Braze does not convert to a time, got {text!r}" in run.errors[0]
    assert not sandbox.requests
    assert any("column 'code' holds text such as" in line for line in run_target(stream).warnings)


def test_decimals_and_big_integers_keep_their_digits(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    digits = "12345678901234567890.123456789"
    decimal = {"type": ["string", "null"], "format": "singer.decimal"}
    line = b'{"type": "RECORD", "stream": "customers", "record": {"external_id": "c-1", "price": %s, "text": "%s", '
    line += b'"small": 0.1, "big": 123456789012345678901234567890}}'
    schema = customers(price=NUMBER, text=decimal, small=NUMBER, big=INTEGER).schema
    run_target(schema, line % (digits.encode(), digits.encode()))
    (request,) = sandbox.requests
    (item,) = request.body["attributes"]
    assert item["big"] == 123456789012345678901234567890
    assert item["small"] == 0.1
    assert item["price"] == item["text"] == float(digits)
    # The sandbox reads numbers as floats; what went over the wire is in the size.
    assert request.body_size > len(digits) * 2 + 60


def test_a_column_of_another_type_than_its_quick_one_is_still_converted(load: Callable[..., Profile]) -> None:
    columns = {"text": TEXT, "whole": INTEGER, "part": NUMBER, "flag": BOOLEAN}
    quick = {"text": "a", "whole": 1, "part": 1.5, "flag": True}
    slow = {"text": 1, "whole": "1", "part": "1.5", "flag": "true"}
    assert load(columns, quick).custom_attributes == quick
    assert load(columns, slow).custom_attributes == {"text": "1", "whole": 1, "part": 1.5, "flag": True}
