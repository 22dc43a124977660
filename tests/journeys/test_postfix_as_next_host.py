"""Users who send to the world, with programs that others wrote: clients, a real DNS server, and Postfix as the next
host, which its MX record names."""

from __future__ import annotations

import email
import shutil
import smtplib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from twisted.names import dns as names

from tests.app.running import Server
from tests.fakes.certificates import Authority
from tests.fakes.dnsserver import DnsServer
from tests.fakes.home import ScriptedHome
from tests.fakes.postfix import Delivered, Postfix
from tests.fakes.test_dnsserver import ask
from tests.journeys.world import World, configuration, literal

SECONDS = 60  # of patience with a busy machine

HOST = "mx.shop.example"

# Nothing listens at 127.0.0.9.
ZONE = {
    "shop.example": [f"MX 10 {HOST}", "TXT v=spf1 -all"],
    HOST: ["A 127.0.0.1"],
    f"_25._tcp.{HOST}": ["TLSA 3 1 1 " + "00" * 32],
    "two.example": ["MX 10 away.example", f"MX 20 {HOST}"],
    "away.example": ["A 127.0.0.9"],
    "alias.example": ["CNAME shop.example"],
    "plain.example": ["A 127.0.0.1"],
    "null.example": ["MX 0 ."],
}


@pytest.fixture(scope="module")
def resolver() -> Iterator[DnsServer]:
    with DnsServer(ZONE) as running:
        yield running


@pytest.fixture(scope="module")
def postfix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postfix]:
    certificate = Authority(tmp_path_factory.mktemp("authority")).issue(HOST)
    with Postfix(HOST, tls=certificate, smtp_tls_security_level="may") as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postfix: Postfix, resolver: DnsServer) -> Iterator[Server]:
    text = configuration(timeout=5)
    for door in ("submission", "submissions"):
        text = text.replace(f"{door} = []", f'{door} = ["tcp:0:interface=127.0.0.1"]')
    text += f'\n[outbound]\nport = {postfix.port}\nresolvers = ["{resolver.address}"]\nallow_private = true\n'
    with Server(tmp_path_factory.mktemp("server"), text) as running:
        # what is not for its own domains comes back to us
        domains = "shop.example, two.example, alias.example, plain.example"
        postfix.set(virtual_mailbox_domains=domains, relayhost=f"[127.0.0.1]:{running.ports['smtp']}")
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@dataclass
class Shop(World):
    """The customer of a shop in the world."""

    postfix: Postfix = None  # type: ignore[assignment]
    resolver: DnsServer = None  # type: ignore[assignment]

    def submit(self, subject: str, *recipients: str, mail: tuple[str, ...] = (), rcpt: tuple[str, ...] = ()) -> None:
        with smtplib.SMTP("127.0.0.1", self.server.ports["submission"], timeout=30) as client:
            client.login(self.anna, "secret")
            text = f"From: {self.anna}\r\nTo: {recipients[0]}\r\nSubject: {subject}\r\n\r\nHello.\r\n"
            assert client.sendmail(self.anna, recipients, text, mail, rcpt) == {}

    def bought(self, subject: str, count: int = 1) -> list[Delivered]:
        """What the shop has of that subject, waited for."""
        found = self.postfix.mail
        self.wait_for(lambda: len(found(subject)) >= count, SECONDS, lambda: self.postfix.log()[-3000:])
        return found(subject)

    def sent(self, recipient: str, status: str) -> dict[str, Any]:
        """The newest row of tracking for it, once it has that status."""
        rows: list[dict[str, Any]] = []

        def found() -> bool:
            rows[:] = [row for row in self.cli("track", "--recipient", recipient) if row["direction"] == "outbound"]
            return bool(rows) and rows[0]["status"] == status

        self.wait_for(found, SECONDS, lambda: str(rows))
        return rows[0]

    def read(self, subject: str, user: str = "", folder: str = "INBOX") -> Message:
        """The message of which the subject begins so, once it is in a folder here."""
        self.wait_for(lambda: any(each.startswith(subject) for each in self.subjects(user, folder)), SECONDS)
        with self.imap(user, folder) as session:
            data = session.uid("FETCH", self.uids(session, subject), "(BODY.PEEK[])")[1]
            return email.message_from_bytes(literal(data), policy=default)


@pytest.fixture
def shop(server: Server, home: ScriptedHome, postfix: Postfix, resolver: DnsServer) -> Shop:
    return Shop(server, home, postfix=postfix, resolver=resolver)


