"""Whom `relay-check` has found is forgotten after a time without mail, if they have nothing that anybody could miss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import relay_check, taken, users
from mpcontinuity.accounts.taken import note_taken
from mpcontinuity.control.newcomers import forget_unused
from mpcontinuity.control.operation import Control
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.events import DELIVERED
from mpcontinuity.store.statement import Statement
from mpcontinuity.tracking.record import NewRow, record_all
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.stores import result
from tests.queue.ledgers import Books

pytestmark = pytest.mark.parametrize("database", DATABASES, indirect=True)


@pytest.fixture
def learned(call: Call, books: Books) -> Books:
    """Carl and Dora were found, and home took mail for them then."""
    call("domain set", name="example.org", settings={"relay-check": "on", "relay-check-days": "100"})
    for name in ("carl", "dora"):
        address = parse(f"{name}@example.org")
        user = books.run(users.add_user, domain=books.domain.id, address=address, source="relay-check")
        books.accounts[name] = user.id
    books.run(note_taken, keys=["carl@example.org", "dora@example.org"])
    return books


def there(call: Call) -> list[str]:
    return [row["address"].partition("@")[0] for row in call("user list")]


def test_after_relay_check_days_without_mail_they_are_forgotten_and_may_be_found_again(
    call: Call, control: Control, learned: Books
) -> None:
    learned.clock.advance(50 * DAY / SECOND)
    learned.run(note_taken, keys=["dora@example.org"])
    learned.clock.advance(50 * DAY / SECOND)
    result(forget_unused(control))
    assert there(call) == ["anna", "bert", "carl", "dora"]
    learned.clock.advance(1)
    result(forget_unused(control))
    assert there(call) == ["anna", "bert", "dora"]
    assert not learned.read(relay_check.was_removed, address=parse("carl@example.org"))
    call("user remove", address="dora@example.org")
    assert learned.read(relay_check.was_removed, address=parse("dora@example.org"))


def _mail(call: Call, books: Books) -> None:
    books.redirect("carl")


def _tracked(call: Call, books: Books) -> None:
    books.clock.advance(50 * DAY / SECOND)
    row = NewRow(books.domain.id, books.clock.now(), "inbound", DELIVERED, recipient_key="carl@example.org")
    books.run(record_all, rows=[row])


def _with(operation: str, **arguments: Any) -> Callable[[Call, Books], None]:
    return lambda call, books: call(operation, address="carl@example.org", **arguments) and None


@pytest.mark.parametrize(
    "why",
    [
        _mail,
        _tracked,
        _with("user password", password="a good one"),
        _with("user alias add", alias="c@example.org"),
        _with("user set", alternate="carl@elsewhere.example"),
        _with("user deactivate"),
    ],
)
def test_who_has_something_to_lose_stays(
    call: Call, control: Control, learned: Books, why: Callable[[Call, Books], None]
) -> None:
    why(call, learned)
    learned.clock.advance(100 * DAY / SECOND - (50 * DAY / SECOND if why is _tracked else 0) + 1)
    result(forget_unused(control))
    assert there(call) == ["anna", "bert", "carl"]


def test_of_whom_it_was_never_noted_the_time_begins_now(call: Call, control: Control, learned: Books) -> None:
    address = parse("emil@example.org")
    learned.run(users.add_user, domain=learned.domain.id, address=address, source="relay-check")
    learned.clock.advance(101 * DAY / SECOND)
    result(forget_unused(control))
    assert there(call) == ["anna", "bert", "emil"]
    learned.clock.advance(101 * DAY / SECOND)
    result(forget_unused(control))
    assert there(call) == ["anna", "bert"]


def test_where_the_setting_is_off_nobody_is_forgotten(call: Call, control: Control, learned: Books) -> None:
    call("domain set", name="example.org", settings={"relay-check": "off"})
    learned.clock.advance(1000 * DAY / SECOND)
    result(forget_unused(control))
    assert there(call) == ["anna", "bert", "carl", "dora"]


def test_many_are_forgotten_in_steps(
    call: Call, control: Control, learned: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(205):
        address = parse(f"x{number:03}@example.org")
        learned.run(users.add_user, domain=learned.domain.id, address=address, source="relay-check")
    keys = [f"x{number:03}@example.org" for number in range(205)]
    result(learned.store.run(partial(note_taken, keys=keys)))
    learned.clock.advance(101 * DAY / SECOND)
    result(forget_unused(control))
    assert there(call) == ["anna", "bert"]


def test_an_address_that_nobody_has_is_forgotten_after_a_month_and_a_users_own_is_not(learned: Books) -> None:
    learned.run(note_taken, keys=[f"nobody{number}@example.org" for number in range(taken.STEP + 1)])
    learned.clock.advance(taken.REMEMBERED_DAYS * DAY // SECOND - 10)
    learned.run(note_taken, keys=["late@example.org"])
    learned.clock.advance(20)
    result(Deferred.fromCoroutine(taken.sweep(learned.store)))
    rows = learned.run(lambda tx: tx.all(Statement("SELECT key FROM taken ORDER BY key")))
    assert rows == [("carl@example.org",), ("dora@example.org",), ("late@example.org",)]
