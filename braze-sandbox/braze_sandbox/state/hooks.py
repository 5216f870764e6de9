"""Functions that a test runs after requests, such as to change the workspace between two pages."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.state.recorder import Recorded


@dataclass(slots=True)
class Hook:
    """A function for the requests whose paths match."""

    path: str
    callback: Callable[[Recorded], object]
    times: int | None
    hits: int = 0


class Hooks:
    """The functions in force."""

    def __init__(self) -> None:
        self._hooks: list[Hook] = []

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def add(self, path: str, callback: Callable[[Recorded], object], times: int | None) -> None:
        """Have a function called after requests: `times` times, or always."""
        self._hooks.append(Hook(path, callback, times))

    def clear(self) -> None:
        """Forget all functions."""
        self._hooks.clear()

    def run(self, request: Recorded) -> None:
        """Call what waits for this request, which has been carried out and not answered yet."""
        for hook in self._hooks:
            if (hook.times is None or hook.hits < hook.times) and fnmatchcase(request.path, hook.path):
                hook.hits += 1
                hook.callback(request)
