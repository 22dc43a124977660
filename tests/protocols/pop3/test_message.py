"""Messages on the wire: what a client of POP3 undoes again."""

from __future__ import annotations

import poplib
import re
from io import BytesIO
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.lineends import octets_added
from mpcontinuity.protocols.pop3.message import Stream, on_the_wire

# Everything that could be mistaken for an end, in any mixture.
CONTENT = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a", b": ", b"\r\n.\r\n"]), max_size=30).map(
    b"".join
)


def read(wire: bytes) -> list[bytes]:
    """The lines of a multi-line answer as the standard library's client reads them."""
    client = poplib.POP3.__new__(poplib.POP3)
    client.file = BytesIO(b"+OK\r\n" + wire + b"+OK the next answer\r\n")
    client._debugging = 0  # type: ignore[attr-defined]
    _, lines, _ = client._getlongresp()  # type: ignore[attr-defined]
    assert client.file.read() == b"+OK the next answer\r\n"
    return list(lines)


def lines_of(content: bytes) -> list[bytes]:
    lines = re.split(rb"\r\n|\r|\n", content)
    return lines[:-1] if not lines[-1] else lines


def shown(content: bytes) -> list[bytes]:
    """Its lines, and the blank line behind a header that nothing follows."""
    lines = lines_of(content)
    return lines if b"" in lines else [*lines, b""]


@given(CONTENT)
def test_a_client_reads_the_lines_of_the_message_and_nothing_else(content: bytes) -> None:
    assert read(on_the_wire(content)) == shown(content)


@given(CONTENT)
def test_the_octets_of_a_message_are_counted_as_they_are_sent(content: bytes) -> None:
    """RFC 1939 §11: each line with its CRLF, dots once, the one at the end not."""
    sent = sum(len(line) + 2 for line in read(on_the_wire(content)))
    assert len(content) + octets_added(content) == sent


def test_octets_are_counted_the_same_wherever_the_count_stops_and_begins_again() -> None:
    for fill in range((1 << 20) - 4, (1 << 20) + 2):
        for ends in (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r\n"):
            content = b"\r\n" + b"x" * fill + ends + b"y"
            assert octets_added(content) == len(on_the_wire(content)) - len(content) - len(b".\r\n")


@given(CONTENT, st.lists(st.integers(0, 60)), st.integers(-1, 4))
def test_where_a_message_is_cut_into_pieces_makes_no_difference(content: bytes, cuts: list[int], lines: int) -> None:
    stream = Stream(lines)
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    wire = b"".join(stream.feed(content[start:stop]) for start, stop in pairwise(edges))
    assert wire + stream.finish() == on_the_wire(content, lines)


@given(CONTENT, st.integers(0, 4))
def test_top_gives_the_header_and_as_many_lines_of_the_body(content: bytes, lines: int) -> None:
    whole = shown(content)
    blank = whole.index(b"")
    assert read(on_the_wire(content, lines)) == whole[: blank + 1 + lines]


def test_a_stream_says_when_nothing_more_is_wanted() -> None:
    stream = Stream(1)
    assert stream.feed(b"A: b\r\n\r\none\r\ntwo") == b"A: b\r\n\r\none\r\n"
    assert stream.complete
    assert stream.feed(b"three\r\n") == b""
    assert stream.finish() == b".\r\n"
