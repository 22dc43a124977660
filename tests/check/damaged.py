"""A store with mail that passed, was redirected and was appended; then closed, damaged, and opened again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pysqlite3.dbapi2 as sqlite

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.check.check import check
from mpcontinuity.check.inspection import Finding
from mpcontinuity.delivery.outward import Submissions
from mpcontinuity.delivery.submission import submission_of
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.message.render import render
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.recipients import Recipients
from mpcontinuity.model.settings import Limits
from mpcontinuity.queue import ledger, owed
from mpcontinuity.store.backup import tables
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.postgresql.upgrade import migrate
from mpcontinuity.store.postgresql.url import conninfo
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep import generation
from tests.delivery.conftest import CLIENT, Post
from tests.fakes.clock import ManualClock
from tests.fakes.jobs import Here
from tests.fakes.stores import Chosen, data_folder, open_memory_like_store, result

_BODIES = Statement(
    'SELECT body.id, pack, body."offset", length, prefix, crc FROM entry JOIN body ON body.id = entry.body '
    "WHERE entry.id BETWEEN :first AND :last ORDER BY entry.id"
)


@dataclass
class Checked:
    """What a check said."""

    totals: dict[str, Any]
    findings: list[Any] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return bool(self.totals["findings"] == 0)

    @property
    def repaired(self) -> bool:
        return bool(0 < self.totals["findings"] == self.totals["repaired"])

    @property
    def faults(self) -> list[Any]:
        return [one for one in self.findings if one.kind != "note"]

    @property
    def text(self) -> str:
        return "\n".join(f"{one.kind}: {one.what}; {one.remedy}; {one.repaired}" for one in self.findings)


class Damaged:
    """``tmp_path`` has the store; ``post`` delivers to it while it is open."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path
        self.clock = ManualClock()
        self.folder = data_folder(tmp_path)
        self.database = self.folder / DATABASE
        self.store = self.open()
        self.post = Post(self.store, self.clock)
        result(generation.begin(self.store))

    def open(self) -> Store:
        return open_memory_like_store(self.tmp_path, clock=self.clock)

    def serve(self) -> None:
        """As a server does at its start. Raises Refused."""
        self.store = self.post.store = self.open()
        self.post.start()
        result(generation.begin(self.store))

    def stop(self) -> None:
        result(self.post.delivery.stop())
        result(self.store.close())

    def redirect(self, subject: str, *recipients: str, text: bytes = b"Text") -> None:
        self.outage(True)
        content = b"Subject: %b\r\nMessage-ID: <%b@example.net>\r\n\r\n%b\r\n" % (*2 * (subject.encode(),), text)
        assert self.post.send(*(recipients or ("ann@example.org",)), content=content).code == 250

    def relay(self, subject: str) -> None:
        self.outage(False)
        content = f"Subject: {subject}\r\nMessage-ID: <{subject}@example.net>\r\n\r\nText\r\n".encode()
        assert self.post.send("ann@example.org", content=content).code == 250

    def home_takes(self, subject: str) -> None:
        """All that is owed of that subject is delivered, as redelivery does it."""
        domain = result(self.store.read(lambda tx: domains.known(tx, "example.org")))
        for owed_id, recipient in self.post.rows("SELECT id, recipient FROM owed WHERE subject = :s", s=subject):
            [row] = result(self.store.run(partial(owed.claim, ids=[owed_id], give_up=domain.id)))
            event = TrackingEvent(self.clock.now(), "home", 250, "2.0.0 taken")
            assert result(
                self.store.run(partial(owed.finish, owed_id=row.id, token=row.token, outcome="delivered", event=event))
            )
            self.store.bodies.note(row.body, {str(recipient): "delivered"})

    def outage(self, away: bool) -> None:
        self.post.set(mode="enabled" if away else "disabled")

    def append(self, subject: str, folder: str = "Drafts", *, mailbox: str | None = None) -> None:
        """As IMAP does."""
        content = f"Subject: {subject}\r\n\r\nText\r\n".encode()
        draft = self.store.bodies.draft("draft")
        draft.write(content)
        address = "ann@example.org"
        head = Head(
            id=self.store.identifiers.next(),
            time=self.clock.now(),
            direction="append",
            recipients=(address,),
            decisions={address: "append"},
            mailbox=folder if mailbox is None else mailbox,
        )

        def index(tx: Transaction, body: Body) -> None:
            user = users.find(tx, parse(address))
            assert user is not None
            info = mailboxes.get(tx, user.id, folder)
            append(tx, info.id, [NewEntry(body.id, body.length, tx.now, 0, (), render(content))])

        result(self.store.keep(draft, head, index))

    def submit(self, subject: str, *recipients: str) -> None:
        """As ann."""
        user = result(self.store.read(lambda tx: users.find(tx, parse("ann@example.org"))))
        assert user is not None
        storage = Quotas(self.store, self.post.delivery.directory, Limits())
        submissions = Submissions(self.post.delivery, Recipients(100, self.clock), storage, DAY)
        sending = submission_of(submissions, CLIENT, user, parse("ann@example.org"), MailParameters())
        assert result(sending.sender()).code == 250
        for recipient in recipients:
            assert result(sending.recipient(parse(recipient), RcptParameters())).code == 250
        assert sending.begin().code == 354
        sending.write(f"Subject: {subject}\r\nBcc: x@y.example\r\n\r\nText\r\n".encode())
        assert result(sending.end(None)).code == 250
        sending.went_on()

    @property
    def url(self) -> str:
        """[store] database."""
        return Chosen.urls.get(self.folder, "sqlite")

    @contextmanager
    def sql(self) -> Iterator[Any]:
        """The closed store's database, foreign keys off."""
        if self.url != "sqlite":
            with psycopg.connect(conninfo(self.url), autocommit=True) as connection:
                connection.execute("SET session_replication_role = replica")
                yield connection
            return
        with closing(sqlite.connect(str(self.database))) as connection:
            yield connection
            connection.commit()

    def execute(self, statement: str, *parameters: object) -> list[Any]:
        with self.sql() as connection:
            if self.url != "sqlite":
                cursor = connection.execute(statement.replace("?", "%s"), parameters or None)
                return cursor.fetchall() if cursor.description is not None else []
            found: list[Any] = connection.execute(statement, parameters).fetchall()
            return found

    def keep_copy(self) -> Path:
        """Of the closed store's database."""
        copy = self.tmp_path / "copy"
        if self.url != "sqlite":
            copy.mkdir()
            self.copied = tables.export(self.url, copy, "copy")
            return copy
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(self.database, copy)
        return copy

    def put_back(self, copy: Path) -> None:
        self.lose_database()
        if self.url != "sqlite":
            exported = self.copied
            tables.load(self.url, copy.parent, exported.files, exported.schema, "aside", lambda _: None)
            return
        shutil.copy(copy, self.database)

    def lose_database(self) -> None:
        if self.url != "sqlite":
            with self.sql() as connection:
                connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            return
        for path in self.folder.glob(f"{DATABASE}*"):
            path.unlink()

    def lose_database_for_an_empty_one(self) -> None:
        self.lose_database()
        if self.url != "sqlite":
            migrate(self.url)
        data_folder(self.tmp_path)

    def packs(self) -> list[Path]:
        return sorted((self.folder / "packs").glob("*.pack"))

    def flip(self, subject: str, *, at: str = "Text", bits: int = 1) -> None:
        """Bits of the message's content in its pack."""
        for path in self.packs():
            content = bytearray(path.read_bytes())
            place = content.find(f"Subject: {subject}\r\n".encode())
            if place >= 0:
                place = content.index(at.encode(), place)
                for octet in range(bits):
                    content[place + octet] ^= 1 << (octet % 3 + 1)
                path.write_bytes(content)
                return
        raise AssertionError(subject)

    def check(self, *, serving: bool = False, **options: Any) -> Checked:
        """Of the closed store; ``serving``: as a server does it."""
        store = self.open()
        checked = Checked({})
        said = checked.findings

        def hear(progress: Any) -> None:
            if "finding" in progress:
                said.append(msgspec.convert(progress["finding"], Finding))

        try:
            checked.totals = msgspec.to_builtins(
                result(check(store, "localhost", hear, serving=serving, jobs=Here(), **options))
            )
        finally:
            result(store.close())
        return checked

    def repair(self, **options: Any) -> Checked:
        return self.check(repair=True, **options)

    # What users, home and the ledger have, in a store that serves

    def subjects(self, address: str = "ann@example.org", folder: str = "INBOX") -> list[str]:
        """Of what the user can read in a folder."""

        def look(tx: Transaction) -> list[Body]:
            user = users.find(tx, parse(address))
            assert user is not None
            info = mailboxes.get(tx, user.id, folder)
            return [Body(*row) for row in tx.all(_BODIES, first=info.id << 32, last=(info.id << 32) + 2**32 - 1)]

        bodies = result(self.store.read(look))
        contents = result(self.store.bodies.read_many(bodies))
        return [_subject(content) for content in contents]

    def owed(self) -> dict[str, str]:
        """Subject (of tracking) and state."""
        rows = self.post.rows("SELECT subject, state FROM owed ORDER BY id")
        return {str(subject): str(state) for subject, state in rows}

    def ledger(self) -> bool:
        """Whether it adds up."""

        def look(tx: Transaction) -> bool:
            return all(ledger.adds_up(ledger.report(tx, one.id)) for one in domains.listing(tx))

        return result(self.store.read(look))


def _subject(content: object) -> str:
    if not isinstance(content, bytes):
        return f"({content})"
    return next(line[9:].decode() for line in content.split(b"\r\n") if line.startswith(b"Subject: "))
