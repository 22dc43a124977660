"""Random outages, refusals, silences, kills and clocks: in the end each message is home once, or rightly not at all."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from mpcontinuity.model.identifier import parse
from mpcontinuity.model.owed import DELIVERED, FAILED
from mpcontinuity.model.reply import Outcome
from mpcontinuity.queue import ledger, listing
from mpcontinuity.routing.health import State
from tests.fakes.clock import ManualClock
from tests.fakes.stores import Chosen, open_memory_like_store, result
from tests.redelivery.conftest import World
from tests.redelivery.homes import BUSY, FULL, LOST, NO_REPLY, OK, RELAYING, SPAM, UNKNOWN, Delivery

USERS = ["anna", "bert", "carl", "dora", "emil"]


class Outages:
    """One run, decided by its seed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.clock = ManualClock()
        self.store = open_memory_like_store(folder, clock=self.clock, seed=seed)
        self.world = World(self.store, self.clock)
        for name in USERS[2:]:
            self.world.books.add_user(name)
        self.world.home.answers[""] = self.answer
        self.rows: list[int] = []
        self.waiting: list[Deferred[Outcome]] = []
        self.healed = False

    def answer(self, delivery: Delivery) -> Outcome | Deferred[Outcome]:
        if self.healed:
            return OK
        if self.random.random() < 0.2:
            self.waiting.append(Deferred())
            return self.waiting[-1]
        return self.random.choice([OK, OK, OK, OK, UNKNOWN, SPAM, RELAYING, FULL, BUSY, LOST, NO_REPLY])

    def step(self) -> None:
        chance = self.random.random()
        home = self.world.home
        if chance < 0.35:
            self.rows += self.world.redirect(self.random.choice([*USERS, "nobody"]))
        elif chance < 0.5:
            home.goes_down()
        elif chance < 0.7:
            home.comes_back()
        elif chance < 0.75:
            self.kill()
        elif self.waiting and chance < 0.85:
            self.waiting.pop(self.random.randrange(len(self.waiting))).callback(
                self.random.choice([OK, SPAM, NO_REPLY])
            )
        else:
            self.clock.advance(self.random.choice([1, 10, 100, 1000]))
        assert ledger.adds_up(self.world.books.report())

    def kill(self) -> None:
        """The process goes without a word, and another begins."""
        self.waiting.clear()
        self.world.home.listeners.clear()
        self.world.home.open = 0
        calls: Any = self.clock.getDelayedCalls()
        for call in calls:
            call.cancel()
        for flush in self.world.redelivery._flushes.values():
            flush.task.stopping = True
        self.world.redelivery._stopping = True
        self.world.redelivery = self.world.new_redelivery(self.store)
        self.world.flows()

    def heal(self) -> None:
        self.healed = True
        for reply in self.waiting:
            reply.callback(OK)
        self.world.home.comes_back()
        self.world.wait(3 * 3600, 60)

    def close(self) -> None:
        result(self.store.close())
        Chosen.drop()


@settings(max_examples=40)
@given(st.integers(0, 1 << 32))
def test_in_the_end_each_message_is_home_once_or_rightly_not(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outages = Outages(Path(folder), seed)
        books, home = outages.world.books, outages.world.home
        outages.world.flows()
        for _ in range(80):
            outages.step()
        outages.heal()
        states = dict(zip(outages.rows, books.states(*outages.rows), strict=True))
        assert set(states.values()) <= {DELIVERED, FAILED}
        taken = Counter(parse(delivery.id.decode()) for delivery in home.taken)
        for row, state in states.items():
            _, events = books.tracked(row)
            doubted = "no reply" in events or "Interrupted" in events
            assert taken[row] == (state == DELIVERED) or doubted, (row, state, events)
            assert taken[row] or doubted or state == FAILED
        # What failed is sent after all when an administrator says so.
        books.run(listing.retry_all, by="root")
        outages.world.wait(60)
        assert set(books.states(*outages.rows)) <= {DELIVERED}
        assert ledger.adds_up(books.report())
        assert home.health.state is State.UP
        outages.close()
