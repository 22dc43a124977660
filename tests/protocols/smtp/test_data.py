"""End of data, dots and line rules, against slow and plain definitions of them."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.protocols.smtp.data import DOT_AND_NULS, DataReader, DotStuffer
from tests.protocols.smtp.strategies import cut, cuts, mixtures


def read(pieces: list[bytes], reader: DataReader) -> tuple[bytes, bytes | None]:
    """Content, and what lies behind the end of data; None where it did not end."""
    content = b""
    for number, piece in enumerate(pieces):
        part, end = reader.feed(piece)
        content += part
        if end >= 0:
            return content, piece[end:] + b"".join(pieces[number + 1 :])
    return content, None


def plain_read(stream: bytes) -> tuple[bytes, bytes] | None:
    """RFC 5321 §4.1.1.4 and §4.5.2, word by word: lines end in CRLF, the one that is a dot ends the message."""
    lines: list[bytes] = []
    while b"\r\n" in stream:
        line, _, stream = stream.partition(b"\r\n")
        if line == b".":
            return b"".join(lines), stream
        lines.append((line[1:] if line.startswith(b".") else line) + b"\r\n")
    return None


def has_bare(content: bytes) -> bool:
    return re.search(rb"\r(?!\n)|(?<!\r)\n", content) is not None


def reader(line_length: int = 10_000) -> DataReader:
    return DataReader(message_size=100_000, line_length=line_length)


@given(mixtures, cuts)
def test_any_mixture_cut_anywhere_ends_where_the_rfc_says(stream: bytes, places: list[int]) -> None:
    expected = plain_read(stream + b"\r\n.\r\nQUIT\r\n")
    assert expected is not None
    content, rest = expected
    bare = has_bare(content)
    under_test = reader()
    found, behind = read(cut(stream + b"\r\n.\r\nQUIT\r\n", places), under_test)
    assert behind == rest
    assert under_test.size == len(content)
    assert (under_test.fault is not None) == bare
    assert content.startswith(found) if bare else found == content


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\r.\r\n"])
def test_no_smuggled_end_of_data_ends_the_message(ending: bytes) -> None:
    under_test = reader()
    _, behind = read([b"hello" + ending + b"MAIL FROM:<mallory@evil.example>\r\n.\r\n"], under_test)
    assert behind == b""
    assert under_test.fault is not None
    assert under_test.fault.enhanced == "5.6.11"


def test_every_short_mixture_in_every_cut_is_read_alike() -> None:
    for length in range(6):
        for parts in itertools.product((b"\r", b"\n", b".", b"a"), repeat=length):
            stream = b"".join(parts) + b"\r\n.\r\n"
            whole, by_octet = reader(), reader()
            octets = [stream[place : place + 1] for place in range(len(stream))]
            one, other = read([stream], whole), read(octets, by_octet)
            expected = plain_read(stream)
            assert expected is not None
            assert one[1] == other[1] == expected[1]
            assert whole.size == by_octet.size
            assert whole.fault == by_octet.fault
            if whole.fault is None:
                assert one == other


@pytest.mark.parametrize("size", [1, 7, 16_384, 65_536])
def test_size_is_counted_without_dots_that_were_added(size: int) -> None:
    content = b".dot\r\n" * 20_000
    stuffed = content.replace(b".", b"..") + b".\r\n"
    pieces = [stuffed[start : start + size] for start in range(0, len(stuffed), size)]
    within, above = DataReader(len(content), 1000), DataReader(len(content) - 1, 1000)
    assert read(pieces, within) == (content, b"")
    assert within.fault is None
    read(pieces, above)
    assert above.fault is not None
    assert above.fault.code == 552


@given(st.lists(st.integers(0, 40), max_size=20), cuts)
def test_a_line_may_be_as_long_as_the_limit_without_its_crlf(lengths: list[int], places: list[int]) -> None:
    content = b"".join(b"x" * length + b"\r\n" for length in lengths)
    under_test = reader(line_length=20)
    read(cut(content + b".\r\n", places), under_test)
    assert (under_test.fault is not None) == (max(lengths, default=0) > 20)


@given(mixtures, cuts)
def test_normalised_line_ends_do_not_depend_on_the_cut(stream: bytes, places: list[int]) -> None:
    expected = plain_read(stream + b"\r\n.\r\n")
    assert expected is not None
    under_test = DataReader(100_000, 10_000, normalise=True)
    found, _ = read(cut(stream + b"\r\n.\r\n", places), under_test)
    assert under_test.fault is None
    assert found == re.sub(rb"\r\n|\r|\n", b"\r\n", expected[0])


@given(mixtures, cuts)
def test_stuffing_does_not_depend_on_the_cut_and_is_undone_by_the_reader(content: bytes, places: list[int]) -> None:
    stuffer = DotStuffer()
    stream = b"".join(stuffer.feed(piece) for piece in cut(content, places)) + stuffer.finish()
    whole = DotStuffer()
    assert stream == whole.feed(content) + whole.finish()
    expected = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    assert plain_read(stream) == (expected, b"")


@pytest.mark.parametrize("place", range(16_380, 16_390))
def test_a_dot_at_the_edge_of_16_kib_is_stuffed(place: int) -> None:
    content = b"x" * (place - 2) + b"\r\n.dot\r\n"
    stuffer = DotStuffer()
    stream = stuffer.feed(content[:16_384]) + stuffer.feed(content[16_384:]) + stuffer.finish()
    assert plain_read(stream) == (content, b"")


@given(
    st.lists(st.sampled_from([b"\r\n", b"\0", b".", b"a", b"\0\0\0", b"\r\n\0.\r\n", b"x" * 9]), max_size=14).map(
        b"".join
    ),
    cuts,
)
def test_a_line_that_is_the_end_to_who_drops_nuls_is_refused_however_it_is_cut(
    content: bytes, places: list[int]
) -> None:
    hidden = re.search(rb"\r\n(?:\0+\.\0*)\r\n", b"\r\n" + content) is not None
    for reader in (DataReader(10**6, 10**6), DataReader(10**6, 10**6, normalise=True)):
        stuffer = DotStuffer()
        for piece in cut(content, places):
            reader.feed(stuffer.feed(piece))
        end = stuffer.finish()
        hidden = hidden or (end != b".\r\n" and re.search(rb"\r\n\0+\.\0*\Z", b"\r\n" + content) is not None)
        reader.feed(end)
        assert reader.fault == (DOT_AND_NULS if hidden else None)
