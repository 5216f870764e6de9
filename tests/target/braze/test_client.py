"""The client of Braze's REST API: pacing by whatever headers there are, retries, hosts."""

from __future__ import annotations

import math
import threading
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.braze import client as braze_api
from target_braze.braze import rate_limits
from target_braze.braze.client import (
    BrazeError,
    Client,
    ForbiddenError,
    RefusedError,
    StoppedError,
    UnauthorizedError,
    UnavailableError,
)
from target_braze.braze.error_texts import Secrets, error_texts
from target_braze.braze.hosts import INSTANCES, EndpointError, base_url
from target_braze.braze.rate_limits import Pool, RateLimit, ServerClock
from target_braze.braze.windows import window as windows
from target_braze.braze.windows.window import LocalWindow
from typing_extensions import override

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox

BODY = b'{"attributes": [{"external_id": "c-1"}]}'


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Stop(threading.Event):
    """Waits by moving the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    @override
    def wait(self, timeout: float | None = None) -> bool:
        self._clock.now += timeout or 0.0
        return self.is_set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limits, "time", clock)
    monkeypatch.setattr(windows, "time", clock)
    return clock


@pytest.fixture
def pool(clock: Clock) -> Pool:
    return Pool("test", LocalWindow(0.2), Stop(clock))


def headers(limit: int, remaining: int, reset: float) -> dict[str, str]:
    return {"x-ratelimit-limit": f"{limit}", "x-ratelimit-remaining": f"{remaining}", "x-ratelimit-reset": f"{reset}"}


def learn(pool: Pool, limit: int, remaining: int, seconds: float, age: float = 0.0) -> None:
    pool.window.learn(RateLimit(limit, remaining, seconds), age)


def client(sandbox: Sandbox, **options: Any) -> Client:
    return Client(sandbox.url, options.pop("api_key", sandbox.api_key), **options)


def track(one: Client) -> int:
    return one.request("POST", "/users/track", body=BODY).status


def test_before_the_first_answer_nothing_waits(pool: Pool, clock: Clock) -> None:
    start = clock.now
    for _ in range(1000):
        pool.enter()
    assert clock.now == start


def test_the_reserve_of_a_window_is_left_to_others(pool: Pool, clock: Clock) -> None:
    start = clock.now
    learn(pool, 100, 50, start + 60 - clock.now)
    for _ in range(30):
        pool.enter()
    assert clock.now == start
    pool.enter()
    assert clock.now == start + 60


def test_after_the_reset_the_window_is_fresh(pool: Pool, clock: Clock) -> None:
    start = clock.now
    learn(pool, 100, 0, start + 60 - clock.now)
    pool.enter()
    assert clock.now == start + 60
    learn(pool, 100, 99, start + 120 - clock.now)
    for _ in range(79):
        pool.enter()
    assert clock.now == start + 60
    pool.enter()
    assert clock.now == start + 120


def test_answers_that_come_late_do_not_widen_the_window(pool: Pool, clock: Clock) -> None:
    start = clock.now
    learn(pool, 100, 30, start + 60 - clock.now)
    learn(pool, 100, 90, start + 60 - clock.now)
    for _ in range(10):
        pool.enter()
    assert clock.now == start
    pool.enter()
    assert clock.now == start + 60
    learn(pool, 100, 99, start + 120 - clock.now)
    learn(pool, 100, 0, start + 60 - clock.now, age=1)  # of the window that is over
    pool.enter()
    assert clock.now == start + 60


def test_requests_that_no_answer_counts_yet_use_the_window(pool: Pool, clock: Clock) -> None:
    """In the first window and in a new one, the first answer comes while others are in flight."""
    # The last request of the first round is the first one of the second window.
    for start, unanswered in ((clock.now, 50), (clock.now + 60, 49)):
        for _ in range(unanswered):
            assert pool.enter()
        learn(pool, 100, 99, start + 60 - clock.now)
        for _ in range(30):
            assert pool.enter()
        assert clock.now == start
        assert pool.enter()
        assert clock.now == start + 60


def test_a_new_window_without_answers_admits_as_many_requests_again(pool: Pool, clock: Clock) -> None:
    learn(pool, 100, 0, 60)
    start = clock.now + 60
    for _ in range(80):
        pool.enter()
    assert clock.now == start
    pool.enter()
    assert start < clock.now <= start + 11


def test_what_others_use_of_the_window_counts(pool: Pool, clock: Clock) -> None:
    start = clock.now
    learn(pool, 100, 90, start + 60 - clock.now)
    pool.enter()
    learn(pool, 100, 20, start + 60 - clock.now)
    pool.enter()
    assert clock.now == start + 60


def test_a_429_closes_the_window_and_an_earlier_one_does_not_open_it(pool: Pool, clock: Clock) -> None:
    start = clock.now
    pool.window.close(30)
    pool.window.close(10)
    pool.enter()
    assert clock.now == start + 30


def test_stopping_ends_the_wait(clock: Clock) -> None:
    stop = Stop(clock)
    pool = Pool("test", LocalWindow(0.2), stop)
    pool.window.close(3600)
    stop.set()
    assert not pool.enter()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, RateLimit(None, None, None)),
        (headers(100, 3, 1_780_000_009), RateLimit(100, 3, 9.0)),
        (headers(100, 3, 9), RateLimit(100, 3, 9.0)),
        ({"x-ratelimit-retry-after": "9"}, RateLimit(None, None, 9.0)),
        ({"retry-after": "9"}, RateLimit(None, None, 9.0)),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, RateLimit(None, None, None)),
        (headers(100, 3, 9) | {"x-ratelimit-retry-after": "5"}, RateLimit(100, 3, 5.0)),
    ],
)
def test_headers_are_read_in_each_of_their_forms(given: dict[str, str], expected: RateLimit) -> None:
    assert RateLimit.of(given, 1_780_000_000.0) == expected


@pytest.mark.parametrize("form", ["epoch", "seconds", "retry-after"])
def test_a_429_is_waited_out_in_each_form(form: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_braze.braze.client._full_jitter", lambda _most: 0.0)
    sandbox.fault(do="status", status=429, reset=form, reset_in=0.3, times=1)
    started = time.monotonic()
    assert track(client(sandbox)) == 201
    assert time.monotonic() - started > 0.25


def test_waiting_for_the_rate_limit_costs_no_patience_with_a_failing_server(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_braze.braze.client._full_jitter", lambda _most: 0.0)
    monkeypatch.setattr(braze_api, "RETRY_FOR", 0.2)
    sandbox.fault(do="status", status=429, headers={"retry-after": "0.5"}, times=1)
    sandbox.fault(do="status", status=503, times=2)
    assert track(client(sandbox)) == 201


@pytest.mark.parametrize(
    "fault", [{"do": "status", "status": 500}, {"do": "status", "status": 504}, {"do": "drop_before"}]
)
def test_what_fails_for_a_while_is_sent_again(fault: dict[str, Any], sandbox: Sandbox) -> None:
    sandbox.fault(times=3, **fault)
    assert track(client(sandbox)) == 201
    assert len(sandbox.requests) == 4


def test_what_keeps_failing_is_given_up(sandbox: Sandbox) -> None:
    sandbox.fault(do="status", status=503)
    with pytest.raises(UnavailableError, match="HTTP 503") as error:
        track(client(sandbox))
    assert error.value.status == 503


def test_a_request_that_may_not_go_twice_goes_once_except_after_429(sandbox: Sandbox) -> None:
    sandbox.fault(do="status", status=429, headers={"retry-after": "0.01"}, times=1)
    sandbox.fault(do="status", status=503)
    with pytest.raises(UnavailableError):
        client(sandbox).request("POST", "/users/track", body=BODY, resend=False)
    assert [request.status for request in sandbox.requests] == [429, 503]


def test_an_answer_that_takes_too_long_is_no_answer(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(braze_api, "RETRY_FOR", 0.0)
    sandbox.fault(do="latency", latency_ms=500)
    with pytest.raises(UnavailableError, match="timed out"):
        track(client(sandbox, timeout=0.05))
    while not sandbox.requests:  # the sandbox must finish it before the next test
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, RefusedError), (401, UnauthorizedError), (403, ForbiddenError), (404, RefusedError), (413, RefusedError)],
)
def test_what_is_wrong_with_the_request_is_not_sent_again(
    status: int, kind: type[BrazeError], sandbox: Sandbox
) -> None:
    sandbox.fault(do="status", status=status, body={"message": "no", "errors": ["a", ["b"], {"c": 1}]})
    with pytest.raises(kind, match="no; a; ") as error:
        track(client(sandbox))
    assert error.value.errors == ("no", "a", '["b"]', '{"c": "..."}')
    assert len(sandbox.requests) == 1


def test_stopping_ends_retries_at_once(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(braze_api, "_FIRST_WAIT", 1000.0)
    monkeypatch.setattr(braze_api, "_LONGEST_WAIT", 1000.0)
    monkeypatch.setattr(braze_api, "RETRY_FOR", 10_000.0)
    monkeypatch.setattr("target_braze.braze.client._full_jitter", lambda most: most)
    sandbox.fault(do="status", status=503)
    one = client(sandbox)
    threading.Timer(0.1, one.stop).start()
    with pytest.raises(StoppedError):
        track(one)
    assert len(sandbox.requests) == 1


def test_a_window_of_the_real_thing_is_never_overrun(sandbox: Sandbox) -> None:
    with type(sandbox)(seed="empty", limits={"track": (20, 0.5)}, track_reset="seconds") as paced:
        one = client(paced, reserve=0.5, connections=4)
        threads = [threading.Thread(target=lambda: [track(one) for _ in range(5)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [request.status for request in paced.requests] == [201] * 20


@pytest.mark.parametrize(
    "given",
    [
        headers(100, 3, 1_780_000_009) | {"x-ratelimit-reset": reset}
        for reset in ("nan", "inf", "-inf", "-5", "+5", "1e3", "1_000", "0x10", "", " ", "\u0665", "9" * 13, "5, 5")
    ],
)
def test_what_is_no_number_is_none(given: dict[str, str]) -> None:
    assert RateLimit.of(given, 1_780_000_000.0) == RateLimit(100, 3, None)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "x-ratelimit-limit",
                "x-ratelimit-remaining",
                "x-ratelimit-reset",
                "x-ratelimit-retry-after",
                "retry-after",
            ]
        ),
        st.one_of(st.text(max_size=20), st.floats().map(str), st.integers().map(str)),
    ),
    st.floats(0, 1e10),
)
def test_whatever_headers_say_no_wait_is_longer_than_a_window(given: dict[str, str], now: float) -> None:
    seen = RateLimit.of(given, now)
    assert seen.limit is None or seen.limit >= 1
    assert seen.remaining is None or seen.remaining >= 0
    assert seen.reset is None or seen.reset <= rate_limits.LONGEST_WINDOW
    stop = threading.Event()
    pool = Pool("test", LocalWindow(0.2), stop)
    pool.window.learn(seen, 1e9)
    stop.set()
    assert not pool.enter()
    assert 0 <= pool.window.take() <= rate_limits.LONGEST_WINDOW


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), min_size=1, max_size=20))
def test_the_time_is_that_of_the_server_to_two_seconds(skew: float, answers: list[tuple[float, float]]) -> None:
    """However far our clock is off, and however long requests take."""
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr(rate_limits, "time", clock)
        server = ServerClock()
        for pause, took in answers:
            clock.now += pause
            sent = clock.now
            clock.now += took
            server.learn({"date": formatdate(clock.now + skew, usegmt=True)}, sent)
        assert abs(server.now() - (clock.now + skew)) <= 2 + min(took for _, took in answers)


def test_a_clock_that_is_right_is_left_alone(clock: Clock) -> None:
    server = ServerClock()
    server.learn({"date": formatdate(clock.now, usegmt=True)}, clock.now)
    assert server.now() == clock.now
    for text in ("", "yesterday", "Fri, 32 Dec 2026 00:00:00 GMT", "\x00", "0"):
        server.learn({"date": text}, clock.now)
    assert server.now() == clock.now


def test_a_clock_that_is_set_meanwhile_is_believed_anew(clock: Clock) -> None:
    server = ServerClock()
    for skew in (0, 3600, -86_400):
        server.learn({"date": formatdate(clock.now + skew, usegmt=True)}, clock.now)
        assert abs(server.now() - clock.now - skew) <= 2


@pytest.mark.parametrize("skew", [-86_400, -30, 30, 86_400])
def test_a_window_is_waited_for_by_the_clock_of_the_server(
    skew: int, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = client(sandbox, reserve=0.5)
    now = time.time() + skew
    told = headers(10, 5, math.floor(now) + 20) | {"date": formatdate(now, usegmt=True)}
    sandbox.fault(do="headers", headers=told, times=1)
    track(one)
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return True

    monkeypatch.setattr(one._stop, "wait", wait)
    one.pool("default").enter()
    assert 15 < waits[0] <= 22


@pytest.mark.parametrize("reset", [4_102_444_800, 99_999_999, 900_000_000_000])
def test_a_reset_that_is_far_away_is_waited_for_as_long_as_the_longest_window(
    reset: int, pool: Pool, clock: Clock
) -> None:
    start = clock.now
    pool.window.learn(RateLimit.of(headers(100, 0, reset), clock.now), 0.0)
    pool.enter()
    assert clock.now == start + 3600


def test_a_reset_that_was_wrong_is_corrected_by_the_answer_to_a_later_request(pool: Pool, clock: Clock) -> None:
    start = clock.now
    learn(pool, 100, 90, 3_600)
    clock.now += 1
    learn(pool, 100, 20, 9, age=0.5)
    pool.enter()
    assert clock.now == start + 10


@pytest.mark.parametrize("reset", ["nan", "inf", "-1", "1e400", "0"])
def test_a_429_with_a_reset_that_is_none_is_waited_out_slower_and_slower(
    reset: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(LocalWindow, "close", lambda _, seconds: waits.append(seconds))
    monkeypatch.setattr("target_braze.braze.client._full_jitter", lambda most: most)
    monkeypatch.setattr(braze_api, "_LONGEST_WAIT", 30.0)
    sandbox.fault(do="status", status=429, headers=headers(10, 0, 0) | {"x-ratelimit-reset": reset}, times=8)
    assert track(client(sandbox)) == 201
    assert len(waits) == 8
    assert waits[-1] >= 1
    assert not any(math.isnan(wait) or wait > 30 for wait in waits)


def test_of_two_limits_in_a_pool_the_lower_one_counts_until_its_reset(pool: Pool, clock: Clock) -> None:
    start = clock.now
    learn(pool, 1_000, 201, 60)
    learn(pool, 250_000, 249_000, 60)
    pool.enter()
    assert clock.now == start
    pool.enter()
    assert clock.now == start + 60
    learn(pool, 250_000, 249_000, 60)
    for _ in range(300):
        pool.enter()
    assert clock.now == start + 60


def test_empty_headers_of_a_401_tell_nothing(sandbox: Sandbox) -> None:
    """As recorded: a wrong key is answered with the headers there, and nothing in them."""
    sandbox.fault(
        do="status",
        status=401,
        headers=dict.fromkeys(headers(0, 0, 0), ""),
        body={"message": f"Invalid API key: {sandbox.api_key}"},
    )
    one = client(sandbox)
    with pytest.raises(UnauthorizedError, match=r"Invalid API key: \*\*\*") as error:
        track(one)
    assert sandbox.api_key not in f"{error.value}{error.value.errors}"
    assert one.pool("default").enter()


def test_the_key_is_sent_and_not_shown(sandbox: Sandbox) -> None:
    one = client(sandbox)
    assert sandbox.api_key not in repr(one)
    assert track(one) == 201
    for key in ("se cret", "secret\n", "secrét", "secret\x7f"):
        with pytest.raises(BrazeError, match="setting 'api_key'") as error:
            client(sandbox, api_key=key)
        assert key not in str(error.value)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        *((name, f"https://{host}") for name, host in INSTANCES.items()),
        ("us-01", "https://rest.iad-01.braze.com"),
        (" rest.iad-01.braze.com/ ", "https://rest.iad-01.braze.com"),
        ("https://rest.iad-09.braze.com", "https://rest.iad-09.braze.com"),
        ("https://proxy.example.com:8443", "https://proxy.example.com:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_endpoint_is_an_instance_a_host_or_a_url(endpoint: str, url: str) -> None:
    assert base_url(endpoint) == url


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "US-09",
        "braze",
        "https://",
        "https://a.b/path",
        "https://a.b?q",
        "https://u:p@a.b",
        "ftp://a.b",
        "http://a.b",
        "https://[a",
    ],
)
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(EndpointError, match="setting 'endpoint'"):
        base_url(endpoint)


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (b"", ()),
        (b"<html>\n  oops</html>", ("<html> oops</html>",)),
        (b'{"message": "a"}', ("a",)),
        (b'{"message": "a", "errors": "b"}', ("a", "b")),
        (b'{"message": null, "errors": [{"type": "c"}]}', ("c",)),
        (b'{"error": "a"}', ("a",)),
        (b'{"errors": [{"type": "c", "index": 0}, {"type": "c", "index": 1}]}', ("c",)),
        (b'{"errors": [{"id": "x", "message": "c"}, ["d", 1], {"e": 1}]}', ("x: c", '["d", 1]', '{"e": "..."}')),
        (b"[1]", ("the body is a JSON list, not an object",)),
        (b"\xff", ("\ufffd",)),
    ],
)
def test_brazes_words_are_found_in_each_form_of_its_errors(body: bytes, texts: tuple[str, ...]) -> None:
    assert error_texts(body, Secrets("k-1")) == texts
