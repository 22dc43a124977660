"""Dialogues with the client's engine."""

from __future__ import annotations

import pytest

from mpcontinuity.model.address import Address, parse
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply, Stage, Verdict
from mpcontinuity.protocols.smtp.client import (
    MAX_REPLY_LINE,
    MAX_REPLY_LINES,
    MAX_TEXT,
    Answer,
    Broken,
    ClientEngine,
    Offers,
    Unsafe,
    outcome,
)

ANN, BOB = parse("ann@example.com"), parse("bob@example.org")
NONE = MailParameters()


def greeted(*keywords: str) -> ClientEngine:
    engine = ClientEngine()
    engine.receive(b"220 home.example.org ESMTP\r\n")
    engine.ehlo("mx.example.org")
    lines = ["home.example.org", *keywords]
    for number, line in enumerate(lines, 1):
        engine.receive(f"250{' ' if number == len(lines) else '-'}{line}\r\n".encode())
    while engine.next_answer():
        pass
    engine.to_send()
    return engine


def answers(engine: ClientEngine) -> list[Answer | Broken]:
    found = []
    while (answer := engine.next_answer()) is not None:
        found.append(answer)
    return found


def test_what_ehlo_offers_is_read() -> None:
    engine = greeted("PIPELINING", "size 1000", "8BITMIME", "SMTPUTF8", "DSN", "STARTTLS", "AUTH=LOGIN PLAIN", "")
    assert engine.offers == Offers(True, True, True, True, True, True, 1000, ("LOGIN", "PLAIN"))


def test_nothing_is_sent_before_the_greeting() -> None:
    engine = ClientEngine()
    engine.ehlo("mx.example.org")
    assert engine.to_send() == b""
    engine.receive(b"220 hi\r\n")
    assert engine.to_send() == b"EHLO mx.example.org\r\n"


def test_mail_and_recipients_go_in_one_group_where_pipelining_is_offered() -> None:
    engine = greeted("PIPELINING")
    engine.mail(ANN, NONE)
    engine.rcpt(BOB)
    engine.data()
    engine.rset()
    assert engine.to_send() == b"MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
    engine.receive(b"250 2.1.0 ok\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n554 no valid recipients\r\n")
    assert answers(engine) == [
        Answer("MAIL", Reply(250, "2.1.0", "ok")),
        Answer("RCPT", Reply(550, "5.1.1", "no\nsuch user")),
        Answer("DATA", Reply(554, "", "no valid recipients")),
    ]
    assert engine.to_send() == b"RSET\r\n"


def test_commands_wait_for_each_other_where_it_is_not() -> None:
    engine = greeted()
    engine.mail(None)
    engine.rcpt(BOB)
    assert engine.to_send() == b"MAIL FROM:<>\r\n"
    engine.receive(b"250 ok\r\n")
    assert engine.to_send() == b"RCPT TO:<bob@example.org>\r\n"


