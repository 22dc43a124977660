"""Messages that a test puts into the archive, with their content."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mpcontinuity.archive.indexing import Indexing
from mpcontinuity.archive.matching import Whose
from mpcontinuity.archive.query import parse
from mpcontinuity.archive.record import INBOUND, NewArchived, record_all
from mpcontinuity.archive.search import Found, search
from mpcontinuity.children.pool import Jobs
from mpcontinuity.message.summary import summarise
from mpcontinuity.model.body import Body
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.jobs import Here
from tests.fakes.stores import result
from tests.store.messages import head

EVERYBODY = Whose()


def archive(
    store: Store,
    content: bytes,
    *,
    recipients: Sequence[str] = ("bert@example.org",),
    sender: str = "anna@x.example",
    direction: str = INBOUND,
    time: int | None = None,
    domain: int = 1,
    days: int = 90,
) -> Body:
    """Archives a message and returns its body."""
    draft = store.bodies.draft()
    draft.write(content)
    summary = summarise(content)

    def work(tx: Transaction, body: Body) -> Body:
        new = NewArchived(
            domain=domain,
            body=body.id,
            time=store.clock.now() if time is None else time,
            direction=direction,
            sender=sender,
            recipients=recipients,
            subject=summary.subject,
            message_id=summary.message_id,
            size=len(content),
            retention_days=days,
        )
        record_all(tx, [new])
        return body

    return result(store.keep(draft, head(store), work))


def text(subject: str, body: str = "", *, more: str = "") -> bytes:
    """A message of one text."""
    return (
        f"From: Anna Berg <anna@x.example>\r\nTo: Bert Crane <bert@example.org>\r\nSubject: {subject}\r\n"
        f"Message-ID: <{subject.replace(' ', '.')}@x.example>\r\n{more}\r\n{body}\r\n"
    ).encode()


def find(store: Store, query: str, whose: Whose = EVERYBODY, *, limit: int = 100, jobs: Jobs | None = None) -> Found:
    """What a query finds."""
    parsed = parse(query, store.clock.now())
    return result(search(store, jobs or Here(), parsed, whose, limit))


def subjects(store: Store, query: str, whose: Whose = EVERYBODY, *, limit: int = 100) -> list[str]:
    """The subjects of what a query finds, the newest first."""
    return [row.subject for row in find(store, query, whose, limit=limit).rows]


def bring_up(store: Store, jobs: Jobs | None = None, after: int = 0) -> int:
    """Indexes what is in no segment, and returns how many there were."""
    return result(Indexing(store, jobs or Here()).bring_up(after))


def join(store: Store) -> bool:
    return result(Indexing(store, Here()).join())


__all__ = ["EVERYBODY", "archive", "bring_up", "find", "join", "partial", "subjects", "text"]
