"""The parameters of RFC 3461, read strictly and passed on where they are understood; LIMITS (RFC 9422)."""

from __future__ import annotations

import pytest

from mpcontinuity.model.address import parse
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.protocols.smtp.client import ClientEngine
from mpcontinuity.protocols.smtp.events import Mail, Rcpt
from mpcontinuity.protocols.smtp.terms import Offers
from tests.protocols.smtp.door import Door

BOB = parse("bob@example.org")


def door(mail: str = "MAIL FROM:<a@b.example> SMTPUTF8") -> Door:
    opened = Door(offers=Offers(dsn=True))
    opened.engine.greet()
    opened.hear(b"EHLO c\r\n" + mail.encode() + b"\r\n")
    return opened


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("RET=FULL ENVID=QQ314159", MailParameters(ret="FULL", envid="QQ314159")),
        ("ret=hdrs", MailParameters(ret="HDRS")),
        ("ENVID=a+2Bb+20c+3D", MailParameters(envid="a+2Bb+20c+3D")),
        ("ENVID=" + "x" * 100, MailParameters(envid="x" * 100)),
    ],
)
def test_what_mail_says_of_reports_is_kept_as_it_was_given(given: str, kept: MailParameters) -> None:
    events = door(f"MAIL FROM:<a@b.example> {given}").events
    assert events[-1] == Mail(parse("a@b.example"), kept)


@pytest.mark.parametrize(
    "bad",
    [
        *("RET", "RET=", "RET=ALL", "RET=FULL,HDRS", "RET=FULL RET=FULL", "ENVID", "ENVID=", "ENVID=a+b", "ENVID=a+2b"),
        *("ENVID=a=b", "ENVID=ü", "ENVID=a+0D+0A", "ENVID=a+7F", "ENVID=a+E4", "ENVID=" + "x" * 101, "NOTIFY=NEVER"),
    ],
)
def test_what_rfc_3461_does_not_allow_at_mail_is_refused(bad: str) -> None:
    opened = door("NOOP")
    assert opened.hear(f"MAIL FROM:<a@b.example> {bad}\r\n".encode())[:5] in (b"501 5", b"555 5")
    assert not [event for event in opened.events if isinstance(event, Mail)]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("NOTIFY=NEVER", RcptParameters(notify="NEVER")),
        ("notify=success,Failure,delay", RcptParameters(notify="SUCCESS,FAILURE,DELAY")),
        ("ORCPT=rfc822;Bob+2Btag@x.example", RcptParameters(orcpt="rfc822;Bob+2Btag@x.example")),
        ("ORCPT=RFC822;x@y NOTIFY=DELAY", RcptParameters("DELAY", "RFC822;x@y")),
        ("ORCPT=x400;/a+3Db/", RcptParameters(orcpt="x400;/a+3Db/")),
        ("ORCPT=utf-8;j\\x{F6}rg@x.example", RcptParameters(orcpt="utf-8;j\\x{F6}rg@x.example")),
        ("ORCPT=UTF-8;jörg@x.example", RcptParameters(orcpt="UTF-8;jörg@x.example")),
        ("ORCPT=rfc822;" + "x" * 493, RcptParameters(orcpt="rfc822;" + "x" * 493)),
    ],
)
def test_what_rcpt_says_of_reports_is_kept_as_it_was_given(given: str, kept: RcptParameters) -> None:
    opened = door()
    opened.hear(f"RCPT TO:<bob@example.org> {given}\r\n".encode())
    assert opened.events[-1] == Rcpt(BOB, kept)


@pytest.mark.parametrize(
    "bad",
    [
        *("NOTIFY", "NOTIFY=", "NOTIFY=ALWAYS", "NOTIFY=NEVER,FAILURE", "NOTIFY=SUCCESS,,DELAY", "NOTIFY=SUCCESS,"),
        *("ORCPT", "ORCPT=", "ORCPT=bob@x.example", "ORCPT=rfc822;", "ORCPT=;x", "ORCPT=rfc822;a+b", "ORCPT=rfc 822;x"),
        *(
            "ORCPT=rfc822;jörg@x",
            "ORCPT=rfc822;a+0Ab",
            "ORCPT=rfc822;a+ZZ",
            "ORCPT=utf-8;j\\x{f6}rg",
            "ORCPT=utf-8;a\\b",
        ),
        *("ORCPT=rfc822;x ORCPT=rfc822;x", "ORCPT=rfc822;" + "x" * 494, "RET=FULL", "SIZE=1", "=x", "NOTIFY==NEVER"),
    ],
)
def test_what_rfc_3461_does_not_allow_at_rcpt_is_refused(bad: str) -> None:
    opened = door()
    assert opened.hear(f"RCPT TO:<bob@example.org> {bad}\r\n".encode())[:5] in (b"501 5", b"555 5")
    assert not [event for event in opened.events if isinstance(event, Rcpt)]


def test_an_original_recipient_in_utf_8_needs_smtputf8() -> None:
    opened = door("MAIL FROM:<a@b.example>")
    assert opened.hear("RCPT TO:<bob@example.org> ORCPT=utf-8;jörg@x\r\n".encode()).startswith(b"501 ")
    assert opened.hear(b"RCPT TO:<bob@example.org> ORCPT=utf-8;j\\x{F6}rg@x\r\n").startswith(b"250 ")


def client(*keywords: bytes) -> ClientEngine:
    engine = ClientEngine()
    engine.ehlo("c")
    engine.receive(b"220 x\r\n" + b"".join(b"250-" + word + b"\r\n" for word in (b"x", *keywords)) + b"250 HELP\r\n")
    engine.to_send()
    return engine


def said(engine: ClientEngine) -> bytes:
    engine.mail(None, MailParameters(ret="FULL", envid="a+20b"))
    engine.receive(b"250 ok\r\n")
    engine.to_send()
    engine.rcpt(BOB, RcptParameters("SUCCESS", "utf-8;jörg@x"))
    return engine.to_send()


def test_parameters_of_reports_are_said_only_where_they_are_understood() -> None:
    assert said(client()) == b"RCPT TO:<bob@example.org>\r\n"
    with_utf8 = said(client(b"DSN", b"SMTPUTF8"))
    assert with_utf8 == "RCPT TO:<bob@example.org> NOTIFY=SUCCESS ORCPT=utf-8;jörg@x\r\n".encode()
    assert said(client(b"DSN")) == b"RCPT TO:<bob@example.org> NOTIFY=SUCCESS ORCPT=utf-8;j\\x{F6}rg@x\r\n"


def test_limits_are_told_and_read() -> None:
    opened = Door(offers=Offers(recipients=1000, one_domain=True))
    opened.engine.greet()
    assert opened.hear(b"EHLO c\r\n").endswith(b"\r\n250 LIMITS RCPTMAX=1000 RCPTDOMAINMAX=1\r\n")
    told = client(b"limits rcptmax=25 MAILMAX=3 RCPTDOMAINMAX=1").offers
    assert (told.recipients, told.one_domain) == (25, True)


@pytest.mark.parametrize("line", [b"LIMITS", b"LIMITS RCPTMAX", b"LIMITS RCPTMAX=x", b"LIMITS RCPTMAX=1234567", b"X"])
def test_limits_that_cannot_be_read_are_none(line: bytes) -> None:
    assert client(line).offers.recipients == 0
