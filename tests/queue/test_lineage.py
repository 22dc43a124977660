"""What is taken for deleted by the user: other ways to lose an entry are tried through IMAP (tests/journeys)."""

from __future__ import annotations

from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.owed import CLAIMED, DELETED, FAILED, IN_DOUBT, OWED
from mpcontinuity.queue import lineage, listing, owed
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result
from tests.queue.ledgers import Books

_REMOVE = Statement("UPDATE account SET status = 'removed' WHERE id = :id")


def append_anew(books: Books, user: str, folder: str, origin: int) -> None:
    """As a client does that has fetched the message ``origin``."""
    draft = books.store.bodies.draft("draft")
    draft.write(b"X-TUID: abcdefghijkl\r\nSubject: x\r\n\r\nHello\r\n")

    def work(tx: Transaction, body: Body) -> None:
        lineage.descend(tx, books.accounts[user], body.id, origin)
        mailbox = mailboxes.find(tx, books.accounts[user], folder)
        assert mailbox is not None
        append(tx, mailbox.id, [NewEntry(body.id, body.length, tx.now, 0, (), b"")])

    head = Head(id=books.store.identifiers.next(), time=books.clock.now(), direction="append")
    result(books.store.keep(draft, head, work))


def empty_inbox(books: Books, user: str) -> None:
    inbox = books.read(mailboxes.inbox, account=books.accounts[user])
    books.run(change.remove, mailbox=inbox, uids=((1, 99),))


def judged(books: Books, row: int) -> str:
    books.run(owed.claim, ids=[row], give_up=DAY)
    return books.state(row)


def test_what_was_appended_anew_and_expunged_at_its_old_place_was_moved(books: Books) -> None:
    row = books.redirect("anna")
    append_anew(books, "anna", "Archive", books.bodies[row])
    empty_inbox(books, "anna")
    assert judged(books, row) not in (DELETED, OWED, IN_DOUBT)


def test_what_was_appended_anew_to_trash_was_deleted(books: Books) -> None:
    row = books.redirect("anna")
    append_anew(books, "anna", "Trash", books.bodies[row])
    empty_inbox(books, "anna")
    assert judged(books, row) == DELETED


def test_what_was_moved_so_after_it_had_failed_is_sent_when_it_is_reopened(books: Books) -> None:
    """Found by the simulation."""
    row = books.redirect("anna")
    (claimed,) = books.run(owed.claim, ids=[row], give_up=DAY)
    refused = TrackingEvent(books.clock.now(), "home", 554, "5.7.1 No")
    assert books.run(owed.finish, owed_id=row, token=claimed.token, outcome=FAILED, event=refused)
    append_anew(books, "anna", "Archive", books.bodies[row])
    empty_inbox(books, "anna")
    books.run(listing.retry, ids=[row], by="root")
    assert judged(books, row) not in (DELETED, OWED, IN_DOUBT)


def test_another_users_copy_saves_nothing(books: Books) -> None:
    row = books.redirect("anna")
    append_anew(books, "bert", "Archive", books.bodies[row])
    empty_inbox(books, "anna")
    assert judged(books, row) == DELETED


def test_what_went_with_its_user_was_not_deleted_by_them(books: Books) -> None:
    """Found by the simulation: it had failed, so the user could be removed, and then it was reopened."""
    row = books.redirect("anna")
    (claimed,) = books.run(owed.claim, ids=[row], give_up=DAY)
    refused = TrackingEvent(books.clock.now(), "home", 554, "5.7.1 No")
    books.run(owed.finish, owed_id=row, token=claimed.token, outcome=FAILED, event=refused)
    books.run(lambda tx: tx.run(_REMOVE, id=books.accounts["anna"]))
    books.run(mailboxes.delete_all, account=books.accounts["anna"])
    books.run(listing.retry, ids=[row], by="root")
    assert judged(books, row) == CLAIMED
