"""The tap on a terminal: one live display, and plain lines wherever it would disturb."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox

from tests.support.terminal import Shown, on_terminal
from tests.tap.support.singer import catalog_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")


@pytest.fixture
def slow() -> Iterator[Sandbox]:
    with Sandbox(seed="small", latency_ms=100) as sandbox:
        yield sandbox


@pytest.fixture
def show(slow: Sandbox, tmp_path: Path) -> Callable[..., tuple[Shown, list[dict[str, Any]]]]:
    """Read two streams into a file; return what the terminal showed and the messages."""
    config = {"api_key": slow.api_key, "endpoint": slow.url, "start_date": "2026-01-01", "concurrency": 1}
    catalog = catalog_of(config, ("campaigns", "kpi_daily_active_users"))
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    files = ["--config", str(tmp_path / "config.json"), "--catalog", str(tmp_path / "catalog.json")]

    def show(**more: Any) -> tuple[Shown, list[dict[str, Any]]]:
        with (tmp_path / "out.jsonl").open("wb") as out:
            shown = on_terminal([sys.executable, "-m", "tap_braze", *files], subprocess.DEVNULL, out, **more)
        return shown, [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]

    return show


def test_a_terminal_shows_how_far_the_run_is(show: Callable[..., tuple[Shown, list[dict[str, Any]]]]) -> None:
    shown, messages = show()
    assert shown.exit_code == 0
    assert messages[-1]["type"] == "STATE"
    assert "\x1b[" in shown.text
    assert re.search(r"stream 2 of 2 'kpi_daily_active_users': window \d+ of \d+", shown.text)
    assert re.search(r"\d+%", shown.text)
    assert re.search(r"\| INFO +\| tap-braze +\| total in ", shown.text)


def test_under_meltano_there_are_no_escapes(show: Callable[..., tuple[Shown, list[dict[str, Any]]]]) -> None:
    shown, messages = show(env={"MELTANO_EXTRACTOR_NAME": "tap-braze"})
    assert (shown.exit_code, messages[-1]["type"]) == (0, "STATE")
    assert "\x1b" not in shown.text
