"""Threads as RFC 5256 puts them together."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcontinuity.mailbox.threads import Way
from mpcontinuity.message import threads
from mpcontinuity.message.dates import moment
from mpcontinuity.message.subjects import base
from mpcontinuity.message.threads import Forest, Threaded, by_references, by_subject


def put(way: Way, messages: Sequence[Threaded]) -> Forest:
    running = way(messages)
    while True:
        try:
            next(running)
        except StopIteration as end:
            forest: Forest = end.value
            return forest


def shown(way: Way, *messages: Threaded) -> str:
    return b"".join(put(way, messages).shown(lambda place: place + 1)).decode()


def one(own: int, *answered: int, sent: int = 0, subject: str = "", reply: bool = False) -> Threaded:
    return Threaded(sent or own or 1000, (own, *answered), subject, reply)


def test_answers_are_below_what_they_answer() -> None:
    assert shown(by_references, one(1), one(2, 1), one(3, 1, 2), one(4)) == "(1 2 3)(4)"
    assert shown(by_references, one(1), one(2, 1), one(3, 1), one(4, 1, 3)) == "(1 (2)(3 4))"


def test_answers_of_one_that_is_not_here_stand_beside_each_other() -> None:
    assert shown(by_references, one(2, 1), one(3, 1)) == "((1)(2))"
    assert shown(by_references, one(3, 1, 2)) == "(1)"
    assert shown(by_references, one(1), one(4, 1, 2, 3), one(5, 1, 2)) == "(1 (2)(3))"


def test_siblings_and_threads_are_in_the_order_of_their_dates() -> None:
    assert (
        shown(by_references, one(1, sent=9), one(2, 1, sent=12), one(3, 1, sent=11), one(4, sent=5)) == "(4)(1 (3)(2))"
    )


def test_circles_are_not_believed() -> None:
    assert sorted(shown(by_references, one(1, 2), one(2, 1)).replace(")", "").replace("(", " ").split()) == ["1", "2"]
    assert shown(by_references, one(1, 1)) == "(1)"


def test_of_two_with_one_message_id_the_first_has_the_answers() -> None:
    assert shown(by_references, one(1), one(1, sent=5), one(2, 1)) == "(1 3)(2)"


def test_threads_of_one_subject_are_put_together() -> None:
    first, answer = one(1, subject="a"), one(2, subject="a", reply=True)
    assert shown(by_references, first, answer) == "(1 2)"
    assert shown(by_references, first, one(2, subject="a")) == "((1)(2))"
    assert shown(by_references, first, one(2, subject="a"), one(3, subject="a", reply=True)) == "((1)(2)(3))"
    assert shown(by_references, answer, one(3, subject="a", sent=9)) == "(2 1)"
    assert shown(by_references, one(1), one(2)) == "(1)(2)"


def test_by_subject_all_answer_the_first() -> None:
    messages = (one(3, subject="a"), one(1, subject="b"), one(2, subject="a"), one(4, subject="a"))
    assert shown(by_subject, *messages) == "(2)(3 (1)(4))"
    assert shown(by_subject) == ""


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (b"Hello", ("hello", False)),
        (b" Re: hello", ("hello", True)),
        (b"re: Re [x]: FWD : [list] hello (fwd) ", ("hello", True)),
        (b"[list] hello", ("hello", False)),
        (b"[list]", ("[list]", False)),
        (b"[fwd: [list] hello]", ("hello", True)),
        (b"=?utf-8?q?Re:_Gr=C3=BC=C3=9Fe?=", ("grüsse", True)),
        (b"a\r\n\tb   c", ("a b c", False)),
        (b"recall: no", ("recall: no", False)),
        (b"", ("", False)),
    ],
)
def test_the_base_of_a_subject(subject: bytes, expected: tuple[str, bool]) -> None:
    assert base(subject) == expected


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"Thu, 1 Jan 1970 00:00:05 +0000", 5),
        (b"1 Jan 1970 02:00 +0200", 0),
        (b"31 Dec 1969 23:00:00 -0100", 0),
        (b"2 Jan 1970", 86_400),
        (b"2 Jan 1970 99:00:00", 86_400),
        (b"soon", None),
    ],
)
def test_the_moment_of_a_date(value: bytes, seconds: int | None) -> None:
    assert moment(value) == seconds


_NAMES = st.integers(0, 9)
_MESSAGES = st.lists(
    st.builds(
        lambda own, answered, sent, subject, reply: Threaded(sent, (own, *dict.fromkeys(answered)), subject, reply),
        _NAMES,
        st.lists(st.integers(1, 12), max_size=5),
        st.integers(0, 5),
        st.sampled_from(["", "a", "b"]),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(_MESSAGES, st.sampled_from([by_references, by_subject]))
def test_every_message_is_shown_once_whatever_they_claim(messages: list[Threaded], way: Way) -> None:
    text = shown(way, *messages)
    numbers = sorted(map(int, text.replace("(", " ").replace(")", " ").split()))
    assert numbers == list(range(1, len(messages) + 1))
    assert text.count("(") == text.count(")")
    assert "()" not in text


MAKERS = {
    "chain": lambda n: [one(k + 1, *range(max(1, k - 4), k + 1)) for k in range(n)],
    "star": lambda n: [one(k + 1, 1, sent=n - k) for k in range(n)],
    "forged": lambda n: [one(0, *range(5 * k + 1, 5 * k + 6), sent=n - k) for k in range(n)],
    "children of one that is not here": lambda n: [one(k + 2, 1, sent=n - k) for k in range(n)],
    "one subject": lambda n: [one(k + 1, subject="a", reply=k % 2 > 0, sent=n - k) for k in range(n)],
    "apart": lambda n: [one(k + 1, subject=str(k), sent=n - k) for k in range(n)],
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("way", [by_references, by_subject])
def test_others_have_their_turn_after_every_few_steps(name: str, way: Way) -> None:
    """Counted in lines of Python that run between two of them, so that a busy machine changes nothing."""
    messages = MAKERS[name](10_000)
    lines = longest = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    running = way(messages)
    sys.settrace(trace)
    try:
        for _ in running:
            longest, lines = max(longest, lines), 0
    finally:
        sys.settrace(None)
    assert max(longest, lines) < 25_000


def test_of_what_is_not_here_so_much_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MOST_NOT_HERE", 1)
    messages = one(11, 1), one(12, 1), one(13, 2), one(14, 2), one(15, 2, 11)
    assert shown(by_references, *messages) == "((1 5)(2))(3)(4)"


def test_a_long_answer_comes_in_pieces() -> None:
    for name in ("chain", "star", "one subject"):
        pieces = list(put(by_references, MAKERS[name](10_000)).shown(lambda place: place + 1))
        assert max(map(len, pieces)) < 20_000, name


def _seconds(messages: Sequence[Threaded]) -> float:
    gc.disable()  # a collection walks all that this process of many tests has
    try:
        start = time.thread_time()
        shown(by_references, *messages)
        return time.thread_time() - start
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "make",
    [
        lambda n: [one(k + 1, *range(max(1, k - 19), k + 1)) for k in range(n)],  # a chain
        lambda n: [one(k + 1, *range(max(1, k - 19), k + 1)) for k in reversed(range(n))],
        lambda n: [one(k + 1, 1) for k in range(n)],
        lambda n: [one(0, *range(20 * k + 1, 20 * k + 21)) for k in range(n)],  # forged, none of them here
        lambda n: [one(k + 1, (k + 7) % n + 1, (k + 1) % n + 1) for k in range(n)],  # circles
        lambda n: [one(k + 1, subject="a", reply=k % 2 > 0) for k in range(n)],
    ],
)
def test_ten_thousand_messages_take_time_in_proportion(make: object) -> None:
    assert callable(make)
    few, many = make(1250), make(10_000)
    _seconds(few)
    assert _seconds(many) < 8 * 3 * max(_seconds(few), 0.01)
