"""One running server, one domain with a scripted home, and what users and senders do."""

from __future__ import annotations

import imaplib
import re
import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from tests.app.running import Server
from tests.fakes import postgresql
from tests.fakes.home import Received, ScriptedHome

TIMEOUT = 1.0  # of home, in every stage: long enough for one that is up, on a machine that is busy
PATIENCE = 60.0  # s for what happens by itself, and for any reply: nothing is measured by it

CONFIGURATION = f"""
hostname = "mx.continuity.example"

[listen]
smtp = ["tcp:0:interface=127.0.0.1"]
imap = ["tcp:0:interface=127.0.0.1"]
imaps = []
submission = []
submissions = []
pop3 = ["tcp:0:interface=127.0.0.1"]
pop3s = ["tcp:0:interface=127.0.0.1"]
web = []
metrics = []

[home]
connect_timeout = {TIMEOUT}
reply_timeout = {TIMEOUT}
message_timeout = {TIMEOUT}
probe_interval = 0.2

[retry]
first = 0.2
longest = 0.5

[tls]
plaintext_login_networks = ["127.0.0.0/8"]
"""


def configuration(database: str | None = None, *, timeout: float = TIMEOUT) -> str:
    """For a new server on SQLite or on PostgreSQL; ``timeout`` of a home that may be slow for a while."""
    text = CONFIGURATION.replace(f"_timeout = {TIMEOUT}\n", f"_timeout = {timeout}\n")
    if database != "postgresql":
        return text
    return f'{text}\n[store]\ndatabase = "{postgresql.fresh_database()}"\n'


SENDER = "bob@sender.example"
_names = count(1)


@dataclass(frozen=True)
class Answer:
    """The last reply that the sender got, and how long the transaction took."""

    code: int
    text: str
    seconds: float


class Home(Protocol):
    """Some SMTP server."""

    @property
    def address(self) -> str: ...


@dataclass
class Site:
    """A domain of ``server`` whose home is ``home``, with the users anna and ben."""

    server: Server
    home: Home
    domain: str = field(default_factory=lambda: f"d{next(_names)}.example")

    def __post_init__(self) -> None:
        self.anna = f"anna@{self.domain}"
        self.ben = f"ben@{self.domain}"
        self.cli("domain", "add", self.domain, "--home", self.home.address)
        csv = self.server.folder / "users.csv"
        csv.write_text(f"address,name,aliases,password\n{self.anna},Anna,,secret\n{self.ben},Ben,,secret\n")
        self.cli("user", "import", str(csv))

    def send(self, subject: str, *recipients: str, sender: str = SENDER, body: str = "Hello.") -> Answer:
        """To anna, if nobody is named. A refused recipient's reply is the answer if none was taken."""
        begin = time.monotonic()
        code, text = 0, b""
        with self.smtp() as client:
            client.ehlo("sender.example")
            code, text = client.mail(sender)
            taken = False
            for recipient in recipients or (self.anna,):
                if code < 400 or taken:
                    code, text = client.rcpt(recipient)
                    taken = taken or code < 400
            if taken:
                code, text = client.data(message(subject, body=body))
        return Answer(code, text.decode(), time.monotonic() - begin)

    def cli(self, *arguments: str) -> Any:
        """What the command says, as JSON."""
        return self.server.json(*arguments)

    def smtp(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.server.ports["smtp"], timeout=PATIENCE)

    @contextmanager
    def imap(self, user: str = "", folder: str = "INBOX") -> Iterator[imaplib.IMAP4]:
        """Logged in, the folder selected."""
        with imaplib.IMAP4("127.0.0.1", self.server.ports["imap"], timeout=PATIENCE) as session:
            session.login(user or self.anna, "secret")
            assert session.select(folder)[0] == "OK"
            yield session

    def subjects(self, user: str = "", folder: str = "INBOX") -> list[str]:
        """Of the messages in a folder, in their order."""
        with self.imap(user, folder) as session:
            _, data = session.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            return [part[1].decode().partition(":")[2].strip() for part in data if isinstance(part, tuple)]

    def uids(self, session: imaplib.IMAP4, subject: str) -> str:
        found = session.uid("SEARCH", "SUBJECT", f'"{subject}"')[1][0]
        return str(found.decode().replace(" ", ","))

    def report(self) -> dict[str, int]:
        """The domain's row of the ledger, after a check that every row adds up."""
        rows = self.cli("report", self.domain)
        for row in rows:
            outcomes = ("delivered", "deleted", "failed", "expired", "released", "owed")
            assert row["taken_in"] == sum(row[name] for name in outcomes), row
        total: dict[str, int] = {name: value for name, value in rows[-1].items() if name != "user"}
        assert rows[-1]["user"] == "total"
        for name, value in total.items():
            assert value == sum(row[name] for row in rows[:-1]), name
        return total

    def ledger(self, **expected: int) -> bool:
        """Whether the ledger has these numbers, and zero in all others."""
        return all(value == expected.get(name, 0) for name, value in self.report().items())

    def wait_for_ledger(self, seconds: float = PATIENCE, **expected: int) -> None:
        self.wait_for(lambda: self.ledger(**expected), seconds, lambda: f"{self.report()} is not {expected}")

    def state(self) -> str:
        return str(self.cli("status", self.domain)[0]["state"])

    def track(self, **expected: Any) -> dict[str, Any]:
        """The newest tracking row of this domain, after a check of some of its members."""
        rows: list[dict[str, Any]] = []

        def found() -> bool:  # refusals are written together, soon after they were said
            rows[:] = [row for row in self.cli("track") if row["recipient"].endswith(self.domain)]
            return bool(rows)

        self.wait_for(found)
        row = rows[0]
        assert {name: row[name] for name in expected} == expected, row
        return row

    def wait_for(
        self, condition: Callable[[], bool], seconds: float = PATIENCE, why: Callable[[], str] | None = None
    ) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, (why() if why else "") + self.server.log.read_text()[-4000:]
            time.sleep(0.05)


class World(Site):
    """One whose home does what it is told."""

    home: ScriptedHome

    def at_home(self, subject: str, seconds: float = PATIENCE) -> list[Received]:
        """What home took of that subject, waited for."""
        self.wait_for(lambda: bool(self.home.received(subject)), seconds, lambda: f"{subject!r} did not reach home. ")
        return self.home.received(subject)


def message(subject: str, *, body: str = "Hello.", sender: str = SENDER) -> bytes:
    return (
        f"From: {sender}\r\nTo: someone@example.org\r\nSubject: {subject}\r\n"
        f"Message-ID: <{re.sub('[^a-z0-9]', '-', subject.lower())}@sender.example>\r\n"
        f"Date: Sun, 22 Nov 2026 04:03:00 +0000\r\n\r\n{body}\r\n"
    ).encode()


def literal(fetched: Any) -> bytes:
    """The octets of the one message, or part of it, in what imaplib gives for a FETCH: flags that changed meanwhile may
    stand beside it.
    """
    (octets,) = (part[1] for part in fetched if isinstance(part, tuple))
    return bytes(octets)


def same_message(copies: list[Received]) -> bool:
    """Whether copies that home has more than once are one message by our id."""
    return len({copy.id for copy in copies}) == 1 and copies[0].id != ""
