"""Run a clock a hundred times as fast, only for the target and the sandbox's rate limits.

The product's waits keep their values, including whole seconds in headers, yet a schedule takes a fraction of a second.
Anything not on this clock, such as the response time of a request, appears to take a hundred times as long.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from multiprocessing import connection
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from braze_sandbox.state import limits
from braze_sandbox.wire import answer
from target_braze.delivery import dispatcher
from target_braze.ledger import messages

if TYPE_CHECKING:
    from collections.abc import Iterator

PACE = 100


def _scaled(timeout: float | None) -> float | None:
    return None if timeout is None else timeout / PACE


class _Event(threading.Event):
    def wait(self, timeout: float | None = None) -> bool:  # type: ignore[explicit-override] # none on Python 3.10
        return super().wait(_scaled(timeout))


class _Condition(threading.Condition):
    def wait(self, timeout: float | None = None) -> bool:  # type: ignore[explicit-override] # likewise
        return super().wait(_scaled(timeout))


class _SimpleQueue(queue.SimpleQueue[Any]):
    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # type: ignore[explicit-override] # noqa: FBT001, FBT002
        return super().get(block, _scaled(timeout))


def _wait(ready: Any, timeout: float | None = None) -> Any:
    return connection.wait(ready, _scaled(timeout))


def _time(skew: float) -> SimpleNamespace:
    return SimpleNamespace(time=lambda: time.time() * PACE + skew, monotonic=lambda: time.monotonic() * PACE)


# The attributes that modules use to wait, and their replacements.
_STAND_INS: dict[str, tuple[object, object]] = {
    "threading": (threading, SimpleNamespace(**{**vars(threading), "Event": _Event, "Condition": _Condition})),
    "SimpleQueue": (queue.SimpleQueue, _SimpleQueue),
    "wait": (connection.wait, _wait),
}


@contextmanager
def hurried(skew: float = 0, span: int = 100_000) -> Iterator[None]:
    """Run the target and the sandbox's rate limits on the fast clock, with the target `skew` seconds ahead.

    Schedules have few records, so the target reads only `span` records ahead and holds back as few as possible.
    """
    hasty = [module for name, module in list(sys.modules.items()) if name.startswith("target_braze.")]
    with ExitStack() as patches:
        for module in (limits, answer):  # The resets and the Date header that they are relative to.
            patches.enter_context(mock.patch.object(module, "time", _time(0)))
        patches.enter_context(mock.patch.object(dispatcher, "_SPAN", span))
        patches.enter_context(mock.patch.object(dispatcher, "_SLACK", 0))
        # The fast clock is far beyond the year of any schedule.
        patches.enter_context(mock.patch.object(messages, "_KEPT", 10**12))
        for module in hasty:
            for name, (original, stand_in) in {**_STAND_INS, "time": (time, _time(skew))}.items():
                if getattr(module, name, None) is original:
                    patches.enter_context(mock.patch.object(module, name, stand_in))
        yield
