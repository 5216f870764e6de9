"""Log the first warning of each kind, and count the others."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

# A template with nothing in it but a text says nothing about its kind.
_BARE: Final = "%s"
_NUMBER: Final = re.compile(r"\d[\d.,]*")


@contextmanager
def counted(logger: logging.Logger) -> Iterator[None]:
    """Let the first warning of each kind through; at the end, log it once more with the number of the others.

    Warnings are of one kind if they differ only in what their template leaves open or, without a template, in numbers.
    """
    repeats = _Repeats()
    logger.addFilter(repeats)
    try:
        yield
    finally:
        logger.removeFilter(repeats)
        for first, others in repeats.repeated():
            logger.warning("%s (and %s more like this)", first, f"{others:,}")


class _Repeats(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._first: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        text = record.getMessage()
        kind = _NUMBER.sub("", text) if record.msg == _BARE or not record.args else str(record.msg)
        with self._lock:
            self._first.setdefault(kind, text)
            self._counts[kind] += 1
            return self._counts[kind] == 1

    def repeated(self) -> list[tuple[str, int]]:
        """Return the first warning of each kind that came again, and how often it did."""
        return [(self._first[kind], count - 1) for kind, count in self._counts.items() if count > 1]
