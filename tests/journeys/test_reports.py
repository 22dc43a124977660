"""What senders hear of their mail, what home hears of strangers, and what the world can verify: on a real server, with
a name server and a host of the world on loopback."""

from __future__ import annotations

import email
import signal
import smtplib
import time
from collections.abc import Callable, Iterator
from email import policy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mpcontinuity.app.commands.main import main
from mpcontinuity.app.commands.reading_back import read_back, with_password
from mpcontinuity.message import dkim
from mpcontinuity.message.dkim import BodyHash
from mpcontinuity.model.errors import Refused
from tests.app.running import Server
from tests.fakes.home import ScriptedHome, say
from tests.fakes.nameserver import Nameserver, a, mx, txt
from tests.journeys.world import Site, configuration, message

WITHIN = 60.0  # seconds that anything may take on a busy machine

pytestmark = pytest.mark.sqlite


class Place:
    """A server whose mail to the world goes to ``far``, and a domain of it."""

    def __init__(self, server: Server, home: ScriptedHome, far: ScriptedHome, dns: Nameserver) -> None:
        self.server = server
        self.site = Site(server, home)
        self.home = home
        self.far = far
        self.dns = dns

    def submit(
        self, subject: str, recipient: str, *, mail: list[str] | None = None, rcpt: list[str] | None = None
    ) -> None:
        with smtplib.SMTP("127.0.0.1", self.server.ports["submission"], timeout=30) as client:
            client.ehlo("laptop.example")
            client.login(self.site.anna, "secret")
            content = message(subject).replace(b"bob@sender.example", self.site.anna.encode())
            assert client.mail(self.site.anna, mail or [])[0] == 250
            assert client.rcpt(recipient, rcpt or [])[0] == 250
            assert client.data(content)[0] == 250

    def reports(self) -> list[Any]:
        """In Anna's INBOX."""
        with self.site.imap() as session:
            _, data = session.uid("FETCH", "1:*", "(BODY.PEEK[])")
        found = [email.message_from_bytes(part[1], policy=policy.SMTP) for part in data if isinstance(part, tuple)]
        return [each for each in found if each.get_content_type() == "multipart/report"]

    def wait(self, condition: Callable[[], object]) -> None:
        until = time.monotonic() + WITHIN
        while not condition():
            assert time.monotonic() < until, self.server.log.read_text()[-4000:]
            time.sleep(0.1)


@pytest.fixture(scope="module")
def world_host() -> Iterator[ScriptedHome]:
    with ScriptedHome() as running:
        yield running


@pytest.fixture(scope="module")
def dns() -> Iterator[Nameserver]:
    with Nameserver({}) as running:
        yield running


@pytest.fixture(scope="module")
def place_server(
    tmp_path_factory: pytest.TempPathFactory, world_host: ScriptedHome, dns: Nameserver
) -> Iterator[Server]:
    text = configuration().replace("submission = []", 'submission = ["tcp:0:interface=127.0.0.1"]')
    text += f'\n[outbound]\nport = {world_host.port}\nresolvers = ["{dns.address}"]\nallow_private = true\n'
    with Server(tmp_path_factory.mktemp("reports"), text) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@pytest.fixture
def place(place_server: Server, home: ScriptedHome, world_host: ScriptedHome, dns: Nameserver) -> Place:
    world_host.clear()
    world_host.messages.clear()
    dns.zone.clear()
    for name in ("far.example", "sender.example"):
        dns.zone[name] = [mx(10, f"mx.{name}")]
        dns.zone[f"mx.{name}"] = [a("127.0.0.1")]
    dns.zone["sender.example"].append(txt("v=spf1 ip4:127.0.0.1 -all"))  # who is bob@sender.example proves it
    dns.zone["forged.example"] = [mx(10, "mx.sender.example"), txt("v=spf1 ip4:192.0.2.1 -all")]
    return Place(place_server, home, world_host, dns)


