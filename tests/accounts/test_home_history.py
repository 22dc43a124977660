"""How home servers were is remembered: every change that `status` shows, once, in bounds, and for 90 days."""

from __future__ import annotations

import pytest

from mpcontinuity.accounts import domains, home_history, home_state
from mpcontinuity.accounts.home_history import MOST_A_DAY, REMEMBERED, STEP, HomeChange
from mpcontinuity.model.clock import DAY, MINUTE, SECOND
from mpcontinuity.model.identifier import LAST
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.routing.health import Health, Observation, State, observe
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.queue.ledgers import Books

_ROWS = Statement("SELECT COUNT(*) FROM home_change")


@pytest.fixture
def books(store: Store, clock: ManualClock) -> Books:
    return Books(store, clock)


def told(books: Books, *, domain: int = 0, since: int = 0) -> list[HomeChange]:
    return books.read(home_history.listing, domain=domain, since=since, before=LAST, limit=1000)


def rows(books: Books) -> int:
    return int(books.read(lambda tx: tx.value(_ROWS)))


def test_an_outage_is_told_newest_first_with_times_reasons_and_node(books: Books) -> None:
    health = books.read(home_state.load)[books.domain.id][0]
    expected: list[tuple[object, ...]] = []
    for observation, reason, state, why in (
        (Observation.UNREACHABLE, "no connection", "down", "no connection"),
        (Observation.PROBE_GOOD, "", "recovering", "it answers probes again"),
        (Observation.FLUSHED, "", "up", "all that was owed has been tried"),
    ):
        books.clock.advance(10)
        known, health = health, observe(health, observation, books.clock.now(), 1, reason)
        assert books.run(home_state.save, domain=books.domain.id, known=known, health=health, node="mx1 (7)")
        expected.insert(0, ("example.org", books.clock.now(), state, why, "mx1 (7)", 0))
    changes = told(books)
    assert [(row.domain, row.time, row.state, row.reason, row.node, row.left_out) for row in changes] == expected
    assert told(books, since=changes[1].time) == changes[:2]
    assert told(books, domain=books.domain.id) == changes


def test_what_status_does_not_show_is_no_change(books: Books) -> None:
    """A suspicion, a failure more while home is down, and a save that another process was ahead of."""
    up = books.read(home_state.load)[books.domain.id][0]
    suspect = observe(up, Observation.SILENT, books.clock.now(), 2, "no reply")
    down = observe(suspect, Observation.SILENT, books.clock.now(), 2, "no reply")
    refused = observe(down, Observation.UNREACHABLE, books.clock.now(), 2, "refused")
    taken = [
        books.run(home_state.save, domain=books.domain.id, known=known, health=health, node="")
        for known, health in ((up, suspect), (suspect, down), (down, refused), (suspect, down))
    ]
    assert taken == [True, True, True, False]
    assert [(row.state, row.reason) for row in told(books)] == [("down", "no reply")]


def test_a_home_that_flaps_fills_a_day_and_no_more_and_the_rest_is_counted(books: Books) -> None:
    for change in range(MOST_A_DAY + 30):
        books.clock.advance(60)
        assert books.home_becomes(State.UP if change % 2 else State.DOWN)
    assert rows(books) == MOST_A_DAY
    assert [row.left_out for row in told(books)] == [30] + [0] * (MOST_A_DAY - 1)
    assert books.read(home_state.state, domain=books.domain.id) is State.UP  # which is saved all the same
    books.clock.advance(DAY / SECOND)
    assert books.home_becomes(State.DOWN, "again")
    assert (told(books)[0].reason, rows(books)) == ("again", MOST_A_DAY + 1)


def test_the_bound_is_one_of_each_domain(books: Books) -> None:
    other = Books(books.store, books.clock, "other.org")
    for change in range(MOST_A_DAY + 1):
        assert books.home_becomes(State.UP if change % 2 else State.DOWN, node=str(change))
        books.clock.advance(1)
    assert other.home_becomes(State.DOWN, "its own")
    assert [row.reason for row in told(other, domain=other.domain.id)] == ["its own"]


def test_a_reason_as_long_as_a_reply_may_be_is_cut(books: Books) -> None:
    assert books.home_becomes(State.DOWN, "x" * 100_000)
    assert len(told(books)[0].reason) == 1_000


def test_what_is_older_than_90_days_is_forgotten_and_nothing_else(books: Books) -> None:
    for step in range(STEP + 1):  # more than one step forgets
        if step % MOST_A_DAY == 0:
            books.clock.advance(DAY / SECOND + 1)
        assert books.home_becomes(State.UP if step % 2 else State.DOWN)
        books.clock.advance(1)
    newest = told(books)[0]
    books.clock.advance((REMEMBERED - MINUTE) / SECOND)
    result(home_history.sweep(books.store))
    assert told(books) == [newest]
    books.clock.advance(120)
    result(home_history.sweep(books.store))
    assert rows(books) == 0


def test_a_domain_that_is_removed_takes_its_history_along(store: Store, clock: ManualClock) -> None:
    settings = DomainSettings(home=("127.0.0.1:25",))
    domain = result(store.run(lambda tx: domains.add(tx, "gone.example", settings)))
    down = Health(State.DOWN, clock.now(), "no connection")
    known = result(store.read(home_state.load))[domain.id][0]
    assert result(store.run(lambda tx: home_state.save(tx, domain.id, known, down, "")))
    result(store.run(lambda tx: domains.remove(tx, domain)))
    assert result(store.read(lambda tx: tx.value(_ROWS))) == 0
