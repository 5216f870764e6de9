"""How many requests are under way follows from how Braze answers."""

from __future__ import annotations

from target_braze.delivery.adaptive_concurrency import AdaptiveConcurrency


def rounds(one: AdaptiveConcurrency, count: int, seconds: float, *, attempt: int = 1, in_flight: int = 99) -> None:
    for _ in range(count):
        for _ in range(one.limit):
            one.answered(seconds, attempt, in_flight)


def test_it_grows_to_the_ceiling_while_answers_stay_quick() -> None:
    one = AdaptiveConcurrency(16)
    assert one.limit == 4
    rounds(one, 1, 0.05)
    assert one.limit == 8
    rounds(one, 1, 0.05)
    assert one.limit == 16
    rounds(one, 5, 0.05)
    assert one.limit == 16


def test_it_reaches_the_largest_ceiling_within_five_rounds() -> None:
    one = AdaptiveConcurrency(128)
    rounds(one, 5, 0.2)
    assert one.limit == 128


def test_the_first_trouble_halves_it_and_ends_the_doubling() -> None:
    one = AdaptiveConcurrency(128)
    rounds(one, 3, 0.05)
    assert one.limit == 32
    rounds(one, 1, 0.05, attempt=2)
    assert one.limit == 16
    rounds(one, 2, 0.05)
    assert one.limit == 18
    rounds(one, 1, 0.05, attempt=2)
    assert one.limit == 14


def test_it_does_not_grow_where_more_is_not_used() -> None:
    one = AdaptiveConcurrency(16)
    rounds(one, 20, 0.05, in_flight=1)
    assert one.limit == 4


def test_answers_that_become_slow_take_it_back() -> None:
    one = AdaptiveConcurrency(32)
    rounds(one, 30, 0.05)
    rounds(one, 3, 0.5)
    assert one.limit < 25


def test_a_refusal_for_the_rate_takes_it_back_once_a_round_and_never_to_nothing() -> None:
    one = AdaptiveConcurrency(10)
    rounds(one, 10, 0.05)
    rounds(one, 1, 0.05, attempt=2)
    assert one.limit == 8
    rounds(one, 50, 0.05, attempt=2)
    assert one.limit == 1
    rounds(one, 3, 0.05)
    assert one.limit == 4


def test_a_ceiling_below_the_start_holds() -> None:
    assert AdaptiveConcurrency(1).limit == 1
    assert AdaptiveConcurrency(3).limit == 3
