"""How many requests at a time Braze answers best: found out by trying, never above the ceiling; no threads here."""

from __future__ import annotations

from typing import Final

# What it begins with, before it knows anything.
_FIRST: Final = 4
# An answer that takes so many times as long as usual, and so many seconds more, is slow.
_SLOWER: Final = 1.5
_SLACK: Final = 0.01
# What is left of the limit after a round that went badly.
_BACK: Final = 0.8
# Weight of the newest round of answers in what is usual.
_NEWEST: Final = 0.1


class Concurrency:
    """A limit that grows by one after each round of answers as quick as usual, and shrinks by a fifth after another.

    A round is as many answers as may be under way. It went badly if one of them came only at a second try (429, 5xx or
    none at the first), or if most were slow. After https://vector.dev/docs/architecture/arc/.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._limit = float(min(_FIRST, ceiling))
        self._usual: float | None = None
        self._begin_round()

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return int(self._limit)

    def answered(self, seconds: float, attempt: int, under_way: int) -> None:
        """An answer came `seconds` after the last try, with so many requests under way, itself included."""
        self._answers += 1
        self._full |= under_way >= self.limit
        self._troubled |= attempt > 1
        if self._usual is None:
            self._usual = seconds
        self._slow += seconds > self._usual * _SLOWER + _SLACK
        self._usual += (seconds - self._usual) * _NEWEST / self.limit
        if self._answers < self.limit:
            return
        if self._troubled or self._slow * 2 > self._answers:
            self._limit = max(1.0, self._limit * _BACK)
        elif self._full:
            self._limit = min(float(self._ceiling), self._limit + 1)
        self._begin_round()

    def _begin_round(self) -> None:
        self._answers = self._slow = 0
        self._full = self._troubled = False
