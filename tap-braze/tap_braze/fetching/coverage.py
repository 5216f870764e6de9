"""Coverage: which days runs have read of each target, so that a later run notices what has come into scope since.

STATE holds a target as eight letters (48 bits of a hash), grouped by the days read. So its size depends only on the
number of targets, and a new target passes for a known one in one of 28 billion cases if 10,000 are known.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import defaultdict
from datetime import date
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from tap_braze.fetching import spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_braze.fetching.spans import Spans

_BYTES: Final = 6
_LETTERS: Final = 8


def mark(target: Iterable[str]) -> str:
    """Return eight letters that identify a target."""
    content = "\0".join(target).encode("utf-8", "surrogatepass")
    return urlsafe_b64encode(blake2b(content, digest_size=_BYTES).digest()).decode()


def packed(marks: Iterable[str]) -> str:
    """Return the marks as one text, for STATE."""
    return "".join(sorted(marks))


def unpacked(text: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield the marks in a text that `packed` returned.

    Raises:
        ValueError: The text was edited and has another form.
    """
    if not isinstance(text, str) or len(text) % _LETTERS:
        raise ValueError("'targets' is not what a run wrote")
    for place in range(0, len(text), _LETTERS):
        yield text[place : place + _LETTERS]


class Coverage:
    """Days read, by target. Targets out of scope are forgotten: what comes back is read from the start again."""

    def __init__(self, targets: Iterable[Mapping[str, str]], start: date, before: Mapping[str, Spans]) -> None:
        """Start with the days that earlier runs read.

        Args:
            targets: The targets in scope, each as the fields that identify it.
            start: The first day in scope.
            before: The days read of each target, as `parse` returns them.
        """
        self._start = start
        self._before = {each: before.get(each, ()) for each in map(_mark_of, targets)}
        self._now: Spans = ()

    @staticmethod
    def parse(state: Any) -> dict[str, Spans]:  # noqa: ANN401
        """Parse the value that `state` returned in an earlier run.

        Raises:
            ValueError: The value was edited and has another form.
        """
        found: dict[str, Spans] = {}
        try:
            for group in state:
                days: Spans = ()
                for text in group["days"]:
                    first, last = map(date.fromisoformat, text.split("/"))
                    days = spans.joined(days, first, last)
                found |= dict.fromkeys(unpacked(group["targets"]), days)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no days with their targets: {error}") from None
        return found

    @staticmethod
    def whole(targets: Iterable[Mapping[str, str]], first: date, last: date) -> dict[str, Spans]:
        """Return, in the form of `parse`, that earlier runs read all of these days."""
        return dict.fromkeys(map(_mark_of, targets), ((first, last),) if first <= last else ())

    def before(self, tags: Mapping[str, str]) -> Spans:
        """Return the days of a target that earlier runs read."""
        return self._before[_mark_of(tags)]

    def unread(self, tags: Mapping[str, str], last: date) -> Spans:
        """Return the days in scope, through `last`, that earlier runs did not read."""
        unread: Spans = ((self._start, last),) if self._start <= last else ()
        for span in self.before(tags):
            unread = spans.without(unread, *span)
        return unread

    def add(self, first: date, last: date) -> None:
        """Record that this run has read these days of every target; days before the start do not count."""
        if (first := max(first, self._start)) <= last:
            self._now = spans.joined(self._now, first, last)

    def state(self) -> list[dict[str, Any]]:
        """Return the value to store in STATE."""
        groups: defaultdict[Spans, list[str]] = defaultdict(list)
        for each, days in self._before.items():
            groups[days].append(each)
        merged: defaultdict[Spans, list[str]] = defaultdict(list)
        for before, marks in groups.items():
            days = before
            for span in self._now:
                days = spans.joined(days, *span)
            merged[spans.within(days, self._start, date.max)] += marks
        return [
            {"days": [f"{first}/{last}" for first, last in days], "targets": packed(marks)}
            for days, marks in sorted(merged.items())
            if days
        ]


def _mark_of(tags: Mapping[str, str]) -> str:
    return mark(f"{name}={tags[name]}" for name in sorted(tags))
