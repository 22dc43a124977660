"""Mail that was owed without a mailbox, and its address is registered meanwhile."""

from __future__ import annotations

from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import NewEntry
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.owed import DELETED, OWED, RELEASED
from mpcontinuity.queue import ledger, listing, owed
from mpcontinuity.queue.adoption import adopt, without_mailbox
from mpcontinuity.queue.ledger import LedgerLine
from tests.queue.ledgers import Books

KEYS = {"carl@example.org"}


def adopt_all(books: Books, name: str) -> list[int]:
    adopted = []
    found, after = books.read(without_mailbox, domain=books.domain.id, keys={f"{name}@example.org"})
    assert after is None
    for row, _, received, body in found:
        entry = NewEntry(body.id, body.length, received, 0, (), b"")
        if books.run(adopt, owed_id=row, account=books.accounts[name], entry=entry):
            adopted.append(row)
    return adopted


def test_it_appears_in_inbox_and_in_the_ledger_of_the_user(books: Books) -> None:
    rows = [books.redirect(name) for name in ("carl", "Carl", "carl+shop", "dora", "anna")]
    books.add_user("carl")
    assert adopt_all(books, "carl") == rows[:3]
    inbox = books.read(mailboxes.find, account=books.accounts["carl"], name="INBOX")
    assert inbox is not None
    assert inbox.messages == 3
    lines = books.report()
    assert LedgerLine("carl@example.org", taken_in=3, owed=3) in lines
    assert LedgerLine("dora@example.org", taken_in=1, owed=1) in lines
    assert lines[-1] == LedgerLine("total", taken_in=5, owed=5)
    assert ledger.adds_up(lines)


def test_it_is_still_owed_as_long_as_the_user_keeps_it(books: Books) -> None:
    row = books.redirect("carl")
    books.add_user("carl")
    adopt_all(books, "carl")
    assert books.run(owed.claim, ids=[row], give_up=DAY)
    assert books.state(row) not in (OWED, DELETED)


def test_what_has_ended_stays_where_it_was(books: Books) -> None:
    row = books.redirect("carl")
    found, _ = books.read(without_mailbox, domain=books.domain.id, keys=KEYS)
    books.run(listing.remove, ids=[row], by="root")
    books.add_user("carl")
    entry = NewEntry(found[0][3].id, 1, 0, 0, (), b"")
    assert not books.run(adopt, owed_id=row, account=books.accounts["carl"], entry=entry)
    assert adopt_all(books, "carl") == []
    assert books.state(row) == RELEASED
    assert ledger.adds_up(books.report())


def test_no_message_is_adopted_twice(books: Books) -> None:
    books.redirect("carl")
    books.add_user("carl")
    assert len(adopt_all(books, "carl")) == 1
    assert adopt_all(books, "carl") == []
