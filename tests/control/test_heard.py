"""What a long operation says reaches its listener, at the listener's pace; and what follows where nobody listens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from mpcontinuity.control.heard import Heard, heard
from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Refused
from tests.control.conftest import Call
from tests.fakes.stores import result


def counting(said: list[int], most: int = 3) -> Callable[[Control], Awaitable[str]]:
    """An operation that says 0, 1, …, each when there is room for it, and notes what it has said."""

    async def work(control: Control) -> str:
        for number in range(most):
            said.append(number)
            control.progress(number)
            await control.drained()
        return "done"

    return work


async def everything(running: Heard) -> list[Any]:
    return [each async for each in running.pieces()]


def test_what_is_said_comes_in_its_order_and_the_result_behind_it(control: Control) -> None:
    running = Heard(control, counting([]))
    assert result(everything(running)) == [0, 1, 2]
    assert running.result == "done"


def test_an_operation_says_no_more_than_is_taken(control: Control) -> None:
    said: list[int] = []
    running = Heard(control, counting(said, 1_000_000))
    result(running.first())
    assert said == [0]
    pieces = running.pieces()
    for taken in range(3):
        assert result(anext(pieces)) == taken
        assert said[-1] <= taken + 1
    result(pieces.aclose())


def test_an_operation_that_says_little_does_not_wait_for_its_listener(control: Control) -> None:
    async def work(control: Control) -> str:
        control.progress("begun")
        control.progress("half")
        return "done"

    running = Heard(control, work)
    assert running.result == "done"
    assert result(everything(running)) == ["begun", "half"]


def test_a_listener_waits_for_what_is_to_be_said(control: Control) -> None:
    go = Deferred[None]()

    async def work(control: Control) -> None:
        await go
        control.progress("late")

    running = Heard(control, work)
    waiting = Deferred.fromCoroutine(running.first())
    taking = Deferred.fromCoroutine(everything(running))
    assert not waiting.called
    assert not taking.called
    go.callback(None)
    assert result(taking) == ["late"]


@pytest.mark.parametrize("said", [(), ("a",), ("a", "b")])
def test_what_the_operation_raised_comes_behind_what_it_said(control: Control, said: tuple[str, ...]) -> None:
    async def work(control: Control) -> None:
        for each in said:
            control.progress(each)
        raise Refused("no", "conflict")

    pieces = Heard(control, work).pieces()
    assert tuple(result(anext(pieces)) for _ in said) == said
    with pytest.raises(Refused, match="no"):
        result(anext(pieces))


def test_a_refusal_before_anything_was_said_is_known_at_once(control: Control) -> None:
    async def work(control: Control) -> None:
        raise Refused("no")

    with pytest.raises(Refused, match="no"):
        result(Heard(control, work).first())


def test_a_listener_who_leaves_ends_an_operation_that_waits_for_them(control: Control) -> None:
    said: list[int] = []
    running = Heard(control, counting(said, 1_000_000))
    pieces = running.pieces()
    assert result(anext(pieces)) == 0
    result(pieces.aclose())
    assert isinstance(running.failure, Refused)
    assert len(said) < 4


def test_an_operation_that_does_not_wait_goes_on_without_a_listener(control: Control) -> None:
    go = Deferred[None]()

    async def work(control: Control) -> str:
        control.progress("begun")
        await go
        for number in range(10):
            control.progress(number)
        return "done"

    running = Heard(control, work)
    pieces = running.pieces()
    assert result(anext(pieces)) == "begun"
    result(pieces.aclose())
    go.callback(None)
    assert running.result == "done"


def test_a_listener_may_be_cancelled_while_it_waits(control: Control) -> None:
    go = Deferred[None]()

    async def work(control: Control) -> str:
        await go
        control.progress("late")
        return "done"

    running = Heard(control, work)
    taking = Deferred.fromCoroutine(everything(running))
    taking.cancel()
    with pytest.raises(CancelledError):
        result(taking)
    go.callback(None)  # nobody is told, and nothing breaks by it
    assert running.result == "done"


def test_an_operation_of_the_table_is_heard_by_its_name(control: Control, call: Call) -> None:
    call("domain add", name="x.org", home="home.x.org")
    lines = [{"number": 1, "address": "anna@x.org"}]
    assert result(anext(heard(control, "archive export", {"domain": "x.org"}))) == {"found": 0}
    assert result(anext(heard(control, "user import", {"lines": lines}), "the end")) == "the end"
    with pytest.raises(Refused, match="unknown field"):
        result(anext(heard(control, "archive export", {"nonsense": 1})))
