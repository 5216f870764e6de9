"""A sandbox to read, and the tap run against it through its command line."""

from __future__ import annotations

import json
import logging
import signal
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox
from click.testing import CliRunner
from singer_sdk.logging import ConsoleFormatter
from tap_braze.braze import client as braze_api
from tap_braze.exports import user_exports
from tap_braze.settings import schema as settings
from tap_braze.singer.tap import TapBraze
from typing_extensions import override

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
    """Retries that do not hold up the tests; how long they last is told by the tests that need them to."""
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


@dataclass
class Run:
    """What a run of the tap left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any]:
        return self.states[-1]

    def bookmark(self, stream: str) -> str | None:
        value: str | None = self.state["bookmarks"].get(stream, {}).get("replication_key_value")
        return value

    @property
    def errors(self) -> list[str]:
        """The lines that say that something is wrong."""
        return [line.split(" | ")[-1] for line in self.stderr.splitlines() if "| ERROR" in line]


def catalog_of(config: dict[str, Any], streams: tuple[str, ...]) -> dict[str, Any]:
    catalog = TapBraze(config=dict(config), validate_config=False, setup_mapper=False).catalog_dict
    for entry in catalog["streams"]:
        root = next(item for item in entry["metadata"] if not item["breadcrumb"])
        root["metadata"]["selected"] = entry["tap_stream_id"] in streams
    return catalog


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
        config = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "start_date": START, "end_date": END}
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


def run_cli(arguments: list[str], env: dict[str, str] | None = None, secret: str = "") -> Run:
    """Run the command line in this process; the key is in no output of any run."""
    log = StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(ConsoleFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        result = CliRunner().invoke(TapBraze.get_singer_command(), arguments, env=env)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    stderr = log.getvalue() + result.stderr
    if secret:
        assert secret not in result.stdout
        assert secret not in stderr
    assert "Traceback" not in stderr
    return Run(result.exit_code, result.stdout, stderr)


@pytest.fixture
def cli() -> Callable[..., Run]:
    return run_cli


def _file(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content))
    return str(path)
