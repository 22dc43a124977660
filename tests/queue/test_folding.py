"""Ended rows go after 90 days, and the ledger says the same as before."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.queue import folding, ledger, listing
from mpcontinuity.queue.ledger import LedgerLine
from mpcontinuity.store.statement import Statement
from tests.fakes.stores import result
from tests.queue.ledgers import Books

ROWS = Statement("SELECT id FROM owed ORDER BY id")


def sweep_after(books: Books, days: int) -> None:
    books.clock.advance(days * DAY / SECOND)
    result(Deferred.fromCoroutine(folding.sweep(books.store)))


def test_ended_rows_become_numbers_and_open_ones_stay(books: Books) -> None:
    ended, still_open = books.redirect("anna"), books.redirect("anna")
    books.run(listing.remove, ids=[ended], by="root")
    before = books.report()
    sweep_after(books, 91)
    assert books.read(lambda tx: tx.all(ROWS)) == [(still_open,)]
    assert books.report() == before
    assert LedgerLine("anna@example.org", taken_in=2, released=1, owed=1) in before


def test_what_ended_lately_stays(books: Books) -> None:
    ended = books.redirect("anna")
    books.clock.advance(60 * DAY / SECOND)
    books.run(listing.remove, ids=[ended], by="root")
    sweep_after(books, 60)
    assert books.read(lambda tx: tx.all(ROWS)) == [(ended,)]


def test_what_was_owed_without_an_account_leaves_a_ledger_that_adds_up(books: Books) -> None:
    rows = [books.redirect("carl"), books.redirect("dora")]
    books.run(listing.remove, ids=rows[:1], by="root")
    sweep_after(books, 91)
    assert books.report()[-1] == LedgerLine("total", taken_in=1, owed=1)
    assert ledger.adds_up(books.report())


def test_more_than_a_step_is_folded_in_steps(books: Books) -> None:
    rows = [books.redirect("bert") for _ in range(folding.STEP + 3)]
    for row in rows:
        books.run(listing.remove, ids=[row], by="root")
    sweep_after(books, 91)
    assert books.read(lambda tx: tx.all(ROWS)) == []
    assert books.report()[-1] == LedgerLine("total", taken_in=len(rows), released=len(rows))
