"""Sorted, separate ranges of days, both ends included."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TypeAlias

Span: TypeAlias = tuple[date, date]
Spans: TypeAlias = tuple[Span, ...]

_DAY = timedelta(days=1)


def joined(spans: Spans, first: date, last: date) -> Spans:
    """Return the ranges with the days from `first` through `last` added."""
    before: list[Span] = []
    after: list[Span] = []
    for span in spans:
        if span[1] < first - _DAY:
            before.append(span)
        elif span[0] > last + _DAY:
            after.append(span)
        else:
            first, last = min(first, span[0]), max(last, span[1])
    return (*before, (first, last), *after)


def without(spans: Spans, first: date, last: date) -> Spans:
    """Return the ranges without the days from `first` through `last`."""
    return tuple(
        rest
        for span in spans
        for rest in ((span[0], min(span[1], first - _DAY)), (max(span[0], last + _DAY), span[1]))
        if rest[0] <= rest[1]
    )


def within(spans: Spans, first: date, last: date) -> Spans:
    """Return the parts of the ranges from `first` through `last`."""
    cut = ((max(span[0], first), min(span[1], last)) for span in spans)
    return tuple(span for span in cut if span[0] <= span[1])


def has(spans: Spans, day: date) -> bool:
    """Return whether the ranges include the day."""
    return any(first <= day <= last for first, last in spans)
