"""Gaps: days that are missing for single parents although the bookmark has passed them.

STATE lists them as ranges, so it grows with the exceptions, not with the number of parents.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_braze.fetching import spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_braze.fetching.spans import Span, Spans

_ENDS = ("first", "last")

Tags: TypeAlias = "Mapping[str, str]"


class Gaps:
    """Ranges of days by the tags that identify a parent."""

    def __init__(self, state: Iterable[Mapping[str, Any]] = ()) -> None:
        """Parse the value that `state` returned in an earlier run.

        Raises:
            ValueError: The value was edited and has another form.
        """
        self._spans: dict[tuple[tuple[str, str], ...], Spans] = {}
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
        self._spans[key] = spans.joined(self._spans.get(key, ()), first, last)

    def remove(self, tags: Tags, first: date, last: date) -> None:
        """Record that these days have been read."""
        key = _key(tags)
        if key not in self._spans:
            return
        left = spans.without(self._spans[key], first, last)
        if left:
            self._spans[key] = left
        else:
            del self._spans[key]

    def of(self, tags: Tags) -> Spans:
        """Return the missing days of a parent."""
        return self._spans.get(_key(tags), ())

    def keep(self, parents: Iterable[Tags]) -> None:
        """Forget all other parents."""
        kept = {_key(tags) for tags in parents} if self._spans else set()
        self._spans = {key: found for key, found in self._spans.items() if key in kept}

    def __iter__(self) -> Iterator[tuple[dict[str, str], Span]]:
        for key, found in self._spans.items():
            for span in found:
                yield dict(key), span

    def state(self) -> list[dict[str, str]]:
        """Return the value to store in STATE."""
        return [{**tags, "first": first.isoformat(), "last": last.isoformat()} for tags, (first, last) in self]


def _key(tags: Tags) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(tags.items()))
