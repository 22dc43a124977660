"""What users send to the world: a name server and a next host on loopback, good ones and bad ones of all kinds."""

from __future__ import annotations

import re
import signal
import smtplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.app.running import Server
from tests.fakes.certificates import Authority
from tests.fakes.home import HANG_UP, SILENCE, Received, ScriptedHome, say
from tests.fakes.nameserver import GARBAGE, NXDOMAIN, SERVFAIL, SILENT, Nameserver, a, cname, mx
from tests.journeys.world import World, configuration

SECONDS = 45  # of patience with a busy machine

# What the world is: one host that takes mail, under several names.
ZONE: dict[str, Any] = {
    "world.example": [mx(10, "mx.world.example")],
    "mx.world.example": [a("127.0.0.1")],
}


def settings(text: str, host: ScriptedHome, dns: Nameserver, extra: str = "") -> str:
    return (
        text.replace("submission = []", 'submission = ["tcp:0:interface=127.0.0.1"]')
        + f'\n[outbound]\nport = {host.port}\nresolvers = ["{dns.address}"]\nallow_private = true\n'
        + f"connect_timeout = 1\nreply_timeout = 1\nmessage_timeout = 1\n{extra}\n"
    )


@pytest.fixture(scope="module")
def dns() -> Iterator[Nameserver]:
    with Nameserver(dict(ZONE)) as running:
        yield running


@pytest.fixture(scope="module")
def host() -> Iterator[ScriptedHome]:
    with ScriptedHome() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, host: ScriptedHome, dns: Nameserver) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), settings(configuration(), host, dns)) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@dataclass
class Sender(World):
    """Whose anna sends to the world."""

    host: ScriptedHome = None  # type: ignore[assignment]
    dns: Nameserver = None  # type: ignore[assignment]

    def submit(self, subject: str, *recipients: str, user: str = "") -> None:
        user = user or self.anna
        with smtplib.SMTP("127.0.0.1", self.server.ports["submission"], timeout=30) as client:
            client.starttls(context=ssl._create_unverified_context())
            client.login(user, "secret")
            text = f"From: {user}\r\nTo: {recipients[0]}\r\nSubject: {subject}\r\n\r\nHello.\r\n"
            assert client.sendmail(user, recipients, text) == {}

    def arrived(self, subject: str) -> list[Received]:
        self.wait_for(lambda: bool(self.host.received(subject)), SECONDS)
        return self.host.received(subject)

    def sent(self, recipient: str, status: str = "") -> dict[str, Any]:
        """The newest row of tracking for it, once it has that status."""
        rows: list[dict[str, Any]] = []

        def found() -> bool:
            rows[:] = [row for row in self.cli("track", "--recipient", recipient) if row["direction"] == "outbound"]
            return bool(rows) and rows[0]["status"] == (status or rows[0]["status"])

        self.wait_for(found, SECONDS, lambda: str(rows))
        return rows[0]

    def queued(self, recipient: str) -> dict[str, Any]:
        """What the queue has for it, after an attempt."""
        rows: list[dict[str, Any]] = []

        def found() -> bool:
            rows[:] = [row for row in self.cli("queue", "list") if row["recipient"] == recipient and row["last_text"]]
            return bool(rows)

        self.wait_for(found, SECONDS, lambda: str(self.cli("queue", "list")))
        return rows[0]

    def told(self, subject: str) -> bool:
        """Whether anna has a report of it in INBOX."""
        return any(each.startswith("Undelivered") for each in self.subjects())


@pytest.fixture
def sender(server: Server, home: ScriptedHome, host: ScriptedHome, dns: Nameserver) -> Iterator[Sender]:
    host.clear()
    dns.zone.clear()
    dns.zone.update(ZONE)
    yield Sender(server, home, host=host, dns=dns)
    host.clear()


def test_a_message_reaches_the_mx_and_is_told_as_delivered(sender: Sender) -> None:
    sender.submit("to the world", "bob@world.example")
    (message,) = sender.arrived("to the world")
    assert (message.sender, message.recipients) == (sender.anna, ["bob@world.example"])
    row = sender.sent("bob@world.example", "delivered")
    assert row["sender"] == sender.anna
    assert row["code"] == 250
    assert row["events"][-1]["host"] == f"mx.world.example:{sender.host.port} [127.0.0.1]"
    assert sender.cli("status", sender.domain)[0]["outbound_backlog"] == 0


