"""Workers: what waits is handled together, in order, and all of it before they stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from mpcontinuity.model.errors import Stopping
from mpcontinuity.store.runner import Inline, Threads, Worker


def test_threads_hand_over_all_that_waits_in_order() -> None:
    entered, gate = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def handle(batch: Sequence[int]) -> None:
        entered.set()
        gate.wait(10)
        batches.append(list(batch))

    stopped = threading.Event()
    worker = Threads().worker("test", handle, most=4)
    worker.put(0)
    assert entered.wait(10)
    for number in range(1, 8):
        worker.put(number)
    worker.stop(stopped.set)
    gate.set()
    assert stopped.wait(10)
    assert batches == [[0], [1, 2, 3, 4], [5, 6, 7]]


def test_a_worker_that_fails_goes_on_with_the_next() -> None:
    handled: list[int] = []
    stopped = threading.Event()

    def handle(batch: Sequence[int]) -> None:
        handled.extend(batch)
        raise KeyError

    worker = Threads().worker("test", handle, most=1)
    worker.put(1, 2)
    worker.stop(stopped.set)
    assert stopped.wait(10)
    assert handled == [1, 2]


def test_several_threads_stop_once() -> None:
    stopped = threading.Semaphore(0)
    worker: Worker[int] = Threads().worker("test", lambda batch: None, threads=4, most=1)
    worker.put(*range(100))
    worker.stop(stopped.release)
    assert stopped.acquire(timeout=10)
    assert not stopped.acquire(timeout=0.05)


def test_inline_takes_what_comes_while_it_works_afterwards() -> None:
    batches: list[list[int]] = []

    def handle(batch: Sequence[int]) -> None:
        batches.append(list(batch))
        if batch[0] < 3:
            worker.put(batch[0] + 1)

    worker: Worker[int] = Inline().worker("test", handle)
    worker.put(1)
    assert batches == [[1], [2], [3]]


def test_inline_on_a_clock_works_when_it_is_called_back() -> None:
    due: list[Callable[[], None]] = []
    batches: list[list[int]] = []
    stopped: list[bool] = []
    worker: Worker[int] = Inline(due.append).worker("test", lambda batch: batches.append(list(batch)), most=2)
    worker.put(1)
    worker.put(2, 3)
    worker.stop(lambda: stopped.append(True))
    assert (batches, stopped) == ([], [])
    due.pop()()
    assert (batches, stopped) == ([[1, 2]], [])
    due.pop()()
    assert (batches, stopped) == ([[1, 2], [3]], [True])
    assert not due


def test_what_is_put_behind_a_stop_while_threads_still_work_is_handled() -> None:
    handled: list[int] = []
    begun, go_on, stopped = threading.Event(), threading.Event(), threading.Event()

    def handle(items: Sequence[int]) -> None:
        begun.set()
        assert go_on.wait(10)
        handled.extend(items)

    worker: Worker[int] = Threads().worker("test", handle, threads=2, most=1)
    worker.put(1, 2)
    assert begun.wait(10)
    worker.stop(stopped.set)
    worker.put(3, 4, 5)
    go_on.set()
    assert stopped.wait(10)
    assert sorted(handled) == [1, 2, 3, 4, 5]
    with pytest.raises(Stopping):
        worker.put(6)
