"""A home server that others wrote: what passes to Postfix, what it refuses, and what reaches it after an outage."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.app.running import Server
from tests.fakes.certificates import Authority
from tests.fakes.postfix import Delivered, Postfix
from tests.journeys.world import SENDER, Site, configuration, message


class Home(Site):
    """A domain whose home is a Postfix."""

    home: Postfix

    def delivered(self, subject: str, count: int = 1) -> list[Delivered]:
        """What came into the mailboxes of home, once there are so many of that subject."""

        def why() -> str:
            return f"home has {len(self.home.mail(subject))} of {subject!r}. {self.home.log()[-3000:]}"

        self.wait_for(lambda: len(self.home.mail(subject)) >= count, 60, why)
        return self.home.mail(subject)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), configuration(timeout=30)) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def postfix(authority: Authority) -> Iterator[Postfix]:
    with Postfix("home.example", tls=authority.issue("home.example")) as running:
        yield running


@pytest.fixture
def site(server: Server, postfix: Postfix) -> Iterator[Home]:
    site = Home(server, postfix)
    yield site
    if not postfix.running:
        postfix.start()


def refuse(recipient: str, reply: str) -> dict[str, str]:
    return {"smtpd_recipient_restrictions": f"check_recipient_access inline:{{ {{ {recipient} = {reply} }} }}"}


def test_a_message_passes_through_as_it_is(site: Home) -> None:
    lines = b".\r\n..\r\n.x\r\n\r\n" + b"l\xc3\xb6ng " * 150 + b"\r\n \t\r\nFrom here\r\n"
    with site.smtp() as client:
        client.sendmail(SENDER, [site.anna, site.ben], message("as it is") + lines, ["BODY=8BITMIME"])
    both = site.delivered("as it is", 2)
    assert sorted(each.recipient for each in both) == [site.anna, site.ben]
    assert len({each.id for each in both}) == 1
    assert both[0].id
    for each in both:
        assert each.headers["Return-Path"] == f"<{SENDER}>"
        assert each.body == b"Hello.\n" + lines.replace(b"\r\n", b"\n")
        trace = each.headers.get_all("Received", [])
        assert ["by mx.continuity.example" in field for field in trace] == [False, True]
    assert site.subjects() == []


def test_home_is_spoken_to_with_tls_where_it_offers_it(site: Home) -> None:
    assert site.send("encrypted").code == 250
    assert "(using TLSv1.3" in site.delivered("encrypted")[0].headers.get_all("Received", [""])[0]


def test_a_user_that_home_does_not_know_is_refused_in_its_own_words(site: Home) -> None:
    site.home.set(**refuse(site.ben, "550 5.1.1 no such mailbox, says Postfix"))
    answer = site.send("unknown", site.ben)
    assert (answer.code, "no such mailbox, says Postfix" in answer.text) == (550, True)
    assert site.ledger()
    site.track(recipient=site.ben, status="rejected", code=550)


def test_who_is_put_off_by_home_has_the_message_at_once_and_home_gets_it_later(site: Home) -> None:
    site.home.set(**refuse(site.ben, "450 4.2.0 greylisted"))
    with site.smtp() as client:
        refused = client.sendmail(SENDER, [site.anna, site.ben], message("greylisted"))
        assert refused[site.ben][0] == 452  # of another kind than the first: to be sent by itself
        assert client.sendmail(SENDER, [site.ben], message("greylisted")) == {}
    assert site.subjects(site.ben) == ["greylisted"]
    assert [each.recipient for each in site.delivered("greylisted")] == [site.anna]
    site.home.set(smtpd_recipient_restrictions="permit")
    site.wait_for_ledger(60, taken_in=1, delivered=1)
    assert sorted(each.recipient for each in site.delivered("greylisted", 2)) == [site.anna, site.ben]


def test_home_s_limit_of_recipients_goes_to_the_client(site: Home) -> None:
    site.home.set(smtpd_recipient_limit="1")
    try:
        with site.smtp() as client:
            client.ehlo()
            client.mail(SENDER)
            assert client.rcpt(site.anna)[0] == 250
            code, text = client.rcpt(site.ben)
            assert (code, text[:5]) == (452, b"4.5.3")
            assert client.data(message("one at a time"))[0] == 250
    finally:
        site.home.set(smtpd_recipient_limit="1000")
    assert [each.recipient for each in site.delivered("one at a time")] == [site.anna]
    assert site.ledger()


def test_a_message_that_is_too_large_for_home_is_refused_by_home(site: Home) -> None:
    site.home.set(message_size_limit="100000")
    try:
        assert site.send("too large", body="A line of a large message.\r\n" * 10_000).code == 552
    finally:
        site.home.set(message_size_limit="52428800")
    assert site.ledger()
    assert site.home.mail("too large") == []


def test_an_internationalised_address_reaches_home(site: Home) -> None:
    recipient = f"j\u00f6rg@{site.domain}"
    with site.smtp() as client:
        client.sendmail(SENDER, [recipient], message("j\u00f6rg"), ["SMTPUTF8", "BODY=8BITMIME"])
    (copy,) = site.delivered("j\u00f6rg")
    assert f"Delivered-To: {recipient}\n".encode() in copy.data


def test_an_outage_of_home_loses_and_doubles_nothing(site: Home) -> None:
    assert site.send("before").code == 250
    site.home.stop()
    for number in range(5):
        assert site.send(f"outage {number}", site.anna, site.ben).code == 250
    assert site.subjects() == [f"outage {number}" for number in range(5)]
    with site.imap() as session:
        session.uid("STORE", site.uids(session, "outage 2"), "+FLAGS", r"(\Deleted)")
        session.expunge()
    site.home.start()
    site.wait_for_ledger(60, taken_in=10, delivered=9, deleted=1)
    site.wait_for(lambda: site.state() == "up", 60)
    assert site.send("after").code == 250
    site.delivered("after")
    for number in range(5):
        copies = site.home.mail(f"outage {number}")
        expected = [site.ben] if number == 2 else [site.anna, site.ben]
        assert sorted(copy.recipient for copy in copies) == expected
        assert len({copy.id for copy in copies}) == len(copies)  # one id for each owed row
    assert len(site.home.mail("before")) == len(site.home.mail("after")) == 1


def test_home_restarts_under_load_and_nothing_is_lost(site: Home) -> None:
    subjects = [f"load {number}" for number in range(80)]
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(site.send, subject, site.anna) for subject in subjects]
        site.home.stop()
        site.home.start()
        site.home.stop()
        assert {answer.result().code for answer in answers} == {250}
    site.home.start()
    site.wait_for(lambda: site.report()["owed"] == 0, 60)
    for subject in subjects:
        copies = site.delivered(subject)
        # in doubt: home may have it twice, then as one message
        assert len({copy.id for copy in copies}) == 1, subject


def test_a_home_that_must_be_verified_is_not_trusted_by_a_name_of_its_own(site: Home) -> None:
    site.cli("domain", "set", site.domain, "home-tls=verify")
    assert site.send("for home only").code == 250
    assert site.home.mail("for home only") == []
    assert site.subjects() == ["for home only"]
    site.track(status="deferred", continuity=True)
    site.cli("domain", "set", site.domain, "home-tls=required")
    site.wait_for_ledger(60, taken_in=1, delivered=1)
    assert len(site.delivered("for home only")) == 1


def test_a_postfix_that_sends_to_us_is_served_as_it_expects(site: Home) -> None:
    """With its own pipelining, its probes of what we offer, STARTTLS and 8BITMIME."""
    host, port = "127.0.0.1", site.server.ports["smtp"]
    with Postfix(
        "sender.example", relayhost=f"[{host}]:{port}", smtp_tls_security_level="encrypt", virtual_mailbox_domains=""
    ) as stranger:
        for number in range(10):
            body = message(f"stranger {number}", body="gr\u00fc\u00dfe\r\n." * 2000)
            stranger.submit(body.replace(b"\r\n", b"\n"), site.anna, site.ben, sender="x@sender.example")
        site.wait_for(lambda: stranger.queued() == 0, 60, stranger.log)
        assert "status=bounced" not in stranger.log()
    for number in range(10):
        assert len(site.delivered(f"stranger {number}", 2)) == 2