def test_the_queue_shows_what_waits_and_why_and_can_be_told_to_try_or_to_stop(sender: Sender) -> None:
    sender.host.on("rcpt", say("451 4.7.1 greylisted"), recipient="kim@world.example")
    sender.submit("waits", "kim@world.example", "bob@world.example")
    row = sender.queued("kim@world.example")
    assert (row["kind"], row["sender"], row["last_code"]) == ("outbound", sender.anna, 451)
    assert row["last_text"] == "4.7.1 greylisted"
    assert sender.cli("status", sender.domain)[0]["outbound_backlog"] == 1
    (place,) = sender.cli("queue", "destinations", "--domain", sender.domain)
    assert (place["destination"], place["messages"], place["last_text"]) == ("world.example", 1, "4.7.1 greylisted")
    sender.host.clear()
    assert sender.cli("queue", "retry", row["id"]) == {"retried": 1}
    sender.sent("kim@world.example", "delivered")

    sender.host.on("mail", say("451 4.7.1 not now"))
    sender.submit("taken out", "eve@world.example")
    row = sender.queued("eve@world.example")
    assert sender.cli("queue", "remove", row["id"]) == {"removed": 1}
    sender.sent("eve@world.example", "bounced")
    sender.wait_for(lambda: sender.told("taken out"), SECONDS)


def test_a_failed_message_can_be_reopened(sender: Sender) -> None:
    sender.host.on("message", say("554 5.6.0 not like this"))
    sender.submit("again", "bob@world.example")
    row = sender.sent("bob@world.example", "bounced")
    sender.host.clear()
    assert sender.cli("queue", "retry", row["id"]) == {"retried": 1}
    sender.arrived("again")
    row = sender.sent("bob@world.example", "delivered")
    assert [event["text"] for event in row["events"]][-2:] == ["Reopened by root", "2.0.0 taken"]


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ([mx(0, "")], "takes no mail: its MX is null"),
        (NXDOMAIN, "does not exist"),
        ([mx(10, "nowhere.bad.example")], "nowhere.bad.example does not exist"),
        ([mx(10, "mx.continuity.example")], "is this server"),
        ([mx(10, "evil.example"), cname("evil.example")], "evil.example"),
    ],
)
def test_a_domain_that_takes_no_mail_is_told_at_once(sender: Sender, zone: Any, text: str) -> None:
    sender.dns.zone["bad.example"] = zone
    sender.submit("to nobody", "bob@bad.example")
    row = sender.sent("bob@bad.example", "bounced")
    assert text in row["text"]
    assert 500 <= row["code"] < 600
    sender.wait_for(lambda: sender.told("to nobody"), SECONDS)


@pytest.mark.parametrize(("zone", "name"), [(SERVFAIL, "servfail"), (GARBAGE, "garbage"), (SILENT, "silent")])
def test_a_name_server_that_cannot_tell_holds_up_its_domain_alone(sender: Sender, zone: Any, name: str) -> None:
    domain = f"{name}.example"
    sender.dns.zone[domain] = zone
    sender.submit(f"{name} first", f"bob@{domain}")
    sender.submit(f"{name} beside", "bob@world.example")
    sender.arrived(f"{name} beside")
    row = sender.queued(f"bob@{domain}")
    assert row["last_code"] == 451
    assert re.match(rf"4\.4\.3 DNS (cannot tell|did not answer) about {domain}", row["last_text"])
    sender.dns.zone[domain] = [mx(10, "mx.world.example")]
    sender.arrived(f"{name} first")


def test_an_mx_that_does_not_listen_is_passed_over_for_the_next(sender: Sender) -> None:
    sender.dns.zone["two.example"] = [mx(10, "one.two.example"), mx(20, "mx.world.example")]
    sender.dns.zone["one.two.example"] = [a("127.0.0.77")]
    sender.submit("second choice", "bob@two.example")
    sender.arrived("second choice")
    events = sender.sent("bob@two.example", "delivered")["events"]
    assert [event["code"] for event in events] == [250, 250]  # taken in, and delivered at the first attempt


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        (say("HTTP/1.1 400 Bad Request"), "no SMTP reply"),
        (say("220 x\n999 y"), "no SMTP reply"),
        (SILENCE, "did not answer within 1 s"),
        (HANG_UP, "closed the connection"),
        (say("\x00\xff\x16\x03\x01"), "no SMTP reply"),
    ],
)
def test_a_next_host_that_answers_nonsense_is_told_as_it_is(sender: Sender, behaviour: Any, text: str) -> None:
    rule = sender.host.on("greeting", behaviour)
    sender.host.drop_sessions()  # none is used again
    recipient = f"nonsense{sender.host.port}@world.example"
    sender.submit("nonsense", recipient)
    row = sender.queued(recipient)
    assert text in row["last_text"]
    assert f"mx.world.example:{sender.host.port}" in row["last_text"]
    assert rule.hits
    sender.host.clear()
    sender.sent(recipient, "delivered")


