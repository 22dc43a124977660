"""Ann, who writes by webmail: her drafts on a real store, and the submission that SMTP uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from functools import partial
from typing import Any

import pytest

from mpcontinuity.accounts import domain_storage, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.accounts.users import User
from mpcontinuity.delivery.outward import Submissions
from mpcontinuity.delivery.submission import submission_of
from mpcontinuity.mailbox import mailboxes, read
from mpcontinuity.mailbox.drafts import Draft, Written
from mpcontinuity.mailbox.enclosures import Attached
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.recipients import Recipients
from mpcontinuity.model.settings import Limits
from mpcontinuity.store.store import Store
from mpcontinuity.writing.composition import Fault
from mpcontinuity.writing.desk import Desk
from mpcontinuity.writing.outbox import Outbox
from tests.delivery.conftest import Post, post
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import result

__all__ = ["post"]

ANN, BOB = "ann@example.org", "bob@example.org"
LETTER = Written(to="Eve <eve@far.example>", subject="Hello", text="How are you?\n")


class Study:
    """What Ann writes."""

    def __init__(self, post: Post, store: Store | None = None, limits: Limits | None = None) -> None:
        self.post = post
        self.store = store or post.store
        self.limits = limits or Limits()
        self.open()

    def open(self) -> None:
        """As after a restart: nothing is known but what the store has."""
        clock, directory = self.post.clock, Directory(self.store)
        self.quotas = Quotas(self.store, directory, self.limits)
        self.recipients = Recipients(self.limits.user_recipients_per_hour, clock)
        submissions = Submissions(self.post.delivery, self.recipients, self.quotas, DAY)
        self.desk = Desk(self.store, self.quotas, SeededRandomness(7), "mx.example.org", self.limits)
        self.outbox = Outbox(self.desk, partial(submission_of, submissions), clock)
        self.ann = self.user(ANN)

    def user(self, address: str) -> User:
        found = result(self.store.read(partial(users.find, address=parse(address))))
        assert found is not None
        return found

    def save(self, written: Written = LETTER, draft: Draft | None = None, *, asked: bool = True) -> Draft:
        draft = draft or result(self.desk.create(self.ann, written))
        return result(self.desk.save(self.ann, draft.id, draft.version, written, asked=asked))

    def found(self, draft: Draft) -> tuple[Draft, list[Attached]] | None:
        return result(self.desk.find(self.ann, draft.id))

    def attach(self, draft: Draft, data: bytes, name: str = "a.txt", kind: str = "text/plain") -> Attached:
        attached = result(self.desk.attach(self.ann, draft.id, name, kind, len(data)))
        result(self.desk.take(self.ann, attached, 0, pieces(data)))
        return attached

    def send(self, draft: Draft) -> list[Fault]:
        """What is wrong with it; else it leaves in ten seconds."""
        there = self.found(draft)
        assert there is not None
        faults = result(self.outbox.check(self.ann, *there))
        if not faults:
            result(self.outbox.send(self.ann, draft))
        return faults

    def folder(self, name: str) -> int:
        """The mailbox of Ann's by that name."""
        return result(self.store.read(partial(mailboxes.get, account=self.ann.id, name=name))).id

    def stored(self) -> int:
        """The octets of all users of Ann's domain."""
        return result(self.store.read(partial(domain_storage.stored, domain=self.ann.domain)))

    def wait(self, seconds: float = 11) -> None:
        self.post.clock.advance(seconds)
        result(self.outbox.look())

    def messages(self, folder: str, user: User | None = None) -> list[Any]:
        """What IMAP shows there, as the standard library reads it."""
        account = (user or self.ann).id
        info = result(self.store.read(partial(mailboxes.get, account=account, name=folder)))
        uids = list(range(1, info.uidnext))
        rows = result(self.store.read(partial(read.rows, mailbox=info.id, uids=uids, body=True)))
        bodies = [row[read.BODY] for row in rows]
        contents = result(self.store.bodies.read_many([body for body in bodies if body is not None]))
        return [message_from_bytes(content, policy=policy.SMTP) for content in contents if isinstance(content, bytes)]


async def pieces(data: bytes, step: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


@pytest.fixture
def study(post: Post, clock: ManualClock) -> Study:
    return Study(post)
