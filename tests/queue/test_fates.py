"""What a user is told of a message on its way home: of their own alone."""

from __future__ import annotations

from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.model.clock import MINUTE
from mpcontinuity.model.flags import DELETED
from mpcontinuity.model.owed import OWED, RELEASED
from mpcontinuity.queue import fates, listing
from mpcontinuity.queue.fates import Fate
from tests.queue.ledgers import Books


def of(books: Books, row: int, name: str = "anna") -> list[Fate]:
    return books.read(fates.of_message, account=books.accounts[name], body=books.bodies[row])


def test_what_waits_is_told_to_whose_message_it_is_and_to_nobody_else(books: Books) -> None:
    row = books.redirect("anna")
    (fate,) = of(books, row)
    assert (fate.kind, fate.state, fate.deleted, fate.recipient) == ("redelivery", OWED, False, "anna@example.org")
    assert of(books, row, "bert") == []


def test_what_the_user_deletes_stays_deleted_until_it_is_taken_back(books: Books) -> None:
    row = books.redirect("anna")
    inbox = books.read(mailboxes.inbox, account=books.accounts["anna"])
    books.run(change.store_flags, mailbox=inbox, uids=((1, 1),), how="add", flags=DELETED, keywords=())
    assert of(books, row)[0].deleted
    books.run(change.store_flags, mailbox=inbox, uids=((1, 1),), how="remove", flags=DELETED, keywords=())
    assert not of(books, row)[0].deleted


def test_what_administrators_end_is_told_with_its_words(books: Books) -> None:
    row = books.redirect("anna")
    books.clock.advance(MINUTE / 1_000_000)
    books.run(listing.remove, ids=[row], by="rita")
    (fate,) = of(books, row)
    assert (fate.state, fate.deleted) == (RELEASED, False)
    assert fate.ended
    assert "rita" in fate.events[-1].text
