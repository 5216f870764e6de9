"""What the ledger reads about many changes at once: it counts only until a change makes it outdated."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING, Any, cast

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from target_braze import Loader
from target_braze.encode import encode
from target_braze.ledger.fingerprints import fingerprint
from target_braze.ledger.store import Ledger
from target_braze.singer.reader import MessageReader

from tests.target.delivery.test_dispatcher import change
from tests.target.support.singer import INTEGER, TEXT, many, sent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest
    from braze_sandbox.testing import Sandbox
    from target_braze.braze.changes import Change
    from target_braze.singer.receiver import Receiver

# Kind, user, value; and whether everything that is open settles first.
STEP = st.tuples(st.sampled_from(["attributes", "events"]), st.sampled_from("ab"), st.integers(0, 1), st.booleans())


def made(step: tuple[str, str, int, bool]) -> Change:
    kind, user, value, _ = step
    one = change(value, user, kind, name="seen", time="2026-03-04T09:10:11Z")
    one.fingerprint = fingerprint(one, (), 0)
    return one


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(before=st.lists(STEP, max_size=3), steps=st.lists(STEP, min_size=2, max_size=6))
def test_changes_looked_up_together_are_as_new_as_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, before: list[Any], steps: list[Any]
) -> None:
    found = []
    for together in (True, False):
        ledger = Ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite", "x", synchronous="normal")
        started: list[Change] = []

        def compare(step: Any, ledger: Ledger = ledger, started: list[Change] = started) -> bool:
            if step[3]:
                settle(ledger, started)
            one = made(step)
            new = ledger.news(one)
            if new:
                started.append(one)
            return new

        for step in before:
            compare(step)
        if together:
            with ledger.looked_up([made(step) for step in steps]):
                found.append([compare(step) for step in steps])
        else:
            found.append([compare(step) for step in steps])
        settle(ledger, started)
        ledger.close()
    assert found[0] == found[1]


def settle(ledger: Ledger, started: list[Change]) -> None:
    for one in started:
        ledger.under_way([one])
        ledger.settle([one], "accepted")
    started.clear()


def test_a_record_of_a_source_that_pauses_is_sent_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    config = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "max_objects_per_request": 1}
    schema = {"properties": {"external_id": TEXT, "n": INTEGER}}
    arrived: list[dict[str, Any]] = []

    def source() -> Iterator[bytes]:
        yield encode({"external_id": "c-1", "n": 1})
        for _ in range(200):
            if sent(sandbox):
                break
            threading.Event().wait(0.05)
        arrived.extend(sent(sandbox))
        yield encode({"external_id": "c-2", "n": 1})

    with Loader({**config, "ledger_path": str(tmp_path / "ledger.sqlite")}) as loader:
        loader.open("customers", schema).write(source())
    assert arrived == [{"external_id": "c-1", "n": 1}]
    assert len(sandbox.profiles()) == 2


def test_many_records_are_compared_in_groups_and_all_are_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    config = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "ledger_path": str(tmp_path / "ledger.sqlite")}
    records, columns = [*many(250, 250)], {"external_id": TEXT, "n": INTEGER, "plan": INTEGER}
    for value, count in ((1, 250), (1, 0), (2, 250)):
        before = len(sent(sandbox))
        with Loader(config) as loader:
            stream = loader.open("customers", {"properties": columns})
            stream.write([{**record, "plan": value} for record in records])
        assert loader.summary["total"]["sent"] == count
        assert len(sent(sandbox)) - before == count


class _Receiver:
    fast_record = msgspec.defstruct("Columns", [("n", int)])

    def __init__(self) -> None:
        self.kept = 0

    def receive_fast(self, *_: object) -> bool:
        self.kept += 1
        return True


def test_the_reader_hands_records_over_before_it_waits_for_more() -> None:
    reader, receiver, handed_over = MessageReader(), _Receiver(), threading.Event()
    reader.passed_on = handed_over.set
    reader.open_fast_path({"stream": "s", "schema": {}}, cast("Receiver", receiver))
    descriptor, end = os.pipe()
    with os.fdopen(descriptor, "rb") as source:
        thread = threading.Thread(target=reader.process_lines, args=(source, {}))
        thread.start()
        try:
            for number in (1, 2):
                os.write(end, b'{"type":"RECORD","stream":"s","record":{"n":%d}}\n' % number)
                assert handed_over.wait(10)
                assert receiver.kept == number
                handed_over.clear()
        finally:
            os.close(end)
            thread.join()


def test_a_state_is_settled_when_the_file_has_what_it_covers(sandbox: Sandbox, tmp_path: Path) -> None:
    path, copy = tmp_path / "ledger.sqlite", tmp_path / "copy.sqlite"
    config = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "ledger_path": str(path)}
    known = []

    def settled(_token: object) -> None:
        for end in ("", "-wal"):
            shutil.copy(f"{path}{end}", f"{copy}{end}")
        ledger = Ledger(copy)
        known.append(bool(ledger.accepted(("external_id", "c-1"))))
        ledger.close()

    with Loader(config) as loader:
        loader.open("customers", {"properties": {"external_id": TEXT, "n": INTEGER}}).write(
            [{"external_id": "c-1", "n": 1}]
        )
        loader.checkpoint(1, settled)
    assert known == [True]
