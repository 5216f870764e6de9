"""Functions that a test runs after requests, for example to change the workspace between two pages."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.state.recorder import Recorded


@dataclass(slots=True)
class Hook:
    """A function for requests with matching paths."""

    path: str
    callback: Callable[[Recorded], object]
    times: int | None
    hits: int = 0


class Hooks:
    """The active functions."""

    def __init__(self) -> None:
        self._hooks: list[Hook] = []

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def add(self, path: str, callback: Callable[[Recorded], object], times: int | None) -> None:
        """Register a function to run after requests: `times` times, or always."""
        self._hooks.append(Hook(path, callback, times))

    def clear(self) -> None:
        """Remove all functions."""
        self._hooks.clear()

    def run(self, request: Recorded) -> None:
        """Run the functions for this request, which has been processed but not yet answered."""
        for hook in self._hooks:
            if (hook.times is None or hook.hits < hook.times) and fnmatchcase(request.path, hook.path):
                hook.hits += 1
                hook.callback(request)
