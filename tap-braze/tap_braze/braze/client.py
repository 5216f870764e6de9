"""Client for Braze's REST API: errors, requests with retries and rate limits. Knows nothing of Singer."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from .connection import Connections, NoAnswerError, ProxySettingError, Reply, TooLongError
from .error_texts import Secrets, error_texts
from .hosts import base_url
from .rate_limits import Pool, RateLimit, ServerClock, Waiting
from .windows.window import LocalWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .windows.window import Window

_PACKAGE: Final = (__package__ or "").partition(".")[0].replace("_", "-")
_log = logging.getLogger(_PACKAGE)

# Waits before a retry when Braze does not say how long to wait: 0.5 s, 1 s, 2 s ... 30 s, each with full jitter. The
# total of about five minutes outlasts a deployment and ends before most orchestrators give up.
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
RETRY_FOR: float = 300.0
# Until the host has answered once, a wrong `endpoint` is more likely than an outage.
FIRST_ANSWER_WITHIN: float = 20.0

# The client waits for the reset that a 429 names, up to an hour for an hourly window. If 429s continue for two whole
# windows, more waiting will not help.
_RATE_LIMITED_FOR: Final = 7_200.0

# Characters kept of a network error's text; a server can control part of it.
_REASON_LENGTH: Final = 300

# A server that answers 2xx may have applied every attempt, and waiting does not fix its answers.
_UNCLEAR_RESENDS: Final = 2


class BrazeError(Exception):
    """A request failed. The message never contains the API key.

    Attributes:
        status: HTTP status, or None if there was no answer.
        errors: Braze's own error texts.
        body: Body of the answer, without the API key.
        in_doubt: Braze may have applied the request anyway, at this attempt or an earlier one.
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
    """401: this host does not know the API key."""


class ForbiddenError(BrazeError):
    """403: the key lacks the permission, its IP allowlist does not name this machine, or the account is inactive."""


class RefusedError(BrazeError):
    """Any other 4xx: the request itself is wrong, so retrying it unchanged cannot help."""


class UnavailableError(BrazeError):
    """5xx, 429, or no answer, even after all retries."""


class UnclearError(UnavailableError):
    """A 2xx whose body does not say what Braze did with the request."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message, status=status, in_doubt=True)


class NotNowError(BrazeError):
    """The caller no longer allows the request to leave."""


class StoppedError(BrazeError):
    """The client was stopped before it sent the request."""


@dataclass(frozen=True)
class Answer:
    """A 2xx answer, with the duration and the number (from 1) of the attempt that got it.

    The names of headers are case-insensitive, and the body is decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0
    attempt: int = 1

    def json(self) -> Any:  # noqa: ANN401
        """Decode the body as JSON.

        Raises:
            ValueError: The body is not JSON or is nested too deeply.
        """
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None


