"""Run a program with a terminal as its standard error."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass
class Shown:
    """What a program wrote to its terminal, and its exit code."""

    text: str
    exit_code: int


def on_terminal(
    command: Sequence[str],
    stdin: IO[bytes] | int,
    stdout: IO[bytes] | int,
    env: Mapping[str, str] | None = None,
    *,
    closes_after: int | None = None,
) -> Shown:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        stdin: File that it reads.
        stdout: File that it writes to.
        env: More environment variables.
        closes_after: Close the terminal after this many bytes.
    """
    unset = ("MELTANO_", "SINGER_SDK_LOG_CONFIG", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    kept |= {"TERM": "xterm", "COLUMNS": "160", "LINES": "40"}
    reader, writer = pty.openpty()
    received: list[bytes] = []

    def receive() -> None:
        try:
            while data := os.read(reader, 65_536):
                received.append(data)
                if closes_after is not None and sum(map(len, received)) >= closes_after:
                    break
        except OSError:  # on Linux, how the end of the program is reported
            pass
        finally:
            os.close(reader)

    thread = threading.Thread(target=receive)
    thread.start()
    try:
        done = subprocess.run(
            command, stdin=stdin, stdout=stdout, stderr=writer, env={**kept, **(env or {})}, timeout=60, check=False
        )
    finally:
        os.close(writer)
        thread.join()
    return Shown(b"".join(received).decode(), done.returncode)
