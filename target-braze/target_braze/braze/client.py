"""Braze's REST API as a client sees it: hosts, errors, one request and its answer; nothing of Singer.

This file, like `connection.py`, `error_texts.py` and `rate_limits.py`, is the same byte for byte in tap-braze and
target-braze (a test holds them equal), because each of the two packages has to install without the other.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import threading
import time
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import backoff

from .connection import Connections, NoAnswerError, ProxySettingError, Reply, TooLongError
from .error_texts import Secrets, error_texts
from .rate_limits import Pool, RateLimit, ServerClock, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PACKAGE: Final = (__package__ or "").partition(".")[0].replace("_", "-")
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

# Letters of what a network fault says, in which a server can have a say.
_REASON_LENGTH: Final = 300


# A server that answers 2xx may have done each time what it was asked, and does not mend with time.
_UNCLEAR_RESENDS: Final = 2


class EndpointError(ValueError):
    """The `endpoint` setting names no Braze REST host."""


class BrazeError(Exception):
    """Braze did not do what was asked; the message says what happened, never the key.

    `status` is the HTTP status, None where there was no answer; `errors` holds Braze's own texts, `body` all that it
    answered, without the key; `in_doubt` says that Braze may have done it all the same, at this try or an earlier one.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        errors: tuple[str, ...] = (),
        body: bytes = b"",
        in_doubt: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.errors = errors
        self.body = body
        self.in_doubt = in_doubt


class UnauthorizedError(BrazeError):
    """401: Braze does not know the key on this host."""


class ForbiddenError(BrazeError):
    """403: the key lacks the permission, its IP allowlist does not name this machine, or the account is inactive."""


class RefusedError(BrazeError):
    """Any other 4xx: the request itself is wrong, and sending it again unchanged is no use."""


class UnavailableError(BrazeError):
    """5xx, no answer or 429, and still so after all retries."""


