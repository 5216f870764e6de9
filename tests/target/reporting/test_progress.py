"""What a long run of the target says of itself."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from target_braze.process import ticker
from target_braze.reporting.progress import FIELDS

from tests.target.support.singer import INTEGER, TEXT, Stream, customers, many, run_cli
from tests.target.support.singer import lines as lines_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run


def lines(run: Run) -> list[str]:
    return [line.split(" | ")[-1] for line in run.stderr.splitlines() if " settled, " in line]


def test_a_run_says_how_far_it_is(
    run_target: Callable[..., Run], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker, "EVERY", 0.05)
    sandbox.fault(path="/users/track", do="latency", latency_ms=200)
    run = run_target(customers(*many(300, 300), n=INTEGER), concurrency=1)
    assert any(
        re.fullmatch(
            r"\d+ records read, \d+ settled, \d+ records/s, \d requests in \d s; "
            r"waiting for Braze's answers to 1 requests.*",
            line,
        )
        for line in lines(run)
    ), lines(run)
    assert any(re.search(r"about \d+ s left", line) for line in lines(run)), lines(run)
    assert "\x1b" not in run.stderr


def test_a_dependency_delay_is_no_silence(run_target: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "EVERY", 0.05)
    gone = Stream("gone", {"external_id": TEXT}, [{"external_id": "c-1"}], ["external_id"])
    run = run_target(
        customers({"external_id": "c-1"}),
        gone,
        streams={"gone": {"to": "deletions", "allow_deletions": True, "max_deletions": 1}},
        dependency_delay=0.5,
    )
    assert any("a dependency delay, " in line and " s left" in line for line in lines(run)), lines(run)


def test_a_wait_for_a_rate_limit_is_no_silence(
    run_target: Callable[..., Run], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker, "EVERY", 0.05)
    sandbox.fault(path="/users/track", do="status", status=429, times=1, headers={"X-RateLimit-Reset": "1"})
    run = run_target(customers({"external_id": "c-1"}))
    assert any("waiting for rate limit '" in line for line in lines(run)), lines(run)


def test_the_facts_are_fields_of_the_log(
    run_target: Callable[..., Run], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.setattr(ticker, "EVERY", 0.05)
    sandbox.fault(path="/users/track", do="latency", latency_ms=150)
    with caplog.at_level(logging.INFO):
        run_target(customers(*many(3, 3), n=INTEGER), concurrency=1, max_objects_per_request=1)
    facts = [vars(record) for record in caplog.records if "settled" in vars(record)]
    assert facts[-1]["records"] == 3
    usual = vars(logging.makeLogRecord({})).keys() | {"message", "asctime"}
    assert set().union(*facts) - usual == FIELDS.keys()


def test_commands_that_take_long_are_no_silence(
    run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = str(tmp_path / "ledger.sqlite")
    people = customers({"external_id": "c-1", "plan": "gold"}, plan=TEXT)
    run_target(people, ledger_path=ledger)
    monkeypatch.setattr(ticker, "EVERY", 0.02)
    sandbox.fault(path="*", do="latency", latency_ms=200)
    config = ("--config", str(tmp_path / "config.json"))
    verified = run_cli(["ledger", "verify", ledger, *config])
    assert f"working on {ledger}, for " in verified.stderr
    tested = run_cli([*config, "--test"])
    assert "testing what the key may do, for " in tested.stderr
    run_target(people, preflight=True)
    explained = run_cli(["explain", *config], lines_of(people))
    assert "reading the input, for " in explained.stderr
    certificate = ("--certificate", str(tmp_path / "certificate.json"))
    erased = run_cli(["erase", *config, "--id", "c-1", "--wait", "0", "--yes", *certificate])
    assert "erasing the person, for " in erased.stderr
