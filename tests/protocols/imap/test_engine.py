"""The stream: commands cut out of it, literals, what is dropped, and how much is ever held."""

import itertools
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.protocols.imap import command, limits
from mpcontinuity.protocols.imap.engine import Answer, Chunk, Done, EndOfMessage, ServerEngine
from mpcontinuity.protocols.imap.parse import State

MESSAGE_SIZE = 100_000


class Door:
    """Answers every command with OK, takes every message, and remembers what happened, chunks joined."""

    def __init__(self, state: State = State.SELECTED) -> None:
        self.engine = ServerEngine(message_size=MESSAGE_SIZE)
        self.engine.state = state
        self.events: list[Any] = []
        self.out = b""

    def receive(self, data: bytes) -> None:
        self.engine.receive(data)
        while (event := self.engine.next_event()) is not None:
            self.handle(event)
        self.out += self.engine.to_send()

    def handle(self, event: Any) -> None:
        engine = self.engine
        if isinstance(event, Chunk) and self.events and isinstance(self.events[-1], Chunk):
            self.events[-1] = Chunk(self.events[-1].data + event.data)
            return
        self.events.append(event)
        match event:
            case command.Append():
                engine.take_message()
            case Chunk():
                pass
            case command.Idle():
                engine.idle()
            case command.Authenticate(initial=None):
                engine.challenge()
            case _:
                engine.complete(b"OK", "done")


def run(*pieces: bytes, state: State = State.SELECTED) -> Door:
    door = Door(state)
    for piece in pieces:
        door.receive(piece)
    return door


def test_pipelined_commands_are_answered_in_order() -> None:
    door = run(b"a NOOP\r\nb CHECK\r\nc CAPABILITY\n")
    assert door.events == [command.Noop(), command.Check(), command.Capability()]
    assert door.out == b"a OK done\r\nb OK done\r\nc OK done\r\n"


def test_no_event_is_given_while_one_waits_for_its_answer() -> None:
    engine = ServerEngine(message_size=1)
    engine.receive(b"a NOOP\r\nb LOGOUT\r\n")
    assert engine.next_event() == command.Noop()
    assert engine.next_event() is None
    assert engine.busy
    engine.complete(b"OK", "done")
    assert engine.next_event() == command.Logout()


def test_a_synchronising_literal_is_asked_for() -> None:
    door = run(b"a LOGIN {3}\r\n", state=State.NOT_AUTHENTICATED)
    assert door.out == b"+ go on\r\n"
    door.receive(b"joe {6}\r\n")
    assert door.out == b"+ go on\r\n" * 2
    door.receive(b"secret\r\n")
    assert door.events == [command.Login("joe", "secret")]


def test_a_literal_with_plus_is_not_asked_for() -> None:
    door = run(b'a LOGIN {3+}\r\njoe {4+}\r\na"\r\n\r\n', state=State.NOT_AUTHENTICATED)
    assert door.events == [command.Login("joe", 'a"\r\n')]
    assert door.out == b"a OK done\r\n"


def test_a_message_passes_through_in_pieces() -> None:
    door = run(
        b'a APPEND Sent (\\Seen) "17-Jul-1996 02:44:25 -0700" {11}\r\n', b"hello", b"\r\nth", b"er\r\nb NOOP\r\n"
    )
    append = command.Append("Sent", 1, (), 837596665_000_000, 11)
    assert door.events == [append, Chunk(b"hello\r\nther"), EndOfMessage(), command.Noop()]
    assert door.out == b"+ go on\r\na OK done\r\nb OK done\r\n"


def test_append_takes_its_mailbox_as_a_literal_too() -> None:
    door = run(b"a APPEND {4+}\r\nSent {5+}\r\nhello\r\nb NOOP\r\n")
    assert door.events == [
        command.Append("Sent", 0, (), None, 5),
        Chunk(b"hello"),
        EndOfMessage(),
        command.Noop(),
    ]


def test_an_empty_message_is_one() -> None:
    door = run(b"a APPEND Sent {0}\r\n\r\n")
    assert door.events == [command.Append("Sent", 0, (), None, 0), EndOfMessage()]
    assert door.out == b"+ go on\r\na OK done\r\n"


