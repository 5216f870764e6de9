"""An ordered pool: threads work ahead on a plan, and results come in the order of the plan."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

T = TypeVar("T")
R = TypeVar("R")

# Seconds between ticks while waiting for a result.
_TICK: Final = 1.0


class _Task(Generic[T, R]):
    """An item of the plan, and its result."""

    def __init__(self, item: T, weight: int) -> None:
        self.item = item
        self.weight = weight
        self.result: Future[R] = Future()


def in_order(
    plan: Iterable[T],
    work: Callable[[T], R],
    *,
    threads: int,
    capacity: int,
    weigh: Callable[[T], int] = lambda _: 1,
    tick: Callable[[], None] = lambda: None,
) -> Generator[tuple[T, R], None, None]:
    """Run `work` on each item of a plan in up to `threads` threads; yield items and results in the order of the plan.

    Items are drawn from the plan until those drawn and not yet yielded weigh `capacity`, which bounds memory. An error
    of `work` is raised in place of its result. Closing the iterator drops work that has not started; threads are
    daemons, so work in progress does not delay the end of the program. `tick` is called about once a second while
    waiting for a result; an exception that it raises ends the iteration.
    """
    todo: SimpleQueue[_Task[T, R] | None] = SimpleQueue()
    drawn: deque[_Task[T, R]] = deque()
    weight = workers = 0
    try:
        for item in plan:
            drawn.append(_Task(item, weigh(item)))
            weight += drawn[-1].weight
            todo.put(drawn[-1])
            if workers < threads:
                threading.Thread(target=_work, args=(todo, work), daemon=True, name=f"ordered-pool-{workers}").start()
                workers += 1
            while drawn and weight >= capacity:
                weight -= drawn[0].weight
                yield _first(drawn, tick)
        while drawn:
            yield _first(drawn, tick)
    finally:
        for task in drawn:
            task.result.cancel()
        for _ in range(workers):
            todo.put(None)


def _first(drawn: deque[_Task[T, R]], tick: Callable[[], None]) -> tuple[T, R]:
    task = drawn.popleft()
    while not task.result.done() and not wait((task.result,), _TICK).done:
        tick()
    return task.item, task.result.result()


def _work(todo: SimpleQueue[_Task[T, R] | None], work: Callable[[T], R]) -> None:
    while task := todo.get():
        if not task.result.set_running_or_notify_cancel():
            continue
        try:
            task.result.set_result(work(task.item))
        except BaseException as error:  # noqa: BLE001 - passed on to the consumer
            task.result.set_exception(error)
