"""The page of a run report: one HTML file that needs no network. Knows nothing about what ran."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .history import path_beside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .rates import Plot

# How each page and each line of a history begins: files that begin otherwise are not ours to replace or extend.
_PAGE: Final = b"<!doctype html>\n<!-- run report of "
_LINE: Final = b'{"run_id": '
_TEMPLATE: Final = Path(__file__).with_suffix(".html")


@dataclass(frozen=True)
class Example:
    """One object with a problem, and what is known of it, by name."""

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """Why something did not arrive, how often, and some examples."""

    stream: str
    reason: str
    count: int
    examples: Sequence[Example] = ()


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Args:
        run: Fields of the run, see `history.RUN_FIELDS`.
        totals: The most important figures, by label.
        columns: Headings of the table of streams.
        streams: A row for each stream, in the order of the headings; the first cell is the stream's name.
        plots: Rates over time.
        waits: Seconds of waiting, by cause.
        problems_title: Heading of the problems.
        problems: What did not arrive.
        warnings: Other warnings, with how often each came.
        notes: Sentences for the reader.
    """

    run: Mapping[str, Any]
    totals: Mapping[str, int]
    columns: Sequence[str]
    streams: Sequence[Sequence[Any]]
    plots: Sequence[Plot]
    waits: Mapping[str, float]
    problems_title: str
    problems: Sequence[Problem]
    warnings: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def most(self) -> int:
        """The largest count of a problem."""
        return max((problem.count for problem in self.problems), default=1)


def write(path: Path, page: Page) -> None:
    """Write the page, readable by its owner only, in place of an older one.

    Raises:
        OSError: The file cannot be written.
    """
    import jinja2  # noqa: PLC0415 - few runs write a page

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["number"] = _number
    text = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(page=page)
    path = path.resolve()  # replacing a link would leave the file behind it
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def mistakes(config: Mapping[str, Any], *other_files: str) -> Iterator[str]:
    """Yield the errors in setting `report_path`. `other_files` are settings with files of the same program."""
    given = config.get("report_path")
    if not given:
        return
    page = Path(given)
    if page.suffix != ".html":
        yield f"setting 'report_path': {given} must end with .html; the history beside it ends with .jsonl"
        return
    if not page.parent.is_dir():
        yield f"setting 'report_path': the folder {page.parent} does not exist; create it, or name another one"
        return
    for path, beginning, what in ((page, _PAGE, "run report"), (path_beside(page), _LINE, "history of runs")):
        if not _may_write(path, beginning):
            yield f"setting 'report_path': {path} exists and is no {what}. Name another file, or move this one away"
        for setting in other_files:
            if config.get(setting) and os.path.realpath(config[setting]) == os.path.realpath(path):
                yield f"settings 'report_path' and '{setting}' name the same file; give each a file of its own"


def _may_write(path: Path, beginning: bytes) -> bool:
    if not path.exists():
        return True
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            found = file.read(len(beginning))
    except OSError:
        return False
    return found in (b"", beginning)


def _number(value: object) -> str:
    """Return a number with separators; a small fraction keeps one decimal."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,.1f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"  # noqa: PLR2004
