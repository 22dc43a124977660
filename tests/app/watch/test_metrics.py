"""What a scrape costs, and that it stays bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from mpcontinuity.app.watch.lag import Lag, Turns
from mpcontinuity.app.watch.metrics import MOST_DOMAINS, Metrics, Sources
from mpcontinuity.app.watch.overview import Overview
from mpcontinuity.routing.health import Health, State
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result


def metrics(store: Store, homes: list[Any]) -> Metrics:
    class AtOnce(ManualClock):
        def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> Any:
            return callable(*args) if not delay else super().callLater(delay, callable, *args, **kw)

    timer = AtOnce()
    return Metrics(
        Sources(
            open={"smtp": lambda: 1},
            accepted=Counter(smtp=2),
            turned_away=lambda: 0,
            over=Counter(messages=1),
            messages=Counter({"redirected in doubt": 3}),
            unrecorded=lambda: 0,
            redeliveries=lambda: {"delivered": 4},
            refusals=lambda: {"unclear": 1},
            outbound=lambda: {"delivered": 4},
            parked=lambda: 3,
            reports=Counter(failed=6),
            unchecked=lambda: 7,
            died=lambda: 2,
            indexed=lambda: 5,
            logins=Counter(failed=5),
            administrator_logins={"password": Counter(failed=2), "code": Counter(throttled=1)},
            homes=lambda: homes,
            trusts_time=lambda: True,
            certificate_expires=lambda: 8.0,
            spare=nullcontext,
        ),
        store,
        Overview(store, timer, lambda: 7),
        Lag(timer),
        Turns(SimpleNamespace(runUntilCurrent=lambda: None, seconds=timer.seconds)),
        timer,
    )


def home(number: int, state: State = State.UP) -> Any:
    return SimpleNamespace(domain=number, name=f"d{number:04}.example", health=Health(state, since=9_000_000))


def samples(page: Metrics) -> list[Any]:
    text = result(page.page()).body.decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def test_what_became_of_logins_of_administrators_is_told_by_what_they_proved(store: Store) -> None:
    found = [each for each in samples(metrics(store, [])) if each.name == "mpcontinuity_administrator_logins_total"]
    assert [(each.labels, each.value) for each in found] == [
        ({"by": "password", "outcome": "failed"}, 2),
        ({"by": "code", "outcome": "throttled"}, 1),
    ]


def test_of_many_domains_those_in_trouble_are_named_and_all_are_counted(store: Store) -> None:
    homes = [home(number) for number in range(3 * MOST_DOMAINS)] + [home(9000, State.DOWN)]
    found = samples(metrics(store, homes))
    states = {sample.labels["domain"]: sample.value for sample in found if sample.name == "mpcontinuity_home_state"}
    assert len(states) == MOST_DOMAINS
    assert states["d9000.example"] == 3
    counted = {sample.labels["state"]: sample.value for sample in found if sample.name == "mpcontinuity_homes"}
    assert counted == {"up": 3 * MOST_DOMAINS, "suspect": 0, "recovering": 0, "down": 1}


def test_every_family_is_said_once_and_explained(store: Store) -> None:
    families = list(metrics(store, [home(1)]).families())
    names = [family.name for family in families]
    assert len(set(names)) == len(names)
    assert all(family.documentation.endswith(".") for family in families)
    assert all(name.startswith(("mpcontinuity_", "process_")) for name in names)


def test_a_scrape_asks_the_database_at_most_every_ten_seconds(store: Store) -> None:
    page = metrics(store, [home(1)])
    before = store.figures.reads
    for _ in range(5):
        samples(page)
    assert store.figures.reads == before + 1


def test_a_domain_name_cannot_add_a_line(store: Store) -> None:
    odd = home(1)
    odd.name = 'a"}\nmpcontinuity_home_state{domain="b'
    assert len([sample for sample in samples(metrics(store, [odd])) if sample.name == "mpcontinuity_home_state"]) == 1


def test_a_turn_is_what_the_thread_computes_between_two_looks_at_the_timers() -> None:
    looks: list[int] = []
    reactor = SimpleNamespace(runUntilCurrent=lambda: looks.append(1), seconds=lambda: 0.0)
    used = iter((5.0, 5.02, 5.021, 5.1))
    turns = Turns(reactor, lambda: next(used))
    for _ in range(4):
        reactor.runUntilCurrent()
    assert round(turns.longest(), 3) == 0.079  # what came before the first one is the start
    assert (turns.long, len(looks)) == (1, 4)
    turns.stop()
    reactor.runUntilCurrent()
    assert len(looks) == 5


def test_lag_is_how_late_the_timer_was_called() -> None:
    clock = ManualClock()
    lag = Lag(clock)
    clock.advance(0.5)
    assert lag.longest() == 0
    clock.advance(2.5)
    assert (lag.longest(), lag.total) == (2.0, 2.0)
    lag.stop()
    assert not clock.getDelayedCalls()
