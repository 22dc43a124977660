"""What users send: to the world by a smarthost that is scripted, to each other, and what is in Sent afterwards."""

from __future__ import annotations

import imaplib
import signal
import smtplib
import socket
import ssl
import threading
import time
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from OpenSSL import SSL

from tests.app.running import Server
from tests.fakes.home import Received, ScriptedHome, say
from tests.fakes.scram import ScramClient
from tests.journeys.world import World, configuration, literal

WORLD = "eve@world.example"
SECONDS = 60.0  # of patience with a busy machine

_TLS = ssl._create_unverified_context()


def settings(text: str, world: ScriptedHome) -> str:
    for door in ("submission", "submissions"):
        text = text.replace(f"{door} = []", f'{door} = ["tcp:0:interface=127.0.0.1"]')
    return f'{text}\n[outbound]\nroute = "smtp://{world.address}"\n'


@pytest.fixture(scope="module")
def outside() -> Iterator[ScriptedHome]:
    with ScriptedHome() as running:
        yield running


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, outside: ScriptedHome
) -> Iterator[Server]:
    text = settings(configuration(request.config.getoption("database")), outside)
    with Server(tmp_path_factory.mktemp("server"), text) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@dataclass
class Office(World):
    """Whose anna writes to the world, which is ``outside``."""

    outside: ScriptedHome = None  # type: ignore[assignment]

    @contextmanager
    def submission(self, *, implicit: bool = False) -> Iterator[smtplib.SMTP]:
        """Logged in as anna."""
        client: smtplib.SMTP
        if implicit:
            client = smtplib.SMTP_SSL("127.0.0.1", self.server.ports["submissions"], context=_TLS, timeout=30)
        else:
            client = smtplib.SMTP("127.0.0.1", self.server.ports["submission"], timeout=30)
            client.starttls(context=_TLS)
        with client:
            client.login(self.anna, "secret")
            yield client

    def letter(self, subject: str, *, fields: str = "") -> bytes:
        return (
            f"From: Anna <{self.anna}>\r\nTo: {WORLD}\r\nSubject: {subject}\r\n{fields}"
            f"Message-ID: <{subject.replace(' ', '-')}@pc.example>\r\n\r\nHello.\r\n"
        ).encode()

    def submit(self, subject: str, *recipients: str, fields: str = "") -> None:
        with self.submission() as client:
            assert client.sendmail(self.anna, recipients or [WORLD], self.letter(subject, fields=fields)) == {}

    def arrived(self, subject: str) -> Received:
        self.wait_for(lambda: bool(self.outside.received(subject)), SECONDS)
        (one,) = self.outside.received(subject)
        return one

    def append(self, subject: str, folder: str = "Sent") -> None:
        """As a client that keeps its own copies."""
        with self.imap() as session:
            condition, said = session.append(folder, "(\\Seen)", "", self.letter(subject, fields="X-Own: yes\r\n"))
            assert condition == "OK", said

    def sent(self, subject: str, folder: str = "Sent") -> list[bytes]:
        """The copies of that subject."""
        with self.imap(folder=folder) as session:
            found = session.uid("SEARCH", "SUBJECT", f'"{subject}"')[1][0].split()
            return [literal(session.uid("FETCH", uid.decode(), "BODY.PEEK[]")[1]) for uid in found]


@pytest.fixture
def office(server: Server, home: ScriptedHome, outside: ScriptedHome) -> Iterator[Office]:
    yield Office(server, home, outside=outside)
    outside.clear()


@pytest.mark.parametrize("implicit", [False, True], ids=["587", "465"])
def test_a_message_reaches_the_world_and_is_in_sent_with_its_bcc(office: Office, implicit: bool) -> None:
    subject = f"to the world {implicit}"
    with office.submission(implicit=implicit) as client:
        letter = office.letter(subject, fields="Bcc: hidden@other.example\r\n")
        client.sendmail(office.anna, [WORLD, "hidden@other.example"], letter)
    office.wait_for(lambda: len(office.outside.received(subject)) == 2, SECONDS)
    left = office.outside.received(subject)
    assert sorted(one.recipients[0] for one in left) == [WORLD, "hidden@other.example"]
    assert all(one.sender == office.anna and b"hidden" not in one.data for one in left)
    (copy,) = office.sent(subject)
    assert b"Bcc: hidden@other.example\r\n" in copy
    office.wait_for(
        lambda: [row["status"] for row in office.cli("track", "--sender", office.anna)][:2] == ["delivered"] * 2,
        SECONDS,
    )


def test_home_has_the_copy_of_what_was_sent(office: Office) -> None:
    office.submit("copied home", fields="Bcc: hidden@other.example\r\n")
    (copy,) = office.at_home("copied home", SECONDS)
    assert copy.headers["Bcc"] == "hidden@other.example"
    assert (copy.sender, copy.recipients) == ("", [office.anna])
    assert copy.headers["X-MPContinuity-Copy"] == "sent"
    office.wait_for_ledger(SECONDS, taken_in=1, delivered=1)


def test_a_client_that_appends_its_own_copy_behind_ours_has_one(office: Office) -> None:
    office.home.stop()
    office.submit("appended after")
    assert len(office.sent("appended after")) == 1
    office.append("appended after")
    (copy,) = office.sent("appended after")
    assert b"X-Own: yes" in copy
    office.home.start()
    office.at_home("appended after", SECONDS)  # what replaced it is no deletion
    office.wait_for_ledger(SECONDS, taken_in=1, delivered=1)


def test_a_client_that_appends_its_own_copy_before_has_one(office: Office) -> None:
    office.home.stop()
    office.append("appended before")
    office.submit("appended before")
    (copy,) = office.sent("appended before")
    assert b"X-Own: yes" in copy
    office.home.start()
    office.at_home("appended before", SECONDS)
    office.wait_for_ledger(SECONDS, taken_in=1, delivered=1)


