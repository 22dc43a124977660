"""What home is owed: leases, tokens, doubt and outcomes."""

from __future__ import annotations

import pytest

from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.model.clock import DAY, MINUTE, SECOND
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.flags import DELETED as DELETED_FLAG
from mpcontinuity.model.owed import (
    CLAIMED,
    DELETED,
    DELIVERED,
    EXPIRED,
    FAILED,
    IN_DOUBT,
    IN_FLIGHT,
    OWED,
)
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.queue import leases, owed, refusals
from mpcontinuity.queue.owed import LATE_REPLY, LEASE, LEFT_AT_FINAL_DOT, Owed, Parameters
from mpcontinuity.store.transaction import Transaction
from tests.queue.ledgers import Books

ACCEPTED = Outcome(Verdict.ACCEPTED, Stage.MESSAGE, Reply(250, "2.0.0", "taken"))
REFUSED = Outcome(Verdict.REFUSED, Stage.MESSAGE, Reply(554, "5.7.1", "spam"))
ABOUT_US = Outcome(Verdict.REFUSED, Stage.MESSAGE, Reply(550, "5.7.23", "SPF fail"))
NOT_CLEAR = Outcome(Verdict.REFUSED, Stage.MESSAGE, Reply(554, "5.7.1", "no"))
TEMPORARY = Outcome(Verdict.TEMPORARY, Stage.MESSAGE, Reply(451, "4.3.0", "later"))
SILENCE = Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, "no reply in 10 s")


def claim(books: Books, *ids: int, give_up: int = 5 * DAY) -> list[Owed]:
    return books.run(owed.claim, ids=ids, give_up=give_up)


def event(books: Books, code: int = 250, text: str = "2.0.0 taken") -> TrackingEvent:
    return TrackingEvent(books.clock.now(), "home:25", code, text)


def doubtful(books: Books, claimed: Owed, *, waiting: bool) -> None:
    assert books.run(owed.in_flight, owed_id=claimed.id, token=claimed.token)
    assert books.run(
        owed.doubt,
        owed_id=claimed.id,
        token=claimed.token,
        event=event(books, 0, "no reply in 10 s"),
        next_attempt=books.clock.now() + MINUTE,
        waiting=waiting,
    )


def test_a_claimed_message_has_all_that_is_needed_to_send_it(books: Books) -> None:
    parameters = Parameters(MailParameters(body="8BITMIME", ret="HDRS"), RcptParameters(notify="NEVER"))
    row = books.redirect("anna", parameters=parameters)
    (claimed,) = claim(books, row)
    assert claimed.id == row
    assert claimed.account == books.accounts["anna"]
    assert claimed.recipient == "anna@example.org"
    assert claimed.reverse_path == "a@b.example"
    assert claimed.parameters == parameters
    assert claimed.attempts == 0
    assert claimed.body.id == books.bodies[row]
    assert books.state(row) == CLAIMED


def test_a_message_is_claimed_once(books: Books) -> None:
    row = books.redirect("anna")
    assert claim(books, row)
    assert claim(books, row) == []


def test_a_message_that_is_not_due_is_not_claimed(books: Books) -> None:
    row = books.redirect("anna", next_attempt=books.clock.now() + SECOND)
    assert claim(books, row) == []
    books.clock.advance(1)
    assert claim(books, row)


def test_the_way_of_a_message_that_home_takes(books: Books) -> None:
    row = books.redirect("anna")
    (claimed,) = claim(books, row)
    assert books.run(owed.in_flight, owed_id=row, token=claimed.token)
    assert books.state(row) == IN_FLIGHT
    assert books.run(owed.finish, owed_id=row, token=claimed.token, outcome=DELIVERED, event=event(books))
    assert books.state(row) == DELIVERED
    outcome, events = books.tracked(row)
    assert outcome == DELIVERED
    assert "2.0.0 taken" in events


def test_who_lost_the_lease_changes_nothing(books: Books) -> None:
    row = books.redirect("anna")
    (lost,) = claim(books, row)
    books.clock.advance(LEASE / SECOND)
    books.run(leases.sweep)
    (held,) = claim(books, row)
    before = books.row(row).lease_until
    assert not books.run(owed.in_flight, owed_id=row, token=lost.token)
    assert not books.run(owed.extend, owed_id=row, token=lost.token)
    assert not books.run(owed.give_back, owed_id=row, token=lost.token)
    assert not books.run(owed.finish, owed_id=row, token=lost.token, outcome=DELIVERED, event=event(books))
    assert not books.run(owed.doubt, owed_id=row, token=lost.token, event=event(books), next_attempt=0, waiting=True)
    assert not books.run(owed.try_later, owed_id=row, token=lost.token, event=event(books), next_attempt=0)
    now = books.row(row)
    assert (now.state, now.token, now.lease_until) == (CLAIMED, held.token, before)
    assert "taken" not in books.tracked(row)[1]


