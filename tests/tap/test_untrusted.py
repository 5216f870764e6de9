"""Answers that differ from Braze's documentation: they are read, or cost one parent with an error that names it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_braze.times import moment, moment_or_none, rfc3339
from tap_braze.untrusted import decode_json, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_json_is_decoded_as_it_is(value: Any) -> None:
    assert decode_json(json.dumps(value).encode()) == value
    assert decode_json(json.dumps({"half": "\ud83d", "value": value}).encode()) == {"half": "\ufffd", "value": value}


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[" * 100_000, b'{"a": "\\ud800", "b": NaN}', b'"\xff"', b'["\\ud800"' + b"[" * 100_000]
)
def test_what_is_no_json_is_a_value_error_that_shows_nothing(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|utf-8|truncated"):
        decode_json(text)


def test_names_are_one_line() -> None:
    assert one_line("a\nb\x1b[31m\ud800é") == "a\\nb\\x1b[31m\\ud800é"


@pytest.mark.parametrize(
    ("text", "expected", "written"),
    [
        ("2020-01-01T20:01:33.385Z", "2020-01-01T20:01:33.385000+00:00", "2020-01-01T20:01:33.385Z"),
        ("2020-06-28T23:59:59-5:00", "2020-06-28T23:59:59-05:00", "2020-06-29T04:59:59Z"),
        ("2020-06-28 23:59:59 +0530", "2020-06-28T23:59:59+05:30", "2020-06-28T18:29:59Z"),
        ("2020-06-28 23:59:59 UTC", "2020-06-28T23:59:59+00:00", "2020-06-28T23:59:59Z"),
        ("2020-06-28T23:59:59.1", "2020-06-28T23:59:59.100000+00:00", "2020-06-28T23:59:59.1Z"),
        ("2020-06-28T23:59:59.123456789Z", "2020-06-28T23:59:59.123456+00:00", "2020-06-28T23:59:59.123456789Z"),
        ("2020-06-28", "2020-06-28T00:00:00+00:00", "2020-06-28"),
    ],
)
def test_all_recorded_forms_of_times_are_read(text: str, expected: str, written: str) -> None:
    assert moment(text).isoformat() == expected
    assert rfc3339(text) == written


@given(
    st.datetimes(timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))),
    st.sampled_from(["T", " "]),
)
def test_a_time_is_written_as_the_same_moment_in_utc(meant: datetime, between: str) -> None:
    written = rfc3339(meant.isoformat(between))
    assert moment(written) == meant
    assert written.endswith(("Z", "+00:00")) or meant.year in (1, 9999)


@pytest.mark.parametrize(
    "text", [None, 7, {}, "", "soon", "2020-13-01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
def test_what_is_no_time_is_none(text: Any) -> None:
    assert moment_or_none(text) is None


ROWS = [
    {"new_users": 5},
    {"time": None},
    {"time": 7},
    {"time": "soon"},
    {"time": "2026-06-31"},
    {"time": ["2026-06-30"]},
    "2026-06-30",
    None,
    7,
]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_a_series_without_a_time_costs_its_parent_alone(sandbox: Sandbox, run_tap: RunTap, row: Any) -> None:
    bad, *others = sandbox.workspace.campaigns
    query = {"campaign_id": bad}
    sandbox.fault(path="/campaigns/data_series", query=query, do="status", status=200, body={"data": [row]})
    run = run_tap("campaigns_analytics", "campaigns_messages_analytics", start_date="2026-06-20")
    assert run.exit_code == 1
    (error,) = run.errors
    assert f"campaign_id '{bad}' failed: GET /campaigns/data_series: the answer is not what Braze documents" in error
    assert {record["campaign_id"] for record in run.records("campaigns_analytics")} == set(others)
    sandbox.clear_faults()
    mended = run_tap("campaigns_analytics", start_date="2026-06-20", lookback_days=0, state=run.state)
    assert mended.exit_code == 0
    assert len([r for r in mended.records("campaigns_analytics") if r["campaign_id"] == bad]) == 11


@pytest.mark.parametrize("body", [{"data": {"stats": 7}}, {"data": ["x"]}, {"data": "x"}, {"data": 7}])
def test_a_canvas_of_another_shape_costs_itself_alone(sandbox: Sandbox, run_tap: RunTap, body: Any) -> None:
    bad, *others = sandbox.workspace.canvases
    for path in ("/canvas/data_series", "/canvas/data_summary"):
        sandbox.fault(path=path, query={"canvas_id": bad}, do="status", status=200, body=body)
    run = run_tap("canvases_analytics", "canvases_steps_analytics", "canvases_summary", start_date="2026-06-20")
    assert run.exit_code == 1
    assert f"canvas_id '{bad}' failed" in run.errors[0]
    assert {record["canvas_id"] for record in run.records("canvases_steps_analytics")} == set(others)


@pytest.mark.parametrize("odd", [{"name": "no id"}, {"id": None}, {"id": ["x"]}, {"id": {}}, [], None])
def test_a_row_of_a_list_without_an_id_is_named_and_left_out(sandbox: Sandbox, run_tap: RunTap, odd: Any) -> None:
    rows = [{"id": "a", "name": "a"}, odd, {"id": "b", "name": "b"}]
    sandbox.fault(path="/segments/list", do="status", status=200, body={"segments": rows})
    run = run_tap("segments")
    assert [record["id"] for record in run.records("segments")] == ["a", "b"]
    assert run.exit_code == 1
    assert "stream 'segments': a row without 'id' failed" in run.errors[0]


@pytest.mark.parametrize("odd", [{}, {"name": None}, {"name": ["x"]}, {"name": {"a": 1}}])
def test_a_row_of_a_cursor_list_without_a_key_is_named_and_left_out(
    sandbox: Sandbox, run_tap: RunTap, odd: Any
) -> None:
    body = {"events": [{"name": "a", "tag_names": None}, odd, {"name": "b", "tag_names": ["x"]}]}
    sandbox.fault(path="/events", do="status", status=200, body=body)
    run = run_tap("events_details")
    assert [(record["name"], record["tag_names"]) for record in run.records("events_details")] == [
        ("a", None),
        ("b", ["x"]),
    ]
    assert "stream 'events_details': a row without 'name' failed" in run.errors[0]


@pytest.mark.parametrize(
    ("stream", "path", "payload"),
    [("segments", "/segments/list", "segments"), ("events_details", "/events", "events")],
)
@pytest.mark.parametrize("items", [7, True, "x", [["x"]]])
def test_what_is_no_list_is_one_error(
    sandbox: Sandbox, run_tap: RunTap, *, stream: str, path: str, payload: str, items: Any
) -> None:
    sandbox.fault(path=path, do="status", status=200, body={payload: items})
    run = run_tap(stream)
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert run.errors[0].startswith(f"stream '{stream}': ")


def test_details_that_are_no_details_cost_one_object(sandbox: Sandbox, run_tap: RunTap) -> None:
    bad, *others = sandbox.workspace.campaigns
    query = {"campaign_id": bad}
    body = {"created_at": {}, "updated_at": 7, "first_sent": [], "messages": ["x"], "message": "success"}
    sandbox.fault(path="/campaigns/details", query=query, do="status", status=200, body=body)
    run = run_tap("campaigns_details", "campaigns_translations")
    assert {record["campaign_id"] for record in run.records("campaigns_details")} == set(others)
    assert f"stream 'campaigns_details': campaign_id '{bad}' failed" in run.errors[0]
    assert f"stream 'campaigns_translations': campaign_id '{bad}' failed" in run.errors[0]


def test_an_answer_with_half_a_surrogate_pair_is_read(sandbox: Sandbox, run_tap: RunTap) -> None:
    body = '{"segments": [{"id": "a", "name": "half \\ud83d a pair"}], "message": "success"}'
    sandbox.fault(path="/segments/list", do="status", status=200, body=body)
    run = run_tap("segments")
    assert run.exit_code == 0, run.stderr
    assert [record["name"] for record in run.records("segments")] == ["half \ufffd a pair"]


def test_metrics_and_channels_are_an_open_set(sandbox: Sandbox, run_tap: RunTap) -> None:
    email = {"sent": 5, "machine_open": 2, "machine_amp_open": 1, "carousel_slide_1_click": 3}
    messages = {"email": [email], "banner": [{"dismissals": 1, "unique_daily_impressions": 2}], "odd": 7}
    row = {"time": "2026-06-30", "conversions4": 1, "messages": messages}
    sandbox.fault(path="/campaigns/data_series", do="status", status=200, body={"data": [row]})
    run = run_tap("campaigns_analytics", "campaigns_messages_analytics", start_date="2026-06-30")
    assert run.exit_code == 0, run.stderr
    assert all(record["messages"] == messages for record in run.records("campaigns_analytics"))
    assert all(record["conversions4"] == 1 for record in run.records("campaigns_analytics"))
    flat = run.records("campaigns_messages_analytics")[:3]
    keys = {"campaign_id", "time", "variation"}
    assert [{name: value for name, value in record.items() if name not in keys} for record in flat] == [
        {
            "channel": "email",
            "sent": 5,
            "machine_open": 2,
            "machine_amp_open": 1,
            "other_metrics": {"carousel_slide_1_click": 3},
        },
        {"channel": "banner", "dismissals": 1, "unique_daily_impressions": 2},
        {"channel": "odd", "other_metrics": {"odd": 7}},
    ]
    text = (
        "stream 'campaigns_messages_analytics': these fields have no column of their own and are in 'other_metrics': "
    )
    assert run.stderr.count(text + "'carousel_slide_1_click', 'odd'\n") == 1


EMAIL = {"messages": {"email": [{"sent": "5"}]}}
WRONG_TYPES = [
    ({"unique_recipients": "5"}, "Expected `int`, got `str` - at `unique_recipients`"),
    ({"unique_recipients": 5.5}, "Expected `int`, got `float` - at `unique_recipients`"),
    ({"unique_recipients": True}, "Expected `int`, got `bool` - at `unique_recipients`"),
    ({"unique_recipients": 2**63}, "Expected `int` <= 9223372036854775807 - at `unique_recipients`"),
    ({"revenue": "5.0"}, "Expected `float`, got `str` - at `revenue`"),
    (EMAIL, "Expected `int`, got `str` - at `messages.email[0].sent`"),
    ({"messages": []}, "Expected `object`, got `array` - at `messages`"),
]


@pytest.mark.parametrize(("fields", "text"), WRONG_TYPES)
def test_text_where_a_number_was_costs_its_parent_alone(
    sandbox: Sandbox, run_tap: RunTap, *, fields: dict[str, Any], text: str
) -> None:
    bad, *others = sandbox.workspace.campaigns
    body = {"data": [{"time": "2026-06-29", "messages": {}}, {"time": "2026-06-30", **fields}]}
    sandbox.fault(path="/campaigns/data_series", query={"campaign_id": bad}, do="status", status=200, body=body)
    run = run_tap("campaigns_analytics", start_date="2026-06-20")
    assert run.exit_code == 1
    assert (
        f"campaign_id '{bad}' failed: GET /campaigns/data_series: the answer is not what Braze documents"
        in run.errors[0]
    )
    assert text in run.errors[0]
    assert {record["campaign_id"] for record in run.records("campaigns_analytics")} == set(others)


@pytest.mark.parametrize("stats", [7, "x", {"v": 7}, ["x"]])
def test_statistics_that_are_no_object_cost_their_canvas_alone(sandbox: Sandbox, run_tap: RunTap, stats: Any) -> None:
    bad, *others = sandbox.workspace.canvases
    body = {"data": {"stats": [{"time": "2026-06-30", "variant_stats": stats}]}}
    sandbox.fault(path="/canvas/data_series", query={"canvas_id": bad}, do="status", status=200, body=body)
    run = run_tap("canvases_variants_analytics", start_date="2026-06-20")
    assert f"canvas_id '{bad}' failed" in run.errors[0]
    assert {record["canvas_id"] for record in run.records("canvases_variants_analytics")} == set(others)


def test_integers_stay_integers_and_texts_texts(sandbox: Sandbox, run_tap: RunTap) -> None:
    rows = [{"id": 7, "name": 8, "analytics_tracking_enabled": True, "tags": [9]}]
    sandbox.fault(path="/segments/list", do="status", status=200, body={"segments": rows})
    data = [{"time": "2026-06-30", "unique_recipients": 5.0, "revenue": 5, "messages": {"sms": [{"sent": 6.0}]}}]
    sandbox.fault(path="/campaigns/data_series", do="status", status=200, body={"data": data})
    run = run_tap("segments", "campaigns_analytics", start_date="2026-06-30")
    assert run.exit_code == 0, run.stderr
    assert run.records("segments") == [{"id": "7", "name": "8", "analytics_tracking_enabled": True, "tags": ["9"]}]
    assert '"unique_recipients":5,' in run.stdout
    assert '[{"sent":6}]' in run.stdout


@pytest.mark.parametrize("odd", [{"tags": "x"}, {"analytics_tracking_enabled": "yes"}, {"name": ["x"]}])
def test_a_row_of_a_list_with_another_type_costs_itself_alone(
    sandbox: Sandbox, run_tap: RunTap, odd: dict[str, Any]
) -> None:
    rows = [{"id": "a"}, {"id": "b", **odd}, {"id": "c"}]
    sandbox.fault(path="/segments/list", do="status", status=200, body={"segments": rows})
    run = run_tap("segments")
    assert [record["id"] for record in run.records("segments")] == ["a", "c"]
    assert "stream 'segments': the row with id 'b' failed: /segments/list: the answer is not what" in run.errors[0]


@pytest.mark.parametrize(("edited", "expected"), [("", None), ("2026-06-30 10:00:00 UTC", "2026-06-30T10:00:00Z")])
def test_a_time_is_a_time_or_null(sandbox: Sandbox, run_tap: RunTap, edited: str, expected: str | None) -> None:
    rows = [{"id": "a", "last_edited": edited}, {"id": "b", "last_edited": "soon"}]
    sandbox.fault(path="/campaigns/list", do="status", status=200, body={"campaigns": rows})
    run = run_tap("campaigns")
    assert [(record["id"], record["last_edited"]) for record in run.records("campaigns")] == [("a", expected)]
    assert "the row with id 'b' failed" in run.errors[0]
    assert "'last_edited' is not a time" in run.errors[0]


@pytest.mark.parametrize(
    ("stream", "path", "key", "message"),
    [
        (
            "campaigns",
            "/campaigns/data_series",
            "campaign_id",
            "campaign_id must be a string of the campaign api identifier",
        ),
        ("canvases", "/canvas/data_series", "canvas_id", "canvas_id must be a string of the Canvas api identifier"),
        ("segments", "/segments/data_series", "segment_id", "Analytics tracking is not enabled"),
    ],
)
def test_a_parent_that_is_refused_costs_itself_alone(
    sandbox: Sandbox, run_tap: RunTap, *, stream: str, path: str, key: str, message: str
) -> None:
    bad, *others = getattr(sandbox.workspace, stream)
    sandbox.fault(path=path, query={key: bad}, do="status", status=400, body={"message": message})
    run = run_tap(f"{stream}_analytics", start_date="2026-06-20")
    assert run.exit_code == 0, run.stderr
    assert message in run.stderr
    assert {record[key] for record in run.records(f"{stream}_analytics")} == set(others)


def test_inclusion_data_may_be_objects(sandbox: Sandbox, run_tap: RunTap) -> None:
    used = [
        {"campaign_id": "c", "message_variation_id": "m"},
        {"canvas_step_id": "s", "message_variation_id": "n"},
        "text",
    ]
    block = next(iter(sandbox.workspace.content_blocks))
    now = datetime.now(timezone.utc).isoformat()
    body = {"content_block_id": block, "last_edited": now, "inclusion_data": used, "message": "success"}
    sandbox.fault(path="/content_blocks/info", do="status", status=200, body=body)
    run = run_tap("content_blocks_details", start_date="2020-01-01")
    assert run.exit_code == 0, run.stderr
    assert run.records("content_blocks_details")
    assert all(record["inclusion_data"] == used for record in run.records("content_blocks_details"))


def test_users_by_id_of_2020(sandbox: Sandbox, run_tap: RunTap) -> None:
    profile = {"appboy_id": "b-1", "external_id": "u-1", "created_at": "2020-01-01T20:01:33.385Z", "user_aliases": []}
    sandbox.fault(path="/users/export/ids", do="status", status=201, body={"users": [profile], "message": "success"})
    run = run_tap("users_by_id", users={"external_ids": ["u-1"]})
    assert run.exit_code == 0, run.stderr
    (record,) = run.records("users_by_id")
    assert (record["braze_id"], record["created_at"]) == ("b-1", "2020-01-01T20:01:33.385Z")


def test_a_row_about_a_person_is_not_named(sandbox: Sandbox, run_tap: RunTap) -> None:
    rows = [{"email": "a@example.com", "hard_bounced_at": "soon"}]
    sandbox.fault(path="/email/hard_bounces", do="status", status=200, body={"emails": rows})
    run = run_tap("hard_bounces", start_date="2026-06-30")
    assert "stream 'hard_bounces': a row failed" in run.errors[0]
    assert "a@example.com" not in run.stderr