def test_a_certificate_that_does_not_match_is_named(sender: Sender, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("other.example"))
    with ScriptedHome(tls=context) as smart:
        sender.cli("domain", "set", sender.domain, f"outbound-route=smtp://{smart.address}?tls=verify")
        sender.submit("verified", "bob@world.example")
        row = sender.queued("bob@world.example")
        assert "the certificate comes from an authority that is not known here" in row["last_text"]
        assert smart.messages == []
        sender.cli("domain", "set", sender.domain, f"outbound-route=smtp://{smart.address}?tls=required")
        sender.sent("bob@world.example", "delivered")
        assert [message.subject for message in smart.messages] == ["verified"]


def test_a_home_server_is_verified_by_its_own_authority_and_name(sender: Sender, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("exchange.internal"))
    with ScriptedHome(tls=context) as home:
        sender.cli("domain", "set", sender.domain, f"home={home.address}", "home-tls=verify")
        sender.send("unknown authority")
        assert "an authority that is not known here" in sender.track(status="deferred")["text"]
        sender.cli("domain", "set", sender.domain, f"home-tls-ca={authority.path}")

        def another_name() -> bool:
            reason: str = sender.cli("status", sender.domain)[0]["reason"]
            return "the certificate is for exchange.internal, not for 127.0.0.1" in reason

        sender.wait_for(another_name, SECONDS)
        sender.cli("domain", "set", sender.domain, "home-tls-name=exchange.internal")
        sender.wait_for(lambda: sender.state() == "up", SECONDS)
        sender.send("verified")
        sender.wait_for(lambda: bool(home.received("verified")), SECONDS)


def test_what_was_under_way_when_the_server_was_killed_is_sent_by_the_next(tmp_path: Path, home: ScriptedHome) -> None:
    with ScriptedHome() as host, Nameserver(dict(ZONE)) as dns:
        server = Server(tmp_path, settings(configuration(), host, dns).replace("message_timeout = 1\n", ""))
        with server:
            sender = Sender(server, home, host=host, dns=dns)
            rule = host.on("message", SILENCE)
            sender.submit("killed", "bob@world.example")
            sender.wait_for(lambda: rule.hits > 0, SECONDS)
            server.stop(signal.SIGKILL)
            host.clear()
            server.start()
            sender.arrived("killed")
            sender.sent("bob@world.example", "delivered")
            assert len(host.received("killed")) == 1


def test_a_stop_is_quick_and_loses_nothing(tmp_path: Path, home: ScriptedHome) -> None:
    with ScriptedHome() as host, Nameserver(dict(ZONE)) as dns:
        server = Server(tmp_path, settings(configuration(), host, dns).replace("message_timeout = 1\n", ""))
        with server:
            sender = Sender(server, home, host=host, dns=dns)
            rule = host.on("message", SILENCE, times=1)
            sender.submit("stopped", "bob@world.example")
            sender.wait_for(lambda: rule.hits > 0, SECONDS)
            assert server.stop() == 0
            server.start()
            sender.sent("bob@world.example", "delivered")


def test_a_port_where_nobody_listens_costs_no_time_and_is_told(sender: Sender) -> None:
    sender.dns.zone["closed.example"] = [mx(10, "closed.example"), a("127.0.0.78")]
    with socket.socket() as unused:
        unused.bind(("127.0.0.78", 0))
        sender.submit("closed", "bob@closed.example")
        row = sender.queued("bob@closed.example")
    assert "no connection to closed.example" in row["last_text"]
    assert "refused" in row["last_text"]


def test_a_thousand_hosts_that_say_nothing_hold_up_no_other_mail(tmp_path: Path, home: ScriptedHome) -> None:
    """Each of them is waited for as long as RFC 5321 §4.5.3.2 asks: five minutes for a greeting."""
    with ScriptedHome() as host, Nameserver(dict(ZONE)) as dns, socket.socket() as silent:
        silent.bind(("127.0.0.2", host.port))
        silent.listen(2000)  # what the kernel accepts is never greeted
        extra = "[limits]\nuser_recipients_per_hour = 10000"
        text = re.sub(r"\w+_timeout = 1\n", "", settings(configuration(), host, dns, extra))
        with Server(tmp_path, text) as server:
            sender = Sender(server, home, host=host, dns=dns)
            names = [f"d{number}.silent.example" for number in range(1100)]
            for name in names:
                dns.zone[name] = [mx(10, f"mx.{name}")]
                dns.zone[f"mx.{name}"] = [a("127.0.0.2")]
            for begin in (0, 550):
                sender.submit("to nobody", *[f"bob@{name}" for name in names[begin : begin + 550]])
            sender.submit("beside them", "bob@world.example")
            sender.submit("from another user", "bob@world.example", user=sender.ben)
            sender.arrived("from another user")
            sender.arrived("beside them")
            waiting = sender.cli("queue", "list")
            assert len(waiting) == len(names)
