"""Connections to one host: send one request with a deadline and a size limit, and name network errors plainly.

Only this module makes connections with urllib3 and requests.
"""

from __future__ import annotations

import logging
import math
import queue
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from typing_extensions import override
from urllib3.exceptions import (
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as RequestTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# At lower levels they log paths, whose queries can contain user ids or signatures, and headers they cannot parse.
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.ERROR)

# Maximum seconds to establish a connection.
_CONNECT_WITHIN: Final = 10.0
# Seconds that requests in flight still get after `stop`: less than orchestrators wait before they kill a process.
_STOP_WITHIN: Final = 10.0
# Seconds before the next attempt to cut off a connection that was not established at the first attempt.
_CUT_AGAIN: Final = 1.0
# Maximum size of a decompressed body. Fifty profiles, or a Canvas with all its steps, take a few megabytes.
MOST_BYTES: Final = 64_000_000
_CHUNK: Final = 262_144
# What to check if a host has never answered.
_SUSPECTS: Final = "setting 'endpoint' and the network"


class NoAnswerError(Exception):
    """No complete answer arrived. The message gives the reason without the URL.

    Attributes:
        unsent: No part of the request was sent.
        suspects: What to check if no request has ever had an answer.
    """

    def __init__(self, reason: str, *, unsent: bool = False, suspects: str = _SUSPECTS) -> None:
        super().__init__(reason)
        self.unsent = unsent
        self.suspects = suspects


class TooLongError(Exception):
    """The body of an answer is longer than any that Braze sends."""


class ProxySettingError(ValueError):
    """The environment sets a proxy or CA bundle that cannot be used. The message shows no credentials."""


@dataclass(frozen=True)
class Reply:
    """An HTTP response: status, headers (with case-insensitive names), decompressed body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(eq=False)
class Exchange:
    """A request in flight.

    Attributes:
        deadline: When to cut it off (monotonic seconds).
        connection: The connection it uses.
        sock: The socket it was sent on. The connection itself forgets a socket that closes at the end of the answer.
        sent: Some of the request was sent.
        overdue: The request was cut off.
    """

    deadline: float
    connection: Any = None
    sock: Any = None
    sent: bool = False
    overdue: bool = False


class Deadlines:
    """Cuts off requests that take longer than `timeout` seconds, for any number of threads.

    Socket timeouts restart with each byte, so a server that sends a byte now and then would never time out. A
    background thread watches while requests are in flight.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._under_way: dict[int, Exchange] = {}  # by thread
        self._lock = threading.Lock()
        self._watching = False
        self._end = math.inf
        # A signal handler may call its put().
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    @contextmanager
    def limit(self) -> Iterator[Exchange]:
        """Limit the time this thread spends on a request. Yields the exchange, whose `overdue` says it was cut off."""
        thread = threading.get_ident()
        exchange = Exchange(monotonic() + self._timeout)
        with self._lock:
            self._under_way[thread] = exchange
            asleep, self._watching = not self._watching, True
        if asleep:
            threading.Thread(target=self._watch, name="deadlines", daemon=True).start()
        try:
            yield exchange
        finally:
            with self._lock:
                self._under_way.pop(thread, None)

    @property
    def reason(self) -> str:
        """Why a request was cut off."""
        return (
            f"timed out after {self._timeout:g} s" if self._end == math.inf else "cut off because the run is stopping"
        )

    def of_this_thread(self) -> Exchange:
        """Return this thread's exchange, or a placeholder without one, as when a connection is closed late."""
        return self._under_way.get(threading.get_ident()) or Exchange(math.inf)

    def stop(self, grace: float | None = None) -> None:
        """Give requests in flight `grace` more seconds, by default a few."""
        self._end = min(self._end, monotonic() + (_STOP_WITHIN if grace is None else grace))
        self._wake.put(None)

    def _watch(self) -> None:
        while True:
            wait = self._timeout
            with self._lock:
                if not self._under_way:
                    self._watching = False
                    return
                now = monotonic()
                for exchange in self._under_way.values():
                    left = min(exchange.deadline, self._end) - now
                    if left <= 0:
                        _cut(exchange)
                        left = _CUT_AGAIN
                    wait = min(wait, left)
            with suppress(queue.Empty):
                self._wake.get(timeout=wait)


def _cut(exchange: Exchange) -> None:
    """Wake the thread that reads from or writes to the connection with an end of file."""
    exchange.overdue = True
    sock = exchange.sock or getattr(exchange.connection, "sock", None)
    sock = getattr(sock, "socket", sock)  # TLS inside TLS
    if sock is not None:
        with suppress(OSError):
            # Not the socket's own method: a TLS socket's method would clear state that the other thread is using.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Watched:
    """Mixin that records on the exchange which connection it uses and whether any of the request itself was sent."""

    deadlines: Deadlines
    sock: Any

    def connect(self) -> None:
        exchange = self.deadlines.of_this_thread()
        exchange.connection = self
        try:
            super().connect()  # type: ignore[misc] # the urllib3 connection's method
        finally:
            # What a proxy got does not count, and TLS has replaced the socket.
            exchange.sock, exchange.sent = None, False

    def send(self, data: Any) -> None:  # noqa: ANN401
        if self.sock is None:
            self.connect()
        exchange = self.deadlines.of_this_thread()
        exchange.sock, exchange.sent = self.sock, True
        super().send(data)  # type: ignore[misc] # same


