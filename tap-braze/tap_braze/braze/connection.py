"""Connections to one host: one request at a time on each, bounded in time and size, with faults named in plain words.

Everything about urllib3 and requests stands here. This file, like `braze_api.py` and `rate_limits.py`, is the same byte
for byte in tap-braze and target-braze (a test holds them equal).
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

# Below this level they log paths, whose queries may name users or hold a signature, and headers that cannot be parsed.
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.ERROR)

# Seconds to establish a connection, at most.
_CONNECT_WITHIN: Final = 10.0
# Seconds that requests under way still have after `stop`: less than orchestrators wait before they kill.
_STOP_WITHIN: Final = 10.0
# Seconds between two attempts to cut a connection that was not established yet at the first one.
_CUT_AGAIN: Final = 1.0
# Bytes of a body, decompressed. Fifty profiles or a Canvas with all its steps are a few megabytes.
MOST_BYTES: Final = 64_000_000
_CHUNK: Final = 262_144


class NoAnswerError(Exception):
    """No whole answer came; the message says why, without the URL. `unsent`: nothing of the request left."""

    def __init__(self, reason: str, *, unsent: bool = False) -> None:
        super().__init__(reason)
        self.unsent = unsent


class TooLongError(Exception):
    """The body of an answer is longer than any of Braze's."""


class ProxySettingError(ValueError):
    """The environment names a proxy or CA bundle that cannot be used; the message shows no credentials."""


@dataclass(frozen=True)
class Reply:
    """What came back: status, headers (by any case of their names), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(eq=False)
class Exchange:
    """A request under way: until when (monotonic), on which connection, whether any of it left, and was cut off.

    `sock` is the socket that it left by, which the connection forgets where the answer ends with it.
    """

    deadline: float
    connection: Any = None
    sock: Any = None
    sent: bool = False
    overdue: bool = False


class Deadlines:
    """Cuts off requests that are not over `timeout` seconds after they began, for any number of threads.

    The timeouts of sockets count from the last byte, so that a server that sends one now and then is never late. A
    thread of its own watches while requests are under way.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._under_way: dict[int, Exchange] = {}  # by thread
        self._lock = threading.Lock()
        self._watching = False
        self._end = math.inf
        # Its put() may be called by a signal handler.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    @contextmanager
    def limit(self) -> Iterator[Exchange]:
        """Bound what this thread does with its connection. `overdue` of the exchange says that it was cut off."""
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
        """Why something was cut off."""
        return f"timed out after {self._timeout:g} s" if self._end == math.inf else "cut off, for the run is stopping"

    def of_this_thread(self) -> Exchange:
        """What this thread has under way; anything where it has nothing, as when a connection is closed late."""
        return self._under_way.get(threading.get_ident()) or Exchange(math.inf)

    def stop(self) -> None:
        """Leave what is under way a few seconds only."""
        self._end = min(self._end, monotonic() + _STOP_WITHIN)
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
    """Wake the thread that reads from or writes to the connection, with an end of file."""
    exchange.overdue = True
    sock = exchange.sock or getattr(exchange.connection, "sock", None)
    sock = getattr(sock, "socket", sock)  # TLS inside of TLS
    if sock is not None:
        with suppress(OSError):
            # Not its own method: that of TLS takes the state away which the other thread is using.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Watched:
    """What a connection does besides: it says that it is used, and whether more than its own establishment was sent."""

    deadlines: Deadlines
    sock: Any

    def connect(self) -> None:
        exchange = self.deadlines.of_this_thread()
        exchange.connection = self
        try:
            super().connect()  # type: ignore[misc] # of the connection that this is mixed into
        finally:
            # What was sent to a proxy does not count, and TLS takes the place of the socket.
            exchange.sock, exchange.sent = None, False

    def send(self, data: Any) -> None:  # noqa: ANN401
        if self.sock is None:
            self.connect()
        exchange = self.deadlines.of_this_thread()
        exchange.sock, exchange.sent = self.sock, True
        super().send(data)  # type: ignore[misc] # likewise


class Adapter(HTTPAdapter):
    """An adapter of requests whose connections can be cut off at a deadline."""

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
    """Up to `most` connections to the host of a URL, for requests that take up to `timeout` seconds each.

    requests knows proxies, netrc and CA bundles, but asks the environment anew for each request; that, its cookies
    and its hooks cost twice what the request does. So it sets up the connections only.

    Raises:
        ProxySettingError: the environment names a proxy or CA bundle that cannot be used.
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
            # Its text may hold the URL of the proxy, and the password in that.
            raise ProxySettingError(
                "the proxy or CA bundle that the environment names cannot be used "
                f"({type(error).__name__}); check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, REQUESTS_CA_BUNDLE and "
                "CURL_CA_BUNDLE"
            ) from None
        self._prefix = adapter.request_url(request, proxies).removesuffix("/")

    def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send one request, and return the whole answer to it.

        Raises:
            NoAnswerError: no answer came, or not all of it within the time.
            TooLongError: the body does not end in `MOST_BYTES`.
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
                reason = self._deadlines.reason if exchange.overdue else _reason(fault)
                raise NoAnswerError(reason, unsent=not exchange.sent) from None
            if exchange.overdue:  # where the end of the connection is that of the body
                raise NoAnswerError(self._deadlines.reason)
        return reply

    def stop(self) -> None:
        """Leave requests under way a few seconds only. May be called by a signal handler."""
        self._deadlines.stop()


def _body(response: urllib3.BaseHTTPResponse) -> bytes:
    chunks, size = [], 0
    while chunk := response.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            response.close()
            raise TooLongError(f"the answer does not end in {MOST_BYTES // 1_000_000:,} MB")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _reason(fault: BaseException) -> str:
    """The fault in words, without the URL, whose query may name users, and without credentials of a proxy."""
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
