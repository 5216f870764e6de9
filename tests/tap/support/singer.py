"""Helpers that run the tap in tests, and the results of a run."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from singer_sdk.logging import ConsoleFormatter
from tap_braze.singer.tap import TapBraze

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Run:
    """Results of a run of the tap."""

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
        """Return the lines that report an error."""
        return [line.split(" | ")[-1] for line in self.stderr.splitlines() if "| ERROR" in line]


def catalog_of(config: dict[str, Any], streams: tuple[str, ...]) -> dict[str, Any]:
    catalog = TapBraze(config=dict(config), validate_config=False, setup_mapper=False).catalog_dict
    for entry in catalog["streams"]:
        root = next(item for item in entry["metadata"] if not item["breadcrumb"])
        root["metadata"]["selected"] = entry["tap_stream_id"] in streams
    return catalog


def run_cli(arguments: list[str], env: dict[str, str] | None = None, secret: str = "") -> Run:
    """Run the command line in this process; check that no output contains the key."""
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


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
