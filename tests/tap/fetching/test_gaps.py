"""Which days single parents lack: ranges that grow, shrink and stay few."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_braze.fetching import spans
from tap_braze.fetching.gaps import Gaps

FIRST = date(2026, 1, 1)
steps = st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.integers(0, 30), st.integers(0, 30)), max_size=20)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


@given(steps)
def test_gaps_are_sets_of_days(steps: list[tuple[bool, str, int, int]]) -> None:
    gaps = Gaps()
    days: set[tuple[str, int]] = set()
    for adds, parent, first, length in steps:
        tags, span = {"id": parent}, range(first, first + length + 1)
        (gaps.add if adds else gaps.remove)(tags, day(span[0]), day(span[-1]))
        touched = {(parent, number) for number in span}
        days = days | touched if adds else days - touched
        gaps = Gaps(gaps.state())
    assert {(p, n) for p in "ab" for n in range(100) if spans.has(gaps.of({"id": p}), day(n))} == days
    assert bool(gaps) == bool(days)
    # Not one entry more than there are ranges.
    starts = [(p, n) for p, n in days if (p, n - 1) not in days]
    assert len(gaps.state()) == len(starts)


@pytest.mark.parametrize("entry", [{}, {"id": "a", "first": "x", "last": "y"}, {"id": "a", "first": 1, "last": 2}, 3])
def test_what_is_no_range_is_refused(entry: object) -> None:
    with pytest.raises(ValueError, match="is not a range of days"):
        Gaps([entry])  # type: ignore[list-item]
