"""uvicorn with connections that can be dropped and a socket bound before startup."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

DROP = "braze_sandbox.drop"
"""Scope key of the server's function that closes the connection."""

_connections: dict[Any, Callable[[], None]] = {}


class Protocol(H11Protocol):
    """HTTP/1.1 that keeps track of connections so that a fault rule can cut them."""

    def connection_made(  # type: ignore[explicit-override, override] # typing has no override on 3.10
        self, transport: asyncio.Transport
    ) -> None:
        """Remember the connection by both endpoints."""
        super().connection_made(transport)
        self._ends = _ends(self.client, self.server)
        # Not `abort`, which would discard data written before the cut.
        _connections[self._ends] = transport.close

    def connection_lost(self, exc: Exception | None) -> None:  # type: ignore[explicit-override] # as above
        """Forget the connection."""
        _connections.pop(self._ends, None)
        super().connection_lost(exc)


def _ends(client: tuple[str, int] | None, server: tuple[str, int | None] | None) -> tuple[object, object]:
    return client and tuple(client), server and tuple(server)


def droppable(app: ASGIApp) -> ASGIApp:
    """Return an application whose scopes contain the function that closes their connection."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[DROP] = _connections.get(_ends(scope["client"], scope["server"]))
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            # Requests are canceled only when the server stops, and only if it has cut their connection.
            if scope["type"] != "http":
                raise

    return wrapped


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise OSError if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio disables Nagle's algorithm, which costs 40 ms per response, only for sockets with an explicit protocol.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(512)
    except OSError:
        sock.close()
        raise
    return sock


class Server(uvicorn.Server):
    """A uvicorn server that stops at once: requests still waiting for their latency get no response."""

    async def shutdown(  # type: ignore[explicit-override] # as above
        self, sockets: list[socket.socket] | None = None
    ) -> None:
        """Cut all connections, then stop."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        await super().shutdown(sockets)


def make(app: ASGIApp, http: type[Protocol] = Protocol, certificate: Path | None = None) -> Server:
    """Return a server that does not log and does not wait for idle connections on shutdown.

    With a certificate file and its key, it serves https.
    """
    config = uvicorn.Config(
        droppable(app),
        http=http,
        ssl_certfile=certificate,
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,  # Responses use the rate limits' clock instead.
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )
    return Server(config)
