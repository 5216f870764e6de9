"""The children of a run, as its delivery: they take dealt records, and settle what comes before each STATE."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections import deque
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final, Protocol

from target_braze.braze.rate_limits import RateLimit
from target_braze.damaged_json import decode_damaged
from target_braze.loader.errors import ChildError
from target_braze.processes import frames
from target_braze.processes.child import ERRORS
from target_braze.processes.child_process import ChildProcess
from target_braze.processes.frames import (
    Close,
    Done,
    Finish,
    Learn,
    Letter,
    Log,
    Notice,
    Rows,
    Settled,
    Stop,
    Take,
    Tally,
    Wait,
)
from target_braze.records import Record, Rejection

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.braze.rate_limits import Waiting
    from target_braze.braze.windows.window import Window
    from target_braze.delivery.acks import State
    from target_braze.ledger.store import Ledger
    from target_braze.processes.tally import Place, Totals

_log = logging.getLogger("target-braze")

# Minimum seconds between two STATE messages, because Meltano stores every one.
_STATE_EVERY: Final = 1.0
# Maximum number of STATEs that wait.
_MOST_STATES: Final = 10_000
# Bytes of lines to collect for a child before they are sent.
_FRAME_BYTES: Final = 256_000


class Reports(Protocol):
    """Takes what children report about records."""

    def rejected(self, record: Record, why: Rejection) -> None:
        """Take a record that is rejected or opted out. An error that this raises ends the run before the next STATE."""

    def rows(self, rows: list[bytes]) -> None:
        """Take rows of the delivery log."""


class Children:
    """Delivers with child processes. The main thread deals; a thread of this class listens to the children.

    Args:
        config: Complete settings of each child.
        places: What tells the children from each other.
        reports: Takes rejected records and rows of the delivery log, from a thread of this class.
        totals: Takes counts, likewise.
        emit: Writes a STATE, likewise.
        failed: Called when the run has failed and after `interrupt`, because the caller may be blocked on its input.
        window: Returns the rate-limit window of a pool.
        ledger: Tracks how far records are dealt; None without a ledger.
    """

    def __init__(
        self,
        configs: list[dict[str, Any]],
        places: list[Place],
        *,
        reports: Reports,
        totals: Totals,
        emit: Callable[[State], None],
        failed: Callable[[BaseException], None],
        window: Callable[[str], Window],
        ledger: Ledger | None,
    ) -> None:
        self.failure: BaseException | None = None
        self._reports = reports
        self._totals = totals
        self._emit = emit
        self._failed = failed
        self._window = window
        self._ledger = ledger

        # Used by the main thread.
        self._position = 0
        self._streams = 0
        self._checkpoint = 0

        # STATEs that wait, each with its checkpoint and the position of the last record before it.
        self._states: deque[tuple[int, int, State]] = deque()
        self._lock = threading.Lock()
        self._next_emit = 0.0
        self._interruptions: list[BaseException] = []
        self._schemas: dict[int, dict[str, Any]] = {}
        self._names: dict[int, tuple[str, tuple[str, ...]]] = {}
        self._has_failed = threading.Event()
        self._ended = threading.Event()
        self._woken, self._wake = multiprocessing.Pipe(duplex=False)
        self._receivers: dict[type, Callable[[ChildProcess, Any], None]] = {
            Take: self._receive_take,
            Learn: self._receive_learn,
            Close: self._receive_close,
            Settled: self._receive_settled,
            Tally: self._receive_tally,
            Letter: self._receive_letter,
            Rows: self._receive_rows,
            Notice: self._receive_notice,
            Log: self._receive_log,
            Done: self._receive_done,
        }
        self._children = [ChildProcess(config, place) for config, place in zip(configs, places, strict=True)]
        threading.Thread(target=self._listen, name="children", daemon=True).start()

    @property
    def in_flight(self) -> int:
        """Number of requests in flight."""
        return self._totals.in_flight

    @property
    def dependency_waits(self) -> Waiting:
        """Time in which a child could send nothing because of dependency delays."""
        return self._totals.dependency_waits

    # Dealing, in the main thread.

    def open(self, name: str, schema: bytes, keys: tuple[str, ...], *, everywhere: bool) -> int:
        """Open a stream in all children, or in the first only. Return its number."""
        number = self._streams
        self._streams += 1
        self._names[number] = name, keys
        for child in self._children if everywhere else self._children[:1]:
            child.add(frames.Open(number, name, schema, keys))
        return number

    def deal_line(self, bucket: int, stream: int, number: int, line: bytes) -> None:
        """Add a RECORD message to what a child gets next."""
        children = self._children
        child = children[bucket % len(children)]
        self._position += 1
        child.lines.append(line)
        child.streams.append(stream)
        child.numbers.append(number)
        child.positions.append(self._position)
        child.size += len(line)
        child.has_new = True
        if child.size >= _FRAME_BYTES:
            self.send()

    def deal(self, bucket: int, item: frames.Single | frames.Version) -> None:
        """Add something else to what a child gets next."""
        if isinstance(item, frames.Single):
            self._position += 1
            item.position = self._position
        child = self._children[bucket % len(self._children)]
        child.has_new = True
        child.add(item)

    def describe(self, stream: int, schema: dict[str, Any]) -> None:
        """Remember the SCHEMA message of a stream, for its dead letters."""
        self._schemas[stream] = schema

    def send(self) -> None:
        """Send what waits to all children.

        Raises:
            Exception: The run has failed.
        """
        if self.failure is not None:
            raise self.failure
        if self._ledger is not None:
            self._ledger.dealing(self._position)
        try:
            for child in self._children:
                child.send()
        except OSError:
            self._has_failed.wait()
        if self.failure is not None:
            raise self.failure

    # The face of a dispatcher.

    def add_state(self, state: State) -> None:
        """Add a STATE, to be emitted once all records before it are settled."""
        self._checkpoint += 1
        with self._lock:
            for child in self._children:
                if child.has_new:
                    child.has_new = False
                    child.unsettled.append(self._checkpoint)
                    child.add_checkpoint(self._checkpoint)
            self._states.append((self._checkpoint, self._position, state))
            if len(self._states) > _MOST_STATES:
                # Of those in between, every other one serves as well; the last one stays.
                self._states = deque([*self._states][::-1][::2][::-1])

    def finish(self, *, ended: bool) -> None:  # noqa: ARG002 - nothing that is dealt waits for the input's end
        """Deal what is left, wait until all children have delivered everything, and emit the last STATE.

        Raises:
            Exception: The run has failed.
        """
        for child in self._children:
            child.add(Finish())
        self.send()
        self._end()
        if self.failure is not None:
            raise self.failure

    def interrupt(self, reason: BaseException) -> None:
        """Fail with `reason` unless everything is done. Safe to call from a signal handler."""
        self._interruptions.append(reason)
        self._wake.send_bytes(b"")

    def abort(self) -> None:
        """Let children send nothing more, wait for their requests in flight, and emit the last settled STATE."""
        for child in self._children:
            child.order(Stop())
        self._end()

    def _end(self) -> None:
        self._ended.wait()
        for child in self._children:
            child.close()

    # Listening, in a thread.

    def _listen(self) -> None:
        listening = {child.control: child for child in self._children}
        while listening:
            for ready in wait([*listening, self._woken], self._timeout()):
                if ready is self._woken:
                    self._woken.recv_bytes()
                elif not self._hear(listening[ready]):
                    del listening[ready]
            if self._interruptions and self.failure is None:
                self._fail(self._interruptions[0])
            if time.monotonic() >= self._next_emit:
                self._emit_settled()
        self._emit_settled()
        self._ended.set()

    def _hear(self, child: ChildProcess) -> bool:
        """Take a child's next message. Return False after its last one."""
        try:
            message = frames.decode_report(child.control.recv_bytes())
        except (EOFError, OSError):
            how = child.join()
            if not child.is_done:
                self._fail(
                    ChildError(
                        f"process {child.number + 1} of {len(self._children)} ended early with {how}. What it had not "
                        "settled must be replayed: run again from the last STATE"
                    )
                )
            return False
        try:
            self._receivers[type(message)](child, message)
        except BaseException as failure:  # noqa: BLE001 - raised again in the caller's thread
            self._fail(failure)
        return True

    def _receive_take(self, child: ChildProcess, asked: Take) -> None:
        window = self._window(asked.pool)
        child.order(Wait(asked.number, window.take(), window.limit))

    def _receive_learn(self, _child: ChildProcess, seen: Learn) -> None:
        self._window(seen.pool).learn(RateLimit(seen.limit, seen.remaining, seen.reset), seen.age)

    def _receive_close(self, _child: ChildProcess, closed: Close) -> None:
        self._window(closed.pool).close(closed.seconds)

    def _receive_settled(self, child: ChildProcess, settled: Settled) -> None:
        while not child.is_cut_off and child.unsettled and child.unsettled[0] <= settled.checkpoint:
            child.unsettled.popleft()

    def _receive_tally(self, child: ChildProcess, report: Tally) -> None:
        self._totals.receive(child.number, report)

    def _receive_letter(self, child: ChildProcess, letter: Letter) -> None:
        try:
            self._reports.rejected(*self._letter(letter))
        except BaseException:
            child.is_cut_off = True
            raise

    def _receive_rows(self, child: ChildProcess, written: Rows) -> None:
        try:
            self._reports.rows(written.rows)
        except BaseException:
            child.is_cut_off = True
            raise

    def _receive_notice(self, _child: ChildProcess, notice: Notice) -> None:
        self._totals.receive_notice(notice.text)

    def _receive_log(self, _child: ChildProcess, line: Log) -> None:
        _log.log(line.level, "%s", line.text)

    def _receive_done(self, child: ChildProcess, done: Done) -> None:
        child.is_done = True
        self._totals.count_notices(done.notices)
        if done.error is not None:
            raise ERRORS.get(done.error, RuntimeError)(done.text)

    def _letter(self, letter: Letter) -> tuple[Record, Rejection]:
        name, keys = self._names[letter.stream]
        record = Record(
            name,
            letter.number,
            letter.position,
            keys,
            decode_damaged(letter.message),
            self._schemas[letter.stream],
            letter.size,
        )
        why = Rejection(
            letter.reason,
            letter.braze,
            letter.status,
            in_doubt=letter.in_doubt,
            opted_out=letter.opted_out,
            request=letter.request,
        )
        return record, why

    def _fail(self, failure: BaseException) -> None:
        if self.failure is None:
            self.failure = failure
            self._has_failed.set()
            for child in self._children:
                child.order(Stop())
        self._failed(failure)

    def _timeout(self) -> float | None:
        """Return the seconds until a STATE may be emitted, or None if none is settled."""
        return max(0.0, self._next_emit - time.monotonic()) if self._is_settled() else None

    def _is_settled(self) -> bool:
        if not self._states:
            return False
        number = self._states[0][0]
        return not any(child.unsettled and child.unsettled[0] <= number for child in self._children)

    def _emit_settled(self) -> None:
        settled: tuple[int, int, State] | None = None
        with self._lock:
            while self._is_settled():
                settled = self._states.popleft()
        if settled is None:
            return
        self._next_emit = time.monotonic() + _STATE_EVERY
        try:
            self._emit(settled[2])
            if self._ledger is not None:
                # After the STATE: a crash in between only makes the next run hold back more than necessary.
                self._ledger.covered(settled[1])
        except BaseException as failure:  # noqa: BLE001 - raised again in the caller's thread
            self._fail(failure)
