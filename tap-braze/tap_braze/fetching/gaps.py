"""Gaps: days that are missing for single parents although the bookmark has passed them.

STATE lists them as ranges, so it grows with the exceptions, not with the number of parents.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_DAY = timedelta(days=1)
_ENDS = ("first", "last")

Span: TypeAlias = tuple[date, date]
Tags: TypeAlias = "Mapping[str, str]"


class Gaps:
    """Ranges of days by the tags that identify a parent."""

    def __init__(self, state: Iterable[Mapping[str, Any]] = ()) -> None:
        """Parse the value that `state` returned in an earlier run.

        Raises:
            ValueError: The value was edited and has another form.
        """
        self._spans: dict[tuple[tuple[str, str], ...], list[Span]] = {}
        for entry in state:
            try:
                first, last = (date.fromisoformat(entry[end]) for end in _ENDS)
            except (KeyError, TypeError, ValueError):
                raise ValueError(f"{entry!r} is not a range of days") from None
            self.add({name: value for name, value in entry.items() if name not in _ENDS}, first, last)

    def __bool__(self) -> bool:
        return bool(self._spans)

    def add(self, tags: Tags, first: date, last: date) -> None:
        """Record that the days from `first` through `last` are missing."""
        key = _key(tags)
        before: list[Span] = []
        after: list[Span] = []
        for span in self._spans.get(key, ()):
            if span[1] < first - _DAY:
                before.append(span)
            elif span[0] > last + _DAY:
                after.append(span)
            else:
                first, last = min(first, span[0]), max(last, span[1])
        self._spans[key] = [*before, (first, last), *after]

    def remove(self, tags: Tags, first: date, last: date) -> None:
        """Record that these days have been read."""
        key = _key(tags)
        if key not in self._spans:
            return
        left = [
            rest
            for span in self._spans[key]
            for rest in ((span[0], min(span[1], first - _DAY)), (max(span[0], last + _DAY), span[1]))
            if rest[0] <= rest[1]
        ]
        if left:
            self._spans[key] = left
        else:
            del self._spans[key]

    def has(self, tags: Tags, day: date) -> bool:
        """Return whether this day is missing."""
        return any(first <= day <= last for first, last in self._spans.get(_key(tags), ()))

    def __iter__(self) -> Iterator[tuple[dict[str, str], Span]]:
        for key, spans in self._spans.items():
            for span in spans:
                yield dict(key), span

    def state(self) -> list[dict[str, str]]:
        """Return the value to store in STATE."""
        return [{**tags, "first": first.isoformat(), "last": last.isoformat()} for tags, (first, last) in self]


def _key(tags: Tags) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(tags.items()))