def test_the_folder_that_outlook_makes_counts_as_well(office: Office) -> None:
    with office.imap() as session:
        session.create('"Sent Items"')
    office.submit("for outlook")
    office.append("for outlook", '"Sent Items"')
    assert office.sent("for outlook") == []
    assert len(office.sent("for outlook", '"Sent Items"')) == 1


def test_who_deletes_the_copy_in_sent_owes_home_none(office: Office) -> None:
    office.home.stop()
    office.submit("thrown away")
    with office.imap(folder="Sent") as session:
        session.uid("STORE", office.uids(session, "thrown away"), "+FLAGS", "\\Deleted")
        session.expunge()
    office.home.start()
    office.wait_for_ledger(SECONDS, taken_in=1, deleted=1)
    assert not office.home.received("thrown away")


def test_in_an_outage_a_colleague_has_it_at_once_and_the_world_gets_its_part(office: Office) -> None:
    office.home.stop()
    office.wait_for(lambda: (office.send("probe"), office.state())[1] == "down", SECONDS)
    with office.imap(office.ben) as session, office.submission() as client:
        client.sendmail(office.anna, [office.ben, WORLD], office.letter("in the outage"))
        until = time.monotonic() + 15  # long before anything is tried again
        while not session.uid("SEARCH", "SUBJECT", '"in the outage"')[1][0]:
            session.noop()
            assert time.monotonic() < until
            time.sleep(0.01)
    assert office.arrived("in the outage").recipients == [WORLD]
    office.home.start()
    office.wait_for(lambda: len(office.home.received("in the outage")) == 2, SECONDS)


def test_homes_refusal_of_a_colleague_is_told_in_inbox(office: Office) -> None:
    office.home.on("rcpt", say("550 5.1.1 gone away"), recipient=f"gone@{office.domain}")
    office.submit("to nobody", f"gone@{office.domain}")
    office.wait_for(lambda: any("ndelivered" in subject for subject in office.subjects()), SECONDS)


def test_scram_with_a_channel_binding_over_real_tls(office: Office) -> None:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    with socket.create_connection(("127.0.0.1", office.server.ports["submissions"]), timeout=30) as plain:
        plain.setblocking(True)
        connection = SSL.Connection(context, plain)
        connection.set_connect_state()
        connection.do_handshake()

        def ask(line: str) -> str:
            connection.sendall(f"{line}\r\n".encode())
            return connection.recv(4096).decode()

        assert connection.recv(4096).startswith(b"220")
        assert "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN" in ask("EHLO pc.example")
        binding = connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        assert _scram(ScramClient(office.anna, "secret", binding=b"another"), ask).startswith("535")
        assert _scram(ScramClient(office.anna, "secret", binding=binding), ask).startswith("235")
        connection.shutdown()


def _scram(client: ScramClient, ask: object) -> str:
    assert callable(ask)
    challenge = str(ask(f"AUTH SCRAM-SHA-256-PLUS {b64encode(client.first).decode()}"))
    answer = str(ask(b64encode(client.final(b64decode(challenge[4:]))).decode()))
    if not answer.startswith("334"):
        return answer
    assert client.knows(b64decode(answer[4:]))
    return str(ask(""))


def test_imap_logs_in_by_scram(office: Office) -> None:
    client = ScramClient(office.anna, "secret")
    answers = iter((lambda _: client.first, client.final, lambda final: b"" if client.knows(final) else b"*"))
    with imaplib.IMAP4("127.0.0.1", office.server.ports["imap"], timeout=60) as session:
        condition, _ = session.authenticate("SCRAM-SHA-256", lambda challenge: next(answers)(challenge))
        assert condition == "OK"
        assert session.select()[0] == "OK"


def test_killed_at_any_moment_a_message_is_sent_kept_and_tracked_or_not_there_at_all(
    tmp_path: Path, configured: str, home: ScriptedHome
) -> None:
    with ScriptedHome() as outside, Server(tmp_path, settings(configured, outside)) as server:
        office = Office(server, home, outside=outside)
        office.cli("domain", "set", office.domain, "sent-to-home=off")
        answered: list[str] = []
        tried: list[str] = []
        for part in range(2):
            stop = threading.Event()
            sender = threading.Thread(target=_send_until, args=(office, f"part {part} of", answered, tried, stop))
            sender.start()
            office.wait_for(lambda part=part: len(answered) >= 15 * (part + 1), SECONDS)  # type: ignore[misc]
            server.stop(signal.SIGKILL)
            stop.set()
            sender.join(30)
            server.start()
        in_sent = Counter(office.subjects(office.anna, "Sent"))
        tracked = Counter(row["subject"] for row in office.cli("track", "--sender", office.anna, "--limit", "1000"))
        assert set(in_sent.values()) <= {1}
        assert in_sent == tracked
        assert set(answered) <= set(in_sent) <= set(tried)
        assert len(set(in_sent) - set(answered)) <= 2  # those whose answer was lost with the server
        office.wait_for(lambda: set(in_sent) <= {one.subject for one in outside.messages}, SECONDS)
        assert {one.subject for one in outside.messages} == set(in_sent)


def _send_until(office: Office, name: str, answered: list[str], tried: list[str], stop: threading.Event) -> None:
    with suppress(OSError, smtplib.SMTPException), office.submission() as client:
        for number in range(10_000):
            if stop.is_set():
                return
            subject = f"{name} {number}"
            tried.append(subject)
            client.sendmail(office.anna, [WORLD], office.letter(subject))
            answered.append(subject)