def test_what_the_world_refuses_is_in_inbox_and_reaches_home(place: Place) -> None:
    place.far.on("rcpt", say("550 5.1.1 nobody of that name"))
    place.submit("refused", "nobody@far.example")
    place.wait(place.reports)
    (report,) = place.reports()
    assert "nobody@far.example" in report.as_string()
    assert "550 5.1.1 nobody of that name" in report.as_string()
    place.wait(lambda: [each for each in place.home.messages if each.subject.startswith("Undelivered")])
    (received,) = [each for each in place.home.messages if each.subject.startswith("Undelivered")]
    assert received.sender == ""
    rows = place.site.cli("track", "--recipient", place.site.anna)
    assert "dsn" in [row["direction"] for row in rows if row["sender"] == ""]


def test_a_success_that_was_asked_for_is_told_where_the_next_host_does_not_speak_dsn(place: Place) -> None:
    place.submit("asked", "somebody@far.example", rcpt=["NOTIFY=SUCCESS"])
    place.wait(place.reports)
    assert "Action: relayed" in place.reports()[0].as_string()


def test_what_users_send_is_signed_and_can_be_verified(place: Place) -> None:
    (record,) = place.site.cli("domain", "dkim", place.site.domain)["records"]
    place.submit("signed", "somebody@far.example")
    place.wait(lambda: place.far.received("signed"))
    (received,) = place.far.received("signed")
    header, _, body = received.data.partition(b"\r\n\r\n")
    fields = dkim.fields(header + b"\r\n")
    signature = dkim.read(next(field for field in fields if field.name == b"dkim-signature"), int(time.time()))
    assert signature.domain == place.site.domain
    hashed = BodyHash(signature.body)
    hashed.feed(body)
    assert hashed.digest() == signature.body_hash
    assert dkim.verify(signature, fields, record["value"])


def test_a_stranger_hears_that_home_refused_at_redelivery(place: Place) -> None:
    place.home.stop()
    assert place.site.send("later refused").code == 250
    place.home.on("rcpt", say("550 5.1.1 not any more"), recipient=place.site.anna, sender="bob@sender.example")
    place.home.start()
    place.wait(lambda: [each for each in place.far.messages if each.recipients == ["bob@sender.example"]])
    (report,) = [each for each in place.far.messages if each.recipients == ["bob@sender.example"]]
    assert report.sender == ""
    assert b"550 5.1.1 not any more" in report.data


@pytest.mark.parametrize("sender", ["bob@forged.example", "bob@sender.example"])
@pytest.mark.parametrize("away", [False, True])
def test_who_asks_for_the_whole_message_back_is_sent_at_most_its_header_and_only_if_it_is_they(
    place: Place, sender: str, away: bool
) -> None:
    """Anybody can write RET=FULL and NOTIFY=SUCCESS beside somebody's address."""
    if away:
        place.home.stop()
    subject = f"whole {sender} {away}"
    with place.site.smtp() as client:
        assert b"DSN" not in client.ehlo("sender.example")[1]  # since home does not offer it
        assert client.mail(sender, ["RET=FULL"])[0] == 250
        assert client.rcpt(place.site.anna, ["NOTIFY=SUCCESS,FAILURE,DELAY"])[0] == 250
        assert client.data(message(subject, body="CONFIDENTIAL"))[0] == 250
    expected = "spf=fail" if "forged" in sender else "spf=pass"
    place.wait(lambda: f"{expected} smtp.mailfrom={sender.partition('@')[2]}" in place.server.log.read_text())
    if away:
        place.home.start()
    place.wait(lambda: place.home.received(subject))
    if "forged" in sender:
        place.wait(lambda: f"no report to <{sender}> about <{place.site.anna}>" in place.server.log.read_text())
        assert not place.far.messages
    else:
        place.wait(lambda: place.far.messages)
        (report,) = place.far.messages
        assert report.recipients == [sender]
        assert b"Action: relayed" in report.data
        assert b"CONFIDENTIAL" not in report.data


