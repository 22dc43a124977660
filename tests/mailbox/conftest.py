"""A user with the standard folders, and messages without content, as far as mailboxes care."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest

from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import Appended, NewEntry, append
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.model.body import Body
from mpcontinuity.store.bodies import references
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result

T = TypeVar("T")

ACCOUNT = 7

_DOMAIN = Statement("INSERT INTO domain (id, name) VALUES (:id, 'example.org') ON CONFLICT DO NOTHING")
_ACCOUNT = Statement("INSERT INTO account (id, domain, address) VALUES (:id, 1, 'anna@example.org')")
_PACK = Statement("INSERT INTO pack (id, kind) VALUES (1, 'mail')")
COUNTED = Statement(
    "SELECT COUNT(*), COALESCE(SUM(1 - (flags & 1)), 0), COALESCE(SUM(size), 0), COALESCE(SUM((flags >> 3) & 1), 0) "
    "FROM entry WHERE id >> 32 = :mailbox"
)
ENTRIES = Statement(
    "SELECT id & 4294967295, flags, modseq, size, body, internaldate FROM entry WHERE id >> 32 = :mailbox ORDER BY id"
)
KEEP_UNTIL = Statement("SELECT keep_until FROM body WHERE id = :id")


class User:
    """One account of ``store``; every call has committed when it returns."""

    def __init__(self, store: Store, account: int = ACCOUNT) -> None:
        self.store = store
        self.account = account

        def begin(tx: Transaction) -> None:
            tx.run(_DOMAIN, id=1)
            tx.run(_ACCOUNT, id=account)
            mailboxes.create_standard(tx, account)

        result(store.run(begin))

    def run(self, work: Callable[..., T], **arguments: Any) -> T:
        return result(self.store.run(partial(work, **arguments)))

    def read(self, work: Callable[..., T], **arguments: Any) -> T:
        return result(self.store.read(partial(work, **arguments)))

    def sql(self, statement: Statement, **parameters: Any) -> list[tuple[Any, ...]]:
        return result(self.store.run(lambda tx: tx.all(statement, **parameters)))

    def info(self, name: str = "INBOX") -> MailboxInfo:
        found = self.read(mailboxes.find, account=self.account, name=name)
        assert found is not None
        return found

    def mailbox(self, name: str = "INBOX") -> int:
        return self.info(name).id

    def names(self) -> list[str]:
        return [info.name for info in self.read(mailboxes.listing, account=self.account)]

    def deliver(
        self, count: int = 1, name: str = "INBOX", *, flags: int = 0, keywords: tuple[str, ...] = (), size: int = 100
    ) -> Appended:
        """Messages with new bodies, which exist in the index only."""

        def work(tx: Transaction) -> Appended:
            mailbox = mailboxes.get(tx, self.account, name).id
            entries = []
            for _ in range(count):
                body = Body(tx.identifier(), 1, 0, size, 0, 0)
                references.insert_body(tx, body, 0)
                entries.append(NewEntry(body.id, size, tx.now, flags, keywords, b"rendered"))
            return append(tx, mailbox, entries)

        return result(self.store.run(work))

    def entries(self, name: str = "INBOX") -> list[tuple[int, ...]]:
        """uid, flags, modseq, size, body, internaldate."""
        return self.sql(ENTRIES, mailbox=self.mailbox(name))

    def uids(self, name: str = "INBOX") -> list[int]:
        return [row[0] for row in self.entries(name)]

    def keep_until(self, body: int) -> int:
        return int(self.sql(KEEP_UNTIL, id=body)[0][0])

    def check_counters(self) -> None:
        """What the mailbox rows say is what the entries are."""
        for info in self.read(mailboxes.listing, account=self.account):
            counted = self.sql(COUNTED, mailbox=info.id)
            assert counted[0] == (info.messages, info.unseen, info.octets, info.deleted), info.name


@pytest.fixture
def user(store: Store) -> User:
    result(store.run(lambda tx: tx.run(_PACK)))
    return User(store)
