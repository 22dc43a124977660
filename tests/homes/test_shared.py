"""Two domains that name the same home server: one probe, one state, and the rows of both say it."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from mpcontinuity.accounts import domains
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.homes.prober import GLIMPSES
from mpcontinuity.homes.service import Watch
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.settings import DomainSettings, Home
from mpcontinuity.queue import listing
from mpcontinuity.routing.health import Observation, State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import result
from tests.outbound.wire import Network, ScriptedHome

_ROWS = Statement("SELECT state, reason, uptime FROM domain ORDER BY id")
_STATE = Statement("UPDATE domain SET state = 'down', since = 77, reason = :reason WHERE name = :name")


class Site:
    """Two domains at ``home:25``."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.net = Network(clock)
        self.net.homes = {"home:25": ScriptedHome(), "new:25": ScriptedHome()}
        for name in ("one.example", "two.example"):
            result(store.run(partial(domains.add, name=name, settings=DomainSettings(home=("home:25",)))))

    def watch(self) -> Watch:
        watch = Watch(
            self.store,
            Directory(self.store),
            self.net.servers,
            Home(),
            timer=self.net.clock,
            randomness=SeededRandomness(),
        )
        result(watch.start())
        return watch

    def set(self, name: str, **settings: object) -> None:
        def work(tx: Transaction) -> None:
            domain = domains.known(tx, name)
            domains.change(tx, domain, msgspec.structs.replace(domain.settings, **settings))

        result(self.store.run(work))

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.net.settle(1)

    def rows(self) -> list[tuple[str, str, int]]:
        return result(self.store.read(lambda tx: tx.all(_ROWS)))

    def states(self) -> list[str]:
        return [state for state, _, _ in self.rows()]

    def probes(self, host: str = "home:25") -> int:
        return self.net.homes[host].lines.count("MAIL FROM:<>")


@pytest.fixture
def site(store: Store, clock: ManualClock) -> Site:
    return Site(store, clock)


def test_it_is_probed_once_for_both(site: Site) -> None:
    site.watch()
    site.wait(300)
    assert site.probes() == 5


def test_what_either_meets_stands_in_both_rows_and_both_recover(site: Site) -> None:
    site.watch()
    one, two = site.net.servers.all()
    two.observe(Observation.UNREACHABLE, "refused")
    site.net.settle()
    assert [row[:2] for row in site.rows()] == [("down", "refused")] * 2
    assert one.health.state is State.DOWN
    site.wait(40)
    assert site.states() == ["recovering"] * 2
    assert site.probes() == GLIMPSES + 2


def test_after_a_restart_the_first_of_its_rows_is_believed(site: Site) -> None:
    result(site.store.run(lambda tx: tx.run(_STATE, name="one.example", reason="refused")))
    site.watch()
    site.net.settle()
    assert site.states() == ["down"] * 2
    assert {home.health.since for home in site.net.servers.all()} == {77}


def test_the_time_that_it_was_up_counts_for_each_by_its_mode(site: Site) -> None:
    site.watch()
    site.wait(60)
    site.set("two.example", mode="enabled")
    site.wait(60)
    assert [row[2] for row in site.rows()] == [120 * SECOND, 60 * SECOND]


def test_when_the_first_goes_elsewhere_the_other_has_it_probed(site: Site) -> None:
    site.watch()
    site.wait(60)
    site.set("one.example", home=("new:25",))
    site.net.settle()
    before = site.probes()
    site.wait(180)
    assert site.probes() - before == 3
    assert site.probes("new:25") >= 3


def test_a_domain_that_joins_takes_over_what_is_known(site: Site) -> None:
    site.set("two.example", home=("new:25",))
    site.watch()
    one, _ = site.net.servers.all()
    site.net.homes["home:25"].connecting = "refused"
    one.observe(Observation.UNREACHABLE, "refused")
    site.net.settle()
    assert site.states() == ["down", "up"]
    site.set("two.example", home=("home:25",))
    site.net.settle()
    assert site.states() == ["down", "down"]


def test_what_one_domain_wants_is_asked_once_for_both(site: Site) -> None:
    site.watch()
    one, two = site.net.servers.all()
    one.observe(Observation.UNREACHABLE, "refused")
    site.net.settle()
    before = site.probes()
    result(site.store.run(partial(listing.retry_all, by="root", domain=two.domain)))
    site.net.settle()
    assert site.states() == ["recovering"] * 2
    assert site.probes() - before == 1
