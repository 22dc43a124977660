from __future__ import annotations

import pytest

from mpcontinuity.door import spending as module
from mpcontinuity.door.spending import SpendingExchange
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.recipients import Recipients
from mpcontinuity.model.settings import Limits
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

HERE = "192.0.2.1"

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


class Process:
    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.rations = Rations(Limits(messages_per_minute=100), clock.seconds)
        self.recipients = Recipients(30, clock)
        self.shared = SpendingExchange(store, self.rations, self.recipients)

    def take(self, times: int, host: str = HERE) -> int:
        return sum(self.rations.share_of(host).message() for _ in range(times))

    def write_to(self, times: int, account: int = 7) -> int:
        return sum(self.recipients.take(account) for _ in range(times))

    def exchange(self) -> None:
        result(self.shared.exchange())


@pytest.fixture
def several(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(store.election, "alone", False)
    return store


def rows(store: Store) -> int:
    return int(result(store.read(lambda tx: tx.value(Statement("SELECT COUNT(*) FROM spending")))))


def test_processes_keep_one_ration(several: Store, clock: ManualClock) -> None:
    one, other = Process(several, clock), Process(several, clock)
    taken = 0
    for _ in range(20):
        for process in (one, other):
            taken += process.take(10)
            process.exchange()
        clock.advance(0.1)
    assert 100 <= taken <= 130


def test_a_process_does_not_hear_of_itself(several: Store, clock: ManualClock) -> None:
    process = Process(several, clock)
    for _ in range(9):
        assert process.take(10) == 10
        process.exchange()
        process.exchange()


def test_where_one_process_is_all_there_can_be_nothing_is_written(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.election, "alone", True)
    process = Process(store, clock)
    process.take(200)
    process.exchange()
    assert rows(store) == 0


def test_rows_expire_and_their_amounts_begin_anew(several: Store, clock: ManualClock) -> None:
    one, other = Process(several, clock), Process(several, clock)
    one.take(100)
    one.exchange()
    other.exchange()
    clock.advance(200)
    one.take(50, "198.51.100.1")
    one.exchange()
    assert rows(several) == 1
    one.take(60)
    one.exchange()
    other.exchange()
    assert other.take(100) in (40, 41)


def test_a_store_that_is_away_costs_no_service(
    several: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(several, clock)

    def away(*_: object) -> None:
        raise Temporary("away")

    monkeypatch.setattr(module, "_tell", away)
    process.take(50)
    process.exchange()
    assert process.take(100) in (50, 51)


def test_what_could_not_be_told_is_told_the_next_time(
    several: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Process(several, clock), Process(several, clock)

    def away(*_: object) -> None:
        raise Temporary("away")

    one.take(100)
    one.write_to(20)
    with monkeypatch.context() as context:
        context.setattr(module, "_tell", away)
        one.exchange()
    one.exchange()
    other.exchange()
    assert other.take(100) <= 1
    assert other.write_to(100) == 10


def test_recipients_of_a_user_are_counted_by_all_processes_together(several: Store, clock: ManualClock) -> None:
    one, other = Process(several, clock), Process(several, clock)
    assert (one.write_to(20), other.write_to(5), other.write_to(30, 8)) == (20, 5, 30)
    one.exchange()
    other.exchange()
    one.exchange()
    assert (one.write_to(100), other.write_to(100)) == (5, 5)  # between two exchanges nobody knows of the other
    one.exchange()
    other.exchange()
    assert (one.write_to(100, 8), other.write_to(100, 8)) == (0, 0)
    clock.advance(3700)
    assert one.write_to(100) == 30


def test_recipients_that_are_given_back_before_they_are_told_are_not_told(several: Store, clock: ManualClock) -> None:
    one, other = Process(several, clock), Process(several, clock)
    one.write_to(20)
    one.recipients.give_back(7, 20)
    one.exchange()
    other.exchange()
    assert other.write_to(100) == 30
    assert rows(several) == 0
