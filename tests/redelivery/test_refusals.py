"""Refusals at redelivery: what fails, and when the flush pauses instead."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from mpcontinuity.model.owed import DELIVERED, FAILED, OWED
from mpcontinuity.queue import listing
from mpcontinuity.routing.health import State
from mpcontinuity.store.store import Store
from tests.redelivery.conftest import World, outage, users
from tests.redelivery.homes import OK, RELAYING, SPAM, UNKNOWN


def test_a_refused_message_fails_when_the_run_ends(world: World) -> None:
    rows = outage(world, "anna", "bert")
    world.home.answers["anna@example.org"] = SPAM
    world.flows()
    world.home.comes_back()
    assert world.books.states(*rows) == [FAILED, DELIVERED]
    outcome, events = world.books.tracked(rows[0])
    assert outcome == FAILED
    assert "I do not like it" in events
    world.wait(7200, 60)
    assert world.home.tried.count("anna@example.org") == 1


def test_many_refusals_of_one_recipient_are_no_pause(world: World) -> None:
    rows = outage(world, *["anna"] * 5, "bert")
    world.home.answers["anna@example.org"] = UNKNOWN
    world.flows()
    world.home.comes_back()
    assert world.books.states(*rows) == [FAILED] * 5 + [DELIVERED]
    assert world.books.paused() == ""


def test_three_different_recipients_refused_in_a_row_pause_the_flush(world: World) -> None:
    names = users(world, 5)
    rows = outage(world, *names)
    world.home.answers[""] = UNKNOWN
    world.flows()
    world.home.comes_back()
    assert len(world.home.tried) == 3
    assert world.books.states(*rows) == [OWED] * 5
    assert world.books.paused() == "550 5.1.1 unknown user"
    assert world.state() is State.RECOVERING
    for row in rows[:3]:
        assert world.books.tracked(row)[0] == OWED
        assert "unknown user" in world.books.tracked(row)[1]


def test_a_pause_gives_back_all_that_its_run_refused(world: World) -> None:
    names = users(world, 5)
    rows = outage(world, *names)
    for name in names:
        world.home.answers[f"{name}@example.org"] = UNKNOWN
    world.home.answers[f"{names[1]}@example.org"] = OK
    world.flows()
    world.home.comes_back()
    assert world.books.states(*rows) == [OWED, DELIVERED, OWED, OWED, OWED]
    assert world.books.paused()


def test_a_paused_flush_tries_one_message_at_intervals_and_a_good_one_resumes_it(world: World) -> None:
    rows = outage(world, *users(world, 8))
    world.home.answers[""] = UNKNOWN
    world.flows()
    world.home.comes_back()
    tried = len(world.home.tried)
    world.wait(29)
    assert len(world.home.tried) == tried
    world.wait(2)
    assert len(world.home.tried) == tried + 1
    world.wait(58)
    assert len(world.home.tried) == tried + 1
    world.home.answers[""] = OK
    world.wait(3)
    assert world.books.paused() == ""
    world.wait(300)
    assert world.books.states(*rows) == [DELIVERED] * 8
    assert world.state() is State.UP


def test_an_administrator_resumes_a_paused_flush(world: World) -> None:
    rows = outage(world, *users(world, 4))
    world.home.answers[""] = UNKNOWN
    world.flows()
    world.home.comes_back()
    world.home.answers[""] = OK
    world.books.run(listing.retry_all, by="root")
    assert world.books.states(*rows) == [DELIVERED] * 4
    assert world.books.paused() == ""


def test_a_pause_outlives_a_restart(world: World, store: Store) -> None:
    outage(world, *users(world, 4))
    world.home.answers[""] = UNKNOWN
    world.flows()
    world.home.comes_back()
    world.stop()
    tried = len(world.home.tried)
    world.new_redelivery(store)
    again = world.new_redelivery(store)
    Deferred.fromCoroutine(again.start())
    assert len(world.home.tried) <= tried + 1
    assert world.books.paused()


def test_a_reply_that_concerns_us_pauses_at_once(world: World) -> None:
    rows = outage(world, "anna", "bert")
    world.home.answers[""] = RELAYING
    world.flows()
    world.home.comes_back()
    assert len(world.home.tried) == 1
    assert world.books.states(*rows) == [OWED, OWED]
    assert world.books.paused() == "550 5.7.1 relaying denied"
