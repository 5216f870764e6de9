"""A live display on a terminal, in place of progress lines. Knows nothing about what it shows."""

from __future__ import annotations

import io
import logging
import os
import stat
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from .ticker import ticking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

    from rich.console import Console, RenderableType

# Seconds between two pictures.
_EVERY: Final = 0.25
_BAR: Final = 40
# Lines of the display besides the table's rows, and of the log to leave visible.
_OTHER_LINES: Final = 8
# Set by Meltano for the plugins that it runs, and by whoever configures logs: both expect lines.
_EXPECT_LINES: Final = ("MELTANO_EXTRACTOR_NAME", "MELTANO_LOADER_NAME", "SINGER_SDK_LOG_CONFIG")


@dataclass(frozen=True)
class View:
    """One picture of a run.

    Args:
        text: How far the run is, in a sentence.
        part: What `share` and `left` are about, if it is not the whole run.
        share: How much is done, from 0 to 1; None if unknown.
        left: Estimated seconds until the end; None if unknown.
        columns: Headings of the table.
        rows: Rows of the table; the last ones count most if there is no room for all.
    """

    text: str
    part: str = ""
    share: float | None = None
    left: float | None = None
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def is_free() -> bool:
    """Return whether standard error is a terminal on which a display would disturb nothing.

    In a pipeline, another program may write to the same terminal, and messages on standard output would be torn apart.
    """
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    if any(name in os.environ for name in _EXPECT_LINES):
        return False
    return not _is_pipe(sys.stdin) and not _is_pipe(sys.stdout) and not (sys.stdout and sys.stdout.isatty())


@contextmanager
def live(look: Callable[[], View]) -> Iterator[None]:
    """Show what `look` returns, several times a second, until the end of the block. Log lines appear above it.

    Args:
        look: Called from a thread of its own.
    """
    from rich.console import Console  # noqa: PLC0415 - few runs have a terminal
    from rich.live import Live  # noqa: PLC0415

    console = Console(file=sys.stderr)
    picture = Live(
        console=console,
        get_renderable=lambda: _drawn(look(), console.height),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )

    def refresh() -> None:
        with suppress(OSError):  # the terminal is gone; the run goes on
            picture.refresh()

    with suppress(OSError):
        picture.start()
    try:
        with _log_above(console), ticking(refresh, _EVERY):
            yield
    finally:
        with suppress(OSError):
            picture.stop()


@contextmanager
def _log_above(console: Console) -> Iterator[None]:
    """Redirect what is written to standard error, also by log handlers, so that it appears above the display."""
    before = sys.stderr
    above = _Above(console)
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is before
    ]
    sys.stderr = above
    for handler in handlers:
        handler.setStream(above)
    try:
        yield
    finally:
        above.flush()
        sys.stderr = before
        for handler in handlers:
            handler.setStream(before)


class _Above(io.TextIOBase):
    """Prints whole lines through a console, which moves its display down."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._begun = ""

    @override
    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        if lines:
            self._print("\n".join(lines))
        return len(text)

    @override
    def flush(self) -> None:
        if self._begun:
            self._print(self._begun)
            self._begun = ""

    def _print(self, text: str) -> None:
        with suppress(OSError):
            self._console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _drawn(view: View, height: int) -> RenderableType:
    from rich.console import Group  # noqa: PLC0415
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    head = Table.grid(padding=(0, 1))
    head.add_column(width=_BAR)
    if view.share is None:
        head.add_row(ProgressBar(width=_BAR, pulse=True))
    else:
        of_part = f" of {view.part}" if view.part else ""
        left = "" if view.left is None else f"about {_duration(view.left)} left"
        head.add_row(ProgressBar(total=1, completed=view.share, width=_BAR), f"{view.share:.0%}{of_part}", left)
    text = Text(view.text)
    rows = view.rows[-max(1, height - _OTHER_LINES) :]
    if not rows:
        return Group(head, text)
    table = Table(box=None, header_style="dim")
    for place, column in enumerate(view.columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return Group(head, text, table)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _is_pipe(stream: TextIO | None) -> bool:
    try:
        mode = 0 if stream is None else os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):  # closed, or none of the operating system's
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