def test_a_message_above_the_limit_is_refused_at_its_announcement() -> None:
    door = run(b"a APPEND Sent {100001}\r\nb NOOP\r\n")
    assert door.out == b"a NO [TOOBIG] a message has 100000 octets at most\r\nb OK done\r\n"


def test_a_message_above_the_limit_that_comes_anyway_is_dropped() -> None:
    door = run(b"a APPEND Sent {100001+}\r\n", b"x" * 100_001, b" {3+}\r\nabc\r\nb NOOP\r\n")
    assert door.events == [command.Noop()]
    assert door.out == b"a NO [TOOBIG] a message has 100000 octets at most\r\nb OK done\r\n"


def test_ten_terabytes_end_the_connection() -> None:
    door = run(b"a APPEND Sent {10000000000000+}\r\n")
    assert door.out.startswith(b"* BYE [TOOBIG]")
    assert door.engine.closed


def test_a_message_that_the_door_refuses_midway_is_dropped_and_then_answered() -> None:
    engine = ServerEngine(message_size=100)
    engine.state = State.AUTHENTICATED
    engine.receive(b"a APPEND Sent {10}\r\n")
    engine.next_event()
    engine.take_message()
    engine.receive(b"12345")
    assert engine.next_event() == Chunk(b"12345")
    engine.complete(b"NO", "no room", b"UNAVAILABLE")
    assert engine.to_send() == b"+ go on\r\n"
    engine.receive(b"67890\r\nb NOOP\r\n")
    assert engine.next_event() == command.Noop()
    assert engine.to_send() == b"a NO [UNAVAILABLE] no room\r\n"


def test_a_refused_message_is_never_asked_for() -> None:
    engine = ServerEngine(message_size=100)
    engine.state = State.AUTHENTICATED
    engine.receive(b"a APPEND Sent {10}\r\n")
    engine.next_event()
    engine.complete(b"NO", "no such mailbox", b"TRYCREATE")
    engine.receive(b"b NOOP\r\n")
    assert engine.next_event() == command.Noop()
    assert engine.to_send() == b"a NO [TRYCREATE] no such mailbox\r\n"


@pytest.mark.parametrize("arguments", [b" Sent (\\Frob)", b" Sent (", b" Sent x", b" {1+}\r\nx junk"])
def test_an_append_with_bad_syntax_drops_its_message(arguments: bytes) -> None:
    door = run(b"a APPEND" + arguments + b" {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n")
    assert door.events == [command.Noop()]
    assert door.out.startswith(b"a BAD ")
    assert door.out.endswith(b"\r\nc OK done\r\n")


def test_an_append_to_what_is_no_name_of_a_mailbox_is_refused_and_drops_its_message() -> None:
    door = run(b"a APPEND a&b {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n")
    assert door.out == b"a NO [NONEXISTENT] the mailbox name is not valid modified UTF-7\r\nc OK done\r\n"


def test_no_answer_ends_as_if_a_literal_followed() -> None:
    for line in (b"a LOGIN joe pass{10}", b"a {10}", b"a NOOP{10}", b"a SEARCH x{10}", b"{3}", b"a STATUS x (a {10}"):
        for end in run(line + b"\r\n").out.splitlines():
            assert not end.endswith(b"}")


def test_blanks_before_a_message_and_its_end_count_for_nothing() -> None:
    door = run(b"a  APPEND   Sent  ( \\Seen )  {2+}\r\nhi\r\nb NOOP  \r\n")
    assert door.out.endswith(b"b OK done\r\n")
    assert EndOfMessage() in door.events


def test_something_behind_the_message_is_bad_and_nothing_is_appended() -> None:
    door = run(b"a APPEND Sent {2+}\r\nhi {3+}\r\nyou\r\nb NOOP\r\n")
    assert EndOfMessage() not in door.events
    assert door.out == b"a BAD one message, and nothing behind it\r\nb OK done\r\n"


def test_an_unauthenticated_literal_is_refused_before_it_is_asked_for() -> None:
    door = run(b"a LOGIN joe {10000000000000}\r\n", state=State.NOT_AUTHENTICATED)
    assert door.out == b"a BAD a literal here has 4096 octets at most\r\n"
    assert not door.engine.closed
    door.receive(b"b LOGIN joe {10000000000000+}\r\n")
    assert door.engine.closed


