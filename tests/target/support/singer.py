"""Helpers for target tests: the messages to write, running the target, and inspecting the results."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from singer_sdk.logging import ConsoleFormatter
from target_braze.singer.cli import command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from braze_sandbox.testing import Profile, Sandbox

TEXT: dict[str, Any] = {"type": ["string", "null"]}
INTEGER: dict[str, Any] = {"type": ["integer", "null"]}
NUMBER: dict[str, Any] = {"type": ["number", "null"]}
BOOLEAN: dict[str, Any] = {"type": ["boolean", "null"]}
TIME: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
ANY_OBJECT: dict[str, Any] = {"type": ["object", "null"]}


@dataclass
class Run:
    """Results of a run of the target."""

    exit_code: int
    stdout: str
    stderr: str
    exception: BaseException | None = None
    stdout_bytes: bytes = b""

    @property
    def states(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        """Return the run's summary."""
        (line,) = (line for line in self.stderr.splitlines() if line.startswith('{"summary":'))
        summary: dict[str, Any] = json.loads(line)["summary"]
        return summary

    @property
    def errors(self) -> list[str]:
        """Return the lines that report an error."""
        return [line.split(" | ")[-1] for line in self.stderr.splitlines() if "| ERROR" in line]

    @property
    def warnings(self) -> list[str]:
        return [line.split(" | ")[-1] for line in self.stderr.splitlines() if "| WARNING" in line]


@dataclass
class Stream:
    """A stream in the form that a tap writes."""

    name: str
    properties: dict[str, Any]
    records: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @property
    def schema(self) -> dict[str, Any]:
        return {
            "type": "SCHEMA",
            "stream": self.name,
            "schema": {"type": "object", "properties": self.properties},
            "key_properties": self.keys,
        }

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [self.schema, *(self.record(record) for record in self.records)]

    def record(self, record: dict[str, Any]) -> dict[str, Any]:
        return {"type": "RECORD", "stream": self.name, "record": record}


def customers(*records: dict[str, Any], **columns: dict[str, Any]) -> Stream:
    """Return a stream that needs no mapping: `external_id` identifies its users."""
    return Stream("customers", {"external_id": TEXT, **columns}, list(records), ["external_id"])


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": {"bookmarks": value}}


def lines(*messages: dict[str, Any] | Stream | bytes) -> bytes:
    """Return messages in the form that a tap writes; bytes are passed through."""
    written: list[bytes] = []
    for message in messages:
        if isinstance(message, bytes):
            written.append(message)
        else:
            several = message.messages if isinstance(message, Stream) else [message]
            written += [json.dumps(one).encode() for one in several]
    return b"".join(line + b"\n" for line in written)


def run_cli(arguments: list[str], stdin: bytes = b"", env: dict[str, str] | None = None, secret: str = "") -> Run:
    """Run the command line in this process; check that no output contains the key."""
    log = StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(ConsoleFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        result = CliRunner().invoke(command(), arguments, input=BytesIO(stdin), env=env)
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
    return Run(result.exit_code, result.stdout, stderr, result.exception, result.stdout_bytes)


def the(profile: Profile | None) -> Profile:
    """Return the profile, which must exist."""
    assert profile is not None
    return profile


def sent(sandbox: Sandbox, kind: str = "attributes") -> list[dict[str, Any]]:
    """Return all objects of a kind that the sandbox accepted, in the order in which the requests ended."""
    return [
        item for request in sandbox.requests if request.status == 201 for item in (request.body or {}).get(kind, [])
    ]


def reasons(sandbox: Sandbox) -> Counter[str]:
    """Return what the sandbox would have silently dropped or changed, with counts."""
    return Counter(violation["reason"] for violation in sandbox.violations)


def many(count: int, users: int) -> Iterable[dict[str, Any]]:
    """Return records that cycle through users, each with an increasing number."""
    return ({"external_id": f"c-{number % users}", "n": number} for number in range(count))
