"""SIGINT, SIGTERM and SIGHUP, the signals that end a run."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

STOPPING: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(SystemExit):
    """A signal ends the run; the exit code is that of a process killed by it."""

    def __init__(self, signum: signal.Signals) -> None:
        super().__init__(128 + signum)
        self.signal_name = signum.name


def handle(stop: Callable[[signal.Signals], None]) -> Callable[[], None]:
    """Call `stop` with each of these signals from now on; return a function that restores the handlers before.

    `stop` may run between any two instructions, so it must not take a lock, wait or raise. Only the main thread can set
    handlers; in any other this does nothing. SIGHUP stays ignored under `nohup`.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in STOPPING:
            if number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) == signal.SIG_IGN:
                continue
            before[number] = signal.signal(number, lambda signum, _frame: stop(signal.Signals(signum)))

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    return restore
