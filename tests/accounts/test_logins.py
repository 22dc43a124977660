"""When users have logged in last: known to a minute or so, many by one write, and lost by no short outage."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import fail

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.logins import EXACT_TO, Login, Logins
from mpcontinuity.accounts.users import Listed, User
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

HERE = "192.0.2.1"


class House:
    """example.org with as many users as are asked for."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.logins = Logins(store)
        self.domain = result(store.run(partial(domains.add, name="example.org", settings=DomainSettings()))).id

    def add(self, name: str, **more: str) -> User:
        address = parse(f"{name}@example.org")
        work = partial(users.add_user, domain=self.domain, address=address, **more)  # type: ignore[arg-type]
        return result(self.store.run(work))

    def shown(self, user: User) -> Listed:
        return result(self.store.read(partial(users.listed, user=user)))

    def write(self) -> None:
        result(self.logins.write())

    def never(self) -> list[str]:
        listed = result(self.store.read(partial(users.listing, domain=self.domain, never=True)))
        return [each.user.address.partition("@")[0] for each in listed]


@pytest.fixture
def house(store: Store) -> House:
    return House(store)


def test_the_last_login_is_shown_with_its_protocol_and_takes_its_user_off_the_list_of_those_who_never_did(
    house: House, clock: ManualClock
) -> None:
    anna, _, carl = house.add("anna"), house.add("bert"), house.add("carl", status="inactive")
    assert house.never() == ["anna", "bert"]
    house.logins.note(anna, "IMAP", HERE)
    time = clock.now()
    clock.advance(5)
    assert house.never() == ["anna", "bert"]
    house.write()
    shown = house.shown(anna)
    assert (shown.last_login, shown.last_login_by) == (time, "IMAP")
    assert house.shown(carl).last_login == 0
    assert house.never() == ["bert"]
    absent = result(house.store.read(partial(users.never_logged_in, domains=[house.domain])))
    assert absent == {house.domain: 1}


def test_a_user_is_written_once_a_minute_at_most(house: House, clock: ManualClock) -> None:
    anna = house.add("anna")
    house.logins.note(anna, "IMAP", HERE)
    house.write()
    first = clock.now()
    clock.advance(EXACT_TO / SECOND)
    house.logins.note(anna, "POP3", HERE)
    house.write()
    assert (house.shown(anna).last_login, house.shown(anna).last_login_by) == (first, "IMAP")
    clock.advance(1)
    house.logins.note(anna, "SMTP", HERE)
    house.write()
    assert (house.shown(anna).last_login, house.shown(anna).last_login_by) == (clock.now(), "SMTP")


def test_a_login_costs_no_transaction_and_a_thousand_are_written_in_a_few(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = [house.add(f"user{number:04}") for number in range(1000)]
    runs: list[object] = []
    run = house.store.run

    def counted(work: Any, **how: Any) -> Any:
        runs.append(work)
        return run(work, **how)

    monkeypatch.setattr(house.store, "run", counted)
    for user in added:
        house.logins.note(user, "IMAP", HERE)
    assert not runs
    house.write()
    assert len(runs) == 5
    house.write()
    assert len(runs) == 5
    assert not house.never()


def test_while_the_database_is_away_logins_wait(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = house.add("anna")
    house.logins.note(anna, "IMAP", HERE)
    with monkeypatch.context() as patch:
        patch.setattr(house.store, "run", lambda *work, **how: fail(Temporary("the database is away")))
        house.write()
    assert house.never() == ["anna"]
    house.write()
    assert not house.never()


def test_after_a_clock_that_was_ahead_logins_are_noted_again(house: House, clock: ManualClock) -> None:
    anna = house.add("anna")
    clock.advance(86400 * 365)
    house.logins.note(anna, "IMAP", HERE)
    house.write()
    clock._start -= 86400 * 365 * SECOND
    house.logins.note(anna, "IMAP", HERE)
    house.write()
    assert house.shown(anna).last_login == clock.now()


def test_who_listens_hears_each_login_at_once(house: House, clock: ManualClock) -> None:
    anna = house.add("anna")
    heard: list[Login] = []
    house.logins.listen(heard.append)
    house.logins.note(anna, "IMAP", HERE)
    house.logins.note(anna, "SMTP", HERE)
    assert heard == [Login(anna.id, door, HERE, clock.now()) for door in ("IMAP", "SMTP")]