class UnclearError(UnavailableError):
    """A 2xx that does not say what became of the request, so that nobody knows."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message, status=status, in_doubt=True)


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
        """The body as JSON.

        Raises:
            ValueError: it is none, or nested too deeply.
        """
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def base_url(endpoint: str) -> str:
    """Turn the `endpoint` setting (instance name, host or URL) into the URL that paths are appended to.

    Raises:
        EndpointError: it is none of these, or it is plain HTTP to another machine.
    """
    text = endpoint.strip().rstrip("/")
    shown = text.rpartition("@")[2].partition("?")[0]  # without a password or token
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
            f"setting 'endpoint': {shown!r} is neither a Braze instance ({', '.join(INSTANCES)}) nor the host or "
            "URL of one, such as rest.iad-01.braze.com. The dashboard shows yours under Settings > APIs and "
            "Identifiers."
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise EndpointError(
            f"setting 'endpoint': {shown!r} would send the API key unencrypted; use https:// "
            "(http:// is accepted for localhost only)."
        )
    return f"{parts.scheme}://{parts.netloc}"


@dataclass
class Client:
    """Sends requests to one workspace, from any number of threads: paced, retried, its errors read.

    `reserve` is the share of each rate-limit window left to others, `timeout` the seconds one request may take in all.
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
        self._clock = ServerClock()
        self._secrets = Secrets(self.api_key)
        try:
            self._connections = Connections(self._url, self.connections, self.timeout)
        except ProxySettingError as error:
            raise BrazeError(str(error)) from None
        self._headers = {
            "Accept-Encoding": "gzip, deflate",
            "Authorization": f"Bearer {self.api_key}",
            "Content-Type": "application/json",
            "User-Agent": f"{_PACKAGE}/{metadata.version(_PACKAGE)}",
        }

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
        check: Callable[[Answer], object] | None = None,
    ) -> Answer:
        """Send one request and answer its 2xx; waits for `pool`, for 429s and between retries.

        `resend` says whether a request whose outcome is unknown (5xx or no answer) is sent again, `wait_out` whether a
        429 is about the rate limit and waited out; where it may say that something else is busy, it is raised. `check`
        raises UnclearError for a 2xx that says nothing; such a request is sent again, but only a few times.

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
        unclear = 0
        while True:
            self._enter(window, in_doubt=in_doubt)
            sent = time.monotonic()
            attempt += 1
            if attempt > 1:
                with self._lock:
                    self.retries += 1
            try:
                reply = self._send(method, path, params, body)
            except NoAnswerError as fault:
                hint = "" if self._answered else "; check setting 'endpoint' and the network"
                reason = self._secrets.redact(str(fault))[:_REASON_LENGTH]
                error = UnavailableError(f"{method} {path}: no answer from {self._url} ({reason}){hint}")
                in_doubt |= not fault.unsent
            else:
                self._answered = True
                self._clock.learn(reply.headers, sent)
                limits = RateLimit.of(reply.headers, self._clock.now())
                window.learn(limits, sent)
                answer = Answer(reply.status, reply.headers, reply.body, time.monotonic() - sent, attempt)
                try:
                    self._check(f"{method} {path}", answer, check)
                except BrazeError as failed:
                    failed.in_doubt = in_doubt
                    rate_limited = reply.status == HTTPStatus.TOO_MANY_REQUESTS
                    if not isinstance(failed, UnavailableError) or (rate_limited and not wait_out):
                        raise
                    error = failed
                else:
                    return answer
                if rate_limited:
                    self._wait_out(window, limits, attempt, error, started)
                    continue
                unclear += isinstance(error, UnclearError)
                in_doubt = True
            wait = _backoff(attempt)
            error.in_doubt = in_doubt
            patience = RETRY_FOR if self._answered else min(RETRY_FOR, FIRST_ANSWER_WITHIN)
            failing += time.monotonic() - sent + wait
            if failing > patience or (in_doubt and not resend) or unclear > _UNCLEAR_RESENDS:
                raise error
            _log.warning("%s; trying again in %.1f s", error, wait)
            with self.retry_waits:
                self._stop.wait(wait)

    def pool(self, name: str) -> Pool:
        """The rate-limit window of that name, the same at each call."""
        with self._lock:
            return self._pools.setdefault(name, Pool(name, self.reserve, self._stop, self.limit_waits))

    def stop(self) -> None:
        """End all waiting: requests not yet sent raise StoppedError, and those under way have a few seconds left."""
        self._stop.set()
        self._connections.stop()

    def redacted(self, answer: Answer) -> Answer:
        """The answer without the API key, should it repeat that, for whoever shows its words to people."""
        body = self._secrets.redact_bytes(answer.body)
        return answer if body is answer.body else replace(answer, body=body)

    def words(self, body: bytes) -> tuple[str, ...]:
        """What a body says to people: its `message` and `errors`, without the API key and personal values."""
        return error_texts(body, self._secrets)

    def _check(self, request: str, answer: Answer, check: Callable[[Answer], object] | None) -> None:
        """Raise what the answer is, unless it is a 2xx that holds."""
        if not 200 <= answer.status < 300:  # noqa: PLR2004
            failed = _error(request, answer.status, self.words(answer.body))
            failed.body = self.redacted(answer).body
            raise failed
        if check is not None:
            check(answer)

    def _enter(self, window: Pool, *, in_doubt: bool) -> None:
        if not window.enter():
            raise StoppedError("stopped before the request was sent", in_doubt=in_doubt)

    def _send(self, method: str, path: str, params: Mapping[str, str | list[str]] | None, body: bytes | None) -> Reply:
        query = f"?{urlencode(params, doseq=True)}" if params else ""
        try:
            return self._connections.send(method, path + query, body, self._headers)
        except TooLongError as fault:
            raise UnavailableError(
                f"{method} {path}: {fault}. Is there a proxy in between, or is setting 'endpoint' another server's?",
                in_doubt=True,
            ) from None

    def _wait_out(self, window: Pool, limits: RateLimit, attempt: int, error: BrazeError, started: float) -> None:
        # The extra up to a second is for clocks that differ, and so that not all waiters come back at once.
        wait = limits.reset + backoff.full_jitter(1.0) if limits.reset and limits.reset > 0 else _backoff(attempt)
        if time.monotonic() - started + wait > _RATE_LIMITED_FOR:
            raise error
        window.close(wait)


def _error(request: str, status: int, errors: tuple[str, ...]) -> BrazeError:
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


def _backoff(attempt: int) -> float:
    return backoff.full_jitter(min(_FIRST_WAIT * 2 ** min(attempt - 1, 16), _LONGEST_WAIT))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
