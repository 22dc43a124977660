"""Dialogues with the server's engine: what a client says, what it hears, what the door is told."""

from __future__ import annotations

import pytest

from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols.smtp.events import (
    Auth,
    AuthAnswer,
    AuthCancelled,
    Disconnect,
    EndOfData,
    Hello,
    Mail,
    Rcpt,
    Reset,
    StartTls,
)
from mpcontinuity.protocols.smtp.replies import encode
from mpcontinuity.protocols.smtp.server import ServerEngine
from mpcontinuity.protocols.smtp.terms import Limits, Offers
from tests.protocols.smtp.door import OK, Door, play


def test_ehlo_lists_what_is_offered() -> None:
    offers = Offers(starttls=True, auth=("PLAIN", "LOGIN"), dsn=True, recipients=1000)
    play(
        """
        S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-mx.example.org
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-ENHANCEDSTATUSCODES
        S: 250-CHUNKING
        S: 250-SIZE 52428800
        S: 250-STARTTLS
        S: 250-AUTH PLAIN LOGIN
        S: 250-SMTPUTF8
        S: 250-DSN
        S: 250 LIMITS RCPTMAX=1000
        """,
        Door(offers=offers),
    )


def test_a_message_goes_through() -> None:
    door = play(
        """
        S: 220 mx.example.org
        C: HELO client.example.org
        S: 250 mx.example.org
        C: MAIL FROM:<ann@example.com>
        S: 250 2.0.0
        C: RCPT TO:<bob@example.org>
        S: 250 2.0.0
        C: DATA
        S: 354 Go ahead
        C: Subject: hi
        C:
        C: ..a line with a dot
        C: .
        S: 250 2.0.0
        C: QUIT
        S: 221 2.0.0
        """
    )
    assert door.content == b"Subject: hi\r\n\r\n.a line with a dot\r\n"
    assert door.events[-2:] == [EndOfData(None, 35), Disconnect("QUIT")]
    assert door.engine.closed


