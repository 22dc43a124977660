"""A long flush: fair between users, small messages first, slower while home throttles, and how far it is."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.model.identifier import show
from mpcontinuity.model.owed import DELIVERED
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.queue import due, ledger, progress
from mpcontinuity.queue.progress import Progress
from mpcontinuity.routing.health import Gate
from tests.redelivery.conftest import World, outage, users
from tests.redelivery.homes import BUSY, NO_REPLY, OK, Delivery


def test_a_large_backlog_of_one_user_does_not_hold_up_the_others(world: World) -> None:
    rows = outage(world, *["anna"] * 50, "bert")
    replies: list[Deferred[Outcome]] = []

    def answer(delivery: Delivery) -> Outcome | Deferred[Outcome]:
        if delivery.recipient.startswith("anna") and len(world.home.tried) > 1:
            replies.append(Deferred())
            return replies[-1]
        return OK

    world.home.answers[""] = answer
    world.flows()
    world.home.comes_back()
    assert world.books.state(rows[-1]) == DELIVERED
    while replies:
        replies.pop().callback(OK)
        world.wait(0.1, 0.1)
    assert ledger.adds_up(world.books.report())
    assert world.books.states(*rows) == [DELIVERED] * 51
    assert [taken.id for taken in world.home.taken if taken.recipient.startswith("anna")] == [
        show(row).encode() for row in rows[:-1]
    ]


def test_a_thousand_old_messages_of_one_user_do_not_hold_up_what_others_got_later(world: World) -> None:
    rows = outage(world, *["anna"] * 60, "bert", "carl")
    world.flows()
    world.home.comes_back()
    world.wait(4, 0.1)
    went = [taken.recipient.partition("@")[0] for taken in world.home.taken]
    assert set(went[:3]) == {"anna", "bert", "carl"}
    assert world.books.states(*rows) == [DELIVERED] * 62


def test_a_huge_message_lets_the_small_ones_of_its_user_go_first(world: World) -> None:
    outage(world, "anna", size=50 << 20)
    rows = world.redirect("anna", "anna", "anna")
    world.flows()
    world.home.comes_back()
    assert [taken.id for taken in world.home.taken[:3]] == [show(row).encode() for row in rows]
    assert len(world.home.taken) == 4


def test_more_rows_of_one_user_than_are_kept_in_memory_go_in_their_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "PAGE", 50)
    monkeypatch.setattr(due, "OF_USER", 30)
    rows = outage(world, *["anna"] * 90, *["stranger"] * 90, "bert")
    world.flows()
    world.home.comes_back()
    world.wait(10, 0.1)
    assert world.books.states(*rows) == [DELIVERED] * 181
    for name, count in (("anna", 90), ("stranger", 90)):
        ids = [taken.id for taken in world.home.taken if taken.recipient.startswith(name)]
        assert ids == sorted(ids)
        assert len(ids) == count
    assert [taken.recipient for taken in world.home.taken].index("bert@example.org") < 60


@pytest.mark.parametrize(
    "said",
    [
        Outcome(Verdict.TEMPORARY, Stage.MAIL, Reply(451, "4.7.1", "too many messages from your network")),
        Outcome(Verdict.TEMPORARY, Stage.MESSAGE, Reply(451, "4.3.2", "system not accepting network messages")),
        Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(450, "", "rate limit exceeded")),
        Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(450, "4.7.25", "banned for now")),
    ],
)
def test_as_long_as_home_throttles_less_is_sent_and_no_new_mail_is_redirected(world: World, said: Outcome) -> None:
    names = users(world, 30)
    rows = outage(world, *names)
    world.home.answers[""] = said
    world.flows()
    world.home.comes_back()
    world.wait(300)
    assert len(world.home.tried) < 20
    assert world.home.gate() is Gate.OPEN
    world.home.answers[""] = OK
    world.wait(3600)
    assert world.books.states(*rows) == [DELIVERED] * 30


def test_a_home_that_greylists_is_not_given_less(world: World) -> None:
    names = users(world, 30)
    rows = outage(world, *names)
    seen: set[str] = set()

    def answer(delivery: Delivery) -> Outcome:
        new = delivery.recipient not in seen
        seen.add(delivery.recipient)
        return Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(450, "4.7.1", "Greylisted")) if new else OK

    world.home.answers[""] = answer
    world.flows()
    world.home.comes_back()
    world.wait(10, 0.1)
    assert len(seen) == 30
    world.wait(40)
    assert world.books.states(*rows) == [DELIVERED] * 30


def test_a_mailbox_that_is_slow_to_answer_does_not_make_the_flush_wait_for_half_a_minute(world: World) -> None:
    rows = outage(world, *["anna"] * 8, "bert")
    late: list[Deferred[Outcome]] = []

    def answer(delivery: Delivery) -> Outcome:
        if delivery.recipient.startswith("bert"):
            return OK
        late.append(Deferred())
        world.home.late["anna@example.org"] = late[-1]
        return NO_REPLY

    world.home.answers[""] = answer
    world.flows()
    world.home.comes_back()
    world.wait(5, 0.1)
    for reply in late:
        reply.callback(OK)
    assert world.books.states(*rows) == [DELIVERED] * 9


def waiting_for(world: World) -> Progress | None:
    return world.books.read(progress.load, domains=[world.books.domain.id]).get(world.books.domain.id)


def test_a_long_flush_tells_everybody_how_far_it_is(world: World) -> None:
    rows = outage(world, *users(world, 30))
    world.home.answers["user29@example.org"] = Deferred()
    world.home.answers[""] = lambda _: OK
    world.flows()
    world.home.comes_back()
    world.wait(6, 0.1)
    told = waiting_for(world)
    assert told is not None
    assert (told.done, told.throttled) == (29, "")
    assert 29 * 11 <= told.per_minute <= 29 * 12
    world.wait(1)
    world.home.answers["user29@example.org"].callback(OK)
    assert world.books.states(*rows) == [DELIVERED] * 30
    assert waiting_for(world) is None


def test_a_throttle_is_told_in_home_s_words(world: World) -> None:
    outage(world, *users(world, 10))
    world.home.answers[""] = BUSY
    world.flows()
    world.home.comes_back()
    world.wait(20)
    told = waiting_for(world)
    assert told is not None
    assert (told.done, told.throttled) == (0, "451 4.3.2 busy")


def test_a_message_that_goes_at_once_costs_no_word_of_progress(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.flows()
    monkeypatch.setattr(progress, "note", None)
    monkeypatch.setattr(progress, "over", None)
    (row,) = world.redirect("anna")
    world.wait(30)
    assert world.books.state(row) == DELIVERED