def test_a_failure_is_not_told_to_who_is_named_by_a_forger(place: Place) -> None:
    forged = ("bob@forged.example", place.site.ben, f"nobody@{place.site.domain}")
    place.home.stop()
    for sender in forged:
        assert place.site.send(f"forged {sender}", sender=sender).code == 250
    place.home.on("rcpt", say("550 5.1.1 not any more"), recipient=place.site.anna)
    place.home.start()

    def outcomes() -> set[Any]:
        return {row["outcome"] for row in place.site.cli("track", "--recipient", place.site.anna)}

    def paused() -> bool:
        return bool(place.server.log.read_text().count("no report") >= 1)

    place.wait(lambda: outcomes() == {"failed"})
    place.wait(paused)
    time.sleep(3)  # three times as long as reports are gathered
    assert not place.far.messages
    with place.site.imap(place.site.ben) as session:
        _, data = session.uid("SEARCH", "ALL")
    assert data == [b""]


def test_a_stranger_hears_nothing_where_bounces_are_disabled(place: Place) -> None:
    place.site.cli("domain", "set", place.site.domain, "bounce-policy=disabled")
    place.home.stop()
    assert place.site.send("silently refused").code == 250
    place.home.on("rcpt", say("550 5.1.1 not any more"), recipient=place.site.anna, sender="bob@sender.example")
    place.home.start()

    def outcome() -> Any:
        (row,) = place.site.cli("track", "--recipient", place.site.anna)
        return row["outcome"]

    place.wait(lambda: outcome() == "failed")
    time.sleep(3)  # three times as long as reports are gathered
    assert not place.far.messages


def test_home_is_told_what_was_found_when_the_message_came(place: Place) -> None:
    place.dns.zone["honest.example"] = [txt("v=spf1 ip4:127.0.0.1 -all")]
    place.home.stop()
    assert place.site.send("looked into", sender="bob@honest.example").code == 250
    place.wait(lambda: "spf=pass smtp.mailfrom=honest.example" in place.server.log.read_text())
    place.home.start()
    place.wait(lambda: place.home.received("looked into"))
    (received,) = place.home.received("looked into")
    results = " ".join(str(received.headers["Authentication-Results"]).split())
    assert results.startswith("mx.continuity.example; spf=pass smtp.mailfrom=honest.example; dkim=none; dmarc=")


def test_a_name_server_that_says_nothing_holds_up_no_mail(place: Place) -> None:
    place.dns.zone["silent.example"] = "silent"
    place.dns.zone["_dmarc.sender.example"] = "silent"
    place.home.stop()
    answer = place.site.send("nobody knows", sender="bob@silent.example")
    assert answer.code == 250
    place.home.start()
    place.wait(lambda: place.home.received("nobody knows"))


def test_domain_test_sends_both_ways_and_says_what_home_said(place: Place) -> None:
    row = place.site.cli("domain", "test", place.site.domain)
    assert [(way["way"], way["accepted"], way["code"]) for way in row["ways"]] == [
        ("pass-through", True, 250),
        ("redelivery", True, 250),
    ]
    passed, redelivered = place.home.messages
    assert {passed.sender, redelivered.sender} == {"mpcontinuity-test@example.com"}
    assert passed.recipients == [f"postmaster@{place.site.domain}"]
    assert passed.headers["Message-ID"] == row["ways"][0]["message_id"]
    assert redelivered.headers["Message-ID"] == row["ways"][1]["message_id"]
    assert passed.headers["Message-ID"] != redelivered.headers["Message-ID"]
    assert all(each.id for each in place.home.messages)
    assert place.site.cli("report", place.site.domain)[-1]["taken_in"] == 0


def test_domain_test_fails_where_home_minds_the_sender(place: Place) -> None:
    place.home.on("message", say("550 5.7.23 SPF validation failed"))
    done = domain_test(place, place.site.domain)
    assert done.exit_code == 1
    assert "550 5.7.23 SPF validation failed" in done.output
    assert "Let the home server accept mail from this server" in done.output


