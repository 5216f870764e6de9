"""A sandbox to write to, and the target run against it through its command line."""

from __future__ import annotations

import json
import logging
import signal
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox
from target_braze.braze import client as braze_api
from target_braze.process.signals import STOPPING

from tests.target.support.messages import CAMPAIGN, add_messages, add_users
from tests.target.support.singer import Run, Stream, customers, lines, run_cli, the

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from braze_sandbox.testing import Profile


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Undo what the command line sets for the whole process."""
    handlers = {number: signal.getsignal(number) for number in STOPPING}
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


@pytest.fixture(scope="session")
def _served() -> Iterator[Sandbox]:
    with Sandbox(seed="empty", unknown_groups="kept") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_served: Sandbox) -> Sandbox:
    _served.reset()
    return _served


@pytest.fixture
def run_target(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Run]:
    """Run the target on the sandbox: `run_target(stream, state(1), streams={...}, nulls="unset")`."""

    def run(
        *messages: dict[str, Any] | Stream | bytes,
        env: dict[str, str] | None = None,
        options: tuple[str, ...] = (),
        expect: int | None = 0,
        **settings: Any,
    ) -> Run:
        config = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "dependency_delay": 0}
        config |= {"acknowledge_live_campaigns": True}
        config = {name: value for name, value in (config | settings).items() if value is not None}
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        secret = str(config.get("api_key", sandbox.api_key))
        outcome = run_cli(["--config", str(path), *options], lines(*messages), env, secret)
        assert expect is None or outcome.exit_code == expect, outcome.stderr
        return outcome

    return run


@pytest.fixture
def load(sandbox: Sandbox, run_target: Callable[..., Run]) -> Callable[..., Profile]:
    """Load one customer and return the resulting profile."""

    def load(columns: dict[str, Any], record: dict[str, Any], **settings: Any) -> Profile:
        run_target(customers({"external_id": "c-1", **record}, **columns), **settings)
        return the(sandbox.profile("c-1"))

    return load


@pytest.fixture
def run_calls(sandbox: Sandbox, run_target: Callable[..., Run]) -> Callable[..., Run]:
    """Run the target on calls: `run_calls(calls(...), orders={...})`; settings of the target go into `settings`."""

    def run(*streams: Stream, settings: dict[str, Any] | None = None, expect: int = 0, **given: Any) -> Run:
        for_all = ("user", "fields", "properties", "rename", "time_field", "types")
        entry = {key: given.pop(key) for key in for_all if key in given}
        entry |= {"to": "calls"} | ({"calls": given} if given else {})
        outcome = run_target(*streams, streams={"*": entry}, expect=expect, **(settings or {}))
        sandbox.settle()
        return outcome

    return run


@pytest.fixture
def messages(sandbox: Sandbox) -> None:
    """Create campaigns and a Canvas that the API triggers, and users with an email address."""
    add_messages(sandbox)
    add_users(sandbox, [f"c-{number}" for number in range(8)])


@pytest.fixture
def trigger(run_target: Callable[..., Run], tmp_path: Path) -> Callable[..., Run]:
    """Run the target with a ledger on a stream of orders: `trigger(orders(1, 2), campaign={"id": ...})`."""

    def run(*messages: Any, settings: dict[str, Any] | None = None, expect: int | None = 0, **entry: Any) -> Run:
        entry = {"to": "campaign_triggers", "max_recipients": 1_000} | entry
        entry = {key: value for key, value in entry.items() if value is not None}
        if entry["to"] == "campaign_triggers":
            entry.setdefault("campaign", {"id": CAMPAIGN})
        given = {
            "ledger_path": str(tmp_path / "ledger.sqlite"),
            "on_error": "dead_letter",
            "dead_letter_path": str(tmp_path / "dead.singer"),
            "concurrency": 1,
        }
        return run_target(*messages, streams={"orders": entry}, expect=expect, **(given | (settings or {})))

    return run
