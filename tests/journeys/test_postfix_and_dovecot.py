"""Home is a Postfix with a Dovecot behind it: whatever keeps mail from it, its users find each message there once."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.app.running import Server
from tests.fakes.dovecot import Dovecot
from tests.fakes.policy import Greylist
from tests.fakes.postfix import Postfix
from tests.journeys.world import SENDER, Site, configuration, message

# Mail comes by LMTP; whose mailbox is full, Postfix hears from Dovecot at RCPT.
_MORE = """
protocols = imap lmtp
mail_plugins = $mail_plugins quota
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service quota-status {{
  executable = quota-status -p postfix
  client_limit = 1
  inet_listener {{
    address = 127.0.0.1
    port = {quota}
  }}
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=100K
  quota_grace = 0
  quota_status_success = DUNNO
  quota_status_nouser = DUNNO
  quota_status_overquota = "452 4.2.2 Mailbox is full"
}}
protocol lmtp {{
  mail_plugins = $mail_plugins quota
}}
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Firewall:
    """A port before another one: closed, it swallows every packet; open, it passes all through."""

    def __init__(self, behind: int) -> None:
        self.port = _free_port()
        self._behind = behind
        self._listener: socket.socket | None = None
        self._held: list[socket.socket] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _listen(self, backlog: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(backlog)
        return listener

    def close(self) -> None:
        """Nobody hears anything: the queue of the listener is full, and whatever comes then is dropped."""
        self._end()
        self._listener = self._listen(0)
        for _ in range(8):
            filling = socket.socket()
            filling.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filling.connect(("127.0.0.1", self.port))
            self._held.append(filling)

    def open(self) -> None:
        self._end()
        self._listener = self._listen(50)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._behind))
                self._held += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def _end(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for held in self._held:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
            held.close()
        self._held.clear()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()


class Home(Site):
    """A domain whose home is a Postfix, with a Dovecot that has the mailboxes of anna and ben."""

    home: Postfix
    dovecot: Dovecot

    def sent(self, *subjects: str) -> None:
        """To both, one after the other."""
        for subject in subjects:
            for user in (self.anna, self.ben):
                assert self.send(subject, user).code == 250

    def both_have(self, *subjects: str) -> None:
        """Each once, in their mailboxes at home."""

        def there() -> bool:
            return all(len(self._at_home(user)) >= len(subjects) for user in (self.anna, self.ben))

        self.wait_for(there, why=lambda: f"{self._at_home(self.anna)} {self.home.log()[-3000:]}")
        for user in (self.anna, self.ben):
            assert Counter(self._at_home(user)) == Counter(subjects)
            ids = [kept.id for kept in self.dovecot.messages(user)]
            assert len(set(ids)) == len(ids)

    def _at_home(self, user: str) -> list[str]:
        return [kept.subject for kept in self.dovecot.messages(user)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), configuration(timeout=2)) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    if not Path("/usr/lib/dovecot/lmtp").exists():
        pytest.skip("no LMTP of Dovecot: it is not installed (Debian: dovecot-lmtpd)")
    lmtp, quota = _free_port(), _free_port()
    with Dovecot(more=_MORE.format(lmtp=lmtp, quota=quota)) as running:
        running.lmtp, running.quota = lmtp, quota  # type: ignore[attr-defined]
        yield running


@pytest.fixture
def site(server: Server, dovecot: Dovecot) -> Iterator[Home]:
    lmtp: int = dovecot.lmtp  # type: ignore[attr-defined]
    with Postfix("home.example", virtual_transport=f"lmtp:inet:127.0.0.1:{lmtp}") as postfix:
        site = Home(server, postfix)
        site.dovecot = dovecot
        yield site