@dataclass
class Client:
    """Sends requests to one workspace from any number of threads, within its rate limits and with retries.

    Args:
        endpoint: Instance name, host, or URL.
        api_key: REST API key.
        connections: Maximum number of connections.
        reserve: Share of each rate-limit window to leave to other clients, from 0 to 1.
        timeout: Seconds one attempt may take in total.
        windows: Returns the rate-limit window of a pool, if it is shared with other processes.

    Attributes:
        retries: Number of retries so far.
        limit_waits: Time spent waiting for rate limits.
        retry_waits: Time spent waiting between attempts.
    """

    endpoint: str
    api_key: str = field(repr=False)
    connections: int = 16
    reserve: float = 0.2
    timeout: float = 60.0
    windows: Callable[[str], Window] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._url = base_url(self.endpoint)
        # The HTTP library would reject such a header in every request and repeat the key in its error.
        if not self.api_key.isascii() or not self.api_key.isprintable() or " " in self.api_key:
            raise BrazeError("setting 'api_key' contains characters that are not valid in a Braze API key")
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
        headers: Mapping[str, str] | None = None,
        resend: bool = True,
        wait_out: bool = True,
        check: Callable[[Answer], object] | None = None,
        not_now: Callable[[], str] = lambda: "",
    ) -> Answer:
        """Send one request and return its 2xx answer. Waits for the rate limit, after a 429, and between retries.

        Args:
            method: HTTP method.
            path: Path of the endpoint, from the slash.
            pool: Name of the rate-limit window that the endpoint counts against.
            params: Query parameters.
            body: JSON body.
            headers: Headers to add, or to send instead of the client's.
            resend: Retry a request whose outcome is unknown (5xx or no answer).
            wait_out: Treat a 429 as a rate limit and wait for its reset. Pass False where a 429 can also mean that
                something else is busy; it is then raised.
            check: Raises UnclearError for a 2xx that does not report an outcome. Such a request is retried only a few
                times.
            not_now: Returns why the request must not leave now, or nothing. Called right before each attempt, which
                can be an hour after the call.

        Raises:
            UnauthorizedError: 401.
            ForbiddenError: 403.
            RefusedError: Another 4xx.
            UnavailableError: No 2xx after all retries, or a 429 without `wait_out`.
            NotNowError: `not_now` returned a reason.
            StoppedError: `stop` was called.
        """
        gate = self.pool(pool)
        started = time.monotonic()
        failing = 0.0  # seconds, without waits for the rate limit
        attempt = 0
        in_doubt = False
        unclear = 0
        while True:
            self._enter(gate, in_doubt=in_doubt)
            _check_leave(f"{method} {path}", not_now(), in_doubt=in_doubt)
            sent = time.monotonic()
            attempt += 1
            with self._lock:
                self.retries += attempt > 1
            try:
                reply = self._send(method, path + _query(params), body, headers or {})
            except NoAnswerError as fault:
                hint = "" if self._answered else f"; check {fault.suspects}"
                reason = self._secrets.redact(str(fault))[:_REASON_LENGTH]
                error = UnavailableError(f"{method} {path}: no answer from {self._url} ({reason}){hint}")
                in_doubt |= not fault.unsent
            else:
                self._answered = True
                self._clock.learn(reply.headers, sent)
                limits = RateLimit.of(reply.headers, self._clock.now())
                gate.window.learn(limits, time.monotonic() - sent)
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
                    self._wait_out(gate.window, limits, attempt, error, started)
                    continue
                unclear += isinstance(error, UnclearError)
                in_doubt = True
            wait = _retry_wait(attempt)
            error.in_doubt = in_doubt
            patience = RETRY_FOR if self._answered else min(RETRY_FOR, FIRST_ANSWER_WITHIN)
            failing += time.monotonic() - sent + wait
            if failing > patience or (in_doubt and not resend) or unclear > _UNCLEAR_RESENDS:
                raise error
            _log.warning("%s; retrying in %.1f s", error, wait)
            with self.retry_waits:
                self._stop.wait(wait)

    def pool(self, name: str) -> Pool:
        """Return the rate-limit window with this name, creating it on first use."""
        with self._lock:
            if name not in self._pools:
                window = LocalWindow(self.reserve) if self.windows is None else self.windows(name)
                self._pools[name] = Pool(name, window, self._stop, self.limit_waits)
            return self._pools[name]

    @property
    def clock_offset(self) -> float | None:
        """Seconds by which Braze's clock is ahead of this machine's; 0 within a second or two, None without a Date."""
        return self._clock.offset()

    def stop(self, grace: float | None = None) -> None:
        """End all waiting: unsent requests raise StoppedError; those in flight get `grace` more seconds.

        `grace` defaults to a few seconds, so that a write can still be confirmed.
        """
        self._stop.set()
        self._connections.stop(grace)

    def redacted(self, answer: Answer) -> Answer:
        """Return the answer with the API key removed from its body, so that it can be shown to people."""
        body = self._secrets.redact_bytes(answer.body)
        return answer if body is answer.body else replace(answer, body=body)

    def error_texts(self, body: bytes) -> tuple[str, ...]:
        """Return the `message` and `errors` of a body, without the API key and personal values."""
        return error_texts(body, self._secrets)

    def _check(self, request: str, answer: Answer, check: Callable[[Answer], object] | None) -> None:
        """Raise the error that an answer stands for, unless it is a 2xx that passes the check."""
        if not 200 <= answer.status < 300:  # noqa: PLR2004
            failed = _error(request, answer.status, self.error_texts(answer.body))
            failed.body = self.redacted(answer).body
            raise failed
        if check is not None:
            check(answer)

    def _enter(self, gate: Pool, *, in_doubt: bool) -> None:
        if not gate.enter():
            raise StoppedError("stopped before the request was sent", in_doubt=in_doubt)

    def _send(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        try:
            return self._connections.send(method, target, body, {**self._headers, **headers})
        except TooLongError as fault:
            path = target.partition("?")[0]
            raise UnavailableError(
                f"{method} {path}: {fault}. Check for a proxy, and that setting 'endpoint' names a Braze host",
                in_doubt=True,
            ) from None

    def _wait_out(self, window: Window, limits: RateLimit, attempt: int, error: BrazeError, started: float) -> None:
        # Up to a second extra, because clocks differ and so that waiting threads do not all return at once.
        wait = limits.reset + _full_jitter(1.0) if limits.reset and limits.reset > 0 else _retry_wait(attempt)
        if time.monotonic() - started + wait > _RATE_LIMITED_FOR:
            raise error
        window.close(wait)


def _check_leave(request: str, reason: str, *, in_doubt: bool) -> None:
    if reason:
        raise NotNowError(f"{request} is not sent: {reason}", in_doubt=in_doubt)


def _query(params: Mapping[str, str | list[str]] | None) -> str:
    return f"?{urlencode(params, doseq=True)}" if params else ""


def _error(request: str, status: int, errors: tuple[str, ...]) -> BrazeError:
    text = f"{request}: HTTP {status}" + (f": {'; '.join(errors)[:500]}" if errors else "")
    if status == HTTPStatus.UNAUTHORIZED:
        kind: type[BrazeError] = UnauthorizedError
        text += (
            ". Braze does not accept the API key on this host: check settings 'api_key' and 'endpoint' (a key of "
            "another instance causes the same error)"
        )
    elif status == HTTPStatus.FORBIDDEN:
        kind = ForbiddenError
    elif status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:  # noqa: PLR2004
        kind = UnavailableError
    else:
        kind = RefusedError
    return kind(text, status=status, errors=errors)


def _retry_wait(attempt: int) -> float:
    return _full_jitter(min(_FIRST_WAIT * 2 ** min(attempt - 1, 16), _LONGEST_WAIT))


def _full_jitter(most: float) -> float:
    """Return seconds between 0 and `most`: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/."""
    return random.uniform(0, most)  # noqa: S311 - no secret depends on it
