"""Which days of which targets have been read: sets of days, in a STATE of bounded size."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_braze.fetching import spans
from tap_braze.fetching.coverage import Coverage

FIRST = date(2026, 1, 1)
LAST = FIRST + timedelta(days=60)
spans_read = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=4)
# Each run: the targets in scope, the first day in scope, and the days it reads.
runs = st.lists(st.tuples(st.sets(st.sampled_from("abc"), min_size=1), st.integers(0, 30), spans_read), max_size=6)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


@given(runs)
def test_coverage_is_sets_of_days(runs: list[tuple[set[str], int, list[tuple[int, int]]]]) -> None:
    days: set[tuple[str, int]] = set()
    state: list[dict[str, object]] = []
    for scope, start, read in runs:
        coverage = Coverage([{"id": each} for each in scope], day(start), Coverage.parse(state))
        for each in scope:
            unread = coverage.unread({"id": each}, LAST)
            expected = {number for number in range(start, 61) if (each, number) not in days}
            assert {number for number in range(61) if spans.has(unread, day(number))} == expected
        for first, length in read:
            coverage.add(day(first), day(first + length))
            days |= {(each, number) for each in scope for number in range(first, first + length + 1)}
        # What left the scope, or lies before it, is forgotten.
        days = {(each, number) for each, number in days if each in scope and number >= start}
        state = json.loads(json.dumps(coverage.state()))


def test_ten_thousand_targets_take_eight_letters_each() -> None:
    targets = [{"campaign_id": f"c-{number}", "app_id": "a"} for number in range(10_000)]
    before = Coverage.whole(targets[:9_000], FIRST, LAST)
    coverage = Coverage(targets, FIRST, before)
    coverage.add(FIRST, FIRST)
    known, new = coverage.state()[1], coverage.state()[0]
    assert (len(known["targets"]), len(new["targets"])) == (72_000, 8_000)
    assert len(json.dumps(coverage.state())) < 80_200
    coverage.add(FIRST, LAST)
    assert len(coverage.state()) == 1


@pytest.mark.parametrize("state", [3, [3], [{}], [{"days": ["2026-01-01"], "targets": ""}]])
def test_what_no_run_wrote_is_refused(state: object) -> None:
    with pytest.raises(ValueError, match="no days with their targets"):
        Coverage.parse(state)
