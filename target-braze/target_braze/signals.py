"""SIGINT and SIGTERM: what must not be left half-done is shielded from them."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def nothing(_signum: int, _frame: FrameType | None) -> None:
    """Handle a signal; not SIG_IGN, with which Python reports one that is already on its way, with a traceback."""


@contextmanager
def shielded() -> Iterator[None]:
    """Have these signals do nothing meanwhile: the run is at its end anyway."""
    if threading.current_thread() is not threading.main_thread():  # no other has handlers, or gets signals
        yield
        return
    before = [signal.signal(number, nothing) for number in STOPPING]
    try:
        yield
    finally:
        for number, handler in zip(STOPPING, before, strict=True):
            signal.signal(number, handler or signal.SIG_DFL)
