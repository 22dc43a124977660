"""Refusals at redelivery: what fails, and when the flush pauses instead."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from mpcontinuity.accounts import taken
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.owed import DELIVERED, EXPIRED, FAILED, OWED
from mpcontinuity.queue import listing
from mpcontinuity.routing.health import Health, Proof, State
from mpcontinuity.store.store import Store
from tests.redelivery.conftest import World, outage, users
from tests.redelivery.homes import CLOSED, NO_REPLY, NOT_CLEAR, OK, RELAYING, SPAM, UNKNOWN


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


def test_what_is_refused_fails_also_where_nothing_else_can_show_that_home_is_back(world: World) -> None:
    rows = world.redirect("nobody", "nobody", "nobody")
    world.home.answers["nobody@example.org"] = UNKNOWN
    world.home.health = Health(State.DOWN, world.clock.now(), "451 busy", relapses=2, proof=Proof.MESSAGE)
    world.flows()
    world.wait(600)
    assert world.books.states(*rows) == [FAILED] * 3
    assert len(world.home.tried) == 3
    assert world.state() is State.DOWN


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


def known(world: World, *names: str) -> None:
    """Home took mail for these before the outage."""
    world.books.run(taken.note_taken, keys=[f"{name}@example.org" for name in names])


def test_an_address_that_home_took_before_pauses_the_flush_of_a_single_user(world: World) -> None:
    known(world, "anna")
    rows = outage(world, *["anna"] * 20)
    world.home.answers[""] = UNKNOWN
    world.flows()
    world.home.comes_back()
    assert len(world.home.tried) == 1
    assert world.books.paused() == "550 5.1.1 unknown user"
    world.wait(4 * 3600, 60)
    assert world.books.states(*rows) == [OWED] * 20
    world.home.answers[""] = OK
    world.wait(2 * 3600, 60)
    assert world.books.states(*rows) == [DELIVERED] * 20
    assert world.books.paused() == ""


def test_the_tries_of_a_paused_flush_go_round_the_recipients(world: World) -> None:
    known(world, "anna", "bert")
    outage(world, *["anna", "anna", "anna", "bert", "bert", "bert"])
    world.home.answers[""] = UNKNOWN
    world.flows()
    world.home.comes_back()
    world.wait(1000)
    assert world.home.tried[:4] == ["anna@example.org", "bert@example.org"] * 2


def test_who_is_refused_while_others_are_taken_waits_alone_and_expires_with_give_up(world: World) -> None:
    known(world, "anna", "bert")
    rows = outage(world, "anna", "anna", "bert", "bert")
    world.home.answers["anna@example.org"] = UNKNOWN
    world.flows()
    world.home.comes_back()
    world.wait(3600, 5)
    assert world.books.states(*rows) == [OWED, OWED, DELIVERED, DELIVERED]
    assert world.books.paused() == ""
    assert world.state() is State.UP
    world.books.home_was_up(5 * DAY)
    world.wait(3700, 60)
    assert world.books.states(*rows) == [EXPIRED, EXPIRED, DELIVERED, DELIVERED]


def test_a_refusal_that_is_not_clear_stays_owed_holds_up_nobody_and_expires(world: World) -> None:
    rows = outage(world, "anna", "bert")
    world.home.answers["anna@example.org"] = NOT_CLEAR
    world.flows()
    world.home.comes_back()
    world.wait(7200, 60)
    assert world.books.states(*rows) == [OWED, DELIVERED]
    assert world.books.row(rows[0]).last_text == "5.7.1 rejected"
    assert world.home.tried.count("anna@example.org") > 3
    world.books.home_was_up(5 * DAY)
    world.wait(3700, 60)
    assert world.books.state(rows[0]) == EXPIRED


def test_refusals_that_are_not_clear_of_three_recipients_in_a_row_pause_the_flush(world: World) -> None:
    rows = outage(world, *users(world, 4))
    world.home.answers[""] = NOT_CLEAR
    world.flows()
    world.home.comes_back()
    assert world.books.paused() == "554 5.7.1 rejected"
    assert world.books.states(*rows) == [OWED] * 4


def test_both_users_of_an_office_unknown_pause_the_flush_though_nothing_is_known_of_them(world: World) -> None:
    rows = outage(world, "anna", "bert")
    world.home.answers[""] = UNKNOWN
    world.flows()
    world.home.comes_back()
    assert world.books.paused() == "550 5.1.1 unknown user"
    assert world.books.states(*rows) == [OWED, OWED]


def test_a_mailbox_that_ends_every_session_waits_and_the_others_do_not(world: World) -> None:
    rows = outage(world, *["anna"] * 50, *["bert"] * 10)
    world.home.answers["anna@example.org"] = CLOSED
    world.flows()
    world.home.comes_back()
    world.wait(10)
    assert world.books.states(*rows[50:]) == [DELIVERED] * 10
    assert world.home.tried.count("anna@example.org") <= 5  # then all of them wait
    assert world.books.paused() == ""
    world.wait(20 * 3600, 60)
    tried = world.home.tried.count("anna@example.org")
    assert 20 <= tried <= 100  # about once an hour, not fifty times
    world.home.answers["anna@example.org"] = OK
    world.wait(2 * 3600, 60)
    assert world.books.states(*rows) == [DELIVERED] * 60


def test_a_late_refusal_fails_nothing_while_the_flush_is_paused(world: World) -> None:
    rows = outage(world, *users(world, 2))
    late = world.home.late["user0@example.org"] = Deferred()
    world.home.answers = {"user0@example.org": NO_REPLY, "user1@example.org": RELAYING}
    world.flows()
    world.home.comes_back()
    world.wait(5)
    assert world.books.paused()
    late.callback(SPAM)
    assert world.books.states(*rows) == [OWED, OWED]


def test_a_home_that_is_slow_to_answer_messages_is_no_mailbox_in_trouble(world: World) -> None:
    rows = outage(world, *["anna"] * 6)
    world.home.answers[""] = NO_REPLY
    late = world.home.late["anna@example.org"] = Deferred()
    world.flows()
    world.home.comes_back()
    for _ in range(6):
        world.wait(20)
        answered, late = late, Deferred()
        world.home.late["anna@example.org"] = late
        answered.callback(OK)
    world.wait(20)
    assert len(world.home.tried) >= 6
    assert world.books.states(*rows).count(OWED) == 0
