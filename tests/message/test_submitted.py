from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message import submitted
from mpcontinuity.message.header_limits import LONGEST
from mpcontinuity.message.submitted import Collector, read

HEADER = b"From: Anna <anna@example.org>\r\nBcc: a@x.example,\r\n b@x.example\r\nSubject: Hi\r\n folded\r\n"


def split(message: bytes, *cuts: int) -> tuple[bytes, bytes]:
    """Header and the rest, of a message that comes in pieces."""
    collector = Collector()
    edges = [0, *sorted(cuts), len(message)]
    rest = b"".join(collector.feed(message[a:b]) for a, b in pairwise(edges))
    rest += collector.finish()
    assert collector.header is not None
    return collector.header, rest


@pytest.mark.parametrize(
    ("message", "header", "rest"),
    [
        (HEADER + b"\r\nText\r\n", HEADER, b"\r\nText\r\n"),
        (HEADER, HEADER, b"\r\n"),
        (HEADER + b"\r\n", HEADER, b"\r\n"),
        (b"\r\nText\r\n", b"", b"\r\nText\r\n"),
        (b"Just text\r\n", b"", b"\r\nJust text\r\n"),
        (b"Subject: x\r\nno field\r\nFrom: y\r\n", b"Subject: x\r\n", b"\r\nno field\r\nFrom: y\r\n"),
        (b" folded first\r\n", b"", b"\r\n folded first\r\n"),
        (b"", b"", b"\r\n"),
        (b"Subject: x", b"", b"\r\nSubject: x"),
    ],
)
def test_a_header_ends_at_a_blank_line_or_before_what_is_no_field(message: bytes, header: bytes, rest: bytes) -> None:
    assert split(message) == (header, rest)


@given(
    st.sampled_from([HEADER + b"\r\nText\r\n", HEADER, b"Subject: x\r\nno field\r\n\r\n", b"\r\n", b"a:\r\n\r\n"]),
    st.lists(st.integers(0, 100), max_size=5),
)
def test_how_a_message_is_cut_does_not_matter(message: bytes, cuts: list[int]) -> None:
    assert split(message, *(min(cut, len(message)) for cut in cuts)) == split(message)


def test_bcc_is_told_from_what_others_may_see() -> None:
    given = read(HEADER + b"Resent-Bcc: c@x.example\r\nbcc:d@x.example\r\n")
    assert given.blind == b"Bcc: a@x.example,\r\n b@x.example\r\nResent-Bcc: c@x.example\r\nbcc:d@x.example\r\n"
    assert given.open == b"From: Anna <anna@example.org>\r\nSubject: Hi\r\n folded\r\n"


@pytest.mark.parametrize(
    ("field", "authors"),
    [
        (b"From: anna@example.org\r\n", ("anna@example.org",)),
        (b'FROM : a@x.example,\r\n "Ben" <b@x.example>\r\n', ("a@x.example", "b@x.example")),
        (b"From: a@x.example\r\nFrom: b@x.example\r\n", ("a@x.example", "b@x.example")),
        (b'From: "a b"@x.example\r\n', ('"a b"@x.example',)),
        (b"From: nobody\r\n", ("",)),
        (b"From:\r\n", ("",)),
        (b"From: team: a@x.example;\r\n", ("a@x.example",)),
        (b"Subject: From: a@x.example\r\n", ()),
    ],
)
def test_every_author_is_seen(field: bytes, authors: tuple[str, ...]) -> None:
    assert read(field).authors == authors


def test_what_is_missing_is_added_and_nothing_else() -> None:
    def added(header: bytes) -> bytes:
        return submitted.missing(read(header), author="a@example.org", message_id="<1@example.org>", time=0)

    assert added(b"Subject: x\r\n") == (
        b"From: <a@example.org>\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
    )
    assert added(b"From: b@x.example\r\nDate: today\r\nMessage-Id: <2@x>\r\n") == b""


def test_a_header_without_end_is_not_kept() -> None:
    collector = Collector()
    piece = b"X-Filler: " + b"x" * 900 + b"\r\n"
    while not collector.too_long:
        collector.feed(piece)
    assert collector.header is not None
    assert len(collector.header) <= LONGEST + len(piece)


@pytest.mark.parametrize(
    "header",
    [
        b"From: " + b",".join(b"a%d@b.example" % number for number in range(submitted.MOST_AUTHORS + 1)) + b"\r\n",
        b"From: a@b.example," + b" " * 40_000 + b"x@y.example\r\n",
        b"From: a@b.example (" + b"x" * 20_000 + b")\r\n" + b"From: x@y.example (" + b"x" * 20_000 + b")\r\n",
    ],
)
def test_who_writes_as_more_than_anybody_is_nobody(header: bytes) -> None:
    assert read(header).authors == ("",)


def test_values_are_found_however_long_the_header_is() -> None:
    header = b"X-A: 1\r\n" + b"B: b\r\n" * 60_000 + b"x-a :\r\n 2\r\n"
    assert submitted.values(header, b"x-a") == [b"1", b"2"]
