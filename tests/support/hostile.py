"""A loopback server that responds as a function dictates, byte by byte, with output no server library would send."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

# Seconds between dripped bytes, and their number: longer than any test waits, but finite.
PACE = 0.05
DRIPS = 1200


class Hostile:
    """Serves connections in threads: `answer` gets each request and yields the bytes to send at its own pace.

    The connection is closed after the last byte. `requests` holds the first lines of the requests; `sent` and `drips`
    count bytes.
    """

    def __init__(self, answer: Callable[[str], Iterator[bytes]]) -> None:
        self.requests: list[str] = []
        self.sent = self.drips = 0
        self._answer = answer
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def drip(self, text: bytes) -> Iterator[bytes]:
        """Yield some bytes repeatedly, with a pause before each."""
        for number in range(DRIPS):
            if self._over.wait(PACE):
                return
            self.drips += 1
            yield text[number % len(text) :][:1]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=self._listener.accept()[:1], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, suppress(OSError):
            first = lines.readline().decode("latin-1")
            length = 0
            while line := lines.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            lines.read(length)
            self.requests.append(first)
            for some in self._answer(first):
                connection.sendall(some)
                self.sent += len(some)


def whole(status: str, body: bytes, *headers: str) -> bytes:
    """Return a well-formed response."""
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
