"""A client that closes its direction behind its last command still reads what it is answered."""

from __future__ import annotations

import re
import socket

from tests.fakes.home import say
from tests.journeys.world import SENDER, World, message


def _answers(port: int, data: bytes) -> bytes:
    """What comes until the server closes, after data and the end of it."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answers = b""
        while piece := client.recv(65536):
            answers += piece
        return answers


def _dialogue(world: World, subject: str, *behind: bytes) -> bytes:
    commands = (b"EHLO client.example", b"MAIL FROM:<%b>" % SENDER.encode(), b"RCPT TO:<%b>" % world.anna.encode())
    return b"\r\n".join((*commands, b"DATA", message(subject) + b".", *behind, b""))


def _codes(answers: bytes) -> list[bytes]:
    return [line[:3] for line in answers.split(b"\r\n") if re.match(rb"\d{3} ", line)]


def test_a_message_is_answered_though_home_takes_its_time(world: World) -> None:
    world.home.on("message", say("250 2.0.0 taken", wait=0.3))
    answers = _answers(world.server.ports["smtp"], _dialogue(world, "half closed"))
    assert _codes(answers) == [b"220", b"250", b"250", b"250", b"354", b"250"]
    assert len(world.home.received("half closed")) == 1


def test_a_redirected_message_is_answered(world: World) -> None:
    world.home.stop()
    answers = _answers(world.server.ports["smtp"], _dialogue(world, "half redirected", b"NOOP"))
    assert _codes(answers) == [b"220", b"250", b"250", b"250", b"354", b"250", b"250"]
    assert world.subjects() == ["half redirected"]


def test_a_message_that_is_cut_off_leaves_nothing(world: World) -> None:
    world.home.stop()
    answers = _answers(world.server.ports["smtp"], _dialogue(world, "cut off").removesuffix(b".\r\n"))
    assert _codes(answers) == [b"220", b"250", b"250", b"250", b"354"]
    assert world.subjects() == []


def test_an_imap_client_reads_its_last_answer(world: World) -> None:
    commands = b"a LOGIN %b secret\r\nb SELECT INBOX\r\nc NOOP\r\n" % world.anna.encode()
    answers = _answers(world.server.ports["imap"], commands)
    for tag in (b"a", b"b", b"c"):
        assert re.search(rb"^%b OK " % tag, answers, re.MULTILINE), answers


def test_an_imap_client_that_closes_in_idle_is_let_go(world: World) -> None:
    commands = b"a LOGIN %b secret\r\nb SELECT INBOX\r\nc IDLE\r\n" % world.anna.encode()
    assert b"+ " in _answers(world.server.ports["imap"], commands)


def test_a_pop3_client_reads_its_last_answer(world: World) -> None:
    commands = b"USER %b\r\nPASS secret\r\nSTAT\r\nQUIT\r\n" % world.anna.encode()
    answers = _answers(world.server.ports["pop3"], commands)
    assert [line[:3] for line in answers.splitlines()] == [b"+OK"] * 5
    commands = commands.removesuffix(b"QUIT\r\n")
    answers = _answers(world.server.ports["pop3"], commands)
    assert [line[:3] for line in answers.splitlines()] == [b"+OK"] * 4
