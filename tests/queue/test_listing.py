"""`queue list`, `queue retry` and `queue remove`, over the rows owed to home servers."""

from __future__ import annotations

import json

import pytest

from mpcontinuity.accounts import home_state
from mpcontinuity.model.clock import DAY, MINUTE, iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import OwedChanged, TrackingEvent
from mpcontinuity.model.identifier import show
from mpcontinuity.model.owed import DELIVERED, EXPIRED, FAILED, IN_DOUBT, OWED, RELEASED
from mpcontinuity.queue import listing, owed
from mpcontinuity.queue.listing import QueueRow
from tests.queue.ledgers import Books


def finish(books: Books, row: int, outcome: str) -> None:
    (claimed,) = books.run(owed.claim, ids=[row], give_up=DAY)
    event = TrackingEvent(books.clock.now(), "home:25", 550, "5.1.1 no")
    books.run(owed.finish, owed_id=row, token=claimed.token, outcome=outcome, event=event)


def rows(books: Books, **more: int) -> list[QueueRow]:
    return [row for _, row in books.read(listing.listing, give_up=5 * DAY, **more)]


def test_what_waits_is_listed(books: Books) -> None:
    row = books.redirect("anna", subject="Grüße", message_id="<1@b>")
    finish(books, books.redirect("anna"), DELIVERED)
    now = books.clock.now()
    assert rows(books) == [
        QueueRow(
            id=show(row),
            kind="redelivery",
            sender="a@b.example",
            recipient="anna@example.org",
            subject="Grüße",
            message_id="<1@b>",
            attempts=0,
            next_attempt=iso(now),
            expires=iso(now + 5 * DAY),
            last_code=0,
            last_text="",
        )
    ]


def test_expiry_comes_nearer_only_while_home_is_up(books: Books) -> None:
    books.redirect("anna")
    books.clock.advance(3600)
    books.home_was_up(MINUTE)
    assert rows(books)[0].expires == iso(books.clock.now() + 5 * DAY - MINUTE)


def test_the_list_is_read_in_pages_and_by_domain(books: Books) -> None:
    ids = [books.redirect("anna") for _ in range(3)]
    assert [row.id for row in rows(books, after=ids[0])] == [show(row) for row in ids[1:]]
    assert rows(books, domain=books.domain.id + 1) == []
    assert len(rows(books, domain=books.domain.id)) == 3


def test_retry_makes_it_due_at_once(books: Books) -> None:
    row = books.redirect("anna", next_attempt=books.clock.now() + DAY)
    assert books.run(listing.retry, ids=[row], by="root") == 1
    assert books.row(row).next_attempt == 0


@pytest.mark.parametrize("all_of_them", [True, False])
def test_retry_reopens_what_failed(books: Books, all_of_them: bool) -> None:
    row = books.redirect("anna")
    finish(books, row, FAILED)
    books.home_was_up(50 * DAY)
    if all_of_them:
        assert books.run(listing.retry_all, by="root") == [row]
    else:
        books.run(listing.retry, ids=[row], by="root")
    assert books.state(row) == OWED
    outcome, events = books.tracked(row)
    assert outcome == OWED
    assert json.loads(events)[-1][3] == "Reopened by root"
    # give_up begins anew
    (claimed,) = books.run(owed.claim, ids=[row], give_up=DAY)
    books.run(owed.try_later, owed_id=row, token=claimed.token, event=TrackingEvent(0, "", 451, "x"), next_attempt=0)
    assert books.run(owed.claim, ids=[row], give_up=DAY)


def test_what_was_given_up_in_doubt_is_in_doubt_again_when_it_is_reopened(books: Books) -> None:
    """Found by the simulation."""
    row = books.redirect("anna")
    (claimed,) = books.run(owed.claim, ids=[row], give_up=DAY)
    lost = TrackingEvent(0, "home", 0, "closed the connection")
    books.run(owed.doubt, owed_id=row, token=claimed.token, event=lost, next_attempt=0, waiting=False)
    books.home_was_up(2 * DAY)
    assert not books.run(owed.claim, ids=[row], give_up=DAY)
    assert books.state(row) == EXPIRED
    books.run(listing.retry, ids=[row], by="root")
    assert books.state(row) == IN_DOUBT
    assert books.run(owed.claim, ids=[row], give_up=DAY)[0].doubted


@pytest.mark.parametrize("all_of_them", [True, False])
def test_retry_resumes_a_paused_flush_and_says_so(books: Books, all_of_them: bool) -> None:
    row = books.redirect("anna")
    books.run(home_state.pause, domain=books.domain.id, reason="550 relaying denied")
    assert books.paused() == "550 relaying denied"
    heard: list[object] = []
    books.store.listen(heard.extend)
    if all_of_them:
        books.run(listing.retry_all, by="root")
    else:
        books.run(listing.retry, ids=[row], by="root")
    assert books.paused() == ""
    assert OwedChanged(books.domain.id) in heard


def test_remove_ends_as_released_with_the_name(books: Books) -> None:
    row = books.redirect("anna")
    assert books.run(listing.remove, ids=[row], by="carla") == 1
    assert books.state(row) == RELEASED
    outcome, events = books.tracked(row)
    assert outcome == RELEASED
    assert "carla" in events


def test_a_claimed_message_that_is_removed_is_not_sent(books: Books) -> None:
    row = books.redirect("anna")
    (claimed,) = books.run(owed.claim, ids=[row], give_up=DAY)
    books.run(listing.remove, ids=[row], by="carla")
    assert not books.run(owed.in_flight, owed_id=row, token=claimed.token)


def test_what_home_is_taking_just_now_cannot_be_removed(books: Books) -> None:
    row, other = books.redirect("anna"), books.redirect("bert")
    (claimed,) = books.run(owed.claim, ids=[row], give_up=DAY)
    books.run(owed.in_flight, owed_id=row, token=claimed.token)
    with pytest.raises(Refused, match="just now"):
        books.run(listing.remove, ids=[other, row], by="carla")
    assert books.state(other) == OWED


def test_what_has_ended_is_neither_removed_nor_sent_again(books: Books) -> None:
    row = books.redirect("anna")
    finish(books, row, DELIVERED)
    with pytest.raises(Refused, match="is delivered already"):
        books.run(listing.remove, ids=[row], by="carla")
    with pytest.raises(Refused, match="is delivered already"):
        books.run(listing.retry, ids=[row], by="carla")


def test_an_unknown_id_is_refused_by_name(books: Books) -> None:
    with pytest.raises(Refused, match="000000000000z"):
        books.run(listing.retry, ids=[31], by="carla")


def test_force_releases_all_of_an_account_or_a_domain(books: Books) -> None:
    anna, bert, nobody = (books.redirect(name) for name in ("anna", "bert", "nobody"))
    account = books.accounts["anna"]
    assert books.run(listing.release_all, domain=books.domain.id, by="carla", account=account) == 1
    assert books.states(anna, bert) == [RELEASED, OWED]
    assert books.run(listing.release_all, domain=books.domain.id, by="carla") == 2
    assert books.states(bert, nobody) == [RELEASED, RELEASED]
