"""Records that bypass the SDK, and rows that stay encoded: the same as on the long way, or left to it."""

from __future__ import annotations

import json
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_braze.fetching.windows import Window
from tap_braze.sdk import SdkStream
from tap_braze.singer.tap import TapBraze
from tap_braze.streams.base.row_types import EncodedRows
from tap_braze.streams.base.series_plan import SeriesPlan
from tap_braze.untrusted import decode_json

from tests.tap.support.singer import catalog_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.tap.support.singer import Run

TAP = TapBraze(config={"api_key": "k", "endpoint": "http://localhost", "start_date": "2026-01-01"}, setup_mapper=False)
DAY = date(2026, 3, 1)
WINDOW = Window(DAY, DAY)


def series(name: str) -> SeriesPlan:
    stream = TAP.streams[name]
    assert isinstance(stream, SeriesPlan)
    return stream


@lru_cache
def reader(stream: SeriesPlan) -> EncodedRows:
    found = stream.encoded_rows()
    assert found is not None
    return found


def decoded(stream: SeriesPlan, body: bytes, tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the records of a response by time, as the long way makes them."""
    rows = {row["time"]: row for row in stream.rows(decode_json(body), WINDOW)}
    records = {}
    for time, row in rows.items():
        record = {**tags, **row, **tags}
        stream.conform(record)
        records[time] = stream.post_process(record)
    return records


def encoded(stream: SeriesPlan, body: bytes, tags: Mapping[str, str]) -> dict[str, Any] | None:
    found = reader(stream).read(body, tags)
    return None if found is None else {time: json.loads(row) for time, row in found.items()}


NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)
COUNT = st.integers(0, 10**6)
VARIATION = st.fixed_dictionaries(
    {}, optional={"variation_name": st.text(max_size=5), "sent": COUNT, "revenue": NUMBERS, "notif_click": SCALARS}
)
ROW: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"time": st.dates().map(str)},
    optional={
        "unique_recipients": COUNT,
        "revenue": NUMBERS,
        "messages": st.dictionaries(st.sampled_from(["email", "ios_push", "new_channel"]), st.lists(VARIATION)),
    },
)
UNUSUAL = st.dictionaries(
    st.sampled_from(["time", "campaign_id", "conversions", "revenue", "messages", "_extra", "something"]), ANYTHING
)
FORMS = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])


@given(st.lists(ROW, max_size=4), st.lists(UNUSUAL, max_size=1), FORMS, st.sampled_from(["c-1", "é", ""]))
def test_rows_that_stay_encoded_are_those_that_decoding_gives(
    rows: list[dict[str, Any]], unusual: list[dict[str, Any]], form: dict[str, Any], campaign: str
) -> None:
    stream = series("campaigns_analytics")
    body = json.dumps({"data": [*rows, *unusual], "message": "success"}, **form).encode()
    found = encoded(stream, body, {"campaign_id": campaign})
    if found is not None:
        assert found == decoded(stream, body, {"campaign_id": campaign})
        assert [*map(json.dumps, found.values())] == [
            *map(json.dumps, decoded(stream, body, {"campaign_id": campaign}).values())
        ]
    else:
        assert unusual or "indent" in form or not campaign


@given(ROW, st.binary(max_size=2), st.integers(0, 400))
def test_damaged_responses_do_not_stay_encoded(row: dict[str, Any], noise: bytes, place: int) -> None:
    stream = series("campaigns_analytics")
    body = json.dumps({"data": [row], "message": "success"}).encode()
    body = body[:place] + noise + body[place + 1 :]
    found = encoded(stream, body, {"campaign_id": "c-1"})
    if found is not None:
        assert found == decoded(stream, body, {"campaign_id": "c-1"})


STEP = {"name": "s", "revenue": 1.5, "conversions": 1, "messages": {"email": [{"sent": 1, "opened_by_machines": 2}]}}


@pytest.mark.parametrize("name", ["Spring é", None, 5])
@pytest.mark.parametrize(
    "steps", [{}, {"a": STEP, "b": None}, {"a": {"conversions": "1"}}, {"a": {"conversions": 1.0}}]
)
def test_canvases_stay_encoded_with_the_name_that_their_rows_share(name: Any, steps: dict[str, Any]) -> None:
    stream = series("canvases_analytics")
    row = {"time": "2026-03-01", "total_stats": {"revenue": 1.5, "entries": 7}, "step_stats": steps}
    body = json.dumps({"data": {"name": name, "stats": [row, row | {"time": "2026-03-02"}]}, "message": "success"})
    found = encoded(stream, body.encode(), {"canvas_id": "v-1"})
    as_declared = name != 5 and all(type(step.get("conversions", 0)) is int for step in steps.values() if step)
    assert (found is not None) == as_declared
    if found is not None:
        expected = decoded(stream, body.encode(), {"canvas_id": "v-1"})
        assert [json.dumps(row) for row in found.values()] == [json.dumps(row) for row in expected.values()]


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":null,"message":"success"}',
        b'{"data":[],"message":"success","errors":["x"]}',
        b'{"message":"queued"}',
        b'{"data":[{"time":""}]}',
        b'{"data":[{"unique_recipients":1}]}',
        b'{"data":[{"time":"2026-03-01","messages":{"new":"\xff"}}]}',
        b'{"data":[{"time":"2026-03-01","messages":{"new":"\\ud800"}}]}',
        b'{"data":[{"time":"2026-03-01"}]}\r',
        b"",
    ],
)
def test_unusual_responses_are_decoded(body: bytes) -> None:
    assert encoded(series("campaigns_analytics"), body, {"campaign_id": "c-1"}) is None


def test_every_series_with_one_list_of_rows_stays_encoded() -> None:
    not_encoded = {
        stream.name for stream in TAP.streams.values() if isinstance(stream, SeriesPlan) and not stream.encoded_rows()
    }
    long_forms = {
        "campaigns_messages_analytics",
        "canvases_messages_analytics",
        "canvases_steps_analytics",
        "canvases_variants_analytics",
    }
    assert not_encoded == {"canvases_summary", *long_forms}


def test_all_streams_are_as_the_sdk_writes_them(run_tap: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    every_stream = tuple(TAP.streams)
    settings = {"start_date": "2026-06-01", "users": {"external_ids": ["user-001"]}, "deletions": "hard"}
    taken = []
    read = EncodedRows.read

    def counted(self: EncodedRows, body: bytes, tags: Mapping[str, str]) -> Mapping[str, bytes] | None:
        found = read(self, body, tags)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(EncodedRows, "read", counted)
    run = run_tap(*every_stream, **settings)
    assert any(taken)
    monkeypatch.setattr(SdkStream, "deselected", None)
    taken.clear()
    by_sdk = run_tap(*every_stream, **settings)
    assert not taken
    assert run.state == by_sdk.state
    assert _comparable(run) == _comparable(by_sdk)


@pytest.mark.parametrize("inside", [False, True])
def test_deselected_columns_are_left_out_as_by_the_sdk(
    run_tap: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, *, inside: bool
) -> None:
    streams = ("campaigns", "campaigns_analytics", "campaigns_messages_analytics", "canvases_details", "events")
    catalog = catalog_of({"api_key": "k", "endpoint": "http://localhost"}, streams)
    out = {("campaigns_analytics", "messages"), ("campaigns", "name"), ("canvases_details", "steps")}
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            path = item["breadcrumb"]
            is_column = len(path) == 2 and (path[1] == "_extra" or (entry["tap_stream_id"], path[1]) in out)
            if is_column or (inside and path[-1:] == ["email"]):
                item["metadata"]["selected"] = False
    run = run_tap(catalog=catalog, start_date="2026-06-01")
    monkeypatch.setattr(SdkStream, "deselected", None)
    assert _comparable(run) == _comparable(run_tap(catalog=catalog, start_date="2026-06-01"))
    assert all("messages" not in record for record in run.records("campaigns_analytics"))
    assert run.records("campaigns_messages_analytics")


def _comparable(run: Run) -> list[str]:
    """Return all messages but STATE, whose cadence differs, without what differs from run to run."""
    return [
        json.dumps({name: value for name, value in message.items() if name not in {"time_extracted", "version"}})
        for message in run.messages
        if message["type"] != "STATE"
    ]
