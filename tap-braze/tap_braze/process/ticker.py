"""Call something every few seconds while something else is under way."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from logging import Logger, LoggerAdapter

# Seconds between two progress lines.
EVERY: Final = 5.0


@contextmanager
def ticking(call: Callable[[], None], seconds: float | None = None) -> Iterator[None]:
    """Call `call` every few `seconds`, by default `EVERY`, from a thread of its own, until the end of the block."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(seconds or EVERY):
            call()

    thread = threading.Thread(target=tick, name="ticker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def heartbeat(logger: Logger | LoggerAdapter[Any], doing: str) -> Iterator[None]:
    """Log every few seconds what is under way, for work that cannot say how far it is.

    Args:
        logger: Receives the lines.
        doing: What is under way, such as "reading the ledger".
    """
    started = time.monotonic()
    with ticking(lambda: logger.info("%s, for %.0f s so far", doing, time.monotonic() - started)):
        yield
