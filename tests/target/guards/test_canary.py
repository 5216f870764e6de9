"""The first records of a stream are compared with Braze before the rest is sent."""

from __future__ import annotations

import json
import sys
from subprocess import run as run_process
from typing import TYPE_CHECKING, Any

import pytest
from target_braze import Loader
from target_braze.records import GuardError

from tests.target.support.singer import INTEGER, TEXT, Stream, customers, lines, sent, state, the

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run


@pytest.fixture
def load(run_target: Callable[..., Run]) -> Callable[..., Run]:
    def load(*messages: Stream | dict[str, Any] | bytes, **more: Any) -> Run:
        return run_target(*messages, **{"canary": "20", "concurrency": 2, **more})

    return load


def people(count: int, first: int = 0, **values: Any) -> Stream:
    rows = [{"external_id": f"c-{number}", "plan": f"p-{number}", **values} for number in range(first, first + count)]
    return customers(*rows, plan=TEXT, n=INTEGER, wrong_id=TEXT)


@pytest.fixture
def known(run_target: Callable[..., Run]) -> None:
    """Create a hundred users."""
    run_target(customers(*({"external_id": f"c-{number}"} for number in range(100)), plan=TEXT))


@pytest.mark.usefixtures("known")
def test_a_canary_that_looks_right_goes_on(load: Callable[..., Run], sandbox: Sandbox) -> None:
    run = load(people(100), state(1))
    assert run.states == [{"bookmarks": 1}]
    assert {the(sandbox.profile(f"c-{n}")).custom_attributes["plan"] for n in range(100)} == {
        f"p-{n}" for n in range(100)
    }
    assert "the canary of 20 records passed: 0 of 20 users are new" in run.stderr


@pytest.mark.usefixtures("known")
def test_a_wrong_identifier_stops_there(load: Callable[..., Run], sandbox: Sandbox) -> None:
    stream = people(100)
    for number, record in enumerate(stream.records):
        record["wrong_id"] = f"order-{number}"
    entry = {"customers": {"user": [{"external_id": "wrong_id"}], "fields": ["plan"]}}
    messages = [
        stream.schema,
        *(message for n, one in enumerate(stream.records) for message in (stream.record(one), state(n))),
    ]
    run = load(*messages, streams=entry, expect=1)
    (error,) = run.errors
    assert "stream 'customers': the canary stopped the run after 20 records: 20 (100%) of its 20 users are new" in error
    assert "canary_max_new_profiles" in error
    assert len(sandbox.profiles()) == 120
    assert run.states[-1] == {"bookmarks": 19}, "what was sent"
    assert run.summary["total"]["read"] == run.summary["total"]["sent"] == 20


def test_new_users_can_be_allowed(load: Callable[..., Run], sandbox: Sandbox) -> None:
    assert load(people(60), expect=1).exit_code == 1
    load(people(60), canary_max_new_profiles=1)
    assert len(sandbox.profiles()) == 60


@pytest.mark.usefixtures("known")
def test_values_that_braze_stores_otherwise_stop_the_run(load: Callable[..., Run], sandbox: Sandbox) -> None:
    def corrupt(_: Any) -> None:
        for profile in sandbox.profiles():
            if "n" in profile.custom_attributes:
                profile.custom_attributes["n"] = 8

    sandbox.after_request("/users/track", corrupt)
    run = load(people(100, n=7), expect=1)
    assert "20 (100%) of 20 users differ in Braze from what was sent (n)" in run.errors[0]
    assert "canary_max_drift" in run.errors[0]
    load(people(100, n=7), canary_max_drift=1)


@pytest.mark.usefixtures("known")
def test_values_that_appear_later_are_compared_again(load: Callable[..., Run], sandbox: Sandbox) -> None:
    shown: list[Any] = []

    def lag(_: Any) -> None:
        profile = the(sandbox.profile("c-3"))
        if profile.custom_attributes.get("plan") == "p-3" and not shown:
            shown.append(profile.custom_attributes.pop("plan"))

    def appear(request: Any) -> None:
        if shown and "custom_attributes" in request.body["fields_to_export"]:
            the(sandbox.profile("c-3")).custom_attributes["plan"] = "p-3"

    sandbox.after_request("/users/track", lag)
    sandbox.after_request("/users/export/ids", appear)
    load(people(60), dependency_delay=0.01, canary_max_drift=0)