def test_parameters_are_passed_on_where_they_are_offered() -> None:
    mail = MailParameters(100, "8BITMIME", True, "HDRS", "id")
    rcpt = RcptParameters("NEVER", "rfc822;bob@example.org")
    full = greeted("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "DSN")
    full.mail(ANN, mail)
    full.rcpt(BOB, rcpt)
    assert full.to_send() == (
        b"MAIL FROM:<ann@example.com> SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=id\r\n"
        b"RCPT TO:<bob@example.org> NOTIFY=NEVER ORCPT=rfc822;bob@example.org\r\n"
    )
    plain = greeted("PIPELINING")
    plain.mail(ANN, mail)
    plain.rcpt(BOB, rcpt)
    assert plain.to_send() == b"MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\n"


@pytest.mark.parametrize("text", ["a@b.example\r\nRCPT TO:<x@y.example>", "a\n@b.example", "a\0@b.example"])
def test_an_address_that_would_be_a_second_command_is_refused(text: str) -> None:
    engine = greeted("PIPELINING", "DSN")
    forged = Address("a", "b.example", text)
    with pytest.raises(Unsafe):
        engine.mail(forged)
    with pytest.raises(Unsafe):
        engine.rcpt(forged)
    with pytest.raises(Unsafe):
        engine.rcpt(BOB, RcptParameters(orcpt="x y"))
    with pytest.raises(Unsafe):
        engine.ehlo("a\r\nQUIT")
    assert engine.to_send() == b""


def test_the_final_dot_is_sent_when_asked_for() -> None:
    engine = greeted("PIPELINING")
    engine.data()
    engine.receive(b"354 go\r\n")
    engine.to_send()
    engine.message(b".hello")
    assert engine.to_send() == b"..hello"
    assert not engine.idle
    engine.final_dot()
    assert engine.to_send() == b"\r\n.\r\n"
    engine.receive(b"250 2.0.0 taken\r\n")
    assert answers(engine)[-1] == Answer("MESSAGE", Reply(250, "2.0.0", "taken"))
    assert engine.idle


def test_a_message_needs_354_first() -> None:
    engine = greeted("PIPELINING")
    with pytest.raises(RuntimeError):
        engine.message(b"hello")
    with pytest.raises(RuntimeError):
        engine.final_dot()


def chunked(engine: ClientEngine) -> ClientEngine:
    engine.mail(ANN)
    engine.rcpt(BOB)
    engine.receive(b"250 ok\r\n250 ok\r\n")
    engine.to_send()
    return engine


def test_a_message_by_chunks_is_announced_sent_as_it_is_and_ended_by_an_empty_chunk() -> None:
    engine = chunked(greeted("PIPELINING", "CHUNKING"))
    assert engine.offers.chunking
    engine.chunk(8)
    engine.message(b".\n.\r")
    assert not engine.idle
    engine.message(b"\n.\r\n")
    assert engine.to_send() == b"BDAT 8\r\n.\n.\r\n.\r\n"
    with pytest.raises(RuntimeError):
        engine.final_dot()
    engine.receive(b"250 got it\r\n")
    engine.final_dot()
    assert engine.to_send() == b"BDAT 0 LAST\r\n"
    engine.receive(b"250 done\r\n")
    assert [answer.command for answer in answers(engine) if isinstance(answer, Answer)][-2:] == ["BDAT", "MESSAGE"]
    assert engine.idle


def test_more_than_was_announced_cannot_be_sent_nor_a_command_within_a_chunk() -> None:
    engine = chunked(greeted("PIPELINING", "CHUNKING"))
    engine.chunk(3)
    with pytest.raises(RuntimeError):
        engine.message(b"1234")
    with pytest.raises(RuntimeError):
        engine.rset()
    engine.message(b"123")
    engine.rset()
    assert engine.to_send() == b"BDAT 3\r\n123RSET\r\n"


def test_a_refused_chunk_is_not_ended() -> None:
    engine = chunked(greeted("PIPELINING", "CHUNKING"))
    engine.chunk(3)
    engine.message(b"a\r\n")
    engine.receive(b"552 too large\r\n")
    with pytest.raises(RuntimeError):
        engine.final_dot()
    assert engine.idle


def test_replies_behind_that_to_starttls_break_the_session() -> None:
    engine = greeted("STARTTLS")
    engine.starttls()
    engine.receive(b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n")
    (broken,) = answers(engine)
    assert isinstance(broken, Broken)
    assert engine.broken


def test_what_was_offered_before_tls_is_forgotten() -> None:
    engine = greeted("STARTTLS", "PIPELINING", "SIZE 10")
    engine.starttls()
    engine.receive(b"220 go\r\n")
    engine.tls_started()
    assert engine.offers == Offers()


def test_an_unasked_reply_breaks_the_session_and_is_told() -> None:
    engine = greeted()
    engine.receive(b"421 4.4.2 idle too long\r\n")
    (broken,) = answers(engine)
    assert isinstance(broken, Broken)
    assert broken.reply == Reply(421, "4.4.2", "idle too long")
    engine.receive(b"more\r\n")
    assert answers(engine) == []


@pytest.mark.parametrize(
    "nonsense",
    [b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b"150 x\r\n", b"25\r\n", b"2500 x\r\n", b"\xff\xfe\r\n", b"x" * 5000],
)
def test_what_is_no_reply_breaks_the_session(nonsense: bytes) -> None:
    engine = ClientEngine()
    engine.receive(nonsense)
    (broken,) = answers(engine)
    assert isinstance(broken, Broken)


def test_replies_are_bounded() -> None:
    long_line = ClientEngine()
    long_line.receive(b"220 " + b"x" * MAX_REPLY_LINE)
    assert isinstance(long_line.next_answer(), Broken)
    assert long_line._input == b""
    endless = ClientEngine()
    endless.receive(b"220-x\r\n" * MAX_REPLY_LINES)
    assert isinstance(endless.next_answer(), Broken)


def test_of_a_long_reply_the_beginning_is_kept() -> None:
    engine = ClientEngine()
    engine.receive(b"554-" + b"x" * 1000 + b"\r\n" + b"554-y\r\n" * 100 + b"554 " + b"z" * 3000 + b"\r\n")
    answer = engine.next_answer()
    assert isinstance(answer, Answer)
    assert (answer.reply.code, len(answer.reply.text)) == (554, MAX_TEXT)
    endless = ClientEngine()
    endless.receive((b"554-" + b"x" * 4000 + b"\r\n") * 20)
    assert isinstance(endless.next_answer(), Broken)


def test_odd_replies_are_understood() -> None:
    engine = ClientEngine()
    engine.receive(b"220\r\n")
    engine.ehlo("x")
    engine.receive(b"250-h\xc3\xa9\n250 \x07SIZE\n")
    engine.rset()
    engine.receive(b"250 5.0.0 not its class\r\n")
    assert answers(engine) == [
        Answer("GREETING", Reply(220, "", "")),
        Answer("EHLO", Reply(250, "", "hé\n SIZE")),
        Answer("RSET", Reply(250, "", "5.0.0 not its class")),
    ]


@pytest.mark.parametrize(
    ("stage", "code", "verdict"),
    [
        (Stage.GREETING, 554, Verdict.TEMPORARY),
        (Stage.EHLO, 550, Verdict.TEMPORARY),
        (Stage.MAIL, 550, Verdict.REFUSED),
        (Stage.MAIL, 530, Verdict.TEMPORARY),
        (Stage.RCPT, 535, Verdict.TEMPORARY),
        (Stage.MESSAGE, 538, Verdict.TEMPORARY),
        (Stage.RCPT, 450, Verdict.TEMPORARY),
        (Stage.RCPT, 251, Verdict.ACCEPTED),
        (Stage.DATA, 354, Verdict.ACCEPTED),
        (Stage.MESSAGE, 354, Verdict.FAILED),
        (Stage.MESSAGE, 552, Verdict.REFUSED),
    ],
)
def test_a_reply_has_one_meaning_at_its_stage(stage: Stage, code: int, verdict: Verdict) -> None:
    assert outcome(stage, Reply(code)).verdict is verdict
