"""`queue list`, `queue retry`, `queue remove` and `queue destinations`, over mail to the world."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY, HOUR, SECOND, iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import BOUNCED, OutgoingWanted, ReportDue, TrackingEvent
from mpcontinuity.model.identifier import show
from mpcontinuity.model.outgoing import EXPIRED, FAILED
from mpcontinuity.queue import outbound, outgoing
from mpcontinuity.queue.listing import QueueRow
from mpcontinuity.queue.outgoing import Due, NewOutgoing
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result
from tests.queue.ledgers import Books


def send(books: Books, recipient: str = "bob@world.example", **more: Any) -> int:
    """A message of anna's that waits. Its id."""
    draft = books.store.bodies.draft()
    draft.write(b"Subject: x\r\n\r\nHello\r\n")
    row = books.store.identifiers.next()

    def work(tx: Transaction, body: Body) -> None:
        values: dict[str, Any] = {"account": None, "received": tx.now, "expires": tx.now + 5 * DAY, **more}
        new = NewOutgoing(
            id=row,
            domain=books.domain.id,
            body=body.id,
            recipient=recipient,
            destination=recipient.partition("@")[2],
            reverse_path="anna@example.org",
            subject="x",
            message_id="<1@example.org>",
            **values,
        )
        outgoing.take_in(tx, [new])

    result(books.store.keep(draft, Head(id=row, time=books.clock.now(), direction="outbound"), work))
    return row


def due_of(books: Books) -> Due:
    return Due("world.example", -books.domain.id)


def attempt(books: Books, row: int, *, end: str = "", code: int = 451, text: str = "4.3.0 later") -> None:
    """One that failed: for now, or for good."""
    all_due = books.run(outgoing.claim, due=due_of(books), most=50)
    (claimed,) = [one for one in all_due if one.id == row]
    books.run(outgoing.give_back, ids=[one.id for one in all_due if one is not claimed], token=claimed.token)
    event = TrackingEvent(books.clock.now(), "mx", code, text)
    if end:
        books.run(outgoing.end, outgoing=claimed, state=end, event=event, status=BOUNCED)
    else:
        books.run(outgoing.later, outgoing=claimed, event=event, next_attempt=books.clock.now() + HOUR)


def rows(books: Books, **more: int) -> list[QueueRow]:
    return [row for _, row in books.read(outbound.listing, **more)]


def test_what_waits_is_listed(books: Books) -> None:
    row = send(books)
    attempt(books, row)
    now = books.clock.now()
    assert rows(books) == [
        QueueRow(
            id=show(row),
            kind="outbound",
            sender="anna@example.org",
            recipient="bob@world.example",
            subject="x",
            message_id="<1@example.org>",
            attempts=1,
            next_attempt=iso(now + HOUR),
            expires=iso(now + 5 * DAY),
            last_code=451,
            last_text="4.3.0 later",
        )
    ]
    assert rows(books, domain=books.domain.id + 1) == []
    assert rows(books, after=row) == []


def test_destinations_are_shown_with_the_last_reply_the_fullest_first(books: Books) -> None:
    for recipient in ("a@other.example", "b@world.example", "c@world.example"):
        row = send(books, recipient)
    attempt(books, row)
    places = books.read(outbound.destinations)
    assert [(each.destination, each.messages, each.attempts, each.last_text) for each in places] == [
        ("world.example", 2, 1, "4.3.0 later"),
        ("other.example", 1, 0, ""),
    ]
    waiting = books.read(outbound.waiting)[books.domain.id]
    assert waiting.messages == 3
    assert abs(waiting.oldest - books.clock.now()) < SECOND  # ids rise within a moment


def test_retry_makes_due_what_waits_and_reopens_what_failed(books: Books) -> None:
    waits, failed, expired = send(books), send(books), send(books)
    attempt(books, waits)
    attempt(books, failed, end=FAILED, code=550)
    attempt(books, expired, end=EXPIRED)
    told: list[Any] = []
    books.store.listen(told.extend)
    books.clock.advance(60)
    assert books.run(outbound.retry_all, by="root", give_up=DAY) == [waits, failed, expired]
    assert OutgoingWanted() in told
    assert [row.next_attempt for row in rows(books)] == [iso(books.clock.now())] * 3
    assert [row.expires for row in rows(books)][1:] == [iso(books.clock.now() + DAY)] * 2
    assert {row.id for row in books.run(outgoing.claim, due=due_of(books), most=50)} == {
        waits,
        failed,
        expired,
    }
    assert books.run(outbound.retry_all, by="root", give_up=DAY) == []


def test_remove_ends_what_waits_and_nothing_else(books: Books) -> None:
    row = send(books, account=books.accounts["anna"])
    told: list[Any] = []
    books.store.listen(told.extend)
    assert books.run(outbound.remove, ids=[row], by="root") == 1
    assert ReportDue() in told
    assert rows(books) == []
    for again in (
        lambda: books.run(outbound.remove, ids=[row], by="root"),
        lambda: books.run(outbound.retry, ids=[row], by="root", give_up=DAY),
    ):
        with pytest.raises(Refused, match=f"{show(row)}: is removed already"):
            again()


def test_a_row_that_is_removed_while_it_is_sent_keeps_its_end(books: Books) -> None:
    row = send(books)
    (claimed,) = books.run(outgoing.claim, due=due_of(books), most=1)
    books.run(outbound.remove, ids=[row], by="root")
    event = TrackingEvent(books.clock.now(), "mx", 250, "2.0.0 ok")
    assert not books.run(outgoing.delivered, outgoing=claimed, event=event, status="delivered")
    books.run(outgoing.all_delivered, sent=[(claimed, event)], status="delivered")
    assert rows(books) == []


def test_what_ended_is_remembered_for_a_while(books: Books) -> None:
    row = send(books)
    attempt(books, row, end=FAILED)
    assert books.run(outbound.forget, before=books.clock.now() - 1) == 0
    assert books.read(outbound.known, ids=[row, row + 1]) == {row}
    books.run(lambda tx: outbound.forget(tx, tx.now))  # not before it was told
    told = {each for each in [row] if books.read(outbound.known, ids=[each])}
    assert told == {row}
