"""Which days are requested: each wanted day once, whatever Braze means by `ending_at`."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_braze.fetching.windows import DAY, Window, first_day, windows

ZONES = ["UTC", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Kiritimati", "Africa/Cairo", "America/Santiago"]
days = st.dates(date(2015, 1, 1), date(2035, 1, 1))


def answer(window: Window, zone: ZoneInfo, *, ending_day_included: bool) -> list[date]:
    """The days that Braze sends, in either reading of its docs."""
    params = window.params(zone)
    end = datetime.fromisoformat(params["ending_at"]).astimezone(zone).date()
    last = end if ending_day_included else end - DAY
    return [last - back * DAY for back in range(int(params["length"]))]


@given(
    first=days,
    count=st.integers(-5, 400),
    longest=st.sampled_from([14, 100]),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    ending_day_included=st.booleans(),
)
def test_every_wanted_day_comes_once(
    first: date, count: int, longest: int, zone: ZoneInfo, *, ending_day_included: bool
) -> None:
    wanted = [first + number * DAY for number in range(count)]
    got: list[date] = []
    for window in windows(first, first + (count - 1) * DAY, longest):
        sent = answer(window, zone, ending_day_included=ending_day_included)
        assert 1 <= len(sent) <= longest
        got += sorted(day for day in sent if window.wants(day.isoformat()))
    assert got == wanted


@pytest.mark.parametrize(
    ("zone", "last", "ending_at"),
    [
        ("UTC", date(2026, 1, 31), "2026-02-01T00:00:00+00:00"),
        ("America/New_York", date(2026, 3, 7), "2026-03-08T00:00:00-05:00"),
        ("America/New_York", date(2026, 3, 8), "2026-03-09T00:00:00-04:00"),
        ("Asia/Kolkata", date(2026, 1, 31), "2026-02-01T00:00:00+05:30"),
    ],
)
def test_a_window_ends_at_the_midnight_after_its_last_day(zone: str, last: date, ending_at: str) -> None:
    assert Window(last - 2 * DAY, last).params(ZoneInfo(zone)) == {"ending_at": ending_at, "length": "4"}


@given(last=days, zone=st.sampled_from(ZONES).map(ZoneInfo))
def test_offsets_are_well_formed(last: date, zone: ZoneInfo) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00:00[+-]\d\d:\d\d", Window(last, last).params(zone)["ending_at"])


def test_a_time_of_the_day_belongs_to_its_day() -> None:
    window = Window(date(2026, 1, 1), date(2026, 1, 2))
    assert window.wants("2026-01-02T23:00:00")
    assert not window.wants("2026-01-03T00:00:00")


@pytest.mark.parametrize(
    ("bookmark", "lookback", "first"),
    [
        (None, 14, date(2026, 1, 10)),
        (date(2026, 3, 1), 14, date(2026, 2, 15)),
        (date(2026, 3, 1), 0, date(2026, 3, 1)),
        (date(2026, 1, 12), 14, date(2026, 1, 10)),
        (date(2025, 1, 1), 14, date(2026, 1, 10)),
    ],
)
def test_reading_begins_before_the_bookmark_but_not_before_the_start(
    bookmark: date | None, lookback: int, first: date
) -> None:
    assert first_day(date(2026, 1, 10), bookmark, timedelta(days=lookback)) == first
