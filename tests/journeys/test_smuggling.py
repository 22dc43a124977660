"""A second message hidden in the first: every mixture of CR, LF and dot that is not CRLF.CRLF, through a real server to
a strict and to a lenient next hop, by DATA and by BDAT, at once and after an outage."""

from __future__ import annotations

import itertools
import re
import socket
from collections.abc import Iterator

import pytest

from tests.app.running import Server
from tests.fakes.nexthop import LENIENT, STRICT, NextHop
from tests.fakes.postfix import Postfix
from tests.journeys.world import SENDER, Site

ENDS = (b"\r\n", b"\n", b"\r", b"\n\r", b"\r\r\n", b"\r\n\n", b"\r\n\r", b"\0", b"\r\n\0", b"\0\r\n", b"\r\n ")
MIXTURES = [before + b"." + behind for before, behind in itertools.product(ENDS, ENDS)]
TRUE_ENDS = [mixture for mixture in MIXTURES if b"\r\n.\r\n" in mixture]
FALSE_ENDS = [mixture for mixture in MIXTURES if b"\r\n.\r\n" not in mixture]


def bare(content: bytes) -> bool:
    return not content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")


def hidden(content: bytes) -> bool:
    """Whether it has an end of data for who drops NULs."""
    return re.search(rb"\r\n\0+\.\0*\r\n", content) is not None


def refused(content: bytes) -> bool:
    return bare(content) or hidden(content)


@pytest.fixture(params=[STRICT, LENIENT], ids=["strict", "lenient"])
def hop(request: pytest.FixtureRequest) -> Iterator[NextHop]:
    with NextHop(request.param) as running:
        yield running


@pytest.fixture
def site(server: Server, hop: NextHop) -> Site:
    return Site(server, hop)


