"""Whatever the runs are cut into, and wherever they are killed: together they bring what one run brings."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest
from braze_sandbox.testing import Sandbox
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    RunTap = Callable[..., Any]

STREAMS = ("campaigns_analytics", "campaigns_messages_analytics", "canvases_analytics", "kpi_daily_new_users")
TODAY = date(2026, 7, 1)
ODD = ["a&b", "50% off", "plus+minus", "path/to", "注文完了", "#hash", 'x"y', "100%25", "a b", "é"]

# How far a run goes, what share of its output gets to the target before it is killed, and which campaign is refused.
runs = st.lists(
    st.tuples(st.integers(1, 130), st.floats(0, 1), st.sampled_from([None, 0, 1])),
    min_size=1,
    max_size=4,
)


class Warehouse:
    """What a target holds that was fed with the output of runs, and the STATE it has confirmed."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, ...], Any] = {}
        self.state: dict[str, Any] | None = None

    def bookmark(self, stream: str) -> date:
        """How far a stream was read; before that, today: the day does not matter."""
        bookmarks = (self.state or {}).get("bookmarks", {})
        return date.fromisoformat(bookmarks.get(stream, {}).get("replication_key_value", TODAY.isoformat()))

    def load(self, run: Any, share: float = 1.0) -> None:
        keys = {m["stream"]: m["key_properties"] for m in run.messages if m["type"] == "SCHEMA"}
        for message in run.messages[: int(len(run.messages) * share)]:
            if message["type"] == "RECORD":
                record = message["record"]
                name = (message["stream"], *(record[key] for key in keys[message["stream"]]))
                self.rows[name] = record
            elif message["type"] == "STATE":
                self.state = message["value"]


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    start=st.integers(20, 130),
    cuts=runs,
    lookback=st.integers(0, 20),
    restated=st.integers(0, 20),
    zone=st.sampled_from(["UTC", "America/Los_Angeles", "Asia/Kolkata"]),
    zero_rows=st.booleans(),
    ending_day_included=st.booleans(),
)
def test_any_runs_bring_what_one_run_brings(
    run_tap: RunTap,
    *,
    start: int,
    cuts: list[tuple[int, float, int | None]],
    lookback: int,
    restated: int,
    zone: str,
    zero_rows: bool,
    ending_day_included: bool,
) -> None:
    first = TODAY - timedelta(days=start)
    options: dict[str, Any] = {"time_zone": zone, "zero_rows": zero_rows, "ending_day_included": ending_day_included}
    with Sandbox(today=TODAY, **options) as braze:
        never, *campaigns = braze.workspace.campaigns
        braze.workspace.campaigns[never].first_sent = None
        place = {"endpoint": braze.url, "api_key": braze.api_key, "time_zone": zone, "lookback_days": lookback}
        place["start_date"] = first.isoformat()
        warehouse = Warehouse()
        for days, share, refused in cuts:
            end = min(first + timedelta(days=days), TODAY)
            if refused is not None:
                query = {"campaign_id": campaigns[refused]}
                braze.fault(path="/campaigns/data_series", query=query, do="status", status=400)
            warehouse.load(run_tap(*STREAMS, state=warehouse.state, end_date=end.isoformat(), **place), share)
            braze.clear_faults()
            # What lies in the lookback of the next run changes.
            changes: list[tuple[str, Literal["campaigns", "kpi"], str]] = [
                ("campaigns_analytics", "campaigns", campaigns[0]),
                ("kpi_daily_new_users", "kpi", "new_users"),
            ]
            for stream, kind, name in changes:
                day = warehouse.bookmark(stream) - timedelta(days=min(restated, lookback))
                braze.workspace.restate(kind, name, max(day, first), 5)
        end_date = (TODAY + timedelta(days=1)).isoformat()
        warehouse.load(run_tap(*STREAMS, state=warehouse.state, end_date=end_date, **place))
        whole = Warehouse()
        whole.load(run_tap(*STREAMS, end_date=end_date, **place))
    assert warehouse.rows == whole.rows
    assert warehouse.state == whole.state


def test_oddly_named_events_in_odd_hours(run_tap: RunTap) -> None:
    # Santiago sets its clocks at midnight, so that a day of these begins at one.
    with Sandbox(seed="empty", time_zone="America/Santiago", today=date(2026, 9, 20)) as braze:
        braze.workspace.events |= set(ODD)
        place = {"endpoint": braze.url, "api_key": braze.api_key, "time_zone": "America/Santiago", "end_date": None}
        whole, parts = Warehouse(), Warehouse()
        whole.load(run_tap("events_analytics", start_date="2026-03-20", **place))
        for end in ("2026-04-05", "2026-09-06", None):
            settings = place | {"start_date": "2026-03-20", "lookback_days": 0, "end_date": end}
            parts.load(run_tap("events_analytics", state=parts.state, **settings))
    assert parts.rows == whole.rows
    assert {name for _, name, _ in whole.rows} == set(ODD)
    assert len(whole.rows) == len(ODD) * 185


@pytest.mark.parametrize("stream", ["campaigns_analytics", "kpi_daily_new_users"])
def test_a_row_that_braze_sends_twice_comes_out_once(run_tap: RunTap, stream: str) -> None:
    with Sandbox() as braze:
        row = {"time": "2026-06-30", "new_users": 5}
        for path in ("/campaigns/data_series", "/kpi/new_users/data_series"):
            braze.fault(path=path, do="status", status=200, body={"data": [row, row]})
        run = run_tap(stream, endpoint=braze.url, api_key=braze.api_key, start_date="2026-06-01")
    rows = [tuple(sorted(record.items())) for record in run.records(stream)]
    assert len(rows) == len(set(rows)) > 0