@pytest.mark.usefixtures("known")
def test_many_rejected_records_stop_the_run(load: Callable[..., Run], tmp_path: Path) -> None:
    stream = people(100)
    for record in stream.records[:3]:
        record["external_id"] = None
    more = {"on_error": "dead_letter", "dead_letter_path": str(tmp_path / "dead.singer")}
    run = load(stream, expect=1, **more)
    assert "3 (15%) of its 20 records were rejected" in run.errors[0]
    load(stream, canary_max_rejected=0.2, **more)


@pytest.mark.usefixtures("known")
def test_records_that_wait_for_the_ledger_are_sent_first(sandbox: Sandbox, tmp_path: Path) -> None:
    """The fast path collects records before it reads the ledger for them; the canary must not pass unsent."""
    stream = people(60, first=1_000)
    config = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "dependency_delay": 0, "canary": "20"}
    config |= {"acknowledge_live_campaigns": True, "ledger_path": str(tmp_path / "ledger.sqlite")}
    with (
        pytest.raises(GuardError, match=r"after 20 records: 20 \(100%\) of its 20 users are new"),
        Loader(config) as one,
    ):
        one.open("customers", stream.schema["schema"], ["external_id"]).write(stream.records)
    assert len(sandbox.profiles()) == 120


@pytest.mark.usefixtures("known")
def test_records_that_change_nothing_do_not_count(load: Callable[..., Run], tmp_path: Path, sandbox: Sandbox) -> None:
    ledger = str(tmp_path / "ledger.sqlite")
    load(people(100), ledger_path=ledger)
    stream = people(100)
    for number, record in enumerate(stream.records[60:]):
        record["external_id"] = f"new-{number}"
    run = load(stream, ledger_path=ledger, expect=1)
    assert "the canary stopped the run" in run.errors[0]
    assert run.summary["total"]["unchanged"] == 60
    assert len(sandbox.profiles()) < 140


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.usefixtures("known")
def test_events_have_a_canary_too(load: Callable[..., Run], sandbox: Sandbox, fast: bool) -> None:  # noqa: FBT001
    columns = {"external_id": TEXT, "name": TEXT, "time": TEXT}
    rows = [
        {"external_id": f"order-{n}", "name": "x", "time": "2026-03-04", **({} if fast else {"more": 1})}
        for n in range(60)
    ]
    run = load(Stream("events", columns, rows), expect=1)
    assert "20 users are new" in run.errors[0]
    assert len(sent(sandbox, "events")) == 20


def test_a_stream_that_ends_before_its_canary_is_sent(load: Callable[..., Run], sandbox: Sandbox) -> None:
    load(people(20), state(1))
    assert len(sandbox.profiles()) == 20


def test_a_share_is_that_of_a_file(run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path) -> None:
    config = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "dependency_delay": 0, "canary": "10%"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**config, "acknowledge_live_campaigns": True}))
    source = tmp_path / "input.singer"
    source.write_bytes(lines(people(600)))
    with source.open("rb") as file:
        done = run_process(
            [sys.executable, "-m", "target_braze", "--config", str(path)], stdin=file, capture_output=True, check=False
        )
    assert done.returncode == 1
    assert 55 <= len(sandbox.profiles()) <= 65
    # Of a pipe, it is a number of records.
    run = run_target(people(1_200, first=10_000), canary="10%", expect=1)
    assert "after 1,000 records" in run.errors[0]


def test_a_dry_run_has_no_canary(load: Callable[..., Run], sandbox: Sandbox) -> None:
    load(people(60), dry_run=True)
    assert sandbox.requests == []


@pytest.mark.parametrize("wrong", ["0", "-1", "a lot", "%", "1 %"])
def test_a_size_that_is_none_is_refused(load: Callable[..., Run], wrong: str) -> None:
    assert "canary" in load(people(1), canary=wrong, expect=1).stderr


def test_its_permission_is_checked_and_missed(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    sandbox.add_key("writes", {"users.track"})
    run = run_target(options=("--test",), canary="1%", api_key="writes", expect=1)
    assert "users.export.ids  lacking" in run.stdout + run.stderr
    run = run_target(people(30), canary="20", api_key="writes", consent="send", expect=1)
    assert "users.export.ids" in run.errors[0]
    assert sent(sandbox) == []