class Client:
    """Writes what it is told and reads replies, one by one."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")
        self.reply()
        self.ask(b"EHLO client.example")

    def reply(self) -> bytes:
        while (line := self.file.readline())[3:4] == b"-":
            pass
        return line

    def ask(self, line: bytes) -> bytes:
        self.socket.sendall(line + b"\r\n")
        return self.reply()

    def envelope(self, recipient: str) -> None:
        assert self.ask(b"MAIL FROM:<%b>" % SENDER.encode()).startswith(b"250")
        assert self.ask(b"RCPT TO:<%b>" % recipient.encode()).startswith(b"250")

    def by_data(self, content: bytes) -> bytes:
        """``content`` goes as it is: no dot is stuffed."""
        assert self.ask(b"DATA").startswith(b"354")
        self.socket.sendall(content + b"\r\n.\r\n")
        return self.reply()

    def by_bdat(self, content: bytes) -> bytes:
        self.socket.sendall(b"BDAT %d LAST\r\n" % len(content) + content)
        return self.reply()

    def close(self) -> None:
        assert self.ask(b"QUIT").startswith(b"221")  # nothing was taken for a command, and nothing is left over
        self.file.close()
        self.socket.close()


def content(number: int, mixture: bytes, recipient: str) -> bytes:
    return (
        b"Subject: outer %d\r\nMessage-ID: <%d.%b>\r\n\r\nfirst" % (number, number, recipient.encode())
        + mixture
        + b"MAIL FROM:<evil@smuggled.example>\r\nRCPT TO:<%b>\r\nDATA\r\n" % recipient.encode()
        + b"From: evil@smuggled.example\r\nSubject: smuggled\r\n\r\nsecond\r\n"
    )


def check_nothing_was_smuggled(hop: NextHop) -> None:
    assert not [line for line in hop.commands if b"evil" in line]
    for taken in hop.taken:
        assert taken.sender == SENDER.encode()
        assert taken.data.count(b"Subject: outer") == 1


def test_by_data_no_mixture_is_an_end_and_what_has_a_bare_line_end_is_refused(site: Site, hop: NextHop) -> None:
    client = Client(site.server.ports["smtp"])
    taken = 0
    for number, mixture in enumerate(FALSE_ENDS):
        text = content(number, mixture, site.anna)
        client.envelope(site.anna)
        answer = client.by_data(text)
        assert answer.startswith(b"550 5.6.11" if refused(text) else b"250"), (mixture, answer)
        taken += not refused(text)
    client.close()
    assert taken  # a dot behind a blank is content to everybody
    assert len(hop.taken) == taken
    check_nothing_was_smuggled(hop)


def test_by_bdat_what_a_home_without_chunking_cannot_be_given_is_refused(site: Site, hop: NextHop) -> None:
    client = Client(site.server.ports["smtp"])
    clean = 0
    for number, mixture in enumerate(MIXTURES):
        text = content(number, mixture, site.anna)
        client.envelope(site.anna)
        answer = client.by_bdat(text)
        assert answer.startswith(b"550 5.6.11" if refused(text) else b"250"), (mixture, answer)
        clean += not refused(text)
    client.close()
    assert len(hop.taken) == clean
    assert any(b"\r\n..\r\nMAIL FROM" in taken.data for taken in hop.taken)  # a true end, within BDAT, was stuffed
    check_nothing_was_smuggled(hop)


def test_by_bdat_a_home_with_chunking_gets_every_mixture_as_it_is(server: Server, hop: NextHop) -> None:
    hop.offers = ("CHUNKING",)
    site = Site(server, hop)
    client = Client(site.server.ports["smtp"])
    for number, mixture in enumerate(MIXTURES):
        client.envelope(site.anna)
        text = content(number, mixture, site.anna)
        answer = client.by_bdat(text)
        assert answer.startswith(b"550 5.6.11" if hidden(text) else b"250"), (mixture, answer)
    client.close()
    texts = [content(number, mixture, site.anna) for number, mixture in enumerate(MIXTURES)]
    texts = [text for text in texts if not hidden(text)]
    assert len(hop.taken) == len(texts)
    for sent, taken in zip(texts, hop.taken, strict=True):
        undone = taken.data if bare(sent) else taken.data.replace(b"\r\n.", b"\r\n")
        assert undone.endswith(sent)
    check_nothing_was_smuggled(hop)


def test_in_an_outage_too_and_redelivery_takes_the_way_it_came(server: Server, hop: NextHop) -> None:
    hop.offers = ("CHUNKING",)
    site = Site(server, hop)
    mixtures = [b"\n.\n", b"\r.\r", b"\r\n.\n", b"\n.\r\n", b"\r\n.\r\n", b"\r\n.\0"]
    client = Client(site.server.ports["smtp"])
    client.envelope(site.anna)
    assert client.by_data(b"Subject: outer\r\n\r\nbefore").startswith(b"250")  # home's EHLO is known
    hop.stop()
    for number, mixture in enumerate(mixtures):
        client.envelope(site.anna)
        assert client.by_bdat(content(number, mixture, site.anna)).startswith(b"250"), mixture
        client.envelope(site.anna)
        if bare(mixture):
            assert client.by_data(content(number, mixture, site.anna)).startswith(b"550 5.6.11"), mixture
        else:
            client.ask(b"RSET")
    client.close()
    assert len(site.subjects()) == len(mixtures)
    hop.start()
    site.wait_for_ledger(60, taken_in=len(mixtures), delivered=len(mixtures))
    redelivered = hop.taken[1:]
    for number, mixture in enumerate(mixtures):
        sent = content(number, mixture, site.anna)
        assert any(
            taken.data.endswith(sent) or taken.data.replace(b"\r\n.", b"\r\n").endswith(sent) for taken in redelivered
        ), mixture
    check_nothing_was_smuggled(hop)


def test_a_home_that_has_no_chunking_in_an_outage_gets_no_bare_line_end(site: Site, hop: NextHop) -> None:
    client = Client(site.server.ports["smtp"])
    hop.stop()
    client.envelope(site.anna)
    assert client.by_bdat(content(0, b"\n.\n", site.anna)).startswith(b"550 5.6.11")
    client.close()
    assert site.subjects() == []


@pytest.mark.parametrize("chunking", [True, False])
def test_nothing_is_smuggled_to_a_postfix(server: Server, chunking: bool) -> None:
    """Which reads a bare LF as the end of a line within DATA, if it is told to."""
    loose = {"smtpd_forbid_bare_newline": "no", "smtpd_discard_ehlo_keywords": "" if chunking else "chunking"}
    with Postfix("home.example") as postfix:
        postfix.set(**loose)
        site = Site(server, postfix)
        client = Client(site.server.ports["smtp"])
        taken = 0
        for number, mixture in enumerate(MIXTURES):
            text = content(number, mixture, site.anna)
            client.envelope(site.anna)
            answer = client.by_bdat(text)
            accepted = not hidden(text) and (chunking or not bare(text))
            assert answer.startswith(b"250" if accepted else b"550 5.6.11"), (mixture, answer)
            taken += accepted
        client.close()
        site.wait_for(lambda: len(postfix.mail()) >= taken, 60)
        mail = postfix.mail()
        assert len(mail) == taken
        assert all(str(each.headers["Subject"]).startswith("outer ") for each in mail)
        assert not [each for each in mail if "evil" in str(each.headers["Return-Path"])]
