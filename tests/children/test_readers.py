"""Readers are shared: nobody's messages keep those of others waiting."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mpcontinuity.children.pool import Died
from mpcontinuity.children.readers import MOST_WAITING, MOST_WAITING_EACH, PATIENCE, Busy, Readers


class _Jobs:
    """Jobs that end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.asked: list[Deferred[bytes]] = []
        self.fed = 0
        self.closed = 0

    async def begin(self, kind: str, argument: bytes) -> _Jobs:
        self.begun.append(argument)
        return self

    async def feed(self, piece: bytes) -> bool:
        self.fed += len(piece)
        return True

    async def ask(self, question: bytes) -> bytes:
        answer: Deferred[bytes] = Deferred()
        self.asked.append(answer)
        return await answer

    def close(self) -> None:
        self.closed += 1

    def answer(self) -> None:
        self.asked.pop(0).callback(b"shown")


@pytest.fixture
def jobs() -> _Jobs:
    return _Jobs()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def readers(jobs: _Jobs, clock: Clock) -> Readers:
    timer: Any = clock
    return Readers(jobs, timer)


async def _pieces() -> AsyncGenerator[bytes, None]:
    yield b"abc"
    yield b"de"


def ask(readers: Readers, whom: str, what: bytes = b"") -> Deferred[Any]:
    asked = Deferred.fromCoroutine(readers.ask(whom, what or whom.encode(), b"", _pieces))
    asked.addErrback(lambda failure: type(failure.value))
    return asked


def test_a_message_is_fed_and_asked_about(readers: Readers, jobs: _Jobs) -> None:
    asked = ask(readers, "a")
    jobs.answer()
    assert asked.result == b"shown"
    assert (jobs.fed, jobs.closed) == (5, 1)


def test_of_one_user_one_message_is_read_at_a_time(readers: Readers, jobs: _Jobs) -> None:
    for _ in range(3):
        ask(readers, "a")
    ask(readers, "b")
    assert jobs.begun == [b"a", b"b"]


def test_who_has_many_messages_to_be_read_does_not_keep_others_waiting(readers: Readers, jobs: _Jobs) -> None:
    for whom in "aaaabc":
        ask(readers, whom)
    for _ in range(6):
        jobs.answer()
    assert jobs.begun == [b"a", b"b", b"a", b"c", b"a", b"a"]
    assert readers.waiting == 0


def test_one_user_may_have_a_few_waiting_and_no_more(readers: Readers) -> None:
    asked = [ask(readers, "a") for _ in range(MOST_WAITING_EACH + 2)]
    assert asked[-1].result is Busy
    assert readers.waiting == MOST_WAITING_EACH


def test_so_many_wait_in_all(readers: Readers) -> None:
    asked = [ask(readers, str(number)) for number in range(MOST_WAITING + 3)]
    assert asked[-1].result is Busy
    assert readers.waiting == MOST_WAITING


def test_nobody_waits_for_long(readers: Readers, clock: Clock, jobs: _Jobs) -> None:
    asked = [ask(readers, whom) for whom in "abc"]
    clock.advance(PATIENCE)
    assert asked[2].result is Busy
    assert readers.waiting == 0
    jobs.answer()
    ask(readers, "d")
    assert jobs.begun[-1] == b"d"


def test_a_reader_that_dies_gives_the_next_its_turn(readers: Readers, jobs: _Jobs) -> None:
    asked = [ask(readers, "a"), ask(readers, "a", b"next")]
    jobs.asked.pop(0).errback(Died("killed"))
    assert asked[0].result is Died
    assert jobs.begun == [b"a", b"next"]


def test_content_that_cannot_be_read_frees_the_reader(readers: Readers, jobs: _Jobs) -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"a"
        raise ValueError("damaged")

    asked = Deferred.fromCoroutine(readers.ask("a", b"", b"", broken))
    asked.addErrback(lambda failure: type(failure.value))
    assert asked.result is ValueError
    assert jobs.closed == 1
    ask(readers, "a")
    assert len(jobs.begun) == 2
