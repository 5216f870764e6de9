"""Fetching: concurrent, in order, not further ahead than it should be."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tap_braze.braze.client import Answer, BrazeError, Client, RefusedError, UnavailableError
from tap_braze.fetching.fetch import Request, fetch_in_order, get
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class FakeClient(Client):
    """Gives prepared answers, and counts the requests in flight."""

    def __init__(self, answer: Callable[[int], bytes]) -> None:
        self.answer = answer
        self.sent: list[int] = []
        self.most_under_way = 0
        self._under_way = 0
        self._lock = threading.Lock()

    @override
    def request(self, method: str, path: str, *, pool: str = "", params: Any = None, **_: Any) -> Answer:
        assert pool == "default"
        with self._lock:
            self.sent.append(int(params["n"]))
            self._under_way += 1
            self.most_under_way = max(self.most_under_way, self._under_way)
        try:
            return Answer(200, {}, self.answer(int(params["n"])))
        finally:
            with self._lock:
                self._under_way -= 1


def request(number: int) -> Request:
    return Request("/x", {"n": str(number)}, "default", "data")


def slow_when_early(number: int) -> bytes:
    time.sleep(0.01 if number % 4 == 0 else 0)
    return b'{"data": %d}' % number


def test_answers_come_in_the_order_of_the_plan() -> None:
    client = FakeClient(slow_when_early)
    answers = [answer for _, answer in fetch_in_order(map(request, range(100)), client, 8)]
    assert answers == [{"data": number} for number in range(100)]
    assert 1 < client.most_under_way <= 8


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_plan_is_drawn_from_only_so_far_ahead(concurrency: int) -> None:
    drawn = 0

    def plan() -> Iterator[Request]:
        nonlocal drawn
        for number in range(1000):
            drawn += 1
            yield request(number)

    with closing(fetch_in_order(plan(), FakeClient(slow_when_early), concurrency)) as answers:
        for taken, _ in enumerate(answers, 1):
            assert drawn <= taken + 2 * concurrency
            if taken == 50:
                break


def test_what_is_not_begun_when_it_closes_is_never_sent() -> None:
    gate = threading.Event()
    opened: list[bool] = []

    def answer(number: int) -> bytes:
        if number:
            opened.append(gate.wait(60))
        return b'{"data": 0}'

    client = FakeClient(answer)
    with closing(fetch_in_order(map(request, range(100)), client, 2)) as answers:
        next(answers)
    assert not opened  # requests in flight delay nothing
    gate.set()
    time.sleep(0.05)
    assert len(client.sent) <= 4


def test_an_error_is_handed_out_in_its_place() -> None:
    def answer(number: int) -> bytes:
        if number == 3:
            raise RefusedError("no", status=400)
        return b'{"data": 0}'

    answers = [answer for _, answer in fetch_in_order(map(request, range(6)), FakeClient(answer), 4)]
    assert [isinstance(answer, BrazeError) for answer in answers] == [False, False, False, True, False, False]


def test_a_bug_in_a_thread_is_seen() -> None:
    def answer(number: int) -> bytes:
        return b'{"data": %d}' % (1 // number)

    with pytest.raises(ZeroDivisionError):
        list(fetch_in_order(map(request, range(6)), FakeClient(answer), 4))


@pytest.mark.parametrize("body", [b"<html>", b'{"message": "queued"}', b"[]", b'{"data": [1', b"\xff"])
def test_an_answer_without_the_data_is_asked_for_again(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    bodies = [body, body, b'{"data": []}']
    assert get(FakeClient(lambda _: bodies.pop(0)), request(1)) == {"data": []}
    with pytest.raises(UnavailableError, match="no 'data' in the answer"):
        get(FakeClient(lambda _: body), request(1))
