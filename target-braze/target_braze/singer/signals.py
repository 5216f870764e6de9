"""SIGINT, SIGTERM and SIGHUP: handlers take note and never raise, so that no instruction of a run is cut in half."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STOPPING: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def handle(stop: Callable[[signal.Signals], None]) -> dict[int, Any]:
    """Call `stop` with each of these signals from now on; return the handlers before.

    Only the main thread can set handlers; in any other this does nothing. SIGHUP stays ignored under `nohup`.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in STOPPING:
            if number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) == signal.SIG_IGN:
                continue
            before[number] = signal.signal(number, lambda signum, _frame: stop(signal.Signals(signum)))
    return before


@contextmanager
def handled(stop: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call `stop` with each of these signals until the block ends."""
    before = handle(stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
