"""Windows that several programs share: in a broker, which `target-braze broker` runs."""

from __future__ import annotations

import http.client
import json
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..client import BrazeError  # noqa: TID252 - the same text in both packages
from ..hosts import base_url, is_loopback  # noqa: TID252 - likewise
from .window import LocalWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..rate_limits import RateLimit  # noqa: TID252 - likewise
    from .window import Window

# Seconds that one answer of a broker may take, and without any answer until the run ends.
_TIMEOUT: Final = 10.0
_PATIENCE: Final = 30.0
# Seconds until a broker that did not answer is asked again.
_AGAIN: Final = 1.0


def windows_of(settings: Mapping[str, Any]) -> Callable[[str], Window]:
    """Return what makes the windows of a program's pools, from its settings: in a broker, or its share of them.

    Raises:
        EndpointError: Setting `endpoint` is not a Braze host.
    """
    reserve = float(settings["rate_limit_reserve"])
    if url := settings.get("braze_broker"):
        return Broker(url, settings.get("braze_broker_token"), base_url(settings["endpoint"]), reserve).window
    share = float(settings["rate_limit_share"])
    return lambda _pool: LocalWindow(reserve, share)


def broker_mistake(url: str, token: str | None) -> str | None:
    """Return what is wrong with settings `braze_broker` and `braze_broker_token`, or None."""
    parts = urlsplit(url)
    try:
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.path.strip("/")
        _ = parts.port
    except ValueError:
        valid = False
    if not valid or parts.username is not None:
        return "setting 'braze_broker': expected the URL of a broker, such as http://127.0.0.1:8765"
    if not token and not is_loopback(parts.hostname or ""):
        return "setting 'braze_broker' names another machine, so it needs the broker's 'braze_broker_token'"
    return None


class Broker:
    """A broker as one program sees it. Safe to use from several threads.

    Args:
        url: Its base URL.
        token: Its token, if it has one.
        workspace: What the windows belong to: the base URL of Braze's REST API.
        reserve: Share of each window to leave to programs that do not ask the broker.
    """

    def __init__(self, url: str, token: str | None, workspace: str, reserve: float) -> None:
        self._parts = urlsplit(url)
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._window = {"workspace": workspace, "reserve": reserve}
        # Connections that no thread uses at the moment.
        self._idle: list[http.client.HTTPConnection] = []
        weakref.finalize(self, _close, self._idle)
        self._fails_since: float | None = None

    def window(self, pool: str) -> Window:
        """Return the window of a pool."""
        return _BrokersWindow(self, pool)

    def take(self, pool: str, learned: list[dict[str, Any]], closed: float) -> tuple[float, int | None] | None:
        """Ask for a place in a window. Return the seconds to wait and the window's limit; None without an answer.

        Args:
            pool: Name of the window.
            learned: What answers of Braze have said about it since the last time.
            closed: Seconds for which to admit nobody.

        Raises:
            BrazeError: The broker refuses the request, or has not answered for long.
        """
        body = json.dumps({**self._window, "pool": pool, "learned": learned, "closed": closed})
        try:
            status, answer = self._post(body.encode())
            if status == http.client.OK:
                found = json.loads(answer)
                self._fails_since = None
                return float(found["seconds"]), found["limit"]
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            now = time.monotonic()
            self._fails_since = self._fails_since or now
            if now - self._fails_since < _PATIENCE:
                return None
            reason = f"it has not answered for {_PATIENCE:.0f} s ({error})"
        else:
            reason = f"HTTP {status}: {answer.decode('utf-8', 'replace')[:200]}"
        raise BrazeError(
            f"setting 'braze_broker': the broker at {self._parts.netloc} failed: {reason}. Start it with "
            "`target-braze broker`, or remove the setting to use this program's own count"
        )

    def _post(self, body: bytes) -> tuple[int, bytes]:
        while True:
            connection, is_new = self._connection()
            try:
                connection.request("POST", "/take", body, self._headers)
                answer = connection.getresponse()
                found = answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                if is_new:  # one that was idle may have been closed meanwhile
                    raise
            else:
                self._idle.append(connection)
                return found

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """Return a connection, and whether it is new."""
        with suppress(IndexError):
            return self._idle.pop(), False
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        return kind(self._parts.hostname or "", self._parts.port, timeout=_TIMEOUT), True


def _close(connections: list[http.client.HTTPConnection]) -> None:
    for connection in connections:
        connection.close()


class _BrokersWindow:
    """A window in a broker, which learns at the next request; see `Window` for the methods."""

    def __init__(self, broker: Broker, pool: str) -> None:
        self.limit: int | None = None
        self._broker = broker
        self._pool = pool
        self._lock = threading.Lock()
        # What answers said, each with when its request left.
        self._learned: list[tuple[float, RateLimit]] = []
        self._closed_until = 0.0

    def take(self) -> float:
        now = time.monotonic()
        with self._lock:
            learned, self._learned = self._learned, []
            closed, self._closed_until = max(0.0, self._closed_until - now), 0.0
        said = [
            {"limit": seen.limit, "remaining": seen.remaining, "reset": seen.reset, "age": now - sent}
            for sent, seen in learned
        ]
        taken = self._broker.take(self._pool, said, closed)
        if taken is None:
            with self._lock:
                self._learned = learned + self._learned
                self._closed_until = max(self._closed_until, now + closed)
            return _AGAIN
        seconds, self.limit = taken
        return seconds

    def learn(self, seen: RateLimit, age: float) -> None:
        if seen.limit is not None and seen.remaining is not None and seen.reset is not None:
            with self._lock:
                self._learned.append((time.monotonic() - age, seen))

    def close(self, seconds: float) -> None:
        with self._lock:
            self._closed_until = max(self._closed_until, time.monotonic() + seconds)
