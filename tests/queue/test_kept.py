"""What home has got carries a keyword, and leaves the mailbox after kept-days, unless the user wants to keep it."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import domains
from mpcontinuity.mailbox import change, keywords, mailboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.mailbox.redelivered import KEYWORD
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.events import MailboxChanged, TrackingEvent
from mpcontinuity.model.flags import ANSWERED, DELETED, FLAGGED, MAX_KEYWORDS, SEEN
from mpcontinuity.model.owed import DELIVERED, FAILED, IN_DOUBT
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.queue import folding, kept, owed, recovery
from mpcontinuity.queue.owed import SENT, NewOwed, take_in
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result
from tests.queue.ledgers import Books

ENTRIES = Statement(
    """SELECT mailbox.name, entry.id & 4294967295, entry.flags, mailbox.id FROM entry
    JOIN mailbox ON mailbox.id = entry.id >> 32 WHERE mailbox.account = :account ORDER BY entry.id"""
)
ROWS = Statement("SELECT COUNT(*) FROM owed")


def end(books: Books, row: int, outcome: str = DELIVERED) -> None:
    (claimed,) = books.run(owed.claim, ids=[row], give_up=DAY)
    event = TrackingEvent(books.clock.now(), "home:25", 250, "2.0.0 taken")
    assert books.run(owed.finish, owed_id=row, token=claimed.token, outcome=outcome, event=event)


def seen(books: Books, user: str = "anna") -> list[tuple[str, int, bool]]:
    """Of each message its mailbox, its UID, and whether it carries the keyword."""

    def read(tx: Transaction) -> list[tuple[str, int, bool]]:
        found = []
        for name, uid, flags, mailbox in tx.all(ENTRIES, account=books.accounts[user]):
            bits = {keyword: bit for bit, keyword in keywords.of(tx, mailbox).items()}
            found.append((name, uid, KEYWORD in bits and bool(flags >> bits[KEYWORD] & 1)))
        return found

    return books.read(read)


def inbox(books: Books, user: str = "anna") -> int:
    return books.read(mailboxes.inbox, account=books.accounts[user])


def days_pass(books: Books, days: float) -> None:
    books.clock.advance(days * DAY / SECOND)
    result(Deferred.fromCoroutine(kept.sweep(books.store)))


def test_what_home_has_got_is_marked_and_leaves_after_fourteen_days(books: Books) -> None:
    rows = [books.redirect("anna"), books.redirect("anna")]
    heard: list[object] = []
    books.store.listen(heard.extend)
    end(books, rows[0])
    assert seen(books) == [("INBOX", 1, True), ("INBOX", 2, False)]
    assert any(isinstance(notice, MailboxChanged) and notice.mailbox == inbox(books) for notice in heard)
    days_pass(books, 13.9)
    assert len(seen(books)) == 2
    heard.clear()
    days_pass(books, 0.2)
    assert seen(books) == [("INBOX", 2, False)]  # it is owed still
    assert any(isinstance(notice, MailboxChanged) and notice.mailbox == inbox(books) for notice in heard)


def test_each_domain_says_for_how_long(books: Books) -> None:
    settings = DomainSettings(home=("127.0.0.1:25",), kept_days=0)
    books.run(domains.change, domain=books.domain, settings=settings)
    row = books.redirect("anna")
    end(books, row)
    days_pass(books, 0.001)
    assert seen(books) == []


def test_a_late_reply_and_a_note_in_a_pack_mark_it_too(books: Books) -> None:
    late, noted = books.redirect("anna", state=IN_DOUBT, token=7), books.redirect("anna", state=IN_DOUBT)
    taken = Outcome(Verdict.ACCEPTED, Stage.MESSAGE, Reply(250, "2.0.0", "taken"))
    assert books.run(owed.late_reply, owed_id=late, token=7, outcome=taken, host="home:25", next_attempt=0)
    books.run(recovery.delivered, owed_id=noted)
    assert [marked for *_, marked in seen(books)] == [True, True]


def test_what_failed_or_is_a_copy_of_what_the_user_sent_is_not_marked_and_never_leaves(books: Books) -> None:
    end(books, books.redirect("anna"), FAILED)
    end(books, books.redirect("anna", kind=SENT))
    days_pass(books, 400)
    assert seen(books) == [("INBOX", 1, False), ("INBOX", 2, False)]


def test_a_message_to_two_addresses_of_a_user_is_marked_when_home_has_both(books: Books) -> None:
    first = books.redirect("anna")
    second = books.store.identifiers.next()
    account, body = books.accounts["anna"], books.bodies[first]
    alias = NewOwed(second, books.domain.id, account, body, "alias@example.org", "a@b.example", books.clock.now())
    books.run(take_in, rows=[alias])
    end(books, first)
    days_pass(books, 20)
    assert seen(books) == [("INBOX", 1, False)]
    end(books, second)
    assert seen(books) == [("INBOX", 1, True)]
    days_pass(books, 20)
    assert seen(books) == []


@pytest.mark.parametrize(
    ("flags", "stays"), [(SEEN, False), (ANSWERED, False), (DELETED, False), (FLAGGED, True), (FLAGGED | SEEN, True)]
)
def test_what_the_user_has_flagged_stays(books: Books, flags: int, *, stays: bool) -> None:
    end(books, books.redirect("anna"))
    books.run(change.store_flags, mailbox=inbox(books), uids=[(1, 1)], how="add", flags=flags, keywords=())
    days_pass(books, 20)
    assert bool(seen(books)) is stays


def test_who_takes_the_keyword_off_keeps_the_message(books: Books) -> None:
    end(books, books.redirect("anna"))
    books.run(
        change.store_flags, mailbox=inbox(books), uids=[(1, 1)], how="remove", flags=0, keywords=(KEYWORD.lower(),)
    )
    days_pass(books, 20)
    assert seen(books) == [("INBOX", 1, False)]


@pytest.mark.parametrize(
    ("folder", "use", "stays"), [("Projects", "", True), ("Archive", "\\Archive", True), ("Junk", "\\Junk", False)]
)
@pytest.mark.parametrize("before", [True, False])
def test_what_the_user_filed_stays_and_what_is_junk_goes(
    books: Books, folder: str, use: str, *, stays: bool, before: bool
) -> None:
    row = books.redirect("anna")

    def move(tx: Transaction) -> None:
        account = books.accounts["anna"]
        there = mailboxes.find(tx, account, folder) or mailboxes.create(tx, account, folder, use)
        change.move(tx, mailboxes.inbox(tx, account), [(1, 1)], there.id)

    if before:
        books.run(move)
    end(books, row)
    if not before:
        books.run(move)
    assert seen(books) == [(folder, 1, True)]
    days_pass(books, 20)
    assert bool(seen(books)) is stays


def test_a_mailbox_without_room_for_a_keyword_keeps_its_messages(books: Books) -> None:
    row = books.redirect("anna")
    names = tuple(f"k{number}" for number in range(MAX_KEYWORDS))
    books.run(change.store_flags, mailbox=inbox(books), uids=[(1, 1)], how="add", flags=0, keywords=names)
    end(books, row)
    days_pass(books, 20)
    assert seen(books) == [("INBOX", 1, False)]


def test_another_user_s_copy_of_the_same_message_is_left_alone(books: Books) -> None:
    row = books.redirect("anna")

    def copy(tx: Transaction) -> None:
        there = mailboxes.inbox(tx, books.accounts["bert"])
        append(tx, there, [NewEntry(books.bodies[row], 10, tx.now, 0, (), b"")])

    books.run(copy)
    end(books, row)
    days_pass(books, 20)
    assert seen(books) == []
    assert seen(books, "bert") == [("INBOX", 1, False)]


def test_many_leave_in_steps_and_what_is_to_leave_later_than_the_ledger_remembers_is_not_folded(books: Books) -> None:
    settings = DomainSettings(home=("127.0.0.1:25",), kept_days=100)
    books.run(domains.change, domain=books.domain, settings=settings)
    rows = [books.redirect("anna") for _ in range(2 * kept.STEP + 1)]
    for row in rows:
        end(books, row)
    days_pass(books, 95)
    result(Deferred.fromCoroutine(folding.sweep(books.store)))
    assert len(seen(books)) == books.read(lambda tx: tx.value(ROWS)) == len(rows)
    days_pass(books, 6)
    assert seen(books) == []
    result(Deferred.fromCoroutine(folding.sweep(books.store)))
    assert books.read(lambda tx: tx.value(ROWS)) == 0