def test_an_unauthenticated_append_is_refused() -> None:
    door = run(b"a APPEND x {5}\r\nb NOOP\r\n", state=State.NOT_AUTHENTICATED)
    assert door.out == b"a BAD log in first\r\nb OK done\r\n"


@pytest.mark.parametrize(
    "flood",
    [
        b"a" * 100,
        b"a LOGIN " + b"x" * 90,
        b"a LOGIN {10+}\r\n0123456789 ",
        b"a NOOP\r\n",
        b"\r\n",
        b"\x00\xff",
        b"{",
        b"a APPEND x {4000+}\r\n",
        b"a AUTHENTICATE PLAIN\r\n",
    ],
)
def test_an_unauthenticated_connection_holds_little(flood: bytes) -> None:
    door = Door(State.NOT_AUTHENTICATED)
    for _ in range(100_000 // len(flood)):
        door.receive(flood)
        held = sum(sys.getsizeof(getattr(door.engine, name)) for name in ("_received", "_text", "tag", "_verdict"))
        held += sum(map(len, door.engine._literals))
        assert held < 3 * limits.COMMAND
        door.events.clear()
        door.out = b""


def test_an_id_as_long_as_rfc_2971_has_it_is_read_before_login() -> None:
    fields = " ".join(f'"{number:030}" "{"v" * 1000}"' for number in range(30))
    door = run(f"a ID ({fields})\r\nb NOOP\r\n".encode(), state=State.NOT_AUTHENTICATED)
    assert door.out == b"a OK done\r\nb OK done\r\n"
    assert isinstance(door.events[0], command.Id)


@pytest.mark.parametrize("state", State)
def test_a_command_too_long_is_bad_and_the_session_goes_on(state: State) -> None:
    door = run(b"a LOGIN " + b"x" * 70_000, b"\r\nb NOOP\r\n", state=state)
    assert door.out == b"a BAD a command has 65536 octets at most\r\nb OK done\r\n"


def test_a_stranger_whose_command_does_not_end_is_sent_away() -> None:
    door = run(b"a LOGIN ", *[b"x" * 65_536] * 20, state=State.NOT_AUTHENTICATED)
    assert door.out == b"* BYE that is too long for a command\r\n"
    door = run(b"a LOGIN " + b"x" * 70_000 + b"{900+}\r\n", *[b"x" * 65_536] * 20, state=State.NOT_AUTHENTICATED)
    assert door.out == b"* BYE that is too long for a command\r\n"


def test_a_long_line_after_login_is_dropped_to_its_end() -> None:
    door = run(b"a FETCH ", b"1," * 40_000, b"\r\nb NOOP\r\n")
    assert door.out == b"a BAD a command has 65536 octets at most\r\nb OK done\r\n"
    whole = run(b"a FETCH " + b"1," * 40_000 + b"\r\nb NOOP\r\n")
    assert whole.out == door.out


def test_a_literal_of_a_command_may_not_be_longer_than_a_command() -> None:
    door = run(b"a SEARCH TEXT {70000}\r\nb SEARCH TEXT {70000+}\r\n", b"x" * 70_000 + b"\r\nc NOOP\r\n")
    reason = b" BAD a literal here has 655"
    assert reason in door.out.split(b"\r\n")[0]
    assert door.out.split(b"\r\n")[1].startswith(b"b BAD")
    assert door.out.endswith(b"c OK done\r\n")


def test_bad_commands_are_answered_and_the_session_goes_on() -> None:
    door = run(b"a FROB\r\n\r\nb\r\n(x) NOOP\r\n\xff\xfe\x00\r\nc NO\x00OP\r\nd NOOP\r\n")
    assert door.events == [command.Noop()]
    lines = door.out.split(b"\r\n")
    assert lines[0] == b"a BAD there is no command FROB"
    assert lines[1] == b"* BAD a command begins with a tag"
    assert lines[2].startswith(b"b BAD")
    assert lines[3].startswith(b"* BAD")
    assert lines[4].startswith(b"* BAD")
    assert lines[5].startswith(b"c BAD")
    assert lines[6] == b"d OK done"
    assert door.out.isascii()


def test_too_many_bad_commands_in_a_row_end_the_connection() -> None:
    almost = b"x\r\n" * (limits.BAD_IN_A_ROW - 1)
    door = run(almost + b"a NOOP\r\n" + almost)
    before = door.engine.closed
    door.receive(b"GET / HTTP/1.1\r\na NOOP\r\n")
    assert (before, door.engine.closed) == (False, True)
    assert door.out.endswith(b"* BYE too many commands that make no sense\r\n")


def test_idle_ends_with_done_and_what_stands_behind_it_is_run() -> None:
    door = run(b"a IDLE\r\n")
    assert door.out == b"+ idling\r\n"
    door.receive(b"done\r\nb NOOP\r\n")
    assert door.events == [command.Idle(), Done(), command.Noop()]
    assert door.out == b"+ idling\r\na OK done\r\nb OK done\r\n"


def test_another_command_during_idle_is_bad_and_ends_it() -> None:
    door = run(b"a IDLE\r\nb NOOP\r\nc NOOP\r\n")
    assert door.out == b"+ idling\r\n* BAD DONE was expected\r\na OK done\r\nc OK done\r\n"


def test_authenticate_asks_answers_and_may_be_cancelled() -> None:
    door = run(b"a AUTHENTICATE PLAIN\r\nAGEAYg==\r\n", state=State.NOT_AUTHENTICATED)
    assert door.events == [command.Authenticate("PLAIN", None), Answer(b"\0a\0b")]
    assert door.out == b"+ \r\na OK done\r\n"
    assert run(b"a AUTHENTICATE PLAIN\r\n*\r\n", state=State.NOT_AUTHENTICATED).events[1] == Answer(None)
    bad = run(b"a AUTHENTICATE PLAIN\r\nAG!EA\r\nb NOOP\r\n", state=State.NOT_AUTHENTICATED)
    assert bad.out == b"+ \r\na BAD that is not base64\r\nb OK done\r\n"


def test_plain_text_behind_starttls_is_noticed() -> None:
    engine = ServerEngine(message_size=1)
    engine.receive(b"a STARTTLS\r\nb LOGIN joe secret\r\n")
    assert engine.next_event() == command.StartTls()
    engine.complete(b"OK", "begin")
    assert engine.waiting
    engine.tls_started()
    assert not engine.waiting
    assert engine.next_event() is None
    clean = ServerEngine(message_size=1)
    clean.receive(b"a STARTTLS\r\n")
    clean.next_event()
    clean.complete(b"OK", "begin")
    assert not clean.waiting


STREAM = (
    b"a NOOP\r\nb SELECT {5}\r\nINBOX\r\nbad\r\nc APPEND Sent (\\Seen) {12+}\r\nhello\r\n\r\nyou\r\n"
    b"d IDLE\r\nDONE\r\ne APPEND {4+}\r\nSent {200000+}\r\n" + b"y" * 150_000 + b"\r\n" + b"z" * 49_998 + b"\r\n"
    b'f SEARCH TEXT {3+}\r\nx"y SUBJECT "{3}"\r\ng ' + b"q" * 70_000 + b"\r\nh APPEND Sent {2}\r\nhi {3+}\r\nyou\r\n"
    b"i FETCH 1 (FLAGS BODY[]<0.10>)\ni\r\nj LOGIN joe pass{10}\r\nk NOOP\r\n"
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_any_cut_of_the_stream_gives_the_same_events_and_answers(cuts: list[int]) -> None:
    edges = [0, *cuts, len(STREAM)]
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(edges)]
    whole, cut = run(STREAM), run(*pieces)
    assert cut.events == whole.events
    assert cut.out == whole.out
    assert whole.events[-1] == command.Noop()


def test_the_stream_byte_by_byte_gives_the_same() -> None:
    bytes_alone = [STREAM[at : at + 1] for at in range(len(STREAM))]
    assert run(*bytes_alone).out == run(STREAM).out


@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"\r\n", b"a ", b"{5}\r\n", b"{7+}\r\n", b"a APPEND x "])))
def test_random_bytes_never_raise(pieces: list[bytes]) -> None:
    for state in State:
        run(*pieces, state=state)
