"""Being stopped: by SIGTERM, by Ctrl-C, by a reader that goes away, by the machine; with requests under way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from typing import IO, TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox
from target_braze.braze.client import StoppedError
from target_braze.delivery.dispatcher import Dispatcher
from target_braze.singer.target import TargetBraze
from typing_extensions import override

from tests.target.support.singer import TEXT, Stream, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COUNT = 4000
EVENTS = Stream("events", {"external_id": TEXT, "name": TEXT, "time": TEXT})


@pytest.fixture
def slow() -> Iterator[Sandbox]:
    """A sandbox that takes its time, so that requests are under way whenever something happens."""
    with Sandbox(seed="empty", latency_ms=150) as sandbox:
        yield sandbox


@pytest.fixture
def config(slow: Sandbox, tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps(
            {
                "api_key": slow.api_key,
                "endpoint": slow.url,
                "acknowledge_live_campaigns": True,
                "concurrency": 3,
                "max_objects_per_request": 20,
            }
        )
    )
    return path


def events(first: int = 0) -> bytes:
    """Events by number, a STATE after each ten."""
    messages: list[Any] = [EVENTS]
    for number in range(first, COUNT):
        user = f"c-{number % 500}"
        messages.append(EVENTS.record({"external_id": user, "name": f"{number}", "time": "2026-03-04T12:00:00Z"}))
        if number % 10 == 9:
            messages.append({"type": "STATE", "value": {"upto": number}})
    return lines(*messages)


def holds(sandbox: Sandbox) -> set[int]:
    return {int(event["name"]) for profile in sandbox.profiles() for event in profile.events}


def start(config: Path, stdin: IO[bytes] | int, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "target_braze", "--config", str(config)],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    )


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def stdin(tmp_path: Path) -> Iterator[IO[bytes]]:
    path = tmp_path / "input.singer"
    path.write_bytes(events())
    with path.open("rb") as stream:
        yield stream


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_the_answers_under_way_come_and_leaves_a_state_that_holds(
    number: signal.Signals, code: int, slow: Sandbox, config: Path, stdin: IO[bytes]
) -> None:
    process = start(config, stdin)
    wait_for(lambda: len(slow.requests) > 8)
    process.send_signal(number)
    # Ctrl-C reaches the whole group, and Meltano sends SIGTERM after it: once is enough.
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code, err.decode()
    assert b"Traceback" not in err
    assert f"{number.name}: waiting for the requests in flight" in err.decode()
    summary = json.loads(next(line for line in err.splitlines() if line.startswith(b'{"summary":')))["summary"]
    assert summary["ended"] == "stopped"
    assert summary["total"]["sent"] == len(holds(slow))
    assert summary["total"]["open"] == summary["total"]["read"] - len(holds(slow)) > 0
    states = [json.loads(line)["upto"] for line in out.splitlines()]
    assert states
    assert 0 < states[-1] < COUNT - 1
    # All that was sent was settled, so the last STATE is all that can be said.
    done = holds(slow)
    longest = next(n for n in range(COUNT) if n not in done) - 1
    assert states[-1] == longest - (longest + 1) % 10
    assert not slow.violations


def test_a_signal_while_nothing_comes_ends_the_run_too(slow: Sandbox, config: Path) -> None:
    process = start(config, subprocess.PIPE)
    assert process.stdin
    one = EVENTS.record({"external_id": "c-1", "name": "1", "time": "2026-03-04T12:00:00Z"})
    process.stdin.write(lines(EVENTS, one, {"type": "STATE", "value": 1}))
    process.stdin.flush()
    wait_for(lambda: slow.requests)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 143, err.decode()
    assert out == b"1\n"


def test_after_being_killed_a_run_from_the_last_state_loses_nothing(
    slow: Sandbox, config: Path, stdin: IO[bytes]
) -> None:
    process = start(config, stdin)
    assert process.stdout
    states = [process.stdout.readline(), process.stdout.readline()]
    process.kill()
    rest, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    upto: int = json.loads([line for line in [*states, *rest.splitlines()] if line][-1])["upto"]
    assert holds(slow).issuperset(range(upto + 1))
    slow.instance.options = type(slow.instance.options)(seed="empty")
    again = start(config, subprocess.PIPE)
    out, err = again.communicate(events(first=upto + 1), timeout=30)
    assert again.returncode == 0, err.decode()
    assert json.loads(out.splitlines()[-1]) == {"upto": COUNT - 1}
    assert holds(slow) == set(range(COUNT))


def test_a_reader_that_goes_away_ends_the_run_with_one_line(slow: Sandbox, config: Path, stdin: IO[bytes]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start(config, stdin, writing)
    os.close(writing)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1, err.decode()
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
    assert "standard output" in err.decode()
    assert len(holds(slow)) < COUNT


def test_a_tap_that_falls_silent_does_not_hide_that_delivery_has_failed(slow: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({"api_key": "wrong", "endpoint": slow.url}))
    process = start(path, subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(lines(EVENTS, EVENTS.record({"external_id": "c", "name": "n", "time": "2026-03-04T12:00:00Z"})))
    process.stdin.flush()
    # The tap says nothing more, and does not end either.
    assert process.wait(20) == 1
    assert process.stderr is not None
    stderr = process.stderr.read().decode()
    assert "Braze does not accept the API key" in stderr
    assert "Traceback" not in stderr
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def test_a_signal_that_comes_when_all_is_done_does_not_cut_off_the_end(
    slow: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(StringIO):
        @override
        def write(self, text: str) -> int:
            signal.raise_signal(signal.SIGTERM)
            return super().write(text)

    one = EVENTS.record({"external_id": "c-1", "name": "1", "time": "2026-03-04T12:00:00Z"})
    target = TargetBraze(config={"api_key": slow.api_key, "endpoint": slow.url})
    said = Interrupted()
    monkeypatch.setattr(sys, "stderr", said)
    target.run(StringIO(lines(EVENTS, one).decode()))
    assert '"ended": "completed"' in said.getvalue()


def test_a_signal_raises_nothing_and_stops_the_run_before_the_next_message(slow: Sandbox) -> None:
    class Source(StringIO):
        lines = 0

        @override
        def readline(self, *_: Any) -> Any:
            self.lines += 1
            if self.lines == 100:
                signal.raise_signal(signal.SIGTERM)
            return super().readline().encode()

    source = Source(events().decode())
    with pytest.raises(SystemExit) as ended:
        TargetBraze(config={"api_key": slow.api_key, "endpoint": slow.url}).run(source)
    assert ended.value.code == 128 + signal.SIGTERM
    assert source.lines == 100


def test_a_request_that_is_turned_away_before_the_signal_is_heard_does_not_hide_it(
    slow: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Dispatcher, reason: BaseException) -> None:
        self._fail(StoppedError("stopped before the request was sent"))
        meet(self, reason)

    meet = Dispatcher.interrupt
    monkeypatch.setattr(Dispatcher, "interrupt", interrupt)

    class Source(StringIO):
        @override
        def readline(self, *_: Any) -> Any:
            signal.raise_signal(signal.SIGTERM)
            return super().readline().encode()

    with pytest.raises(SystemExit) as ended:
        TargetBraze(config={"api_key": slow.api_key, "endpoint": slow.url}).run(Source(events().decode()))
    assert ended.value.code == 128 + signal.SIGTERM
