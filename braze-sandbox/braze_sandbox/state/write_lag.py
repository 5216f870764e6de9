"""Writes that take effect after their response, in order or shuffled (docs: post_user_track)."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from braze_sandbox.state.recorder import Recorder


class WriteLag:
    """The queue between an asynchronous endpoint and what it changes.

    With a lag, each write schedules one time at which some write takes effect: the oldest one waiting or, when
    shuffling, any.
    """

    def __init__(self, recorder: Recorder, lag: float, shuffle: int | None) -> None:
        self._recorder = recorder
        self._lag = lag
        self._random = None if shuffle is None else Random(shuffle)  # noqa: S311 - no secret
        self._waiting: list[tuple[Callable[[], object], set[Hashable]]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def lags(self) -> bool:
        """Return whether writes wait at all."""
        return self._lag > 0

    def do(self, work: Callable[[], object], users: set[Hashable]) -> None:
        """Apply a write that affects some users, now or after the lag."""
        if not self.lags:
            work()
            return
        self._recorder.hold(users)
        self._waiting.append((work, users))
        asyncio.get_running_loop().call_later(self._lag, self._one)

    def _one(self) -> None:
        if self._waiting:
            work, users = self._waiting.pop(self._random.randrange(len(self._waiting)) if self._random else 0)
            self._recorder.release(users)
            work()

    def finish(self) -> None:
        """Apply all waiting writes."""
        while self._waiting:
            self._one()

    def forget(self) -> None:
        """Drop all waiting writes."""
        self._waiting.clear()
