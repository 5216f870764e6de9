"""`target-braze broker`: counts the requests of several programs in one rate-limit window each."""

from __future__ import annotations

import hmac
import signal
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import click
import msgspec
from typing_extensions import override

from target_braze.braze.hosts import is_loopback
from target_braze.braze.rate_limits import LONGEST_WINDOW, RateLimit
from target_braze.braze.windows.window import LocalWindow

PORT: Final = 8765
# Larger requests, and more windows, come from nobody who asks for places.
_MOST_BYTES: Final = 1_000_000
_MOST_WINDOWS: Final = 10_000


class _Seen(msgspec.Struct):
    limit: int
    remaining: int
    reset: float
    age: float


class _Take(msgspec.Struct):
    workspace: str
    pool: str
    reserve: float
    learned: list[_Seen] = []
    closed: float = 0.0


_decode: Final = msgspec.json.Decoder(_Take).decode


class BrokerServer(ThreadingHTTPServer):
    """Counts requests by workspace and pool. `POST /take` is described in `target_braze.braze.windows.broker`.

    Args:
        address: Host and port.
        token: Token that every request must bear; None accepts all.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], token: str | None) -> None:
        super().__init__(address, _Handler)
        self.token = token
        self._windows: dict[tuple[str, str], LocalWindow] = {}
        self._lock = threading.Lock()

    def take(self, asked: _Take) -> dict[str, Any]:
        """Return the answer to a program that asks for a place.

        Raises:
            ValueError: There are too many windows.
        """
        with self._lock:
            key = (asked.workspace, asked.pool)
            if key not in self._windows:
                if len(self._windows) >= _MOST_WINDOWS:
                    raise ValueError(f"more than {_MOST_WINDOWS:,} windows")
                self._windows[key] = LocalWindow(asked.reserve)
            window = self._windows[key]
        # The largest reserve of all programs holds.
        window.reserve = max(window.reserve, asked.reserve)
        for seen in asked.learned:
            window.learn(RateLimit(seen.limit, seen.remaining, min(seen.reset, LONGEST_WINDOW)), seen.age)
        if asked.closed > 0:
            window.close(min(asked.closed, LONGEST_WINDOW))
        return {"seconds": window.take(), "limit": window.limit}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Answers are small: without this, the system would hold each back to fill a packet.
    disable_nagle_algorithm = True
    server: BrokerServer

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MOST_BYTES:
            self.close_connection = True
            self._answer(HTTPStatus.BAD_REQUEST, {"message": "a body of known length is required"})
            return
        body = self.rfile.read(int(length))
        token = self.server.token
        if token and not hmac.compare_digest(
            self.headers.get("Authorization", "").encode(), f"Bearer {token}".encode()
        ):
            self._answer(HTTPStatus.UNAUTHORIZED, {"message": "the token is missing or wrong"})
        elif self.path != "/take":
            self._answer(HTTPStatus.NOT_FOUND, {"message": "the only path is /take"})
        else:
            try:
                self._answer(HTTPStatus.OK, self.server.take(_decode(body)))
            except ValueError as error:
                self._answer(HTTPStatus.BAD_REQUEST, {"message": str(error)})

    def _answer(self, status: HTTPStatus, document: dict[str, Any]) -> None:
        body = msgspec.json.encode(document)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: there is a request for each request to Braze."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=PORT, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option(
    "--token",
    envvar="BRAZE_BROKER_TOKEN",
    help="Token that programs must present as braze_broker_token. Required if other machines can reach the address. "
    "Set it in the environment variable BRAZE_BROKER_TOKEN, because other users can see arguments.",
)
def broker(host: str, port: int, token: str | None) -> None:
    """Count the requests of several programs to one workspace together, until it is stopped.

    Give each program the setting braze_broker with this address.
    """
    if not token and not is_loopback(host):
        raise click.UsageError("other machines can reach this address, so set a token in BRAZE_BROKER_TOKEN")
    try:
        server = BrokerServer((host, port), token)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):  # not in the main thread
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    click.echo(f"http://{host}:{server.server_port}")
    with server:
        server.serve_forever()
