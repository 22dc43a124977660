"""What was read of messages is kept, asked for once, and given up on for a while."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from twisted.internet.defer import CancelledError, Deferred

from mpcontinuity.access.webmail.kept import GIVEN_UP, MOST, Kept, Unread
from mpcontinuity.message.display.shown import Shown
from mpcontinuity.message.display.unread import unread
from mpcontinuity.model.clock import SECOND
from tests.fakes.clock import ManualClock

SHOWN = msgspec.structs.replace(unread(b"\r\n\r\nHello", "busy"), shortfalls=())


class Read:
    """Reads that end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[Deferred[Shown]] = []
        self.given_up = 0

    async def __call__(self) -> Shown:
        each: Deferred[Shown] = Deferred(self._give_up)
        self.begun.append(each)
        return await each

    def _give_up(self, _: object) -> None:
        self.given_up += 1


@pytest.fixture
def kept(clock: ManualClock) -> Kept:
    return Kept(clock)


@pytest.fixture
def read() -> Read:
    return Read()


def get(kept: Kept, read: Read, *, key: object = "a", anew: bool = False) -> Deferred[Any]:
    asked = Deferred.fromCoroutine(kept.get(key, read, anew=anew))
    asked.addErrback(lambda failure: failure.check(Unread, CancelledError, ValueError) or failure)
    return asked


def test_who_asks_for_what_is_being_read_waits_for_the_same(kept: Kept, read: Read) -> None:
    asked = [get(kept, read), get(kept, read), get(kept, read, anew=True)]
    assert len(read.begun) == 1
    read.begun[0].callback(SHOWN)
    assert [each.result for each in asked] == [SHOWN] * 3
    assert get(kept, read).result is SHOWN
    get(kept, read, key="b")
    assert len(read.begun) == 2


def test_one_who_goes_does_not_take_it_from_the_others_and_the_last_one_ends_it(kept: Kept, read: Read) -> None:
    first, second = get(kept, read), get(kept, read)
    first.cancel()
    assert first.result is CancelledError
    assert read.given_up == 0
    read.begun[0].callback(SHOWN)
    assert second.result is SHOWN
    third = get(kept, read, key="b")
    third.cancel()
    assert read.given_up == 1
    get(kept, read, key="b")
    assert len(read.begun) == 3


def test_what_readers_died_of_is_not_tried_again_for_a_while_but_where_that_is_asked_for(
    kept: Kept, read: Read, clock: ManualClock
) -> None:
    asked = [get(kept, read), get(kept, read)]
    read.begun[0].errback(Unread("died"))
    assert [each.result for each in asked] == [Unread, Unread]
    assert get(kept, read).result is Unread
    assert len(read.begun) == 1
    get(kept, read, anew=True)
    read.begun[1].callback(msgspec.structs.replace(SHOWN, shortfalls=("died",)))
    assert getattr(get(kept, read).result, "text", "") == "Hello"
    assert len(read.begun) == 2
    clock.advance(GIVEN_UP / SECOND)
    get(kept, read)
    assert len(read.begun) == 3


def test_a_clock_that_goes_back_keeps_nothing_given_up(kept: Kept, read: Read, clock: ManualClock) -> None:
    get(kept, read)
    read.begun[0].errback(Unread("died"))
    clock.jump(-10 * GIVEN_UP / SECOND)
    get(kept, read)
    assert len(read.begun) == 2


@pytest.mark.parametrize("error", [Unread("busy"), ValueError("damaged")])
def test_other_failures_are_not_kept(kept: Kept, read: Read, error: Exception) -> None:
    asked = get(kept, read)
    read.begun[0].errback(error)
    assert asked.result is type(error)
    get(kept, read)
    assert len(read.begun) == 2


def test_what_is_kept_is_bounded(kept: Kept, read: Read) -> None:
    large = msgspec.structs.replace(SHOWN, text="x" * (MOST // 8))
    for number in range(12):
        get(kept, read, key=number)
        read.begun[-1].callback(large)
    assert len(kept._read) < 4
    get(kept, read, key=11)
    assert len(read.begun) == 12
