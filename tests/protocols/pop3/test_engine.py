"""The engine of POP3, by dialogues: C: what comes, S: what is answered, and the events between them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.protocols.pop3.engine import Limits, ServerEngine
from mpcontinuity.protocols.pop3.events import (
    Auth,
    AuthAnswer,
    Capa,
    Dele,
    Disconnect,
    Event,
    List,
    Pass,
    Quit,
    Retr,
    Rset,
    StartTls,
    Stat,
    Uidl,
    Utf8,
)


def logged_in() -> ServerEngine:
    engine = ServerEngine()
    engine.receive(b"USER joe\r\nPASS secret\r\n")
    assert engine.next_event() == Pass("joe", "secret")
    engine.logged_in("welcome")
    assert engine.to_send() == b"+OK now the password\r\n+OK welcome\r\n"
    return engine


def refused(engine: ServerEngine, line: bytes) -> bytes:
    engine.receive(line)
    assert engine.next_event() is None
    answer = engine.to_send()
    assert answer.startswith(b"-ERR ")
    assert answer.endswith(b"\r\n")
    assert answer.count(b"\n") == 1
    return answer


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"STAT", Stat()),
        (b"stat", Stat()),
        (b"LIST", List(0)),
        (b"LIST 7", List(7)),
        (b"UIDL", Uidl(0)),
        (b"UIDL 7", Uidl(7)),
        (b"RETR 7", Retr(7, -1)),
        (b"TOP 7 0", Retr(7, 0)),
        (b"TOP 7 12", Retr(7, 12)),
        (b"DELE 7", Dele(7)),
        (b"RSET", Rset()),
        (b"CAPA", Capa()),
        (b"QUIT", Quit(True)),
    ],
)
def test_after_the_login_each_command_is_an_event(line: bytes, event: Event) -> None:
    engine = logged_in()
    engine.receive(line + b"\r\n")
    assert engine.next_event() == event
    engine.ok("done")
    assert engine.to_send() == b"+OK done\r\n"


@pytest.mark.parametrize(
    "line",
    [
        b"LIST x",
        b"LIST 0",
        b"LIST -1",
        b"RETR",
        b"RETR 1 2",
        b"TOP 1",
        b"TOP 1 -1",
        b"TOP x 1",
        b"DELE",
        b"RETR 99999999999",
        b"STAT 1",
        b"USER joe",
        b"STLS",
        b"UTF8",
        b"AUTH PLAIN",
        b"XTND",
        b"",
        "RETR ٣".encode(),
    ],
)
def test_a_bad_command_is_refused_and_changes_nothing(line: bytes) -> None:
    engine = logged_in()
    refused(engine, line + b"\r\n")
    engine.receive(b"NOOP\r\n")
    assert engine.next_event() is None
    assert engine.to_send() == b"+OK\r\n"


@pytest.mark.parametrize("line", [b"STAT", b"RETR 1", b"NOOP", b"PASS secret", b"DELE 1", b"USER ", b"USER \xff"])
def test_before_the_login_nothing_is_told(line: bytes) -> None:
    refused(ServerEngine(), line + b"\r\n")


def test_a_password_may_have_blanks() -> None:
    engine = ServerEngine()
    engine.receive(b"USER joe@example.org\r\nPASS  a b \r\n")
    assert engine.next_event() == Pass("joe@example.org", " a b ")


def test_quit_before_the_login_updates_nothing() -> None:
    engine = ServerEngine()
    engine.receive(b"QUIT\r\nNOOP\r\n")
    assert engine.next_event() == Quit(False)
    engine.ok("bye")
    assert engine.next_event() == Disconnect("QUIT")
    assert engine.next_event() is None
    assert engine.to_send() == b"+OK bye\r\n"


def test_pipelined_commands_are_answered_in_order() -> None:
    engine = logged_in()
    engine.receive(b"STAT\r\nNOOP\r\nDELE 1\r\nQUIT\r\n")
    assert engine.next_event() == Stat()
    assert engine.next_event() is None
    assert engine.waiting == len(b"NOOP\r\nDELE 1\r\nQUIT\r\n")
    engine.ok("1 2")
    assert engine.next_event() == Dele(1)
    engine.error("no such message")
    assert engine.next_event() == Quit(True)
    engine.ok("bye")
    assert engine.to_send() == b"+OK 1 2\r\n+OK\r\n-ERR no such message\r\n+OK bye\r\n"


def test_sasl_with_and_without_an_initial_response() -> None:
    engine = ServerEngine()
    engine.receive(b"AUTH plain AGpvZQBzZWNyZXQ=\r\n")
    assert engine.next_event() == Auth("PLAIN", b"\0joe\0secret")
    engine.error("no", "AUTH")
    engine.receive(b"AUTH PLAIN\r\nAGpvZQBzZWNyZXQ=\r\n")
    assert engine.next_event() == Auth("PLAIN", None)
    engine.challenge(b"")
    assert engine.next_event() == AuthAnswer(b"\0joe\0secret")
    engine.logged_in("welcome")
    assert engine.to_send() == b"-ERR [AUTH] no\r\n+ \r\n+OK welcome\r\n"


@pytest.mark.parametrize("answer", [b"*", b"not base64!", b"AGpv=ZQ"])
def test_a_client_that_gives_up_has_no_answer(answer: bytes) -> None:
    engine = ServerEngine()
    engine.receive(b"AUTH PLAIN\r\n" + answer + b"\r\nNOOP\r\n")
    assert engine.next_event() == Auth("PLAIN", None)
    engine.challenge(b"")
    assert engine.next_event() == AuthAnswer(None)
    engine.error("cancelled")
    assert engine.next_event() is None
    assert engine.to_send().startswith(b"+ \r\n-ERR cancelled\r\n-ERR that is not possible")


def test_what_was_sent_behind_stls_ends_the_connection() -> None:
    engine = ServerEngine()
    engine.tls_offered = True
    engine.receive(b"STLS\r\nUSER joe\r\n")
    assert engine.next_event() == Disconnect("sent bytes behind STLS")
    assert engine.to_send() == b""

    engine = ServerEngine()
    engine.tls_offered = True
    engine.receive(b"STLS\r\n")
    assert engine.next_event() == StartTls()
    engine.receive(b"USER joe\r\n")
    assert engine.next_event() == Disconnect("sent bytes behind STLS")


def test_after_stls_all_is_forgotten() -> None:
    engine = ServerEngine()
    engine.tls_offered = True
    engine.receive(b"USER joe\r\nSTLS\r\n")
    assert engine.next_event() == StartTls()
    engine.tls_started()
    engine.to_send()
    assert refused(engine, b"PASS secret\r\n") == b"-ERR USER comes first\r\n"
    refused(engine, b"STLS\r\n")


def test_long_lines_cost_no_memory() -> None:
    engine = ServerEngine(Limits(command_line=50))
    for _ in range(1000):
        engine.receive(b"x" * 1000)
        assert engine.next_event() is None
    assert len(engine._buffer) < 2000
    assert refused(engine, b"\r\n") == b"-ERR the line is too long\r\n"


def test_too_many_errors_end_the_connection() -> None:
    engine = ServerEngine(Limits(errors=3))
    engine.receive(b"X\r\n" * 10)
    assert engine.next_event() == Disconnect("too many errors")
    assert engine.to_send().count(b"-ERR") == 3


def test_too_many_commands_without_a_login_end_the_connection() -> None:
    engine = ServerEngine(Limits(idle_commands=3))
    for _ in range(3):
        engine.receive(b"USER joe\r\n")
        assert engine.next_event() is None
    engine.receive(b"USER joe\r\n")
    assert isinstance(engine.next_event(), Disconnect)


def test_who_sends_without_waiting_is_cut_off() -> None:
    engine = logged_in()
    engine.receive(b"STAT\r\n")
    assert engine.next_event() == Stat()
    engine.receive(b"x" * 65_536)
    engine.receive(b"x" * 65_536)
    assert engine.next_event() is None  # clients may send ahead (RFC 2449 §6.6)
    engine.receive(b"x" * 140_000)
    assert isinstance(engine.next_event(), Disconnect)
    assert engine.to_send().startswith(b"-ERR ")


def test_utf8_comes_before_the_login() -> None:
    engine = ServerEngine()
    engine.receive(b"UTF8\r\n")
    assert engine.next_event() == Utf8()


COMMANDS = st.lists(
    st.sampled_from([b"USER a", b"PASS b", b"STAT", b"LIST 1", b"RETR 2", b"QUIT", b"NOOP", b"AUTH PLAIN", b"x" * 3000])
)


@given(COMMANDS, st.lists(st.integers(0, 4000)))
def test_where_the_stream_is_cut_makes_no_difference(lines: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(line + b"\r\n" for line in lines)
    assert play(stream, []) == play(stream, cuts)


def play(stream: bytes, cuts: list[int]) -> tuple[list[Event], bytes]:
    engine = ServerEngine()
    seen: list[Event] = []
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, stop in itertools.pairwise(edges):
        engine.receive(stream[start:stop])
        while (event := engine.next_event()) is not None:
            seen.append(event)
            if isinstance(event, Pass):
                engine.logged_in("")
            elif isinstance(event, Auth):
                engine.challenge(b"")
            elif event.waits:
                engine.ok()
    return seen, engine.to_send()