def test_the_final_dot_needs_a_minute_of_the_lease(books: Books) -> None:
    row, other = books.redirect("anna"), books.redirect("bert")
    first, second = claim(books, row, other)
    books.clock.advance((LEASE - LEFT_AT_FINAL_DOT) / SECOND)
    assert books.run(owed.in_flight, owed_id=row, token=first.token)
    books.clock.advance(1)
    assert not books.run(owed.in_flight, owed_id=other, token=second.token)
    assert books.state(other) == CLAIMED


def test_a_long_transmission_keeps_its_lease(books: Books) -> None:
    row = books.redirect("anna")
    (claimed,) = claim(books, row)
    for _ in range(5):
        books.clock.advance(LEASE / SECOND - 1)
        assert books.run(owed.extend, owed_id=row, token=claimed.token)
    assert books.run(leases.sweep) == 0
    assert books.run(owed.in_flight, owed_id=row, token=claimed.token)


def test_an_expired_lease_is_owed_again_or_in_doubt_once_in_flight(books: Books) -> None:
    row, other = books.redirect("anna"), books.redirect("bert")
    _, flying = claim(books, row, other)
    assert books.run(owed.in_flight, owed_id=other, token=flying.token)
    assert books.run(leases.sweep) == 0
    books.clock.advance(LEASE / SECOND)
    assert books.run(leases.sweep) == 2
    assert books.states(row, other) == [OWED, IN_DOUBT]
    assert claim(books, row, other)


def test_after_a_kill_no_lease_has_a_holder(books: Books) -> None:
    claimed, flying, waiting, owed_row = (books.redirect(name) for name in ("anna", "bert", "anna", "bert"))
    rows = {row.id: row for row in claim(books, claimed, flying, waiting)}
    assert books.run(owed.in_flight, owed_id=flying, token=rows[flying].token)
    doubtful(books, rows[waiting], waiting=True)
    books.run(leases.sweep, all_holders_dead=True)
    assert books.states(claimed, flying, waiting, owed_row) == [OWED, IN_DOUBT, IN_DOUBT, OWED]
    assert len(claim(books, claimed, flying, waiting, owed_row)) == 4  # at once
    assert books.run(leases.sweep) == 0


def test_giving_back_never_forgets_a_doubt(books: Books) -> None:
    row = books.redirect("anna")
    (claimed,) = claim(books, row)
    assert books.run(owed.give_back, owed_id=row, token=claimed.token)
    assert books.state(row) == OWED
    (claimed,) = claim(books, row)
    doubtful(books, claimed, waiting=False)
    books.clock.advance(60)
    (again,) = claim(books, row)
    assert books.state(row) == IN_DOUBT
    assert claim(books, row) == []
    assert books.run(owed.give_back, owed_id=row, token=again.token)
    assert books.state(row) == IN_DOUBT
    (again,) = claim(books, row)
    assert books.run(owed.try_later, owed_id=row, token=again.token, event=event(books, 451), next_attempt=0)
    assert books.state(row) == IN_DOUBT  # refused before its final dot: home may still have the first


def test_what_is_in_flight_cannot_be_given_back(books: Books) -> None:
    row = books.redirect("anna")
    (claimed,) = claim(books, row)
    assert books.run(owed.in_flight, owed_id=row, token=claimed.token)
    assert not books.run(owed.give_back, owed_id=row, token=claimed.token)


def test_no_second_attempt_while_a_late_reply_may_come(books: Books) -> None:
    row = books.redirect("anna", state=IN_DOUBT, token=7, next_attempt=1)
    assert claim(books, row) == []
    books.clock.advance(LATE_REPLY / SECOND - 1)
    assert claim(books, row) == []
    books.clock.advance(1)
    assert claim(books, row)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (ACCEPTED, DELIVERED),
        (REFUSED, FAILED),
        (ABOUT_US, OWED),
        (NOT_CLEAR, OWED),
        (TEMPORARY, OWED),
        (SILENCE, IN_DOUBT),
    ],
    ids=lambda value: value.text if isinstance(value, Outcome) else None,
)
def test_what_a_late_reply_means(books: Books, outcome: Outcome, state: str) -> None:
    row = books.redirect("anna", state=IN_DOUBT, token=7)
    next_attempt = books.clock.now() + MINUTE
    assert books.run(owed.late_reply, owed_id=row, token=7, outcome=outcome, host="h", next_attempt=next_attempt)
    now = books.row(row)
    assert now.state == state
    assert now.token == 0
    assert not books.run(owed.late_reply, owed_id=row, token=7, outcome=ACCEPTED, host="h", next_attempt=0)


