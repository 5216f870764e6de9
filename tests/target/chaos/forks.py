"""The target's child processes in a schedule: forked, so that they share the fast clock, and found, to be killed."""

from __future__ import annotations

import multiprocessing
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from target_braze.processes import child, child_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from target_braze.processes.tally import Place

_main = child.main


@contextmanager
def forked() -> Iterator[None]:
    """Let the target fork its children in the block."""
    with (
        mock.patch.object(child_process, "CONTEXT", multiprocessing.get_context("fork")),
        mock.patch.object(child, "main", _forked_main),
    ):
        yield


def _forked_main(config: dict[str, Any], place: Place, dealt: Connection, control: Connection) -> None:
    """Run a child without the parent's ends of its pipes, which only a fork inherits."""
    kept = {dealt.fileno(), control.fileno()}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(OSError):
            mode = os.fstat(int(name)).st_mode
            if int(name) not in kept and (stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode)):
                os.close(int(name))
    _main(config, place, dealt, control)


def children_of(pid: int | None) -> list[int]:
    """Return the processes that a process has started."""
    with suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []


def lives(pid: int) -> bool:
    """Return whether a process is neither gone nor a zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False
