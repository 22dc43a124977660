"""Where messages lie that are to go home into folders, and which drafts are owed, too; on both databases."""

from __future__ import annotations

from functools import partial

from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.model.body import Body
from mpcontinuity.model.flags import DELETED, DRAFT, SEEN
from mpcontinuity.model.owed import DELETED as ENDED_AS_DELETED
from mpcontinuity.model.owed import IN_FLIGHT
from mpcontinuity.queue import drafts, owed, placements
from mpcontinuity.queue.placements import Placed
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result
from tests.queue.ledgers import Books

GIVE_UP = 1 << 60
_KEYWORD = Statement("INSERT INTO keyword (mailbox, bit, name) VALUES (:mailbox, 9, 'Rot')")
_OPEN = Statement("SELECT id FROM owed ORDER BY id")
_WAY = Statement("SELECT way FROM owed WHERE id = :id")


def put(books: Books, user: str, folder: str, body: int, flags: int = 0, date: int = 5) -> None:
    """An entry of the message in another folder, which is made if need be."""

    def work(tx: Transaction) -> None:
        account = books.accounts[user]
        mailbox = mailboxes.find(tx, account, folder) or mailboxes.create(tx, account, folder)
        append(tx, mailbox.id, [NewEntry(body, 5, date, flags, (), b"")])

    books.run(work)


def placed(books: Books, row: int, user: str = "anna") -> Placed:
    return books.read(placements.placed, account=books.accounts[user], body=books.bodies[row])


def draft(books: Books, user: str, flags: int = DRAFT) -> int:
    """A draft that the user has appended. Returns its body."""
    written = books.store.bodies.draft("draft")
    written.write(b"Subject: draft\r\n\r\nHello\r\n")
    bodies = []

    def work(tx: Transaction, body: Body) -> None:
        bodies.append(body.id)
        mailbox = mailboxes.by_use(tx, books.accounts[user], "\\Drafts")
        assert mailbox is not None
        append(tx, mailbox.id, [NewEntry(body.id, body.length, tx.now, flags, (), b"")])

    head = Head(id=books.store.identifiers.next(), time=books.clock.now(), direction="append")
    result(books.store.keep(written, head, work))
    return bodies[-1]


def owe_drafts(books: Books) -> int:
    found = books.read(drafts.unowed, domain=books.domain.id, after=0)
    books.run(drafts.owe, domain=books.domain.id, drafts=found)
    return len(found)


def test_each_copy_is_a_place_with_its_folder_flags_and_date(books: Books) -> None:
    row = books.redirect("anna")
    put(books, "anna", "Kunden/Süd", books.bodies[row], SEEN | 1 << 9, date=7)
    books.run(lambda tx: tx.run(_KEYWORD, mailbox=mailboxes.get(tx, books.accounts["anna"], "Kunden/Süd").id))
    found = placed(books, row)
    assert (found.address, found.ids) == ("anna@example.org", (row,))
    assert [(one.folder, one.use, one.above, one.flags) for one in found.places] == [
        ("INBOX", "", "", ()),
        ("Kunden/Süd", "", "", ("\\Seen", "Rot")),
    ]
    assert found.places[1].date == 7
    assert found.places[0].body.id == books.bodies[row]


def test_a_special_folder_gives_its_use_to_what_lies_below_it(books: Books) -> None:
    row = books.redirect("anna")
    put(books, "anna", "Archive/2026/11", books.bodies[row])
    put(books, "anna", "Sent", books.bodies[row])
    uses = {(one.folder, one.use, one.above) for one in placed(books, row).places}
    assert uses == {("INBOX", "", ""), ("Archive/2026/11", "\\Archive", "Archive"), ("Sent", "\\Sent", "")}


def test_what_is_deleted_or_in_trash_is_no_place(books: Books) -> None:
    row = books.redirect("anna")
    put(books, "anna", "Trash", books.bodies[row])
    put(books, "anna", "Trash/old", books.bodies[row])
    put(books, "anna", "Kunden", books.bodies[row], DELETED)
    put(books, "bert", "INBOX", books.bodies[row])
    assert [one.folder for one in placed(books, row).places] == ["INBOX"]
    inbox = books.read(mailboxes.inbox, account=books.accounts["anna"])
    books.run(change.remove, mailbox=inbox, uids=((1, 9),))
    assert placed(books, row).places == ()


def test_places_are_bounded(books: Books) -> None:
    row = books.redirect("anna")
    for number in range(placements.MOST + 5):
        put(books, "anna", f"f{number}", books.bodies[row])
    assert len(placed(books, row).places) == placements.MOST


def test_drafts_are_owed_once_and_only_those_that_are_there(books: Books) -> None:
    draft(books, "anna")
    draft(books, "bert")
    draft(books, "bert", DRAFT | DELETED)
    assert owe_drafts(books) == 2
    assert owe_drafts(books) == 0
    draft(books, "anna")
    assert owe_drafts(books) == 1
    assert [(line.user, line.taken_in, line.owed) for line in books.report()][:2] == [
        ("anna@example.org", 2, 2),
        ("bert@example.org", 1, 1),
    ]


def empty_drafts(books: Books, user: str) -> None:
    mailbox = books.read(mailboxes.by_use, account=books.accounts[user], use="\\Drafts")
    assert mailbox is not None
    books.run(change.remove, mailbox=mailbox.id, uids=((1, 99),))


def test_a_draft_that_is_gone_when_it_is_to_be_owed_is_not(books: Books) -> None:
    draft(books, "anna")
    found = books.read(drafts.unowed, domain=books.domain.id, after=0)
    empty_drafts(books, "anna")
    books.run(drafts.owe, domain=books.domain.id, drafts=found)
    assert books.report()[-1].taken_in == 0


def test_a_draft_that_is_gone_when_it_is_claimed_ends_as_deleted(books: Books) -> None:
    draft(books, "anna")
    owe_drafts(books)
    (row,) = books.read(lambda tx: [id_ for (id_,) in tx.all(_OPEN)])
    empty_drafts(books, "anna")
    assert books.run(owed.claim, ids=[row], give_up=GIVE_UP) == []
    assert books.state(row) == ENDED_AS_DELETED


def test_a_row_in_flight_by_imap_may_go_in_flight_by_smtp_after_a_refusal(books: Books) -> None:
    row = books.redirect("anna")
    (claimed,) = books.run(owed.claim, ids=[row], give_up=GIVE_UP)
    leave = partial(owed.in_flight, owed_id=row, token=claimed.token)
    assert result(books.store.run(partial(leave, way=owed.IMAP)))
    assert (books.state(row), books.read(lambda tx: tx.value(_WAY, id=row))) == (IN_FLIGHT, owed.IMAP)
    assert result(books.store.run(leave))
    assert books.read(lambda tx: tx.value(_WAY, id=row)) == owed.SMTP
