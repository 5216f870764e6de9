"""Call something every few seconds while something else is under way."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
