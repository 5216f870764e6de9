"""The target on a terminal: one live display, and plain lines wherever it would disturb."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox

from tests.support.terminal import Shown, on_terminal
from tests.target.support.singer import INTEGER, customers, lines, many, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COUNT = 600
ESCAPE = "\x1b["

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")


@pytest.fixture
def slow() -> Iterator[Sandbox]:
    with Sandbox(seed="empty", latency_ms=100) as sandbox:
        yield sandbox


@pytest.fixture
def show(slow: Sandbox, tmp_path: Path) -> Callable[..., tuple[Shown, list[dict[str, Any]]]]:
    """Load some customers from a file or a pipe; return what the terminal showed and the STATE messages."""
    config = {"api_key": slow.api_key, "endpoint": slow.url, "concurrency": 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "in.singer").write_bytes(lines(customers(*many(COUNT, COUNT), n=INTEGER), state(1)))
    command = [sys.executable, "-m", "target_braze", "--config", str(tmp_path / "config.json")]

    def show(*, piped: bool = False, **more: Any) -> tuple[Shown, list[dict[str, Any]]]:
        with (tmp_path / "in.singer").open("rb") as source, (tmp_path / "out.jsonl").open("wb") as out:
            if piped:
                with subprocess.Popen(["cat"], stdin=source, stdout=subprocess.PIPE) as cat:
                    stdin: IO[bytes] | None = cat.stdout
                    assert stdin is not None
                    shown = on_terminal(command, stdin, out, **more)
            else:
                shown = on_terminal(command, source, out, **more)
        return shown, [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]

    return show


def test_a_terminal_shows_how_far_the_load_is(show: Callable[..., tuple[Shown, list[dict[str, Any]]]]) -> None:
    shown, states = show()
    assert shown.exit_code == 0
    assert len(states) == 1
    assert ESCAPE in shown.text
    assert re.search(r"\d+%", shown.text)
    assert re.search(r"about \d+:\d\d left", shown.text)
    assert f"{COUNT} records read" in shown.text
    # The lines of the log are whole, and the progress lines are gone.
    assert re.search(rf"\| INFO +\| target-braze +\| customers +{COUNT} +{COUNT} ", shown.text)
    assert not re.search(r"INFO.* settled,", shown.text)
    summary = next(line for line in shown.text.splitlines() if line.startswith('{"summary":'))
    assert json.loads(summary)["summary"]["total"]["sent"] == COUNT
    # At the end, the display is erased and the cursor is back.
    assert shown.text.rindex("\x1b[?25h") > shown.text.rindex("\x1b[?25l")


@pytest.mark.parametrize(
    "where",
    [
        {"piped": True},
        {"env": {"MELTANO_LOADER_NAME": "target-braze"}},
        {"env": {"TARGET_BRAZE_LOGLEVEL": "WARNING"}},
    ],
    ids=["pipe", "Meltano", "quiet"],
)
def test_elsewhere_there_are_no_escapes(
    show: Callable[..., tuple[Shown, list[dict[str, Any]]]], where: dict[str, Any]
) -> None:
    shown, states = show(**where)
    assert (shown.exit_code, len(states)) == (0, 1)
    assert "\x1b" not in shown.text


def test_a_terminal_that_goes_away_stops_nothing(
    show: Callable[..., tuple[Shown, list[dict[str, Any]]]], slow: Sandbox
) -> None:
    shown, states = show(closes_after=1500)
    assert (shown.exit_code, len(states)) == (0, 1)
    assert len(list(slow.profiles())) == COUNT
