"""BDAT on the server's side (RFC 3030)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols.smtp.data import ChunkReader
from mpcontinuity.protocols.smtp.events import Chunk, EndOfData, Mail, Reset
from mpcontinuity.protocols.smtp.terms import Limits
from tests.protocols.smtp.door import Door, play
from tests.protocols.smtp.strategies import cut, cuts, mixtures

BEGUN = b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\n"


def begun(limits: Limits | None = None, **answers: Reply) -> Door:
    door = Door(limits, None, **answers)
    door.engine.greet()
    assert b"\r\n250-CHUNKING\r\n" in door.hear(BEGUN)
    return door


def ends(door: Door) -> list[EndOfData]:
    return [event for event in door.events if isinstance(event, EndOfData)]


def test_a_message_in_chunks_is_answered_chunk_by_chunk_and_once_for_all() -> None:
    door = begun()
    assert door.hear(b"BDAT 7\r\nhello\r\n") == b"250 2.0.0 7 octets so far\r\n"
    assert door.hear(b"bdat 5 last\r\nbye\r\n") == b"250 2.0.0 OK\r\n"
    assert door.content == b"hello\r\nbye\r\n"
    assert ends(door) == [EndOfData(None, 12)]


def test_nothing_within_a_chunk_ends_it_and_no_dot_is_undone() -> None:
    door = begun()
    content = b"..\r\n.\r\n.x\r\nQUIT\r\n"
    door.hear(b"BDAT %d LAST\r\n%sNOOP\r\n" % (len(content), content))
    assert door.content == content
    assert door.engine.commands == 5


def test_an_empty_last_chunk_ends_a_message() -> None:
    door = begun()
    assert door.hear(b"BDAT 3\r\na\r\nBDAT 0 LAST\r\n").count(b"250 ") == 2
    assert ends(door) == [EndOfData(None, 3)]


def test_an_empty_message_is_one() -> None:
    door = begun()
    assert door.hear(b"BDAT 0 LAST\r\n") == b"250 2.0.0 OK\r\n"
    assert ends(door) == [EndOfData(None, 0)]


@pytest.mark.parametrize("content", [b"a\rb\r\n", b"a\nb\r\n", b"a\r\n\r", b"\n", b"a\r\r\n", b"\n\r", b"a\n.\nb\r\n"])
def test_a_bare_line_end_is_content_and_is_told(content: bytes) -> None:
    door = begun()
    door.hear(b"BDAT %d LAST\r\n%s" % (len(content), content))
    assert door.content == content
    assert ends(door) == [EndOfData(None, len(content), bare=True)]


@given(mixtures, cuts, cuts)
def test_whether_a_line_end_is_bare_does_not_depend_on_chunks_and_cuts(
    content: bytes, chunks: list[int], places: list[int]
) -> None:
    door = begun()
    stream = b"".join(b"BDAT %d\r\n%s" % (len(chunk), chunk) for chunk in cut(content, chunks)) + b"BDAT 0 LAST\r\n"
    for piece in cut(stream, places):
        door.hear(piece)
    bare = not content.count(b"\r\n") == content.count(b"\r") == content.count(b"\n")
    assert door.content == content
    assert ends(door) == [EndOfData(None, len(content), bare)]


@given(mixtures, cuts)
def test_in_submission_chunks_are_normalised_as_a_whole(content: bytes, chunks: list[int]) -> None:
    door = begun()
    door.engine.normalise_line_ends = True
    door.hear(b"".join(b"BDAT %d\r\n%s" % (len(chunk), chunk) for chunk in cut(content, chunks)) + b"BDAT 0 LAST\r\n")
    text = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    assert door.content == text
    assert ends(door)[0].fault is None
    assert not ends(door)[0].bare


def test_a_chunk_beyond_the_limit_is_refused_after_its_octets_and_nothing_of_it_is_run() -> None:
    door = begun(Limits(message_size=10))
    assert door.hear(b"BDAT 9\r\n1234567\r\n") == b"250 2.0.0 9 octets so far\r\n"
    assert door.hear(b"BDAT 6 LAST\r\nQUIT") == b""
    assert door.hear(b"\r\nNOOP\r\n").startswith(b"552 5.3.4 Message is larger than 10 octets\r\n250")
    assert door.content == b"1234567\r\n"
    assert [end.fault is not None for end in ends(door)] == [True]


def test_chunks_behind_a_refused_one_are_dropped_and_refused() -> None:
    door = begun(Limits(message_size=10))
    said = door.hear(b"BDAT 11\r\nQUIT\r\nQUIT\rBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<>\r\n")
    assert [line[:3] for line in said.splitlines()] == [b"552", b"503", b"250"]
    assert len(ends(door)) == 1
    assert isinstance(door.events[-1], Mail)


def test_without_recipients_the_octets_are_dropped_and_refused() -> None:
    play(
        r"""
        S: 220
        C: EHLO c
        C: BDAT 6
        C: QUIT
        C: MAIL FROM:<a@b.example>
        C: BDAT 6 LAST
        C: QUIT
        C: RCPT TO:<x@y.example>
        C: BDAT 6 LAST
        C: QUIT
        C: RSET
        C: NOOP
        S: 250-mx
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-ENHANCEDSTATUSCODES
        S: 250-CHUNKING
        S: 250-SIZE
        S: 250 SMTPUTF8
        S: 503 5.5.1 Send MAIL first
        S: 250
        S: 554 5.5.1
        S: 250
        S: 503 5.5.1 A part
        S: 250
        S: 250
        """
    )


def test_what_the_door_refuses_at_the_first_chunk_is_not_begun_by_the_second() -> None:
    door = begun(Data=Reply(452, "4.3.1", "No room"))
    said = door.hear(b"BDAT 3\r\na\r\nBDAT 3\r\nb\r\nBDAT 3 LAST\r\nc\r\nRSET\r\n")
    assert [line[:3] for line in said.splitlines()] == [b"452", b"503", b"503", b"250"]
    assert door.content == b""
    assert not ends(door)
    assert isinstance(door.events[-1], Reset)


@pytest.mark.parametrize("argument", [b"", b"x", b"-1", b"1 2", b"5 FIRST", b"0x5", b"1" * 21, b"5LAST", "٣".encode()])
def test_a_chunk_of_unknown_length_ends_the_connection(argument: bytes) -> None:
    door = begun()
    assert door.hear(b"BDAT " + argument + b"\r\nQUIT\r\n").startswith(b"501 5.5.4")
    assert door.engine.closed
    assert not door.content


@pytest.mark.parametrize("command", [b"DATA", b"RCPT TO:<z@y.example>", b"MAIL FROM:<a@b.example>"])
def test_between_chunks_the_envelope_is_closed(command: bytes) -> None:
    door = begun()
    door.hear(b"BDAT 3\r\na\r\n")
    assert door.hear(command + b"\r\n").startswith(b"503 5.5.1")
    assert door.hear(b"BDAT 0 LAST\r\n").startswith(b"250 ")


def test_rset_between_chunks_forgets_them() -> None:
    door = begun()
    door.hear(b"BDAT 3\r\na\r\nRSET\r\n")
    assert door.hear(b"BDAT 0 LAST\r\n").startswith(b"503 5.5.1 Send MAIL first")
    door.hear(BEGUN.partition(b"\r\n")[2])
    door.hear(b"BDAT 3 LAST\r\nb\r\n")
    assert ends(door) == [EndOfData(None, 3)]


def test_a_stop_lets_the_chunks_of_a_message_come_and_nothing_after_them() -> None:
    door = begun()
    door.hear(b"BDAT 3\r\na\r\n")
    door.engine.stop(Reply(421, "4.3.2", "Stopping"))
    assert door.hear(b"BDAT 3 LAST\r\nb\r\n") == b"250 2.0.0 OK\r\n"
    assert door.hear(b"NOOP\r\n").startswith(b"421 ")


def test_empty_chunks_without_end_are_idle_commands() -> None:
    door = begun(Limits(idle_commands=10, errors=5))
    said = door.hear(b"BDAT 0\r\n" * 5000).splitlines()
    assert len(said) <= 16
    assert said[-1].startswith(b"421 4.7.0")


def test_a_line_beyond_the_limit_is_one_in_chunks_too() -> None:
    door = begun(Limits(line_length=10))
    said = door.hear(b"BDAT 6\r\n123456BDAT 6\r\n789012BDAT 2 LAST\r\n\r\n")
    assert [line[:3] for line in said.splitlines()] == [b"250", b"250", b"554"]


@given(st.lists(st.binary(max_size=30), max_size=6), cuts)
def test_chunks_arrive_octet_by_octet_as_they_were_sent(chunks: list[bytes], places: list[int]) -> None:
    door = begun()
    stream = b"".join(b"BDAT %d\r\n%s" % (len(chunk), chunk) for chunk in chunks) + b"BDAT 0 LAST\r\nNOOP\r\n"
    said = b"".join(map(door.hear, cut(stream, places)))
    assert door.content == b"".join(chunks)
    assert said.count(b"\r\n") == len(chunks) + 2
    assert all(line.startswith(b"250") for line in said.splitlines())


def test_a_chunk_is_given_out_as_it_comes_and_not_held() -> None:
    door = begun()
    door.hear(b"BDAT 1000000\r\n")
    for _ in range(10):
        door.hear(b"x" * 60_000 + b"\r\n")
    assert sum(len(event.data) for event in door.events if isinstance(event, Chunk)) == 600_020


def test_a_message_by_chunks_beyond_the_limit_is_known_at_the_announcement() -> None:
    reader = ChunkReader(100, 1000)
    reader.announce(101, last=True)
    assert reader.fault is not None
    assert reader.feed(b"x" * 101) == (b"", 101)
