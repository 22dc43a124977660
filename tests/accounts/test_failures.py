from __future__ import annotations

import pytest

from mpcontinuity.accounts import failures as module
from mpcontinuity.accounts.failures import FailureExchange
from mpcontinuity.accounts.throttle import Throttle, digest_of
from mpcontinuity.model.clock import MINUTE, SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

LIMIT = 4
ANNA = digest_of("anna")
HOST = "192.0.2.1"


class Process:
    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.throttle = Throttle(LIMIT, 1000, clock)
        self.shared = FailureExchange(store, self.throttle)

    def fail(self, times: int = 1, name: bytes = ANNA) -> None:
        for _ in range(times):
            self.throttle.begin(name, HOST, b"wrong")
            self.throttle.failed(name, HOST, b"wrong")

    def exchange(self) -> None:
        result(self.shared.exchange())

    def refuses(self) -> bool:
        return self.throttle.begin(ANNA, HOST, b"right") is None


def count(store: Store) -> int:
    return int(result(store.read(lambda tx: tx.value(Statement("SELECT COUNT(*) FROM login_failure")))))


def test_a_process_that_starts_knows_what_was_counted_before(store: Store, clock: ManualClock) -> None:
    Process(store, clock).exchange()
    before = Process(store, clock)
    before.fail(2 * LIMIT)
    before.exchange()
    after = Process(store, clock)
    assert not after.refuses()
    after.exchange()
    assert after.refuses()


def test_processes_count_together(store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.election, "alone", False)
    one, other = Process(store, clock), Process(store, clock)
    for _ in range(LIMIT):
        one.fail()
        one.exchange()
        other.fail()
        other.exchange()
    assert other.refuses()
    one.exchange()
    assert one.refuses()
    one.throttle.succeeded(ANNA, HOST)
    one.exchange()
    other.exchange()
    assert not other.refuses()


def test_where_nobody_fails_nothing_is_written(store: Store, clock: ManualClock) -> None:
    process = Process(store, clock)
    process.exchange()
    before = store.figures.transactions
    process.throttle.begin(ANNA, HOST, b"right")
    process.throttle.succeeded(ANNA, HOST)
    process.exchange()
    assert store.figures.transactions == before


def test_rows_expire_and_no_exchange_writes_more_than_its_share(store: Store, clock: ManualClock) -> None:
    process = Process(store, clock)
    for number in range(3 * module._TOLD):
        process.fail(name=digest_of(str(number)))
    process.exchange()
    assert count(store) == module._TOLD
    clock.advance(16 * MINUTE / SECOND)
    process.fail()
    process.throttle._news = {(HOST, ANNA): 1}
    process.exchange()
    assert count(store) == 1


def test_what_failed_long_ago_is_not_added_to(store: Store, clock: ManualClock) -> None:
    process = Process(store, clock)
    process.fail(2 * LIMIT)
    process.exchange()
    clock.advance(16 * MINUTE / SECOND)
    process.fail()
    process.exchange()
    fresh = Process(store, clock)
    fresh.exchange()
    assert not fresh.refuses()


def test_a_store_that_is_away_costs_no_count(store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(store, clock)
    process.exchange()
    process.fail(2 * LIMIT)

    def away(*_: object) -> None:
        raise Temporary("away")

    with monkeypatch.context() as context:
        context.setattr(module, "_tell", away)
        process.exchange()
        assert process.refuses()
    process.exchange()
    fresh = Process(store, clock)
    fresh.exchange()
    assert fresh.refuses()
