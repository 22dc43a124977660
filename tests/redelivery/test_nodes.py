"""Several nodes redeliver to one home server: one of them sends, and another goes on when it is gone."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.owed import DELIVERED, IN_DOUBT, IN_FLIGHT, OWED
from mpcontinuity.model.reply import Outcome
from mpcontinuity.queue.owed import LATE_REPLY, LEASE
from mpcontinuity.redelivery.flush import FLUSH
from mpcontinuity.redelivery.service import POLL
from mpcontinuity.routing.health import State
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.nodes import Cluster
from tests.fakes.stores import result
from tests.redelivery.conftest import World
from tests.redelivery.homes import NO_REPLY, OK, RELAYING


class Nodes:
    """Two of them over one home server that is down until the test has it come back."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.world = World(store, clock)
        self.home = self.world.home
        self.cluster = Cluster(store)
        self.one, self.other = self.cluster.node(), self.cluster.node()
        self.redeliveries = [self.world.new_redelivery(node) for node in (self.one, self.other)]
        self.home.goes_down()

    def flow(self) -> None:
        for redelivery in self.redeliveries:
            result(redelivery.start())

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.world.wait(1)
            self.one.hear()
            self.other.hear()

    def holder(self) -> Any:
        return self.cluster.elections.holders.get((FLUSH, self.world.books.domain.id))

    def recipients(self) -> list[str]:
        return [delivery.recipient.partition("@")[0] for delivery in self.home.taken]


@pytest.fixture
def nodes(store: Store, clock: ManualClock) -> Nodes:
    return Nodes(store, clock)


def test_one_node_sends_at_one_pace_and_in_order(nodes: Nodes) -> None:
    names = [f"user{number}" for number in range(12)]
    for name in names:
        nodes.world.books.add_user(name)
    rows = nodes.world.redirect(*names, *names)
    answers: list[Deferred[Outcome]] = []

    def slowly(_: object) -> Deferred[Outcome]:
        answers.append(Deferred())
        return answers[-1]

    nodes.home.answers[""] = slowly
    nodes.flow()
    nodes.home.comes_back()
    widths = []
    while answers:
        widths.append(len(answers))
        waiting, answers[:] = answers[:], []
        for answer in waiting:
            answer.callback(OK)
        nodes.wait(1)
    assert widths[:3] == [1, 2, 4]
    assert nodes.home.most_open <= 7
    assert nodes.recipients() == names + names
    assert nodes.world.books.states(*rows) == [DELIVERED] * 24
    assert nodes.world.state() is State.UP
    assert nodes.holder() is nodes.one


def test_what_a_killed_node_had_in_flight_is_in_doubt_and_sent_by_another_with_its_id(nodes: Nodes) -> None:
    first, second = nodes.world.redirect("anna", "bert")
    nodes.home.answers["anna@example.org"] = [Deferred(), OK]
    nodes.flow()
    nodes.home.comes_back()
    assert nodes.world.books.state(first) == IN_FLIGHT
    nodes.one.kill()
    nodes.wait(10)
    assert nodes.world.books.state(second) == DELIVERED  # the other goes on with what is free
    assert nodes.world.books.state(first) == IN_FLIGHT
    nodes.wait(LEASE / SECOND + POLL)
    assert nodes.world.books.state(first) == DELIVERED
    assert [delivery.recipient for delivery in nodes.home.taken] == ["bert@example.org", "anna@example.org"]
    assert IN_DOUBT not in nodes.world.books.states(first, second)
    assert "may have it" in nodes.world.books.tracked(first)[1]


def test_leases_of_a_living_node_are_left_to_it_when_another_starts(nodes: Nodes) -> None:
    (row,) = nodes.world.redirect("anna")
    answer: Deferred[Outcome] = Deferred()
    nodes.home.answers[""] = answer
    result(nodes.redeliveries[0].start())
    nodes.home.comes_back()
    result(nodes.redeliveries[1].start())
    assert nodes.world.books.state(row) == IN_FLIGHT
    nodes.wait(2 * LEASE / SECOND)  # and are kept up
    assert nodes.world.books.state(row) == IN_FLIGHT
    answer.callback(OK)
    assert nodes.world.books.state(row) == DELIVERED
    assert len(nodes.home.taken) == 1


def test_a_late_reply_that_a_killed_node_waited_for_leaves_the_row_in_doubt_for_another(nodes: Nodes) -> None:
    (row,) = nodes.world.redirect("anna")
    nodes.home.answers[""] = [NO_REPLY, OK]
    nodes.home.late["anna@example.org"] = Deferred()
    nodes.flow()
    nodes.home.comes_back()
    assert nodes.world.books.state(row) == IN_DOUBT
    nodes.one.kill()
    nodes.wait(LATE_REPLY / SECOND - POLL)
    assert nodes.world.books.state(row) == IN_DOUBT
    nodes.wait(2 * POLL)
    assert nodes.world.books.state(row) == DELIVERED


def test_a_node_that_lost_its_election_begins_nothing_but_ends_what_it_began(nodes: Nodes) -> None:
    first, second, third = nodes.world.redirect("anna", "anna", "anna")
    answer: Deferred[Outcome] = Deferred()
    nodes.home.answers[""] = [answer, OK]
    nodes.flow()
    nodes.home.comes_back()
    nodes.one.election.give_up()
    assert result(nodes.other.election.hold(FLUSH, nodes.world.books.domain.id))
    nodes.one.election.lose()
    nodes.wait(6)
    assert nodes.world.books.states(second, third) == [DELIVERED, DELIVERED]
    answer.callback(OK)
    assert nodes.world.books.state(first) == DELIVERED
    assert len(nodes.home.taken) == 3


def test_a_stopped_node_leaves_the_flush_to_another(nodes: Nodes) -> None:
    nodes.flow()
    nodes.home.comes_back()
    result(nodes.redeliveries[0].stop())
    (row,) = nodes.world.redirect("anna")
    nodes.wait(6)
    assert nodes.world.books.state(row) == DELIVERED
    assert nodes.holder() is nodes.other


def test_a_pause_holds_for_the_node_that_takes_over(nodes: Nodes) -> None:
    rows = nodes.world.redirect("anna", "bert", "anna", "bert")
    nodes.home.answers[""] = RELAYING
    nodes.flow()
    nodes.home.comes_back()
    assert nodes.world.books.paused()
    nodes.one.kill()
    tried = len(nodes.home.tried)
    nodes.wait(40)
    assert len(nodes.home.tried) == tried + 1  # one message tries, as in any paused flush
    assert nodes.world.books.states(*rows) == [OWED] * 4
    nodes.home.answers[""] = OK
    nodes.wait(120)
    assert nodes.world.books.states(*rows) == [DELIVERED] * 4
    assert not nodes.world.books.paused()


def test_a_node_that_does_not_send_asks_seldom(nodes: Nodes) -> None:
    nodes.flow()
    nodes.home.comes_back()
    nodes.home.answers[""] = Deferred()
    asked = nodes.other.election.asked
    for _ in range(20):
        nodes.world.redirect("anna")
        nodes.other.hear()
    nodes.wait(60)
    assert nodes.other.election.asked - asked <= 15
