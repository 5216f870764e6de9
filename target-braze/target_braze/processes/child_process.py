"""A child as its parent sees it: the process, the pipes to it, and what waits to be sent."""

from __future__ import annotations

import multiprocessing
import threading
from array import array
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from target_braze.processes import child, frames
from target_braze.processes.frames import Lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.processes.frames import Stop, Wait
    from target_braze.processes.tally import Place

# A fresh interpreter for each child: threads and locks of this process must not be copied.
CONTEXT: Any = multiprocessing.get_context("spawn")


class ChildProcess:
    """A child with its pipes, and what waits to be sent to it."""

    def __init__(self, config: Mapping[str, Any], place: Place) -> None:
        self.number = place.number
        # Whether records were dealt to it since the last checkpoint, and its checkpoints that are not settled yet.
        self.has_new = False
        self.unsettled: deque[int] = deque()
        self.is_done = False
        # A record was rejected, and that ends the run, so its later checkpoints do not count.
        self.is_cut_off = False
        dealt, self._deal = CONTEXT.Pipe(duplex=False)
        control, self.control = CONTEXT.Pipe()
        self._process = CONTEXT.Process(
            target=child.main, args=({**config}, place, dealt, control), name=f"loader-{place.number}"
        )
        self._process.start()
        # Otherwise, this process would keep them open after the child's end.
        dealt.close()
        control.close()
        self._items: list[Any] = []
        self._ordering = threading.Lock()
        self._begin_lines()

    def _begin_lines(self) -> None:
        self.lines: list[bytes] = []
        self.streams, self.numbers, self.positions = array("H"), array("Q"), array("Q")
        self.size = 0

    def add_checkpoint(self, number: int) -> None:
        """Ask the child to report when all records so far are settled."""
        self.lines.append(b"")
        self.streams.append(frames.CHECKPOINT)
        self.numbers.append(number)
        self.positions.append(0)

    def add(self, item: Any) -> None:  # noqa: ANN401
        """Add something after the lines so far."""
        self._end_lines()
        self._items.append(item)

    def send(self) -> None:
        """Send everything that waits; wait while the child has no room.

        Raises:
            OSError: The child has ended.
        """
        self._end_lines()
        if self._items:
            items, self._items = self._items, []
            self._deal.send_bytes(frames.encode(items))

    def order(self, order: Stop | Wait) -> None:
        """Send an order, unless the child has ended."""
        with self._ordering, suppress(OSError):
            self.control.send_bytes(frames.encode(order))

    def join(self) -> str:
        """Wait for the end of the process, and say how it ended."""
        self._process.join()
        code = self._process.exitcode
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def close(self) -> None:
        """Close the pipes to a child that has ended."""
        self._deal.close()
        self.control.close()

    def _end_lines(self) -> None:
        if self.lines:
            arrays = self.streams.tobytes(), self.numbers.tobytes(), self.positions.tobytes()
            self._items.append(Lines(*arrays, b"\n".join(self.lines)))
            self._begin_lines()
