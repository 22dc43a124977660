"""What a user is told of continuity is what `status` and `report` say to administrators."""

from __future__ import annotations

from functools import partial

import pytest

from mpcontinuity.accounts import home_state, users
from mpcontinuity.alerts import outages
from mpcontinuity.control.bulletin import AFTERWARDS, Bulletin, bulletin
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY, MINUTE, SECOND
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.owed import DELETED, DELIVERED, FAILED
from mpcontinuity.queue import owed, progress
from mpcontinuity.routing.health import State
from mpcontinuity.store.statement import Statement
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.queue.ledgers import Books

_LOSE = Statement("DELETE FROM owed WHERE id = :id")


def told(books: Books, name: str = "anna") -> Bulletin:
    user = books.read(users.find, address=parse(f"{name}@example.org"))
    assert user is not None
    return books.read(bulletin, user=user)


def goes_home(books: Books, row: int, outcome: str = DELIVERED) -> None:
    (claimed,) = books.run(owed.claim, ids=[row], give_up=DAY)
    event = TrackingEvent(books.clock.now(), "home:25", 250, "ok")
    assert books.run(owed.finish, owed_id=row, token=claimed.token, outcome=outcome, event=event)


def test_while_home_works_there_is_nothing_to_say(books: Books) -> None:
    assert told(books).phase == "quiet"


def test_a_home_that_is_down_is_told_with_its_time_and_what_will_go_back(books: Books, clock: ManualClock) -> None:
    clock.advance(60)
    books.home_becomes(State.DOWN, "no answer")
    began = clock.now()
    books.redirect("anna")
    books.redirect("anna")
    books.redirect("bert")
    found = told(books)
    assert (found.phase, found.cause, found.since, found.waiting) == ("active", "down", began, 2)
    books.run(outages.observe)
    clock.advance(600)
    assert told(books).since == began


def test_when_home_is_back_what_is_left_is_told_and_then_that_all_went_back(books: Books, clock: ManualClock) -> None:
    clock.advance(60)
    books.home_becomes(State.DOWN, "no answer")
    books.run(outages.observe)
    first, second, third = (books.redirect("anna") for _ in range(3))
    began = clock.now()
    clock.advance(600)
    books.home_becomes(State.UP)
    books.run(outages.observe)
    ended = clock.now()
    goes_home(books, first)
    books.run(progress.note, domain=books.domain.id, began=ended, done=1, per_minute=1, throttled="")
    found = told(books)
    assert (found.phase, found.waiting, found.lasts, found.missing) == ("returning", 2, 2 * MINUTE, 0)
    goes_home(books, second, DELETED)
    goes_home(books, third, FAILED)
    found = told(books)
    assert (found.phase, found.since, found.ended, found.missing) == ("returned", began, ended, 0)
    assert (found.sums.taken_in, found.sums.delivered, found.sums.deleted, found.sums.failed) == (3, 1, 1, 1)
    line = next(each for each in books.report() if each.user == "anna@example.org")
    assert (line.taken_in, line.delivered, line.deleted, line.failed) == (3, 1, 1, 1)
    clock.advance(AFTERWARDS / SECOND + 1)
    assert told(books).phase == "quiet"


def test_a_message_that_is_lost_is_told_as_report_tells_it(books: Books, clock: ManualClock) -> None:
    clock.advance(60)
    books.home_becomes(State.DOWN, "no answer")
    books.run(outages.observe)
    row = books.redirect("anna")
    clock.advance(60)
    books.home_becomes(State.UP)
    books.run(outages.observe)
    books.run(lambda tx: tx.run(_LOSE, id=row))
    assert told(books).missing == 1
    assert told(books, "bert").missing == 0
    assert not next(each for each in books.report() if each.user == "anna@example.org").adds_up


@pytest.mark.parametrize(
    ("operation", "arguments", "cause"),
    [
        ("domain set", {"settings": {"mode": "enabled"}}, "declared"),
        ("contain on", {}, "contained"),
        ("drill", {"user": ["anna@example.org"], "lasts": "1h"}, "drill"),
    ],
)
def test_other_causes_are_told_as_such(
    books: Books, call: Call, operation: str, arguments: dict[str, object], cause: str
) -> None:
    call(operation, name="example.org", **arguments)
    assert (told(books).phase, told(books).cause) == ("active", cause)


def test_who_opted_in_is_told_so_and_others_have_the_choice(books: Books, call: Call) -> None:
    call("domain set", name="example.org", settings={"mode": "optional"})
    assert told(books).phase == "quiet"
    assert told(books).optional
    call("user continuity", address="anna@example.org", on=True)
    found = told(books)
    assert (found.phase, found.cause, found.opted_in) == ("active", "opted in", True)


def test_a_plain_relay_has_nothing_to_say(books: Books, call: Call) -> None:
    call("domain set", name="example.org", settings={"continuity": "off"})
    books.home_becomes(State.DOWN, "no answer")
    assert told(books) == Bulletin()
    assert books.read(partial(home_state.state, domain=books.domain.id)) is State.DOWN
