"""What a process had leased that died is free again soon; what a living one has leased is not touched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from twisted.internet.defer import fail

from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.owed import CLAIMED, IN_DOUBT, IN_FLIGHT, OWED
from mpcontinuity.queue import owed
from mpcontinuity.queue.holders import Holders
from mpcontinuity.queue.owed import Owed
from mpcontinuity.store import nodes
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import open_memory_like_store, result
from tests.queue.ledgers import Books

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

_OUTGOING = Statement(
    """INSERT INTO outgoing (id, domain, kind, reverse_path, recipient, destination, body, received, expires, state,
        token, lease_until) VALUES (1, :domain, 'outbound', '', 'a@b.example', 'b.example', :body, 0, 0, 'claimed',
        :token, 9000000000000000000)"""
)
_STATE = Statement("SELECT state, token FROM outgoing")


class Pair:
    """Two processes: ``books`` belong to the one that lives, ``other`` may die."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.store = open_memory_like_store(folder, clock=clock)
        self.books = Books(self.store, clock)
        self.other: Store = open_memory_like_store(folder, clock=clock)
        self.holders = Holders(self.store)
        self.look()

    def look(self) -> None:
        result(self.holders.look())

    def claim(self, *ids: int) -> list[Owed]:
        """By the other."""
        return result(self.other.run(partial(owed.claim, ids=ids, give_up=1)))

    def kill(self) -> None:
        """Nothing of it is tidied up. The database notices that its connections are closed a moment later."""
        result(self.other.close())
        node, until = self.other.nodes.us, time.monotonic() + 20
        while node in result(self.store.nodes.living({node})):
            assert time.monotonic() < until
            time.sleep(0.01)


@pytest.fixture
def pair(tmp_path: Path, clock: ManualClock) -> Iterator[Pair]:
    made = Pair(tmp_path, clock)
    yield made
    made.kill()
    result(made.store.close())


def test_the_leases_of_a_dead_process_are_free_when_it_was_dead_at_two_looks(pair: Pair) -> None:
    first, second = pair.books.redirect("anna"), pair.books.redirect("bert")
    claimed, flying = pair.claim(first, second)
    assert result(pair.other.run(partial(owed.in_flight, owed_id=flying.id, token=flying.token)))
    token = pair.other.identifiers.next()
    body = pair.books.bodies[first]
    result(pair.other.run(lambda tx: tx.run(_OUTGOING, domain=pair.books.domain.id, body=body, token=token)))
    pair.look()
    pair.look()
    assert pair.books.states(claimed.id, flying.id) == [CLAIMED, IN_FLIGHT]
    pair.kill()
    pair.look()
    assert pair.books.states(claimed.id, flying.id) == [CLAIMED, IN_FLIGHT]
    pair.look()
    assert pair.books.states(claimed.id, flying.id) == [OWED, IN_DOUBT]
    assert pair.books.row(flying.id).token == 0
    assert pair.books.read(lambda tx: tx.one(_STATE)) == ("queued", 0)


def test_a_process_that_starts_frees_what_the_one_before_had_leased(pair: Pair) -> None:
    (claimed,) = pair.claim(pair.books.redirect("anna"))
    pair.kill()
    result(pair.store.run(partial(nodes.forget, {pair.other.nodes.us})))  # as it does first
    pair.holders = Holders(pair.store)
    pair.look()
    pair.look()
    assert pair.books.state(claimed.id) == OWED


def test_what_a_process_leases_that_began_a_moment_ago_is_its_own(pair: Pair, tmp_path: Path) -> None:
    pair.kill()
    pair.look()
    pair.other = open_memory_like_store(tmp_path, clock=pair.books.clock)
    (claimed,) = pair.claim(pair.books.redirect("anna"))
    pair.look()
    pair.look()
    assert pair.books.state(claimed.id) == CLAIMED


def test_our_own_leases_are_never_freed(pair: Pair) -> None:
    pair.kill()
    (claimed,) = pair.books.run(owed.claim, ids=[pair.books.redirect("anna")], give_up=1)
    for _ in range(4):
        pair.look()
    assert pair.books.state(claimed.id) == CLAIMED


def test_a_look_that_failed_is_made_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    (claimed,) = pair.claim(pair.books.redirect("anna"))
    pair.kill()
    pair.look()
    with monkeypatch.context() as failing:
        failing.setattr(pair.store, "run", lambda *_, **__: fail(Temporary("the database asks to try again")))
        pair.look()
    pair.look()
    assert pair.books.state(claimed.id) == OWED


def test_a_process_that_began_and_died_between_two_looks_holds_nothing_either(pair: Pair, tmp_path: Path) -> None:
    pair.kill()
    pair.look()
    pair.other = open_memory_like_store(tmp_path, clock=pair.books.clock)
    (claimed,) = pair.claim(pair.books.redirect("anna"))
    pair.kill()
    pair.look()
    pair.look()
    assert pair.books.state(claimed.id) == OWED
