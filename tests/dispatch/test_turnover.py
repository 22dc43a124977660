"""Mail that waits in the queue for a domain of ours is due at once when continuity begins for it."""

from __future__ import annotations

import pytest

from mpcontinuity.accounts import domains, plans
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.dispatch.turnover import Turnover
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.queue import outgoing
from mpcontinuity.routing.health import State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.queue.ledgers import Books
from tests.queue.test_outbound import send

_PUT_OFF = Statement("UPDATE outgoing SET next_attempt = :next, attempts = 3")
_DUE = Statement("SELECT recipient FROM outgoing WHERE state = 'queued' AND next_attempt <= :now ORDER BY id")


class Queue:
    """Three messages that were put off for an hour: two to users of example.org, one to the world."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.clock = clock
        self.books = Books(store, clock)
        for recipient in ("anna@example.org", "nobody@example.org", "bob@world.example"):
            send(self.books, recipient)
        later = clock.now() + 3600 * SECOND
        self.books.run(lambda tx: tx.run(_PUT_OFF, next=later))

    def begin(self) -> None:
        store = self.books.store
        result(Turnover(store, Directory(store), timer=self.clock).start())

    def due(self) -> list[str]:
        return [row[0] for row in self.books.read(lambda tx: tx.all(_DUE, now=tx.now))]

    def set(self, **settings: object) -> None:
        known = DomainSettings(home=("127.0.0.1:25",), **settings)  # type: ignore[arg-type]
        self.books.run(domains.change, domain=self.books.domain, settings=known)


@pytest.fixture
def queue(store: Store, clock: ManualClock) -> Queue:
    return Queue(store, clock)


OURS = ["anna@example.org", "nobody@example.org"]


def test_when_an_outage_is_declared(queue: Queue) -> None:
    queue.begin()
    assert queue.due() == []
    queue.set(mode="enabled")
    assert queue.due() == OURS


def test_when_a_plan_begins(queue: Queue) -> None:
    queue.begin()
    now = queue.clock.now()
    values = {"starts": now + 60 * SECOND, "ends": now + 120 * SECOND, "note": "", "planner": ""}
    queue.books.run(plans.add, domain=queue.books.domain.id, **values)
    assert queue.due() == []
    queue.clock.advance(60)
    queue.books.run(domains.turn)
    assert queue.due() == OURS


def test_when_home_goes_down(queue: Queue) -> None:
    queue.begin()
    queue.books.home_becomes(State.DOWN, "no connection")
    assert queue.due() == OURS


def test_at_the_start_of_a_process_that_died_between(queue: Queue) -> None:
    queue.set(mode="enabled")
    assert queue.due() == []
    queue.begin()
    assert queue.due() == OURS


def test_once_for_each_outage(queue: Queue) -> None:
    """What is put off in an outage has failed for another reason, and is not tried all the time."""
    queue.begin()
    queue.set(mode="enabled")
    queue.books.run(lambda tx: tx.run(_PUT_OFF, next=tx.now + 3600 * SECOND))
    queue.set(mode="enabled", retention_days=7)
    assert queue.due() == []
    queue.set()
    queue.set(mode="enabled")
    assert queue.due() == OURS


@pytest.mark.parametrize("settings", [{"continuity": False, "mode": "enabled"}, {"mode": "optional"}])
def test_not_where_home_alone_may_take_it(queue: Queue, settings: dict[str, object]) -> None:
    queue.begin()
    queue.set(**settings)
    assert queue.due() == []


def test_in_steps(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "STEP", 1)
    queue.begin()
    queue.set(mode="enabled")
    assert queue.due() == OURS


def test_while_the_store_cannot_be_asked_it_waits(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.begin()
    store, run = queue.books.store, queue.books.store.run
    from twisted.internet.defer import fail

    from mpcontinuity.model.errors import Temporary

    monkeypatch.setattr(store, "run", lambda work, **more: fail(Temporary("no")) if more.get("bulk") else run(work))
    queue.set(mode="enabled")
    assert queue.due() == []
    monkeypatch.setattr(store, "run", run)
    queue.clock.advance(5)
    assert queue.due() == OURS
