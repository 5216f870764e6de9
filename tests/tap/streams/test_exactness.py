"""However the runs are split, and wherever they are killed: together they read what one run reads."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest
from braze_sandbox.testing import Sandbox
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.tap.support.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


DAY = timedelta(days=1)


def _ago(days: int) -> str:
    return f"{TODAY - days * DAY}T12:00:00.000Z"


def _day(said: Any) -> date | None:
    try:
        return datetime.strptime(said, "%Y-%m-%dT%H:%M:%S.000Z").date()  # noqa: DTZ007 - a day of UTC
    except (TypeError, ValueError):
        return None


@settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
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
            # The days in the lookback of the next run change.
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


# Stream, its long form, path of the details, field of the first send, longest start before today, days of 8 windows.
LIARS = [
    ("canvases", "canvases_messages_analytics", "/canvas/details", "canvas_id", "entry", 260, 104),
    ("campaigns", "campaigns_messages_analytics", "/campaigns/details", "campaign_id", "sent", 1_100, 792),
]
_some_time = st.one_of(
    st.none(), st.sampled_from(["", "soon", 7, {}, "2026-06-31"]), st.integers(-100, 1_500).map(_ago), st.just("absent")
)
_details = st.fixed_dictionaries(
    dict.fromkeys(("first", "last", "created_at", "updated_at"), _some_time)
    | {name: st.sampled_from([None, True, False, 0, "no"]) for name in ("draft", "enabled", "archived")}
)


@pytest.mark.usefixtures("on_the_day")
@pytest.mark.parametrize(("kind", "long_form", "path", "key", "event", "longest", "newest"), LIARS)
@settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_details_keep_no_figures_from_coming_out(
    run_tap: RunTap,
    data: st.DataObject,
    *,
    kind: Any,
    long_form: str,
    path: str,
    key: str,
    event: str,
    longest: int,
    newest: int,
) -> None:
    """Whatever details say of a parent, its figures since the first send come out, from any start and after any kill.

    Details that name a first send (or only a creation) after figures are believed, but not for the newest days.
    """
    draw, stream = data.draw, f"{kind}_analytics"
    with Sandbox(today=TODAY, zero_rows=draw(st.booleans(), "zero_rows")) as braze:
        objects = getattr(braze.workspace, kind)
        since, figures = {}, set()
        for parent, found in objects.items():
            setattr(found, f"first_{event}", None)  # so that there are only these figures
            for back in draw(st.sets(st.integers(1, longest), max_size=6), "days with figures"):
                braze.workspace.restate(kind, parent, TODAY - back * DAY, 7)
                figures.add((parent, TODAY - back * DAY))
            said = draw(_details, "details")
            body = {
                name.replace("first", f"first_{event}").replace("last", f"last_{event}"): value
                for name, value in {"created_at": None, **said}.items()
                if value != "absent" or name == "created_at"
            }
            braze.fault(path=path, query={key: parent}, do="status", status=200, body={"message": "success", **body})
            first = _day(said["first"]) or _day(said["created_at"])
            since[parent] = min(TODAY - newest * DAY, first - 2 * DAY if first else date.min)
        start = TODAY - draw(st.integers(newest // 2, longest), "start") * DAY
        later = start + draw(st.integers(0, newest), "a later start") * DAY
        later = min(later, TODAY - DAY)
        place: dict[str, Any] = {"endpoint": braze.url, "api_key": braze.api_key, "end_date": TODAY.isoformat()}
        place["lookback_days"] = draw(st.integers(0, 20), "lookback")

        def loaded(start: date, shares: Iterable[float]) -> dict[tuple[Any, ...], Any]:
            """What arrives from runs that are killed after a share of their output, and one that is not."""
            warehouse = Warehouse()
            for share in (*shares, 1.0):
                run = run_tap(stream, long_form, state=warehouse.state, start_date=start.isoformat(), **place)
                # Details of a wrong type are named at the end, and cost no figures.
                malformed = f"GET {path}: the answer is not what Braze documents" in run.stderr
                assert run.exit_code == malformed, run.stderr
                warehouse.load(run, share)
            return {
                name: row
                for name, row in warehouse.rows.items()
                if max(since[row[key]], later) <= date.fromisoformat(row["time"])
            }

        whole = loaded(start, ())
        assert loaded(later, ()) == whole
        assert loaded(start, draw(st.lists(st.floats(0, 1), min_size=1, max_size=2), "kills")) == whole
    wanted = {(parent, day) for parent, day in figures if day >= max(since[parent], later)}
    for name in (stream, long_form):
        rows = [row for (of, *_), row in whole.items() if of == name]
        assert wanted <= {(row[key], date.fromisoformat(row["time"])) for row in rows}


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
    rows = [json.dumps(record, sort_keys=True) for record in run.records(stream)]
    assert len(rows) == len(set(rows)) > 0