def test_domain_test_is_refused_while_home_is_away_and_for_others_addresses(place: Place) -> None:
    done = domain_test(place, place.site.domain, "--recipient", "eve@elsewhere.example")
    assert done.exit_code == 1
    assert "is not in" in done.output
    place.home.stop()
    place.wait(lambda: place.site.send("down").code == 250 and "down" in place.site.cli("status")[0]["state"])
    done = domain_test(place, place.site.domain)
    assert done.exit_code == 1
    assert "its home server is away" in done.output


def domain_test(place: Place, *arguments: str) -> Any:
    return CliRunner().invoke(main, ["--config", str(place.server.config), "domain", "test", *arguments])


def test_what_was_sent_is_read_back_by_imap_with_what_home_wrote_into_it(place: Place) -> None:
    with place.site.imap() as session:
        text = b"Message-ID: <1@here>\r\nX-Spam-Flag: YES\r\nAuthentication-Results: home;\r\n spf=fail\r\n\r\nText\r\n"
        session.append("Junk", "", None, text)
    user = place.site.anna.replace("@", "%40")
    where = f"imap://{user}:secret@127.0.0.1:{place.server.ports['imap']}"
    found, missing = read_back(where, ["<1@here>", "<2@here>"], within=0.0)
    assert found == {"folder": "Junk", "says": ["X-Spam-Flag: YES", "Authentication-Results: home; spf=fail"]}
    assert missing == {"folder": "", "says": []}


def test_the_password_to_read_back_with_comes_from_standard_input() -> None:
    assert with_password("imaps://anna%40a.example@home", "p@ss/w:d") == "imaps://anna%40a.example:p%40ss%2Fw%3Ad@home"
    assert with_password("imap://anna:old@home:143", "new") == "imap://anna:new@home:143"


@pytest.mark.parametrize("where", ["imaps://host", "http://u:p@host", "imaps://u:p@", "nonsense", "imaps://u:p@host:x"])
def test_what_is_no_place_to_read_back_from_is_refused(where: str) -> None:
    with pytest.raises(Refused, match="write it as imaps://"):
        read_back(where, [])


def test_a_wrong_password_to_read_back_with_is_said(place: Place, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="--read-back: 127"):
        read_back(f"imap://nobody:wrong@127.0.0.1:{place.server.ports['imap']}", [])


def test_a_server_that_is_killed_while_it_reports_tells_everything_once(tmp_path: Path, home: ScriptedHome) -> None:
    """With `kill -9` in the middle, more than once, each failure is in INBOX exactly once."""
    with ScriptedHome() as far, Nameserver({"far.example": [mx(10, "mx.far.example")]}) as dns:
        dns.zone["mx.far.example"] = [a("127.0.0.1")]
        far.on("rcpt", say("550 5.1.1 nobody of that name"))
        text = configuration().replace("submission = []", 'submission = ["tcp:0:interface=127.0.0.1"]')
        text += f'\n[outbound]\nport = {far.port}\nresolvers = ["{dns.address}"]\nallow_private = true\n'
        with Server(tmp_path, text) as server:
            place = Place(server, home, far, dns)
            names = [f"nobody{number}" for number in range(30)]
            for begin in range(0, len(names), 10):
                for name in names[begin : begin + 10]:
                    place.submit(name, f"{name}@far.example")
                already = begin
                place.wait(lambda: len(place.reports()) > already)  # noqa: B023  it is waited for here
                server.stop(signal.SIGKILL)
                server.start()
            place.wait(lambda: len(place.reports()) >= len(names))
            time.sleep(3)  # three times as long as reports are gathered
            told = sorted(
                name for report in place.reports() for name in names if f"<{name}@far.example>" in str(report)
            )
    assert told == sorted(names)