def test_pipelined_commands_are_answered_in_their_order_while_one_waits() -> None:
    door = Door()
    engine = door.engine
    engine.greet()
    engine.receive(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nNOOP\r\nRSET\r\n")
    assert isinstance(engine.next_event(), Hello)
    assert isinstance(engine.next_event(), Mail)
    assert engine.next_event() is None
    assert engine.waiting == len(b"RCPT TO:<x@y.example>\r\nNOOP\r\nRSET\r\n")
    engine.to_send()
    assert engine.to_send() == b""
    engine.reply(OK)
    assert isinstance(engine.next_event(), Rcpt)
    assert engine.next_event() is None
    engine.reply(Reply(550, "5.1.1", "No such user"))
    assert engine.next_event() == Reset()
    assert engine.to_send() == b"250 2.0.0 OK\r\n550 5.1.1 No such user\r\n250 2.0.0 OK\r\n250 2.0.0 Reset\r\n"


def test_commands_out_of_sequence_get_503_and_change_nothing() -> None:
    play(
        """
        S: 220
        C: MAIL FROM:<a@b.example>
        S: 503 5.5.1
        C: NOOP
        S: 250
        C: EHLO c
        S: 250-
        S: 250-
        S: 250-
        S: 250-
        S: 250-
        S: 250-
        S: 250 SMTPUTF8
        C: RCPT TO:<a@b.example>
        C: DATA
        C: AUTH PLAIN AAAA
        C: STARTTLS
        S: 503 5.5.1
        S: 503 5.5.1
        S: 503 5.5.1
        S: 503 5.5.1
        C: MAIL FROM:<>
        C: MAIL FROM:<>
        C: DATA
        S: 250
        S: 503 5.5.1
        S: 554 5.5.1
        C: RCPT TO:<a@b.example>
        C: DATA
        S: 250
        S: 354
        """
    )


def test_what_is_no_command_gets_500_and_what_is_malformed_501() -> None:
    play(
        """
        S: 220
        C: FOO
        C:
        C: EHLO
        C: HELO
        C: VRFY
        C: \\xff\\xfe\\x00 MAIL
        C: NO\\x00OP
        C: HELO c
        S: 500 5.5.1
        S: 500 5.5.1
        S: 501 5.5.4
        S: 501 5.5.4
        S: 501 5.5.4
        S: 500 5.5.2
        S: 500 5.5.2
        S: 250
        C: MAIL
        C: MAIL FROM:
        C: MAIL FROM:"a
        C: MAIL FROM:<a@b.example
        C: MAIL FROM:<a b@c.example>
        C: MAIL TO:<a@b.example>
        C: MAIL FROM:<\\xff@b.example>
        C: RSET now
        S: 501 5.5.4
        S: 501 5.5.4
        S: 501 5.5.4
        S: 501 5.5.4
        S: 501 5.1.7
        S: 501 5.5.4
        S: 500 5.5.2
        S: 501 5.5.4
        """
    )


def test_vrfy_expn_help_and_noop_are_answered_by_the_engine() -> None:
    door = play(
        """
        S: 220
        C: VRFY bob
        C: EXPN staff
        C: HELP
        C: NOOP anything
        C: XCLIENT x
        S: 252
        S: 502
        S: 214
        S: 250
        S: 500
        """
    )
    assert door.events == []


def test_parameters_are_read_and_bad_ones_refused() -> None:
    door = play(
        """
        S: 220
        C: HELO c
        S: 250
        C: MAIL FROM:<a@b.example> SIZE=52428801
        C: MAIL FROM:<a@b.example> SIZE=x
        C: MAIL FROM:<a@b.example> BODY=BINARYMIME
        C: MAIL FROM:<a@b.example> SIZE=1 SIZE=1
        C: MAIL FROM:<a@b.example> FOO=bar
        C: MAIL FROM:<a@b.example> =
        C: MAIL FROM:<\\xc3\\xa4@b.example>
        C: mail from: <a@b.example> size=100 body=8bitmime SMTPUTF8 RET=HDRS ENVID=x+2Dy
        S: 552 5.3.4
        S: 501 5.5.4
        S: 501 5.5.4
        S: 501 5.5.4
        S: 555 5.5.4
        S: 501 5.5.4
        S: 553 5.6.7
        S: 250
        C: RCPT TO:<> NOTIFY=NEVER
        C: RCPT TO:<@relay.example:a@b.example>
        C: RCPT TO:<a@b.example> NOTIFY=NEVER,SUCCESS
        C: RCPT TO:<a@b.example> NOTIFY=success,delay ORCPT=rfc822;x@y.example
        C: RCPT TO:<Postmaster>
        C: RCPT TO:<\\xc3\\xa4@b.example>
        S: 501 5.1.3
        S: 550 5.1.3
        S: 501 5.5.4
        S: 250
        S: 250
        S: 250
        """,
        Door(offers=Offers(dsn=True)),
    )
    mail, first, postmaster, utf8 = [event for event in door.events if isinstance(event, (Mail, Rcpt))]
    assert isinstance(mail, Mail)
    assert mail.address is not None
    assert mail.address.text == "a@b.example"
    parameters = mail.parameters
    assert (parameters.size, parameters.body, parameters.smtputf8) == (100, "8BITMIME", True)
    assert (parameters.ret, parameters.envid) == ("HDRS", "x+2Dy")
    assert isinstance(first, Rcpt)
    assert (first.parameters.notify, first.parameters.orcpt) == ("SUCCESS,DELAY", "rfc822;x@y.example")
    assert isinstance(postmaster, Rcpt)
    assert postmaster.address.key == "postmaster@mx.example.org"
    assert isinstance(utf8, Rcpt)
    assert utf8.address.text == "ä@b.example"


def test_parameters_that_are_not_offered_are_unknown() -> None:
    play(
        """
        S: 220
        C: HELO c
        S: 250
        C: MAIL FROM:<a@b.example> SMTPUTF8
        C: MAIL FROM:<a@b.example> AUTH=<>
        C: MAIL FROM:<@one.example,@two.example:a@b.example>
        C: RCPT TO:<a@b.example> MT-PRIORITY=3
        S: 555
        S: 555
        S: 250
        S: 555
        """,
        Door(offers=Offers(smtputf8=False)),
    )


def test_what_is_said_of_reports_is_read_where_they_are_not_offered() -> None:
    door = play(
        """
        S: 220
        C: EHLO c
        S: 250-mx.example.org
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-ENHANCEDSTATUSCODES
        S: 250-CHUNKING
        S: 250-SIZE 52428800
        S: 250 SMTPUTF8
        C: MAIL FROM:<a@b.example> RET=HDRS
        C: RCPT TO:<a@b.example> NOTIFY=NEVER
        S: 250
        S: 250
        """,
        Door(offers=Offers()),
    )
    mail, rcpt = door.events[-2:]
    assert isinstance(mail, Mail)
    assert isinstance(rcpt, Rcpt)
    assert (mail.parameters.ret, rcpt.parameters.notify) == ("HDRS", "NEVER")


def test_bytes_behind_starttls_end_the_connection() -> None:
    door = Door(offers=Offers(starttls=True))
    door.engine.greet()
    said = door.hear(b"EHLO c\r\nSTARTTLS\r\nMAIL FROM:<mallory@evil.example>\r\n")
    assert b"Ready to start TLS" not in said
    assert door.engine.closed
    assert door.events[-1] == Disconnect("sent bytes behind STARTTLS")


def test_plain_bytes_between_220_and_tls_end_the_connection() -> None:
    door = Door(offers=Offers(starttls=True))
    door.engine.greet()
    door.hear(b"EHLO c\r\nSTARTTLS\r\n")
    assert door.hear(b"NOOP\r\n") == b""
    assert door.engine.closed


def test_an_envelope_given_before_tls_is_forgotten_behind_it() -> None:
    door = Door(offers=Offers(starttls=True))
    door.engine.greet()
    door.hear(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\n")
    assert door.hear(b"STARTTLS\r\n") == b"220 2.0.0 Ready to start TLS\r\n"
    assert door.events[-1] == StartTls()
    door.engine.tls_started()
    assert door.hear(b"DATA\r\n").startswith(b"503 ")
    assert door.hear(b"MAIL FROM:<a@b.example>\r\n").startswith(b"503 ")
    assert b"STARTTLS" not in door.hear(b"EHLO c\r\n")
    assert door.hear(b"STARTTLS\r\n").startswith(b"503 ")


def test_auth_is_an_exchange_of_events() -> None:
    door = Door(offers=Offers(auth=("PLAIN", "LOGIN")), Auth=Reply(235, "2.7.0", "Welcome"))
    engine = door.engine
    engine.greet()
    door.hear(b"EHLO c\r\n")
    assert door.hear(b"AUTH CRAM-MD5\r\n").startswith(b"504 5.5.4")
    assert door.hear(b"AUTH PLAIN !!!!\r\n").startswith(b"501 5.5.2")
    assert door.hear(b"AUTH PLAIN YQ\r\n").startswith(b"501 5.5.2")
    engine.receive(b"AUTH LOGIN\r\n")
    assert engine.next_event() == Auth("LOGIN", None)
    engine.challenge(b"Username:")
    assert engine.to_send() == b"334 VXNlcm5hbWU6\r\n"
    engine.receive(b"YW5u\r\n")
    assert engine.next_event() == AuthAnswer(b"ann")
    engine.challenge(b"Password:")
    engine.receive(b"*\r\n")
    assert engine.next_event() == AuthCancelled()
    assert engine.to_send().endswith(b"501 5.7.0 Authentication cancelled\r\n")
    assert door.hear(b"AUTH PLAIN =\r\n") == b"235 2.7.0 Welcome\r\n"
    assert door.events[-1] == Auth("PLAIN", b"")
    assert engine.authenticated
    assert door.hear(b"AUTH PLAIN =\r\n").startswith(b"503 5.5.1")


def test_auth_needs_tls_where_it_is_not_offered_without() -> None:
    door = Door(offers=Offers(starttls=True))
    door.engine.greet()
    assert door.hear(b"EHLO c\r\nAUTH PLAIN AAAA\r\n").endswith(b"538 5.7.11 Send STARTTLS before AUTH\r\n")


def test_an_auth_answer_may_be_longer_than_a_command_but_not_endless() -> None:
    door = Door(offers=Offers(auth=("PLAIN",)), AuthAnswer=Reply(535, "5.7.8", "No"))
    door.engine.greet()
    door.hear(b"EHLO c\r\n")
    engine = door.engine
    for length, answer in ((12_000, b"535"), (12_292, b"500")):
        engine.receive(b"AUTH PLAIN\r\n")
        engine.next_event()
        engine.challenge(b"")
        engine.to_send()
        assert door.hear(b"A" * length + b"\r\n").startswith(answer)


def test_a_command_line_that_is_too_long_is_dropped_to_its_end() -> None:
    door = Door()
    door.engine.greet()
    for _ in range(100):
        assert door.hear(b"NOOP " + b"x" * 10_000) == b"220 mx.example.org ESMTP mpcontinuity\r\n" * (_ == 0)
        assert len(door.engine._buffer) <= 10_005
    assert door.hear(b"\r\nNOOP\r\n") == b"500 5.5.2 Command line too long\r\n250 2.0.0 OK\r\n"


def test_a_bare_line_feed_ends_no_command() -> None:
    door = Door()
    door.engine.greet()
    door.engine.to_send()
    assert door.hear(b"NOOP\nNOOP\r\n") == b"500 5.5.2 Command lines end in CRLF\r\n250 2.0.0 OK\r\n"


def test_what_waits_behind_a_command_is_bounded() -> None:
    engine = ServerEngine("mx.example.org", Limits(buffer=100_000))
    engine.greet()
    engine.receive(b"HELO c\r\nMAIL FROM:<a@b.example>\r\n")
    engine.next_event()
    engine.next_event()
    for _ in range(3):
        engine.receive(b"NOOP\r\n" * 10_000)
    assert engine.closed
    assert engine.next_event() == Disconnect("421 4.7.0 Too much was sent without waiting for replies")
    assert engine._buffer == b""


def test_what_is_said_before_the_greeting_is_bounded() -> None:
    engine = ServerEngine("mx.example.org", Limits(buffer=100_000))
    for _ in range(3):
        engine.receive(b"x" * 50_000)
    assert engine.closed
    assert engine._buffer == b""


def test_too_many_errors_end_the_connection() -> None:
    door = Door(Limits(errors=5))
    door.engine.greet()
    door.engine.to_send()
    said = door.hear(b"FOO\r\n" * 10)
    assert said.count(b"500 ") == 5
    assert said.endswith(b"421 4.7.0 Too many errors\r\n")
    assert isinstance(door.events[-1], Disconnect)


def test_endless_noops_end_the_connection() -> None:
    door = Door(Limits(errors=5, idle_commands=20))
    door.engine.greet()
    assert door.hear(b"NOOP\r\n" * 100).endswith(b"421 4.7.0 Too many errors\r\n")


def test_submission_normalises_line_ends() -> None:
    door = Door()
    door.engine.normalise_line_ends = True
    door.engine.greet()
    door.hear(b"HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n")
    for piece in (b"a\nb\r", b"\nc\rd\r", b"e\r\n", b".\r\n"):
        door.hear(piece)
    assert door.content == b"a\r\nb\r\nc\r\nd\r\ne\r\n"
    assert isinstance(door.events[-1], EndOfData)
    assert door.events[-1].fault is None


def test_a_new_ehlo_and_rset_give_up_the_transaction() -> None:
    door = Door()
    door.engine.greet()
    door.hear(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nEHLO d\r\n")
    assert door.events[-1:] == [Hello("d", True)]
    assert door.hear(b"DATA\r\n").startswith(b"503")
    door.hear(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nRSET\r\n")
    assert door.events[-1:] == [Reset()]
    assert door.hear(b"DATA\r\n").startswith(b"503")


def test_a_refused_mail_or_recipient_does_not_count() -> None:
    door = Door(Rcpt=Reply(550, "5.1.1", "No such user"))
    door.engine.greet()
    door.hear(b"HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\n")
    assert door.hear(b"DATA\r\n").startswith(b"554 5.5.1")


def test_a_421_from_the_door_closes() -> None:
    door = Door(Mail=Reply(421, "4.3.2", "Shutting down"))
    door.engine.greet()
    assert door.hear(b"HELO c\r\nMAIL FROM:<>\r\nNOOP\r\n").endswith(b"421 4.3.2 Shutting down\r\n")
    assert isinstance(door.events[-1], Disconnect)


def test_stop_lets_a_message_end_and_refuses_the_next_command() -> None:
    door = Door()
    door.engine.greet()
    door.hear(b"HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\nhello\r\n")
    door.engine.stop(Reply(421, "4.3.2", "Shutting down"))
    assert door.hear(b".\r\n") == b"250 2.0.0 OK\r\n"
    assert door.hear(b"NOOP\r\n") == b"421 4.3.2 Shutting down\r\n"
    assert door.engine.closed


def test_who_speaks_before_the_greeting_is_noticed_and_waits() -> None:
    door = Door()
    assert door.hear(b"HELO c\r\n") == b""
    assert door.engine.spoke_early
    door.engine.greet()
    door.work()
    assert door.engine.to_send().endswith(b"250 mx.example.org\r\n")


def test_commands_are_counted_so_that_the_door_sees_a_client_go_on() -> None:
    door = Door()
    door.engine.greet()
    door.hear(b"HELO c\r\n")
    assert door.engine.commands == 1
    door.hear(b"NOOP\r\nFOO\r\n")
    assert door.engine.commands == 3


@pytest.mark.parametrize(
    ("reply", "wire"),
    [
        (Reply(250, "2.1.0", "one\ntwo"), b"250-2.1.0 one\r\n250 2.1.0 two\r\n"),
        (Reply(550, "", "grüße\r\n250 injected"), b"550-gr??e \r\n550 250 injected\r\n"),
        (Reply(250, "", ""), b"250 \r\n"),
    ],
)
def test_a_reply_is_always_well_formed(reply: Reply, wire: bytes) -> None:
    assert encode(reply) == wire


def test_a_long_reply_is_cut_into_lines_of_at_most_512_octets() -> None:
    lines = encode(Reply(550, "5.1.1", "x" * 100_000)).split(b"\r\n")
    assert max(map(len, lines)) <= 510
    assert len(lines) <= 41