def test_it_is_stopped_and_started(site: Home) -> None:
    site.sent("before")
    site.wait_for(lambda: site.home.queued() == 0)  # what it delivers when it is stopped it delivers again
    site.home.stop()
    site.sent(*(f"during {number}" for number in range(5)))
    assert site.subjects() == [f"during {number}" for number in range(5)]
    site.home.start()
    site.wait_for_ledger(taken_in=10, delivered=10)
    site.wait_for(lambda: site.state() == "up")
    site.sent("after")
    site.both_have("before", *(f"during {number}" for number in range(5)), "after")


def test_its_port_is_closed_by_a_firewall(site: Home) -> None:
    with Firewall(site.home.port) as firewall:
        site.cli("domain", "set", site.domain, f"home={firewall.address}")
        site.sent("before")
        firewall.close()
        site.sent("during 0", "during 1", "during 2")
        site.wait_for(lambda: site.state() == "down")
        assert site.subjects() == ["during 0", "during 1", "during 2"]
        firewall.open()
        site.wait_for_ledger(taken_in=6, delivered=6)
        site.wait_for(lambda: site.state() == "up")
        site.sent("after")
        site.both_have("before", "during 0", "during 1", "during 2", "after")


def test_one_mailbox_is_full(site: Home) -> None:
    quota: int = site.dovecot.quota  # type: ignore[attr-defined]
    site.home.set(smtpd_recipient_restrictions=f"check_policy_service inet:127.0.0.1:{quota}, permit")
    large = "A line that fills it.\r\n" * 3000  # 69 KB of the 100 that a mailbox may have
    for subject in ("large 0", "large 1"):
        with site.smtp() as client:  # with SIZE, by which home knows it
            assert client.sendmail(SENDER, [site.anna], message(subject, body=large)) == {}
        site.wait_for(lambda: len(site.dovecot.messages(site.anna)) == 1)
    assert site.send("for ben", site.ben).code == 250
    site.track(recipient=site.ben, status="delivered")
    assert site.subjects() == ["large 1"]
    assert site.ledger(taken_in=1, owed=1)
    events = [each for row in site.cli("track", "--recipient", site.anna) for each in row["events"]]
    assert any("Mailbox is full" in each["text"] for each in events)
    assert site.state() == "up"
    with site.dovecot.imap(site.anna) as session:  # she makes room
        session.select("INBOX")
        session.store("1:*", "+FLAGS", r"(\Deleted)")
        session.expunge()
    site.wait_for_ledger(taken_in=1, delivered=1)
    site.wait_for(lambda: [kept.subject for kept in site.dovecot.messages(site.anna)] == ["large 1"])
    assert [kept.subject for kept in site.dovecot.messages(site.ben)] == ["for ben"]


def test_it_greylists(site: Home) -> None:
    with Greylist(seconds=2) as greylist:
        site.home.set(smtpd_recipient_restrictions=f"check_policy_service {greylist.address}, permit")
        site.sent("new", "new too")
        assert greylist.put_off >= 2
        assert set(site.subjects()) == {"new", "new too"}  # the user has it at once
        site.wait_for(lambda: site.report()["owed"] == 0)
        assert site.report()["failed"] == 0
        assert site.state() == "up"
        site.sent("known by now")
        site.both_have("new", "new too", "known by now")


@pytest.mark.long
def test_it_throttles_while_it_is_given_what_it_is_owed(site: Home) -> None:
    site.home.set(
        smtpd_client_message_rate_limit="30",  # probes count, too
        smtpd_client_event_limit_exceptions="",
        anvil_rate_time_unit="3s",
    )
    site.home.stop()
    during = [f"during {number:02}" for number in range(40)]
    site.sent(*during)
    site.home.start()
    said: set[str] = set()

    def all_gone() -> bool:
        (row,) = site.cli("status", site.domain)
        assert row["state"] != "down", row
        if row["recovery"] is not None:
            said.add(row["recovery"]["waiting"])
        return bool(row["redelivery_backlog"] == 0)

    site.wait_for(lambda: site.state() != "down")
    site.wait_for(all_gone, 120)
    assert any(re.search("too much mail", words) for words in said), said
    site.both_have(*during)
    assert site.ledger(taken_in=80, delivered=80)