class Adapter(HTTPAdapter):
    """A requests adapter whose connections can be cut off at a deadline."""

    def __init__(self, deadlines: Deadlines, connections: int) -> None:
        self._deadlines = deadlines
        super().__init__(pool_connections=1, pool_maxsize=connections)

    @override
    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> urllib3.HTTPConnectionPool:
        pool = cast("urllib3.HTTPConnectionPool", super().get_connection_with_tls_context(*args, **options))
        kind: Any = pool.ConnectionCls
        if not issubclass(kind, _Watched):
            pool.ConnectionCls = type("Watched", (_Watched, kind), {"deadlines": self._deadlines})
        return pool


class Connections:
    """Up to `most` connections to the host of a URL, for requests of up to `timeout` seconds each.

    requests supports proxies, netrc, and CA bundles, but reads the environment again for each request. That, its
    cookies, and its hooks take twice as long as the request, so requests only sets up the connections.

    Raises:
        ProxySettingError: The environment sets a proxy or CA bundle that cannot be used.
    """

    def __init__(self, url: str, most: int, timeout: float) -> None:
        self._deadlines = Deadlines(timeout)
        self._timeout = urllib3.Timeout(connect=min(_CONNECT_WITHIN, timeout), read=timeout)
        session = requests.Session()
        adapter = Adapter(self._deadlines, most)
        try:
            environment = session.merge_environment_settings(url, {}, stream=None, verify=None, cert=None)
            proxies, bundle = environment["proxies"], environment["verify"]
            request = session.prepare_request(requests.Request("GET", url + "/"))
            self._pool = adapter.get_connection_with_tls_context(
                request, bundle if isinstance(bundle, str) else DEFAULT_CA_BUNDLE_PATH, proxies=proxies
            )
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            # Its text can contain the proxy's URL with a password.
            raise ProxySettingError(
                f"cannot use the proxy or CA bundle from the environment ({type(error).__name__}). Check HTTPS_PROXY, "
                "HTTP_PROXY, ALL_PROXY, REQUESTS_CA_BUNDLE, and CURL_CA_BUNDLE"
            ) from None
        self._prefix = adapter.request_url(request, proxies).removesuffix("/")

    def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send one request and return its complete response.

        Raises:
            NoAnswerError: No complete answer arrived in time.
            TooLongError: The body is longer than `MOST_BYTES`.
        """
        with self._deadlines.limit() as exchange:
            try:
                response = self._pool.urlopen(
                    method,
                    self._prefix + path,
                    body,
                    headers,
                    retries=False,
                    redirect=False,
                    timeout=self._timeout,
                    preload_content=False,
                )
                reply = Reply(response.status, response.headers, _body(response))
            except HTTPError as fault:
                if exchange.overdue:
                    raise NoAnswerError(self._deadlines.reason, unsent=not exchange.sent) from None
                raise NoAnswerError(_reason(fault), unsent=not exchange.sent, suspects=_suspects(fault)) from None
            if exchange.overdue:  # a body that ends with the connection looks complete
                raise NoAnswerError(self._deadlines.reason)
        return reply

    def stop(self, grace: float | None = None) -> None:
        """Give requests in flight `grace` more seconds, by default a few. Safe to call from a signal handler."""
        self._deadlines.stop(grace)


def _body(response: urllib3.BaseHTTPResponse) -> bytes:
    chunks, size = [], 0
    while chunk := response.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            response.close()
            raise TooLongError(f"the answer is longer than {MOST_BYTES // 1_000_000:,} MB")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _reason(fault: BaseException) -> str:
    """Describe a network error without the URL, whose query can contain user ids, and without proxy credentials."""
    if isinstance(fault, ProxyError):
        return f"proxy: {_reason(fault.original_error)}"
    if isinstance(fault, SSLError):
        return f"TLS failed: {fault.args[0] if fault.args else fault}"
    cause = fault
    while cause.__context__ is not None:
        cause = cause.__context__
    if isinstance(fault, NameResolutionError):
        return f"unknown host: {getattr(cause, 'strerror', None) or cause}"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(fault, RequestTimeoutError) and not isinstance(fault, NewConnectionError):
        return "timed out"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _suspects(fault: BaseException) -> str:
    if isinstance(fault, ProxyError):
        return "the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, and NO_PROXY for hosts that need none"
    if isinstance(fault, SSLError):
        return "setting 'endpoint', and name the certificate of a private authority in REQUESTS_CA_BUNDLE"
    return _SUSPECTS