# Clients


def swaks(shop: Shop, text: Path, recipient: str) -> list[str]:
    command = ["swaks", "--server", "127.0.0.1", "--port", str(shop.server.ports["submission"]), "--tls"]
    command += ["--auth", "PLAIN", "--auth-user", shop.anna, "--auth-password", "secret", "--timeout", "30"]
    return [*command, "--from", shop.anna, "--to", recipient, "--data", f"@{text}"]


def swaks_login_at_25(shop: Shop, text: Path, recipient: str) -> list[str]:
    command = swaks(shop, text, recipient)
    command[command.index("PLAIN")] = "LOGIN"
    command[command.index("--port") + 1] = str(shop.server.ports["smtp"])
    return command


def msmtp(shop: Shop, text: Path, recipient: str) -> list[str]:
    """It checks the certificate."""
    command = ["msmtp", "--host=localhost", f"--port={shop.server.ports['submission']}", "--timeout=30", "--tls=on"]
    command += [
        "--tls-starttls=on",
        "--remove-bcc-headers=off",
        f"--tls-trust-file={shop.server.folder}/certs/server.pem",
        "--auth=plain",
    ]
    command += [f"--user={shop.anna}", "--passwordeval=echo secret", f"--from={shop.anna}", "--", recipient]
    return ["sh", "-c", '"$@" <"$0"', str(text), *command]


def msmtp_scram(shop: Shop, text: Path, recipient: str) -> list[str]:
    """With TLS from the beginning."""
    ports = shop.server.ports
    instead = {
        "--auth=plain": "--auth=scram-sha-256",
        "--tls-starttls=on": "--tls-starttls=off",
        f"--port={ports['submission']}": f"--port={ports['submissions']}",
    }
    return [instead.get(each, each) for each in msmtp(shop, text, recipient)]


def curl(shop: Shop, text: Path, recipient: str) -> list[str]:
    url = f"smtps://127.0.0.1:{shop.server.ports['submissions']}/client.example"
    command = ["curl", "-sS", "-k", "--max-time", "40", "--user", f"{shop.anna}:secret", url]
    return [*command, "--mail-from", shop.anna, "--mail-rcpt", recipient, "-T", str(text)]


def curl_login(shop: Shop, text: Path, recipient: str) -> list[str]:
    command = curl(shop, text, recipient)
    url = f"smtp://127.0.0.1:{shop.server.ports['submission']}/client.example"
    return [
        url if each.startswith("smtps:") else each for each in [*command, "--ssl-reqd", "--login-options", "AUTH=LOGIN"]
    ]


