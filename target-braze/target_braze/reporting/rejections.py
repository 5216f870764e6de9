"""Why records were rejected: reasons with their counts, and a few examples of each, without values by default."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from target_braze.reporting.report_page import Example, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_braze.records import Record, Rejection

_REASONS: Final = 1_000
_WITH_EXAMPLES: Final = 50
_EXAMPLES: Final = 3
_OTHERS: Final = "other reasons"
_VALUE_LENGTH: Final = 200
# Shorter values are also parts of sentences.
_SHORTEST_MASKED: Final = 3


class Rejections:
    """Reasons of rejected records, without values, and examples. Not thread-safe.

    Args:
        shows_values: Keep the values of examples, instead of their types and lengths.
    """

    def __init__(self, *, shows_values: bool = False) -> None:
        self._shows_values = shows_values
        self._counts: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], list[Example]] = {}

    def add(self, record: Record, why: Rejection) -> None:
        """Count a rejected record, and keep it as an example if there are few of its kind."""
        kind = (record.stream, _without_values(record, why))
        if kind not in self._counts and len(self._counts) >= _REASONS:
            kind = (record.stream, _OTHERS)
        self._counts[kind] += 1
        if kind not in self._examples and len(self._examples) >= _WITH_EXAMPLES:
            return
        examples = self._examples.setdefault(kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(self._example(record, why))

    def most_frequent(self, most: int) -> dict[str, int]:
        """Return the most frequent reasons of all streams, with their counts."""
        found: Counter[str] = Counter()
        for (_, reason), count in [*self._counts.items()]:
            found[reason] += count
        return dict(found.most_common(most))

    def problems(self, most: int) -> list[Problem]:
        """Return the most frequent reasons of each stream, with examples."""
        return [
            Problem(stream, reason, count, self._examples.get((stream, reason), ()))
            for (stream, reason), count in self._counts.most_common(most)
        ]

    def _example(self, record: Record, why: Rejection) -> Example:
        if self._shows_values:
            return Example(
                f"record {record.number:,}: {why.reason}", {name: _text(value) for name, value in _columns(record)}
            )
        return Example(f"record {record.number:,}", {name: _shape(value) for name, value in _columns(record)})


def _columns(record: Record) -> Iterator[tuple[str, Any]]:
    values: Mapping[str, Any] = record.message.get("record") or {}
    yield from values.items()


def _without_values(record: Record, why: Rejection) -> str:
    """Return the reason without the value that it shows, so that reasons of one kind are equal."""
    reason = why.reason.partition(", got ")[0]
    if why.braze is None:
        return reason
    # Braze's own texts may quote any value.
    values = {str(value) for _, value in _columns(record) if isinstance(value, (str, int, float))}
    masked = [re.escape(value) for value in values if len(value) >= _SHORTEST_MASKED]
    return re.sub(rf"(?<!\w)(?:{'|'.join(masked)})(?!\w)", "…", reason) if masked else reason


def _shape(value: object) -> str:
    """Return a value's JSON type and length."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return f"text of {len(value):,} characters"
    if isinstance(value, list):
        return f"array of {len(value):,}"
    if isinstance(value, dict):
        return f"object of {len(value):,}"
    return "number" if isinstance(value, (int, float)) else "invalid JSON"


def _text(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}…"
