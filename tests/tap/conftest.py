"""A sandbox to read, and the tap run against it through its command line."""

from __future__ import annotations

import json
import logging
import signal
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox
from tap_braze.braze import client as braze_api
from tap_braze.exports import user_exports
from tap_braze.settings import schema as settings
from typing_extensions import override

from tests.tap.support.singer import Run, catalog_of, run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo
    from pathlib import Path

TODAY = date(2026, 7, 1)
START, END = "2026-03-01", "2026-07-01"  # 122 days: two windows of 99 days, ten of 13


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Undo what the command line sets for the whole process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    logging.captureWarnings(capture=False)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten retries; tests of their duration set their own."""
    monkeypatch.setattr(braze_api, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(braze_api, "_LONGEST_WAIT", 0.05)
    monkeypatch.setattr(braze_api, "RETRY_FOR", 0.5)
    monkeypatch.setattr(braze_api, "FIRST_ANSWER_WITHIN", 0.2)
    monkeypatch.setattr(user_exports, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(user_exports, "_LONGEST_WAIT", 0.05)


@pytest.fixture
def on_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the tap it is noon of `TODAY`, which is the sandbox's day too."""

    class Noon(datetime):
        @override
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Noon:
            return cls.combine(TODAY, time(12), tz)

    monkeypatch.setattr(settings, "datetime", Noon)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def run_tap(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Run]:
    """Run the tap on the sandbox: `run_tap("campaigns", state=..., start_date=...)`; without streams, all of them."""

    def run(
        *streams: str,
        state: dict[str, Any] | None = None,
        catalog: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        options: tuple[str, ...] = (),
        **settings: Any,
    ) -> Run:
        config: dict[str, Any] = {"api_key": sandbox.api_key, "endpoint": sandbox.url}
        config |= {"start_date": START, "end_date": END, "include_profiles": True, "include_costly_streams": True}
        config = {name: value for name, value in (config | settings).items() if value is not None}
        arguments = ["--config", _file(tmp_path / "config.json", config), *options]
        if streams:
            catalog = catalog_of(config, streams)
        if catalog is not None:
            arguments += ["--catalog", _file(tmp_path / "catalog.json", catalog)]
        if state is not None:
            arguments += ["--state", _file(tmp_path / "state.json", state)]
        return run_cli(arguments, env=env, secret=str(config.get("api_key", sandbox.api_key)))

    return run


@pytest.fixture
def cli() -> Callable[..., Run]:
    return run_cli


def _file(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content))
    return str(path)
