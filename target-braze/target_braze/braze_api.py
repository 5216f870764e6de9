"""Braze's REST API as a client sees it: hosts, errors, one request and its answer; nothing of Singer.

This file, as `rate_limits.py`, stands in tap-braze and in target-braze, byte for byte the same (a test holds them
equal), because each of the two packages has to install without the other.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode, urlsplit

import backoff
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as RequestTimeoutError

from .rate_limits import Pool, RateLimit, Waiting

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE: Final = (__package__ or "").replace("_", "-")
_log = logging.getLogger(_PACKAGE)

# https://www.braze.com/docs/api/basics/#endpoints. The names follow no rule, so they are listed; an instance that
# is not here is given by its host.
INSTANCES: Final = {
    "US-01": "rest.iad-01.braze.com",
    "US-02": "rest.iad-02.braze.com",
    "US-03": "rest.iad-03.braze.com",
    "US-04": "rest.iad-04.braze.com",
    "US-05": "rest.iad-05.braze.com",
    "US-06": "rest.iad-06.braze.com",
    "US-07": "rest.iad-07.braze.com",
    "US-08": "rest.iad-08.braze.com",
    "US-10": "rest.us-10.braze.com",
    "EU-01": "rest.fra-01.braze.eu",
    "EU-02": "rest.fra-02.braze.eu",
    "AU-01": "rest.au-01.braze.com",
    "ID-01": "rest.id-01.braze.com",
    "JP-01": "rest.jp-01.braze.com",
    "KR-01": "rest.kr-01.braze.com",
}

# Waits before a request is sent again that failed without a word on when: 0.5 s, 1 s, 2 s ... 30 s, each with full
# jitter. Together about five minutes, which outlasts a deployment and ends before an orchestrator loses patience.
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
RETRY_FOR: float = 300.0
# Before the host has answered anything, a wrong `endpoint` is likelier than an outage.
FIRST_ANSWER_WITHIN: float = 20.0

# A 429 is waited out however long its headers say (an hourly window: up to an hour). One that keeps coming back
# across two whole windows is not going to end.
_RATE_LIMITED_FOR: Final = 7_200.0


class EndpointError(ValueError):
    """The `endpoint` setting names no Braze REST host."""


class BrazeError(Exception):
    """Braze did not do what was asked; the message says what happened, never the key.

    `status` is the HTTP status, None where there was no answer; `errors` holds Braze's own texts; `in_doubt` says that
    Braze may have done it all the same, at this try or an earlier one.
    """

    def __init__(
        self, message: str, *, status: int | None = None, errors: tuple[str, ...] = (), in_doubt: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.errors = errors
        self.in_doubt = in_doubt


class UnauthorizedError(BrazeError):
    """401: Braze does not know the key on this host."""


class ForbiddenError(BrazeError):
    """403: the key lacks the permission, its IP allowlist does not name this machine, or the account is inactive."""


class RefusedError(BrazeError):
    """Any other 4xx: the request itself is wrong, and sending it again unchanged is no use."""


class UnavailableError(BrazeError):
    """5xx, no answer or 429, and still so after all retries."""


class StoppedError(BrazeError):
    """The client was stopped while the request waited for its turn."""


@dataclass(frozen=True)
class Answer:
    """A 2xx answer: status, headers (by any case of their names), body; how long it took, and at which attempt."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0
    attempt: int = 1

    def json(self) -> Any:  # noqa: ANN401
        """The body as JSON."""
        return json.loads(self.body)


