"""Who logs in during a drill is noted, in few transactions, and nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from mpcontinuity.accounts import drills, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.drill_logins import DrillLogins
from mpcontinuity.accounts.logins import Logins
from mpcontinuity.accounts.users import User
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.queue.ledgers import Books


class House:
    """Anna is in a drill, Bert is not."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.books = Books(store, clock)
        self.logins = Logins(store)
        DrillLogins(store, Directory(store), self.logins)

    def begin(self) -> None:
        named = [(self.books.accounts["anna"], "anna@example.org")]
        drill = self.books.run(drills.begin, domain=self.books.domain.id, users=named, lasts=60 * SECOND, by="root")
        self.drill = drill.id

    def user(self, name: str) -> User:
        user = self.books.read(users.find, address=parse(f"{name}@example.org"))
        assert user is not None
        return replace(user)

    def noted(self) -> list[tuple[int, str, int]]:
        found = self.books.read(drills.logins, drill=self.drill)
        return [(login.account, login.door, login.times) for login in found]


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    return House(store, clock)


def test_logins_of_its_users_are_counted_by_door(house: House) -> None:
    house.begin()
    for name, door in (("anna", "IMAP"), ("bert", "IMAP"), ("anna", "POP3"), ("anna", "IMAP")):
        house.logins.note(house.user(name), door, "192.0.2.1")
        house.clock.advance(1)
    anna = house.books.accounts["anna"]
    assert house.noted() == [(anna, "IMAP", 2), (anna, "POP3", 1)]
    first, _ = house.books.read(drills.logins, drill=house.drill)
    assert first.last - first.first == 3 * SECOND


def test_before_and_after_it_nobody_is_noted(house: House) -> None:
    house.logins.note(house.user("anna"), "IMAP", "192.0.2.1")
    house.begin()
    house.clock.advance(60)
    house.logins.note(house.user("anna"), "IMAP", "192.0.2.1")
    assert house.noted() == []


def test_a_clock_that_is_set_back_does_not_end_it(house: House) -> None:
    house.begin()
    house.clock.jump(-3600)
    house.logins.note(house.user("anna"), "IMAP", "192.0.2.1")
    assert [door for _, door, _ in house.noted()] == ["IMAP"]


def test_a_thousand_logins_at_once_are_two_transactions(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.begin()
    anna = house.user("anna")
    house.logins.note(anna, "IMAP", "192.0.2.1")
    run = house.store.run
    held: list[Deferred[None]] = []
    work: list[Any] = []

    def slow(each: Any, **more: Any) -> Any:
        work.append(each)
        if len(work) > 1:
            return run(each, **more)
        held.append(Deferred())
        return held[0].addCallback(lambda _: run(each, **more))

    monkeypatch.setattr(house.store, "run", slow)
    for _ in range(1000):
        house.logins.note(anna, "IMAP", "192.0.2.1")
    held[0].callback(None)
    assert len(work) == 2
    assert house.noted() == [(anna.id, "IMAP", 1001)]


def test_what_the_store_did_not_take_is_noted_with_the_next(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.begin()
    anna = house.user("anna")
    run = house.store.run
    monkeypatch.setattr(house.store, "run", lambda work, **more: fail(Temporary("full")))
    house.logins.note(anna, "IMAP", "192.0.2.1")
    monkeypatch.setattr(house.store, "run", run)
    house.logins.note(anna, "POP3", "192.0.2.1")
    assert house.noted() == [(anna.id, "IMAP", 1), (anna.id, "POP3", 1)]
