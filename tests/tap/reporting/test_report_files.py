"""The files of a run report, which both plugins share: history, page and the plots on it."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_braze.reporting import history, report_page
from tap_braze.reporting.rates import Plot, Rates
from typing_extensions import Self

if TYPE_CHECKING:
    from pathlib import Path

LONG = "x" * 300_000


def append_some(path: Path, writer: int) -> None:
    for number in range(20):
        history.append(path, {"run_id": f"{writer}-{number}", "padding": LONG})


def test_processes_that_append_at_once_keep_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else None)
    writers = [context.Process(target=append_some, args=(path, writer)) for writer in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    runs = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert {run["run_id"] for run in runs} == {f"{writer}-{number}" for writer in range(3) for number in range(20)}
    assert all(run["padding"] == LONG for run in runs)


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (b"", []),
        (b'{"run_id": "a"}\n', ["a"]),
        (b'{"run_id": "a"}', ["a"]),
        (b'{"run_id": "a"}\n{"run_id": "b", "sec', ["a"]),
        (b'{"run_id": "a"}\n{"run_id": "' + b"b" * 100_000, ["a"]),
        (b'{"run_id": "b', []),
    ],
)
def test_a_line_that_a_crash_cut_off_spoils_no_other(tmp_path: Path, before: bytes, kept: list[str]) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_bytes(before)
    history.append(path, {"run_id": "new"})
    assert [json.loads(line)["run_id"] for line in path.read_text("utf-8").splitlines()] == [*kept, "new"]


def test_a_full_disk_leaves_no_part_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.jsonl"
    history.append(path, {"run_id": "a"})
    before = path.read_bytes()
    opened = os.fdopen

    class Full:
        """A file on a disk with room for three bytes."""

        def __init__(self, file: Any) -> None:
            self._file, self._room = file, 3

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def write(self, data: bytes) -> int:
            if not self._room:
                raise OSError(28, "No space left on device")
            written, self._room = data[: self._room], 0
            return int(self._file.write(written))

    monkeypatch.setattr("builtins.open", lambda descriptor, *args, **more: Full(opened(descriptor, *args, **more)))
    with pytest.raises(OSError, match="No space left"):
        history.append(path, {"run_id": "b"})
    monkeypatch.undo()
    assert path.read_bytes() == before


@given(st.lists(st.tuples(st.floats(0.001, 5), st.integers(0, 1000)), max_size=1500))
def test_a_plot_shows_as_much_as_there_was(steps: list[tuple[float, int]]) -> None:
    now, total, moments = 1.0, 0, pytest.MonkeyPatch()
    with moments.context() as patched:
        patched.setattr(time, "monotonic", lambda: now)
        found = Rates("Things")
        for seconds, things in steps:
            now, total = now + seconds, total + things
            found.sample(total)
        now += 1
        found.sample(total, last=True)
    (plot,) = found.plots()
    points = [tuple(map(float, point.split(","))) for point in plot.points.split()]
    assert len(points) <= 2 * 302
    assert all(one[0] <= other[0] for one, other in pairwise(points))
    assert plot.average == pytest.approx(total / plot.seconds)
    # The area under the line is the total.
    area = sum(
        (end[0] - begin[0]) / Plot.WIDTH * plot.seconds * (Plot.HEIGHT - begin[1]) / Plot.HEIGHT * plot.peak
        for begin, end in zip(points[::2], points[1::2], strict=True)
    )
    assert area == pytest.approx(total, rel=0.1, abs=plot.peak * plot.seconds * 0.01)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("report.txt", "must end with .html"),
        ("missing/report.html", "does not exist"),
        ("data.html", "is no run report"),
        ("folder.html", "is no run report"),
        ("others.html", "others.jsonl exists and is no history"),
        ("ledger.html", "name the same file"),
    ],
)
def test_no_other_file_is_replaced(tmp_path: Path, given: str, error: str) -> None:
    (tmp_path / "data.html").write_text("<!doctype html><p>mine")
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "others.jsonl").write_text('{"customer": 1}\n')
    config = {"report_path": str(tmp_path / given), "ledger_path": str(tmp_path / "folder.html/../ledger.jsonl")}
    (found,) = report_page.mistakes(config, "ledger_path")
    assert error in found
