"""Shared by the benchmark servers: a free port and a first output line with its URL."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from braze_sandbox.server.http import bind

if TYPE_CHECKING:
    from braze_sandbox.server.http import Server


def serve(server: Server) -> None:
    """Serve on a free port until stopped."""
    sock = bind("127.0.0.1", 0)
    sys.stdout.write(f"serving on http://127.0.0.1:{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        server.run(sockets=[sock])
