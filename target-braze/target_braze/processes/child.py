"""A child of a run: loads the records that its parent deals, and reports everything to the parent."""

from __future__ import annotations

import gc
import os
import signal
import threading
import traceback
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from typing_extensions import override

from target_braze.braze.client import BrazeError
from target_braze.braze.hosts import base_url
from target_braze.delivery.dispatcher import RejectedError
from target_braze.ledger.file import LedgerError
from target_braze.ledger.store import Ledger
from target_braze.loader.parts import new_client
from target_braze.loader.run import Loader
from target_braze.process.signals import STOPPING
from target_braze.process.ticker import ticking
from target_braze.processes import frames
from target_braze.processes.budget import ParentsWindows
from target_braze.processes.dealt_stream import DealtStream, deal
from target_braze.processes.frames import Done, Lines, Open, Settled, Single, Stop, Version
from target_braze.processes.tally import ChildSummary, Place, ToParent, letter, tally
from target_braze.records import GuardError, MappingError
from target_braze.settings.stream_config import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection

    from target_braze.braze.client import Client
    from target_braze.records import Record, Rejection

# Seconds between two reports of a child's counts.
_TALLY_EVERY: Final = 0.5

# Errors that users can fix, which the parent raises again.
ERRORS: Final[Mapping[str, type[Exception]]] = {
    error.__name__: error for error in (BrazeError, GuardError, LedgerError, MappingError, OSError, RejectedError)
}


class StoppedByParentError(Exception):
    """The run ends early, for a reason that the parent knows."""


def main(config: dict[str, Any], place: Place, dealt: Connection, control: Connection) -> None:
    """Run a child until the parent has no more records, stops it, or ends.

    Args:
        config: Complete settings of this child.
        place: What tells it from the others.
        dealt: Receives records.
        control: Receives orders, and takes reports.
    """
    gc.set_threshold(place.gc_threshold)
    for number in STOPPING:  # the parent passes them on
        signal.signal(number, signal.SIG_IGN)
    parent = ToParent(control)
    parent.take_log()
    loader: _ChildLoader | None = None
    error, text = None, ""
    try:
        loader = _ChildLoader(config, place, parent)
        with loader.following(control):
            loader.run(dealt)
    except StoppedByParentError:
        pass
    except tuple(ERRORS.values()) as caught:
        error, text = next(name for name, kind in ERRORS.items() if isinstance(caught, kind)), str(caught)
    except BaseException:  # noqa: BLE001 - the parent reports it
        error, text = "", traceback.format_exc()
    parent.send(Done({} if loader is None else loader.notices, error, text))


class _ChildLoader(Loader):
    """Loads dealt records. What a Loader reports or checks for the whole run is left to the parent."""

    def __init__(self, config: Mapping[str, Any], place: Place, parent: ToParent) -> None:
        self._place = place
        self._parent = parent
        self._windows = ParentsWindows(parent.send)
        self._stopped, self._wake = Pipe(duplex=False)
        super().__init__(config)
        self._entries = _ParentsEntries(self._config["streams"])
        self._streams: dict[int, DealtStream] = {}

    @property
    def notices(self) -> dict[str, int]:
        """All notices so far, with their counts."""
        return {**self._summary.notices}

    @contextmanager
    def following(self, control: Connection) -> Iterator[None]:
        """Follow the parent's orders, and report counts, until the end of the block."""
        threading.Thread(target=self._follow, args=(control,), name="orders", daemon=True).start()
        try:
            with ticking(self._send_tally, _TALLY_EVERY):
                yield
        finally:
            self._send_tally()  # after the ticker's last one, which may be older than it looks

    def run(self, dealt: Connection) -> None:
        """Load records until the parent has no more.

        Raises:
            StoppedByParentError: The parent stops the run.
        """
        with self:
            while self._receive_frame(dealt):
                pass

    @override
    def open(self, name: str, schema: Any, keys: Sequence[str] = ()) -> DealtStream:
        return DealtStream(self._running, name, schema, keys)

    # What the parent deals.

    def _receive_frame(self, dealt: Connection) -> bool:
        """Load a frame of records. Return False after the last one."""
        if self._stopped in wait([dealt, self._stopped]):
            raise self._interruptions[0]
        for item in frames.decode_dealt(dealt.recv_bytes()):
            if isinstance(item, Lines):
                deal(item, self._streams, self._checkpoint)
            elif isinstance(item, Single):
                self._streams[item.stream].receive_single(item)
            elif isinstance(item, Open):
                self._open(item)
            elif isinstance(item, Version):
                self._streams[item.stream].activate_version(item.version)
            else:
                return False
        self.hand_over()
        return True

    def _checkpoint(self, number: int) -> None:
        self.checkpoint(number, lambda number: self._parent.send(Settled(number)))

    def _open(self, item: Open) -> None:
        # All children would give the same notices.
        with self._parent.muted(self._place.number > 0):
            stream = self.open(item.name, msgspec.json.decode(item.schema), item.keys)
        stream.token["stream"] = item.stream
        self._streams[item.stream] = stream

    # What the parent orders.

    def _follow(self, control: Connection) -> None:
        while True:
            try:
                order = frames.decode_order(control.recv_bytes())
            except (EOFError, OSError):
                # Nobody would hear how the run ends, and another run may begin at once.
                os._exit(1)
            if isinstance(order, Stop):
                self.interrupt(StoppedByParentError())
                self._wake.send_bytes(b"")
            else:
                self._windows.receive(order)

    def _send_tally(self) -> None:
        delivery = None if self._context is None else self._context.delivery
        self._parent.send(tally(self._summary, self._client, delivery))

    # Overridden parts of a Loader.

    @override
    def _new_summary(self) -> ChildSummary:
        return ChildSummary(self._parent, self._place)

    @override
    def _new_client(self) -> Client:
        return new_client(self._config, None if self._config.get("braze_broker") else self._windows.window)

    @override
    def _open_ledger(self) -> Ledger | None:
        config = self._config
        if not config.get("ledger_path"):
            return None
        path, synchronous = Path(config["ledger_path"]), config["ledger_synchronous"]
        return Ledger(path, base_url(config["endpoint"]), synchronous=synchronous, stretch=self._place.stretch)

    @override
    def _set_aside(self, record: Record, why: Rejection) -> None:
        self._parent.send(letter(record, why, self._place))

    @override
    def _conclude(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._run.end("completed" if error is None else "failed")
        self._client.stop()


class _ParentsEntries(Entries):
    """The parent reports entries of setting `streams` that match no stream, because it sees all streams."""

    @override
    def check(self) -> None:
        """Do nothing."""
