"""All folders are searched as IMAP searches each, the newest messages first."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

import pytest
from twisted.internet.task import Clock

from mpcontinuity.mailbox import change, mailboxes, search_all
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.mailbox.search import search
from mpcontinuity.mailbox.search_all import Found, Results
from mpcontinuity.mailbox.view import Views
from mpcontinuity.message.render import render
from mpcontinuity.model import flags
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.search import (
    All,
    And,
    BodyContains,
    HasAttachment,
    HasFlag,
    HeaderContains,
    Key,
    Not,
    Or,
)
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result
from tests.mailbox.conftest import User

NOON = 1_789_905_600 * SECOND
KEYS: Sequence[Key] = [
    All(),
    HasFlag(flags.SEEN),
    HasAttachment(),
    HeaderContains("subject", "b"),
    BodyContains("c", headers=False),
    And((Not(HasFlag(flags.SEEN)), Or(HeaderContains("subject", "a"), BodyContains("b", headers=True)))),
]


def keep(user: User, folder: str, content: bytes, *, mask: int = 0, minutes: int = 0) -> None:
    draft = user.store.bodies.draft()
    draft.write(content)

    def work(tx: Transaction, body: Body) -> None:
        entry = NewEntry(body.id, len(content), NOON + minutes * 60 * SECOND, mask, (), render(content))
        append(tx, mailboxes.get(tx, user.account, folder).id, [entry])

    head = Head(id=user.store.identifiers.next(), time=NOON, direction="inbound")
    result(user.store.keep(draft, head, work))


def content(draw: random.Random) -> bytes:
    subject, text = draw.choice("abc"), draw.choice("abc")
    if draw.random() < 0.3:
        return (
            f"Subject: {subject}\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n{text}\r\n--x\r\n"
            "Content-Type: image/png\r\nContent-Disposition: attachment; filename=z.png\r\n\r\n\r\n--x--\r\n"
        ).encode()
    return f"Subject: {subject}\r\n\r\n{text}\r\n".encode()


def pages(user: User, views: Views, key: Key, limit: int) -> list[Results]:
    """Every page of an answer."""
    folders = user.read(mailboxes.listing, account=user.account)
    found: list[Results] = []
    position = None
    while position is None or position:
        one = result(search_all.search_all(user.store, views, Clock(), folders, key, position, limit))
        assert len(one.rows) <= limit
        found.append(one)
        position = one.position
    return found


def by_folder(user: User, views: Views, key: Key) -> set[tuple[int, int]]:
    """What IMAP finds in each folder."""
    found = set()
    for info in user.read(mailboxes.listing, account=user.account):
        view = result(views.open(info))
        found |= {(info.id, uid) for uid in result(search(user.store, view, key))}
        view.close()
    return found


@pytest.fixture
def filled(user: User, monkeypatch: pytest.MonkeyPatch) -> User:
    """Sixty messages in four folders, that came one after the other."""
    monkeypatch.setattr(search_all, "_STRETCH", 7)
    monkeypatch.setattr(search_all, "_STRETCH_OF_TEXT", 3)
    draw = random.Random(3)
    user.run(mailboxes.create, account=user.account, name="Work")
    for minutes in range(60):
        folder = draw.choice(["INBOX", "INBOX", "Sent", "Archive", "Work"])
        keep(user, folder, content(draw), mask=draw.choice([0, flags.SEEN]), minutes=minutes)
    return user


@pytest.mark.parametrize("limit", [1, 4, 50])
@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_the_answer_is_that_of_imap_for_each_folder_the_newest_first(filled: User, key: Key, limit: int) -> None:
    views = Views(filled.store)
    rows = [row for page in pages(filled, views, key, limit) for row in page.rows]
    assert {(row.mailbox, row.uid) for row in rows} == by_folder(filled, views, key)
    assert len(set(rows)) == len(rows)
    assert [row.date for row in rows] == sorted((row.date for row in rows), reverse=True)


def test_what_was_put_into_a_folder_late_is_found_all_the_same(filled: User) -> None:
    views = Views(filled.store)
    filled.run(change.move, source=filled.mailbox(), uids=((1, 5),), target=filled.mailbox("Archive"))
    rows = [row for page in pages(filled, views, All(), 3) for row in page.rows]
    assert len({(row.mailbox, row.uid) for row in rows}) == len(rows) == 60


def test_a_page_ends_where_its_work_is_done_and_the_next_goes_on(filled: User, monkeypatch: pytest.MonkeyPatch) -> None:
    views = Views(filled.store)
    key = BodyContains("c", headers=False)
    whole: list[Found] = [row for page in pages(filled, views, key, 100) for row in page.rows]
    monkeypatch.setattr(search_all, "MOST_WORK", 1)
    parts = pages(filled, views, key, 100)
    assert len(parts) > 5
    assert all(part.since for part in parts[:-1])
    assert [row for part in parts for row in part.rows] == whole


@pytest.mark.parametrize("key", [BodyContains("c", headers=False), HeaderContains("subject", "c")], ids=repr)
def test_a_page_reads_no_more_than_its_work_whatever_the_size_of_messages(
    user: User, monkeypatch: pytest.MonkeyPatch, key: Key
) -> None:
    """A header too long to be kept beside its message is read with it."""
    for number in range(20):
        header = b"X-Long: " + b"x" * 900 + b"\r\n"
        text = b"Subject: %b\r\n" % random.Random(number).choice([b"b", b"c"]) + header * 20 + b"\r\nc"
        keep(user, "INBOX", text + b"x" * 1_000_000, minutes=number)
    views, bodies = Views(user.store), user.store.bodies
    wanted = by_folder(user, views, key)
    monkeypatch.setattr(search_all, "MOST_WORK", 50_000)
    octets: list[int] = []
    read_many = bodies.read_many

    def counted(wanted: Sequence[Body]) -> object:
        octets.append(sum(body.length for body in wanted))
        return read_many(wanted)

    monkeypatch.setattr(bodies, "read_many", counted)
    found: list[Found] = []
    position = None
    folders = user.read(mailboxes.listing, account=user.account)
    while position is None or position:
        octets.clear()
        page = result(search_all.search_all(user.store, views, Clock(), folders, key, position))
        assert sum(octets) < 11 << 20
        found += page.rows
        position = page.position
    assert {(row.mailbox, row.uid) for row in found} == wanted


def test_a_folder_that_is_deleted_or_made_between_two_pages_does_not_matter(filled: User) -> None:
    views = Views(filled.store)
    search_page = partial(search_all.search_all, filled.store, views, Clock())
    first = result(search_page(filled.read(mailboxes.listing, account=filled.account), All(), None, 5))
    gone = filled.mailbox("Work")
    filled.run(mailboxes.delete, account=filled.account, name="Work")
    filled.run(mailboxes.create, account=filled.account, name="New")
    second = result(search_page(filled.read(mailboxes.listing, account=filled.account), All(), first.position, 100))
    assert not second.position
    assert gone not in {row.mailbox for row in second.rows}