def base_url(endpoint: str) -> str:
    """Turn the `endpoint` setting (instance name, host or URL) into the URL that paths are appended to.

    Raises:
        EndpointError: it is none of these, or it is plain HTTP to another machine.
    """
    text = endpoint.strip().rstrip("/")
    if host := INSTANCES.get(text.upper()):
        return f"https://{host}"
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:
        parts = urlsplit("")
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.username is not None
        or parts.path
        or parts.query
        or ("." not in parts.hostname and ":" not in parts.hostname and parts.hostname != "localhost")
    ):
        raise EndpointError(
            f"setting 'endpoint': {endpoint!r} is neither a Braze instance ({', '.join(INSTANCES)}) nor the host or "
            "URL of one, such as rest.iad-01.braze.com. The dashboard shows yours under Settings > APIs and "
            "Identifiers."
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise EndpointError(
            f"setting 'endpoint': {endpoint!r} would send the API key unencrypted; use https:// "
            "(http:// is accepted for localhost only)."
        )
    return f"{parts.scheme}://{parts.netloc}"


def error_texts(body: bytes) -> tuple[str, ...]:
    """Braze's own words in an error body: `message`, then `errors` (strings, arrays or objects), else the bare text."""
    try:
        document = json.loads(body)
    except ValueError:
        text = " ".join(body[:200].decode("utf-8", "replace").split())
        return (text,) if text else ()
    if not isinstance(document, dict):
        return (str(document)[:200],)
    errors = document.get("errors") or []
    found = [document.get("message"), *(errors if isinstance(errors, list) else [errors])]
    return tuple(text if isinstance(text, str) else json.dumps(text)[:500] for text in found if text)


@dataclass
class Client:
    """Sends requests to one workspace, from any number of threads: paced, retried, its errors read.

    `reserve` is the share of each rate-limit window left to others, `timeout` the seconds one request may take.
    `retries` counts how often a request was sent again; `limit_waits` and `retry_waits` are what was waited meanwhile.
    """

    endpoint: str
    api_key: str = field(repr=False)
    connections: int = 16
    reserve: float = 0.2
    timeout: float = 60.0

    def __post_init__(self) -> None:
        self._url = base_url(self.endpoint)
        # Such a header would be refused at each call, with the key in the error.
        if not self.api_key.isascii() or not self.api_key.isprintable() or " " in self.api_key:
            raise BrazeError("setting 'api_key' holds a blank, a line break or a letter that is in no key of Braze's")
        self._stop = threading.Event()
        self._answered = False
        self._pools: dict[str, Pool] = {}
        self.retries = 0
        self.limit_waits, self.retry_waits = Waiting(), Waiting()
        self._lock = threading.Lock()
        self._connections, self._prefix = _connections(self._url, self.connections)
        self._headers = {
            "Accept-Encoding": "gzip, deflate",
            "Authorization": f"Bearer {self.api_key}",
            "Content-Type": "application/json",
            "User-Agent": f"{_PACKAGE}/{metadata.version(_PACKAGE)}",
        }
        self._timeout = urllib3.Timeout(connect=min(10.0, self.timeout), read=self.timeout)

    def request(
        self,
        method: str,
        path: str,
        *,
        pool: str = "default",
        params: Mapping[str, str | list[str]] | None = None,
        body: bytes | None = None,
        resend: bool = True,
        wait_out: bool = True,
    ) -> Answer:
        """Send one request and answer its 2xx; waits for `pool`, for 429s and between retries.

        `resend` says whether a request whose outcome is unknown (5xx or no answer) is sent again, `wait_out` whether a
        429 is about the rate limit and waited out; where it may say that something else is busy, it is raised.

        Raises:
            UnauthorizedError: 401.
            ForbiddenError: 403.
            RefusedError: another 4xx.
            UnavailableError: no 2xx after retrying, or a 429 that is not waited out.
            StoppedError: `stop` was called.
        """
        window = self.pool(pool)
        started = time.monotonic()
        failing = 0.0  # seconds, without those of waiting for the rate limit
        attempt = 0
        in_doubt = False
        while True:
            self._enter(window, in_doubt=in_doubt)
            sent = time.monotonic()
            attempt += 1
            if attempt > 1:
                with self._lock:
                    self.retries += 1
            try:
                response = self._send(method, path, params, body)
            except HTTPError as fault:
                hint = "" if self._answered else "; check setting 'endpoint' and the network"
                error = UnavailableError(f"{method} {path}: no answer from {self._url} ({_reason(fault)}){hint}")
                in_doubt |= not _is_unsent(fault)
            else:
                self._answered = True
                window.learn(response.headers)
                if 200 <= response.status < 300:  # noqa: PLR2004
                    seconds = time.monotonic() - sent
                    return Answer(response.status, response.headers, response.data, seconds, attempt)
                failed = _error(f"{method} {path}", response.status, response.data)
                failed.in_doubt = in_doubt
                if not isinstance(failed, UnavailableError):
                    raise failed
                error = failed
                if response.status == HTTPStatus.TOO_MANY_REQUESTS:
                    if not wait_out:
                        raise error
                    self._wait_out(window, response.headers, attempt, error, started)
                    continue
                in_doubt = True
            wait = _backoff(attempt)
            error.in_doubt = in_doubt
            patience = RETRY_FOR if self._answered else min(RETRY_FOR, FIRST_ANSWER_WITHIN)
            failing += time.monotonic() - sent + wait
            if failing > patience or (in_doubt and not resend):
                raise error
            _log.warning("%s; trying again in %.1f s", error, wait)
            with self.retry_waits:
                self._stop.wait(wait)

    def pool(self, name: str) -> Pool:
        """The rate-limit window of that name, the same at each call."""
        with self._lock:
            return self._pools.setdefault(name, Pool(name, self.reserve, self._stop, self.limit_waits))

    def stop(self) -> None:
        """End all waiting: requests not yet sent raise StoppedError; one under way ends by itself."""
        self._stop.set()

    def _enter(self, window: Pool, *, in_doubt: bool) -> None:
        if not window.enter():
            raise StoppedError("stopped before the request was sent", in_doubt=in_doubt)

    def _send(
        self, method: str, path: str, params: Mapping[str, str | list[str]] | None, body: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        url = self._prefix + path + (f"?{urlencode(params, doseq=True)}" if params else "")
        return self._connections.urlopen(
            method, url, body, self._headers, retries=False, redirect=False, timeout=self._timeout
        )

    def _wait_out(
        self, window: Pool, headers: Mapping[str, str], attempt: int, error: BrazeError, started: float
    ) -> None:
        now = time.time()
        reset = RateLimit.of(headers, now).reset
        # The extra up to a second is for clocks that differ, and so that not all waiters come back at once.
        until = now + _backoff(attempt) if reset is None else max(reset, now) + backoff.full_jitter(1.0)
        if time.monotonic() - started + until - now > _RATE_LIMITED_FOR:
            raise error
        window.close(until)


def _error(request: str, status: int, body: bytes) -> BrazeError:
    errors = error_texts(body)
    text = f"{request}: HTTP {status}" + (f": {'; '.join(errors)[:500]}" if errors else "")
    if status == HTTPStatus.UNAUTHORIZED:
        kind: type[BrazeError] = UnauthorizedError
        text += (
            ". Braze does not accept the API key here: check settings 'api_key' and 'endpoint' "
            "(a key of another instance answers the same)"
        )
    elif status == HTTPStatus.FORBIDDEN:
        kind = ForbiddenError
    elif status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:  # noqa: PLR2004
        kind = UnavailableError
    else:
        kind = RefusedError
    return kind(text, status=status, errors=errors)


def _connections(url: str, most: int) -> tuple[urllib3.HTTPConnectionPool, str]:
    """The connections to a host, and what stands before a path sent through them.

    requests knows of proxies, netrc and CA bundles, but asks the environment anew for each request; that, its cookies
    and its hooks cost twice what the request does.
    """
    session = requests.Session()
    environment = session.merge_environment_settings(url, {}, stream=None, verify=None, cert=None)
    proxies, bundle = environment["proxies"], environment["verify"]
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=most)
    request = session.prepare_request(requests.Request("GET", url + "/"))
    pool = adapter.get_connection_with_tls_context(
        request, bundle if isinstance(bundle, str) else DEFAULT_CA_BUNDLE_PATH, proxies=proxies
    )
    return cast("urllib3.HTTPConnectionPool", pool), adapter.request_url(request, proxies).removesuffix("/")


def _backoff(attempt: int) -> float:
    return backoff.full_jitter(min(_FIRST_WAIT * 2 ** min(attempt - 1, 16), _LONGEST_WAIT))


def _reason(fault: HTTPError) -> str:
    """The fault without the URL, whose query may name users."""
    if isinstance(fault, RequestTimeoutError):
        return "timed out"
    if isinstance(fault, SSLError):
        return f"TLS failed: {fault.args[0] if fault.args else fault}"
    cause: BaseException = fault
    while cause.__context__ is not None:
        cause = cause.__context__
    return str(cause) or type(cause).__name__


def _is_unsent(fault: HTTPError) -> bool:
    """Whether the connection failed before anything of the request left."""
    cause: BaseException | None = fault
    while cause is not None:
        if isinstance(cause, (ConnectTimeoutError, NewConnectionError)):
            return True
        cause = cause.__context__
    return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