CLIENTS: list[Callable[[Shop, Path, str], list[str]]] = [swaks, swaks_login_at_25, msmtp, msmtp_scram, curl, curl_login]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_what_a_client_sends_reaches_the_world_and_the_folder_sent(
    shop: Shop, client: Callable[[Shop, Path, str], list[str]], tmp_path: Path
) -> None:
    text, recipient, subject = tmp_path / "text", "shop@shop.example", f"order by {client.__name__}"
    text.write_bytes(
        f"From: Anna <{shop.anna}>\r\nTo: {recipient}\r\nBcc: secret@shop.example\r\nSubject: {subject}\r\n\r\n"
        "One.\r\n.\r\n..two\r\n".encode()
    )
    command = client(shop, text, recipient)
    if shutil.which(next(each for each in command if each in ("swaks", "msmtp", "curl"))) is None:
        pytest.skip(f"{client.__name__} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (copy,) = shop.bought(subject)
    assert copy.body.rstrip() == b"One.\n.\n..two"  # swaks adds an empty line
    assert copy.headers["Return-Path"] == f"<{shop.anna}>"
    assert "Bcc" not in copy.headers
    assert copy.headers["Message-ID"]
    assert copy.headers["Date"]
    trace = copy.headers.get_all("Received", [])
    assert "(using TLSv1.3" in trace[0]
    row = shop.sent(recipient, "delivered")
    assert (row["sender"], row["subject"], row["continuity"]) == (shop.anna, subject, False)
    kept = shop.read(subject, folder="Sent")
    assert kept["Bcc"] == "secret@shop.example"
    assert kept["Message-ID"] == copy.headers["Message-ID"]


@pytest.mark.parametrize("client", [swaks, msmtp, msmtp_scram, curl], ids=lambda client: client.__name__)
def test_a_client_with_a_wrong_password_is_refused(
    shop: Shop, client: Callable[[Shop, Path, str], list[str]], tmp_path: Path
) -> None:
    text = tmp_path / "text"
    text.write_bytes(f"From: {shop.anna}\r\nSubject: wrong\r\n\r\nx\r\n".encode())
    command = [each.replace("secret", "wrong") for each in client(shop, text, "shop@shop.example")]
    if shutil.which(next(each for each in command if each in ("swaks", "msmtp", "curl"))) is None:
        pytest.skip(f"{client.__name__} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert shop.cli("track", "--recipient", "shop@shop.example", "--sender", shop.anna) == []


# The world


@pytest.mark.parametrize("domain", ["two.example", "alias.example", "plain.example"])
def test_the_host_is_found_behind_a_dead_first_one_behind_an_alias_and_without_mx(shop: Shop, domain: str) -> None:
    shop.submit(f"to {domain}", f"shop@{domain}")
    (copy,) = shop.bought(f"to {domain}")
    assert copy.recipient == f"shop@{domain}"
    shop.sent(f"shop@{domain}", "delivered")


def test_a_pinned_certificate_that_nobody_checks_does_no_harm(shop: Shop) -> None:
    """DANE (RFC 7672) needs DNSSEC: without it a TLSA record means nothing."""
    assert ask(shop.resolver, f"_25._tcp.{HOST}", 52).answers
    shop.submit("pinned", "shop@shop.example")
    assert shop.bought("pinned")


@pytest.mark.parametrize("domain", ["null.example", "nowhere.example"])
def test_who_cannot_be_reached_at_all_is_reported_at_once(shop: Shop, domain: str) -> None:
    shop.home.stop()
    shop.submit("nobody", f"shop@{domain}")
    row = shop.sent(f"shop@{domain}", "bounced")
    assert len(row["events"]) == 2  # taken in, and refused
    report = shop.read("Undelivered")
    assert report.get_content_type() == "multipart/report"
    assert f"rfc822;shop@{domain}" in status(report).replace(" ", "")


def test_what_the_world_refuses_is_told_in_its_words_whether_home_is_up_or_not(shop: Shop) -> None:
    shop.postfix.set(smtpd_recipient_restrictions=refusal("shop@shop.example", "550 5.1.1 we have closed"))
    try:
        shop.submit("refused", "shop@shop.example")
        row = shop.sent("shop@shop.example", "bounced")
        assert (row["code"], "we have closed" in row["text"]) == (550, True)
        report = shop.read("Undelivered")
    finally:
        shop.postfix.set(smtpd_recipient_restrictions="permit")
    assert "Action: failed" in status(report)
    assert "we have closed" in " ".join(status(report).split())
    assert shop.at_home(report["Subject"])  # home has it too


def test_who_is_put_off_by_the_world_waits_and_is_sent_again(shop: Shop) -> None:
    shop.postfix.set(smtpd_recipient_restrictions=refusal("shop@shop.example", "450 4.2.0 greylisted"))
    try:
        shop.submit("greylisted", "shop@shop.example")
        shop.wait_for(lambda: any(row["last_code"] == 450 for row in shop.cli("queue", "list")), SECONDS)
    finally:
        shop.postfix.set(smtpd_recipient_restrictions="permit")
    assert len(shop.bought("greylisted")) == 1
    row = shop.sent("shop@shop.example", "delivered")
    assert [event["code"] for event in row["events"]][-1] == 250
    assert 450 in [event["code"] for event in row["events"]]
    assert not any(subject.startswith("Undelivered") for subject in shop.subjects())


def test_a_world_that_restarts_has_everything_once(shop: Shop) -> None:
    for number in range(10):
        shop.submit(f"restart {number}", "shop@shop.example")
    shop.postfix.stop()
    for number in range(10, 20):
        shop.submit(f"restart {number}", "shop@shop.example")
    shop.postfix.start()
    for number in range(20):
        assert len({copy.headers["Message-ID"] for copy in shop.bought(f"restart {number}")}) == 1


def test_a_receipt_that_was_asked_for_comes_from_the_world(shop: Shop) -> None:
    """Postfix knows DSN: what we pass on it answers, to us, and home has the answer."""
    options = ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;shop+3D1@shop.example")
    shop.submit("receipt", "shop@shop.example", mail=("RET=HDRS", "ENVID=order-7"), rcpt=options)
    shop.bought("receipt")
    shop.wait_for(lambda: any("Success" in each.subject for each in shop.home.messages), SECONDS, shop.postfix.log)
    (answer,) = (each for each in shop.home.messages if "Success" in each.subject)
    assert (answer.sender, answer.recipients) == ("", [shop.anna])
    told = status(email.message_from_bytes(answer.data, policy=default))
    assert "Original-Envelope-Id: order-7" in told
    assert "Original-Recipient: rfc822;shop=1@shop.example" in told.replace("; ", ";").replace(
        "rfc822;shop+3D1", "rfc822;shop=1"
    )
    assert "Action: delivered" in told


def test_a_correspondence_in_an_outage(shop: Shop, server: Server) -> None:
    """The shop asks, the customer answers, the shop has the answer, and home has both when it is back."""
    shop.home.stop()
    question = f"From: shop@shop.example\nTo: {shop.anna}\nSubject: Which colour?\n\nRed or blue?\n".encode()
    shop.postfix.submit(question, shop.anna, sender="shop@shop.example")
    assert shop.read("Which colour?")["From"] == "shop@shop.example"
    shop.submit("Re: Which colour?", "shop@shop.example")
    (answer,) = shop.bought("Re: Which colour?")
    assert answer.headers["From"] == shop.anna
    assert [row["direction"] for row in shop.cli("track", "--recipient", "shop@shop.example")][:1] == ["outbound"]
    shop.home.start()
    shop.wait_for_ledger(SECONDS, taken_in=2, delivered=2)
    (copy,) = shop.home.received("Re: Which colour?")
    assert (copy.sender, copy.recipients) == ("", [shop.anna])
    assert copy.headers["X-MPContinuity-Copy"] == "sent"
    assert len(shop.home.received("Which colour?")) == 1


def test_home_sends_through_us_and_the_archive_has_it(shop: Shop) -> None:
    with Postfix(
        "home.example", relayhost=f"[127.0.0.1]:{shop.server.ports['smtp']}", virtual_mailbox_domains=""
    ) as home:
        shop.cli("domain", "set", shop.domain, "home-networks=127.0.0.0/8")
        text = f"From: {shop.anna}\nTo: shop@shop.example\nSubject: through us\n\nHello.\n".encode()
        home.submit(text, "shop@shop.example", sender=shop.anna)
        assert len(shop.bought("through us")) == 1
        shop.sent("shop@shop.example", "delivered")
        assert shop.subjects(folder="Sent") == []  # its user's program has one
        home.submit(text.replace(b"through us", b"forged"), "shop@shop.example", sender="x@else.example")
        shop.wait_for(lambda: "550 5.7.1" in home.log(), SECONDS, home.log)
    assert shop.postfix.mail("forged") == []


# Says whether the signature of the message in its standard input is good, by the key in its argument.
VERIFY = "import dkim, sys; print(dkim.verify(sys.stdin.buffer.read(), dnsfunc=lambda *_, **__: sys.argv[1].encode()))"


@pytest.mark.skipif(shutil.which("dkimverify") is None, reason="dkimpy is not installed (Debian: python3-dkim)")
def test_what_leaves_is_signed_and_a_stranger_s_check_finds_it_whole(shop: Shop) -> None:
    (record,) = shop.cli("domain", "dkim", shop.domain)["records"]
    shop.resolver.add({record["name"].rstrip("."): [f"TXT {record['value']}"]})
    shop.submit("signed", "shop@shop.example")
    (copy,) = shop.bought("signed")
    signature = dict(part.strip().split("=", 1) for part in copy.headers["DKIM-Signature"].split(";") if part.strip())
    assert signature["d"] == shop.domain
    (answer,) = ask(shop.resolver, f"{signature['s']}._domainkey.{shop.domain}", names.TXT, tcp=True).answers
    key = b"".join(answer.payload.data).decode()

    def verdict(message: bytes) -> str:
        command = ["/usr/bin/python3", "-c", VERIFY, key]
        return (
            subprocess.run(command, input=message, capture_output=True, check=True, timeout=60).stdout.decode().strip()
        )

    as_sent = copy.data.replace(b"\n", b"\r\n")
    assert verdict(as_sent) == "True"
    assert verdict(as_sent.replace(b"Hello.", b"Hallo.")) == "False"


def refusal(recipient: str, reply: str) -> str:
    return f"check_recipient_access inline:{{ {{ {recipient} = {reply} }} }}"


def status(report: Message) -> str:
    """The part that machines read."""
    (part,) = (part for part in report.walk() if part.get_content_type() == "message/delivery-status")
    return "\n".join(str(each) for each in part.get_payload())
