"""The health of one home server as several nodes see it: one state, one prober, one count of the time it was up."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.homes.service import PROBER, Watch
from mpcontinuity.model.address import Address
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.reply import Outcome
from mpcontinuity.model.settings import Home
from mpcontinuity.outbound.home import HomeServer, HomeServers
from mpcontinuity.outbound.opening import ClientEnvironment
from mpcontinuity.queue.wanted import want
from mpcontinuity.routing.health import Observation, State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.nodes import Cluster
from tests.fakes.stores import result
from tests.homes.test_watch import GOOD, REFUSED
from tests.queue.ledgers import Books

_UPTIME = Statement("SELECT uptime FROM domain")
_ROW = Statement("SELECT state, last_failure FROM domain")


class Node:
    """One node's watch over the home server of the one domain, whose probes are answered by the test."""

    def __init__(self, cluster: Cluster, books: Books, clock: ManualClock) -> None:
        self.store = cluster.node()
        self.probes = 0
        self.answer: Outcome | Deferred[Outcome] = GOOD
        unused: Any = None
        self.homes = HomeServers(ClientEnvironment("us", Home(), clock, unused, unused), clock)
        self.home: HomeServer = self.homes.of(books.domain)
        self.home.probe = self._probe  # type: ignore[method-assign]
        self.watch = Watch(
            self.store, Directory(self.store), self.homes, Home(), timer=clock, randomness=SeededRandomness()
        )
        result(self.watch.start())

    async def _probe(self, recipient: Address | None) -> Outcome:
        self.probes += 1
        return await self.answer if isinstance(self.answer, Deferred) else self.answer

    def state(self) -> State:
        return self.home.health.state


class Site:
    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.clock = clock
        self.books = Books(store, clock)
        self.cluster = Cluster(store)
        self.one, self.other = (Node(self.cluster, self.books, clock) for _ in range(2))

    def hear(self) -> None:
        for node in (self.one, self.other):
            node.store.hear()

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            self.hear()

    def row(self) -> Any:
        return self.books.read(lambda tx: tx.one(_ROW))

    def uptime(self) -> int:
        return int(self.books.read(lambda tx: tx.value(_UPTIME))) // SECOND


@pytest.fixture
def site(store: Store, clock: ManualClock) -> Site:
    return Site(store, clock)


def test_what_one_node_meets_is_the_state_for_all(site: Site) -> None:
    site.other.home.observe(Observation.UNREACHABLE, "connection refused")
    assert site.one.state() is State.UP
    site.one.store.hear()
    assert site.one.state() is State.DOWN
    assert site.one.home.health == site.other.home.health


def test_one_node_probes_and_the_others_follow_it_through_the_recovery(site: Site) -> None:
    site.one.answer = REFUSED
    site.other.home.observe(Observation.UNREACHABLE, "connection refused")
    site.wait(60)
    assert site.one.probes >= 4
    assert site.other.probes == 0
    site.one.answer = GOOD
    site.wait(45)
    assert site.one.state() is site.other.state() is State.RECOVERING
    site.other.home.observe(Observation.FLUSHED)
    site.hear()
    assert site.one.state() is State.UP


def test_another_node_probes_soon_after_the_prober_was_killed(site: Site) -> None:
    site.wait(30)
    site.one.store.kill()
    site.wait(15)
    assert site.other.probes == 1


def test_a_prober_that_lost_its_election_asks_for_it_again(site: Site) -> None:
    site.one.store.election.lose()
    assert result(site.other.store.election.hold(PROBER, site.books.domain.id))
    probes = site.one.probes
    site.wait(120)
    assert site.one.probes == probes
    assert site.other.probes > 0
    site.other.store.election.lose()
    assert result(site.one.store.election.hold(PROBER, site.books.domain.id))
    site.wait(120)
    assert site.one.probes > probes


def test_a_stopped_prober_leaves_it_to_the_others_at_once(site: Site) -> None:
    result(site.one.watch.stop())
    assert not site.one.store.election.holds(PROBER, site.books.domain.id)
    site.wait(16)
    assert site.other.probes == 1


def test_two_failures_within_a_minute_are_down_though_two_nodes_met_one_each(site: Site) -> None:
    site.one.home.observe(Observation.SILENT, "no reply")
    assert site.row() == ("up", site.one.home.health.last_failure)
    site.hear()
    assert site.other.state() is State.SUSPECT
    site.clock.advance(10)
    site.other.home.observe(Observation.SILENT, "no reply")
    site.hear()
    assert site.one.state() is site.other.state() is State.DOWN


def test_failures_that_two_nodes_met_at_the_same_time_add_up(site: Site) -> None:
    site.one.home.observe(Observation.SILENT, "no reply")
    site.clock.advance(1)
    site.other.home.observe(Observation.SILENT, "no reply")  # before it heard of the first
    site.hear()
    assert site.one.state() is site.other.state() is State.DOWN
    assert site.row()[0] == "down"


def test_a_message_that_home_took_from_one_node_ends_the_suspicion_of_all(site: Site) -> None:
    site.one.home.observe(Observation.SILENT, "no reply")
    site.hear()
    site.other.home.observe(Observation.SERVED)
    site.hear()
    assert site.one.state() is State.UP
    assert site.row() == ("up", 0)


def test_the_time_that_home_was_up_is_counted_once(site: Site) -> None:
    site.wait(600)
    assert 540 <= site.uptime() <= 600
    site.one.store.election.lose()
    assert result(site.other.store.election.hold(PROBER, site.books.domain.id))
    site.wait(600)
    assert 1080 <= site.uptime() <= 1200


def test_a_change_that_went_unheard_is_read_with_all_others(site: Site) -> None:
    site.other.home.observe(Observation.UNREACHABLE, "connection refused")
    site.one.store.hear_again()
    assert site.one.state() is State.DOWN


def test_what_the_store_could_not_be_told_is_told_when_it_is_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> Any:
        raise Temporary("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(site.cluster.store, "run", fails)
        site.other.home.observe(Observation.UNREACHABLE, "connection refused")
    assert site.row()[0] == "up"
    site.wait(6)
    assert site.row()[0] == "down"
    assert site.one.state() is State.DOWN


def test_what_is_wanted_at_one_node_is_asked_by_the_one_that_probes(site: Site) -> None:
    site.one.answer = REFUSED
    site.other.home.observe(Observation.UNREACHABLE, "connection refused")
    site.hear()
    site.wait(22)
    before = site.one.probes
    site.one.answer = GOOD
    result(site.other.store.run(partial(want, domain=site.books.domain.id)))  # nothing is owed: nothing is asked
    site.wait(1)
    assert site.one.probes == before
    site.books.redirect("anna")
    assert result(site.other.store.run(partial(want, domain=site.books.domain.id))) == 1
    site.hear()
    site.clock.advance(0)
    site.hear()
    assert (site.one.probes - before, site.other.probes) == (1, 0)
    assert site.one.state() is site.other.state() is State.RECOVERING
