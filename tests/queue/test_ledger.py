"""The ledger adds up at every moment, whatever happens to the rows, and a defect shows."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.model.clock import DAY, MINUTE, SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.owed import DELIVERED, FAILED, IN_DOUBT, OPEN, OWED
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.queue import leases, ledger, listing, owed, refusals
from mpcontinuity.queue.ledger import LedgerLine
from mpcontinuity.queue.owed import Owed
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.stores import Chosen, open_memory_like_store, result
from tests.queue.ledgers import Books

_REMOVE = Statement("UPDATE account SET status = 'removed' WHERE id = :id")
_FREE = Statement("DELETE FROM address WHERE account = :account")
_LOSE = Statement("DELETE FROM owed WHERE id = :id")


def line(books: Books, user: str, since: int = 0) -> LedgerLine:
    return next(each for each in books.report(since) if each.user == user)


def end(books: Books, row: int, outcome: str) -> None:
    (claimed,) = books.run(owed.claim, ids=[row], give_up=DAY)
    event = TrackingEvent(books.clock.now(), "home:25", 250, "ok")
    assert books.run(owed.finish, owed_id=row, token=claimed.token, outcome=outcome, event=event)


def test_a_line_per_user_and_the_sum(books: Books) -> None:
    end(books, books.redirect("anna"), DELIVERED)
    end(books, books.redirect("anna"), FAILED)
    books.redirect("bert")
    books.redirect("bert", state=IN_DOUBT)
    assert books.report() == [
        LedgerLine("anna@example.org", taken_in=2, delivered=1, failed=1),
        LedgerLine("bert@example.org", taken_in=2, owed=2),
        LedgerLine("total", taken_in=4, delivered=1, failed=1, owed=2),
    ]
    assert ledger.adds_up(books.report())


def test_a_user_who_was_removed_and_made_again_has_lines_that_are_told_apart(books: Books) -> None:
    books.redirect("anna")
    books.redirect("bert")
    assert {each.user for each in books.report()} == {"anna@example.org", "bert@example.org", "total"}
    for name in ("anna", "anna", "bert"):
        books.run(lambda tx, name=name: tx.run(_REMOVE, id=books.accounts[name]))
        books.run(lambda tx, name=name: tx.run(_FREE, account=books.accounts[name]))
        if name == "anna":
            books.add_user(name)
            books.redirect(name)
    assert [(each.user, each.owed) for each in books.report()] == [
        ("anna@example.org (removed 1)", 1),
        ("anna@example.org (removed 2)", 1),
        ("anna@example.org", 1),
        ("bert@example.org", 1),
        ("total", 4),
    ]
    assert ledger.adds_up(books.report())
    books.accounts.pop("anna")
    books.redirect("anna")
    assert line(books, "anna@example.org (without a mailbox)").owed == 1


def test_mail_owed_without_a_user_is_shown_under_its_address(books: Books) -> None:
    books.redirect("Nobody")
    books.redirect("nobody")
    assert line(books, "nobody@example.org") == LedgerLine("nobody@example.org", taken_in=2, owed=2)
    assert line(books, "total").taken_in == 2


def test_since_counts_what_was_received_from_then_on(books: Books) -> None:
    books.redirect("anna")
    books.clock.advance(10)
    books.redirect("anna")
    assert line(books, "anna@example.org", since=books.clock.now()) == LedgerLine(
        "anna@example.org", taken_in=1, owed=1
    )
    assert ledger.adds_up(books.report(books.clock.now()))


def test_a_domain_without_users_has_a_total(books: Books) -> None:
    assert books.read(ledger.report, domain=999) == [LedgerLine("total")]


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_a_row_that_was_lost_shows(books: Books, name: str) -> None:
    row = books.redirect(name)
    assert ledger.adds_up(books.report())
    books.run(lambda tx: tx.run(_LOSE, id=row))
    lines = books.report()
    assert not ledger.adds_up(lines)
    assert not lines[-1].adds_up


class LedgerMachine(RuleBasedStateMachine):
    """Random operations of users, home, administrators, time and crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.store = open_memory_like_store(Path(self.folder.name), clock=self.clock)
        self.books = Books(self.store, self.clock)
        self.taken_in = 0
        self.rows: list[int] = []
        self.claimed: list[Owed] = []

    def teardown(self) -> None:
        result(self.store.close())
        self.folder.cleanup()
        Chosen.drop()

    def event(self, code: int = 250) -> TrackingEvent:
        return TrackingEvent(self.clock.now(), "home:25", code, "reply")

    @rule(name=st.sampled_from(["anna", "bert", "nobody"]), in_doubt=st.booleans())
    def take_in(self, name: str, in_doubt: bool) -> None:
        more: dict[str, Any] = {"state": IN_DOUBT, "token": 5} if in_doubt else {}
        self.rows.append(self.books.redirect(name, **more))
        self.taken_in += 1

    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        if self.rows:
            ids = data.draw(st.lists(st.sampled_from(self.rows), max_size=3, unique=True))
            self.claimed += self.books.run(owed.claim, ids=ids, give_up=3 * MINUTE)

    @rule(data=st.data(), what=st.integers(0, 7))
    def attempt(self, data: st.DataObject, what: int) -> None:
        """One step with a claim, which may have been lost long ago."""
        if not self.claimed:
            return
        row = data.draw(st.sampled_from(self.claimed))
        this = {"owed_id": row.id, "token": row.token}
        run, now, event = self.books.run, self.clock.now(), self.event()
        if what == 0:
            run(owed.in_flight, **this)
        elif what == 1:
            run(owed.finish, **this, outcome=DELIVERED, event=event)
        elif what == 2:
            run(owed.try_later, **this, event=self.event(451), next_attempt=now + SECOND)
        elif what == 3:
            run(owed.try_later, **this, event=self.event(550), next_attempt=now + MINUTE, run=1)
        elif what == 4:
            run(owed.doubt, **this, event=event, next_attempt=now + SECOND, waiting=True)
        elif what == 5:
            reply = Outcome(Verdict.ACCEPTED, Stage.MESSAGE, Reply(250))
            run(owed.late_reply, **this, outcome=reply, host="h", next_attempt=now)
        elif what == 6:
            run(owed.give_back, **this)
        else:
            run(owed.extend, **this)

    @rule(minutes=st.integers(1, 15), dead=st.booleans())
    def time_passes(self, minutes: int, dead: bool) -> None:
        self.clock.advance(minutes * 60)
        self.books.home_was_up(minutes * MINUTE // 5)
        self.books.run(leases.sweep, all_holders_dead=dead)

    @rule(fails=st.booleans())
    def run_ends(self, fails: bool) -> None:
        domain = self.books.domain.id
        if fails:
            self.books.run(refusals.fail_refused, domain=domain, run=1)
        else:
            self.books.run(refusals.forgive_refused, domain=domain, run=1, next_attempt=1)

    @rule(name=st.sampled_from(["anna", "bert"]))
    def user_deletes_all(self, name: str) -> None:
        def work(tx: Transaction) -> None:
            inbox = mailboxes.inbox(tx, self.books.accounts[name])
            change.store_flags(tx, inbox, [(1, 1000)], "add", 8, ())
            change.expunge(tx, inbox)

        self.books.run(work)

    @rule(data=st.data(), retry=st.booleans())
    def administrator(self, data: st.DataObject, retry: bool) -> None:
        if self.rows:
            row = data.draw(st.sampled_from(self.rows))
            with suppress(Refused):
                self.books.run(listing.retry if retry else listing.remove, ids=[row], by="root")

    @rule()
    def retry_all(self) -> None:
        self.books.run(listing.retry_all, by="root")

    @rule()
    def release_all_of_bert(self) -> None:
        self.books.run(listing.release_all, domain=self.books.domain.id, by="root", account=self.books.accounts["bert"])

    @invariant()
    def the_ledger_adds_up(self) -> None:
        lines = self.books.report()
        assert ledger.adds_up(lines)
        assert lines[-1].taken_in == self.taken_in

    @invariant()
    def tracking_says_the_same(self) -> None:
        for row in self.rows:
            state = self.books.state(row)
            assert self.books.tracked(row)[0] == (OWED if state in OPEN else state)

    @invariant()
    def a_lease_is_held_by_open_rows_only(self) -> None:
        for row in self.rows:
            now = self.books.row(row)
            assert not now.token or now.state in OPEN
            assert now.token or now.state not in ("claimed", "in_flight")


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=40, stateful_step_count=40)