def test_a_temporary_refusal_waits_for_its_time(books: Books) -> None:
    row = books.redirect("anna")
    (claimed,) = claim(books, row)
    at = books.clock.now() + 30 * SECOND
    later = event(books, 451, "4.2.2 full")
    assert books.run(owed.try_later, owed_id=row, token=claimed.token, event=later, next_attempt=at)
    now = books.row(row)
    assert (now.state, now.attempts, now.next_attempt) == (OWED, 1, at)
    assert (now.last_code, now.last_text) == (451, "4.2.2 full")
    assert claim(books, row) == []


def test_give_up_counts_the_time_that_home_was_up(books: Books) -> None:
    row = books.redirect("anna")
    books.clock.advance(30 * DAY / SECOND)
    (claimed,) = claim(books, row)
    books.run(owed.try_later, owed_id=row, token=claimed.token, event=event(books, 451), next_attempt=0)
    books.home_was_up(5 * DAY - 1)
    (claimed,) = claim(books, row)
    books.run(owed.try_later, owed_id=row, token=claimed.token, event=event(books, 451), next_attempt=0)
    books.home_was_up(1)
    assert claim(books, row) == []
    assert books.state(row) == EXPIRED
    assert books.tracked(row)[0] == EXPIRED


def test_a_message_that_was_never_tried_does_not_expire(books: Books) -> None:
    row = books.redirect("anna")
    books.home_was_up(50 * DAY)
    assert claim(books, row)


def test_refusals_fail_when_their_run_ends_and_are_owed_again_when_it_pauses(books: Books) -> None:
    first, second = books.redirect("anna"), books.redirect("bert")
    for run, row in ((1, first), (2, second)):
        (claimed,) = claim(books, row)
        books.run(
            owed.try_later,
            owed_id=row,
            token=claimed.token,
            event=event(books, 550, "5.1.1 no"),
            next_attempt=books.clock.now() + MINUTE,
            run=run,
        )
    assert books.states(first, second) == [OWED, OWED]
    books.run(refusals.fail_refused, domain=books.domain.id, run=1)
    books.run(refusals.forgive_refused, domain=books.domain.id, run=2, next_attempt=books.clock.now())
    assert books.states(first, second) == [FAILED, OWED]
    assert books.tracked(first)[0] == FAILED
    assert claim(books, second)


class TestDeleted:
    """Judged at the claim, by body: nothing is sent."""

    def change_entries(self, books: Books, change_one: object) -> None:
        account = books.accounts["anna"]

        def work(tx: Transaction) -> None:
            change_one(tx, account, mailboxes.inbox(tx, account))  # type: ignore[operator]

        books.run(work)

    def move(self, tx: Transaction, account: int, folder: str, *, then_expunge: bool = True) -> None:
        inbox = mailboxes.inbox(tx, account)
        change.copy(tx, inbox, [(1, 1)], mailboxes.get(tx, account, folder).id)
        if then_expunge:
            change.store_flags(tx, inbox, [(1, 1)], "add", DELETED_FLAG, ())
            change.expunge(tx, inbox)

    def test_marked_deleted(self, books: Books) -> None:
        row = books.redirect("anna")
        self.change_entries(
            books, lambda tx, _, inbox: change.store_flags(tx, inbox, [(1, 1)], "add", DELETED_FLAG, ())
        )
        assert claim(books, row) == []
        assert books.state(row) == DELETED
        assert books.tracked(row)[0] == DELETED

    def test_marked_and_unmarked_is_sent(self, books: Books) -> None:
        row = books.redirect("anna")
        for how in ("add", "remove"):
            self.change_entries(
                books,
                lambda tx, _, inbox, how=how: change.store_flags(tx, inbox, [(1, 1)], how, DELETED_FLAG, ()),
            )
        assert claim(books, row)

    def test_copy_and_expunge_is_a_move_and_is_sent(self, books: Books) -> None:
        row = books.redirect("anna")
        self.change_entries(books, lambda tx, account, _: self.move(tx, account, "Archive"))
        assert claim(books, row)

    def test_moved_to_trash_or_below(self, books: Books) -> None:
        row = books.redirect("anna")
        self.change_entries(books, lambda tx, account, _: mailboxes.create(tx, account, "Trash/old"))
        self.change_entries(books, lambda tx, account, _: self.move(tx, account, "Trash/old"))
        assert claim(books, row) == []
        assert books.state(row) == DELETED

    def test_a_folder_that_is_only_named_like_trash_is_none(self, books: Books) -> None:
        row = books.redirect("anna")
        self.change_entries(books, lambda tx, account, _: mailboxes.create(tx, account, "Trash and treasure"))
        self.change_entries(books, lambda tx, account, _: self.move(tx, account, "Trash and treasure"))
        assert claim(books, row)

    def test_a_copy_in_trash_beside_the_message_is_sent(self, books: Books) -> None:
        row = books.redirect("anna")
        self.change_entries(books, lambda tx, account, _: self.move(tx, account, "Trash", then_expunge=False))
        assert claim(books, row)

    def test_a_message_without_a_mailbox_is_sent(self, books: Books) -> None:
        assert claim(books, books.redirect("nobody"))
