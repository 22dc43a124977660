"""Sessions are lent to clients for seconds, and for less where a host holds more than its share."""

from __future__ import annotations

from typing import Any

from mpcontinuity.delivery.lending import CROWDED, KEPT, LENT, Lending
from tests.delivery.homes import FakeHome
from tests.fakes.clock import ManualClock


class Bank:
    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.home: Any = FakeHome()
        self.lending = Lending(clock)
        self.taken_back: list[str] = []

    def lend(self, borrower: str, client: str = "192.0.2.1") -> None:
        self.lending.begin(borrower, self.home, client, lambda: self.taken_back.append(borrower))

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.clock.advance(0.05)


def test_a_session_is_lent_for_its_time_from_the_last_loan_on(clock: ManualClock) -> None:
    bank = Bank(clock)
    bank.home.wanted = True
    for borrower in ("one", "two", "three"):
        bank.lend(borrower)
    bank.wait(LENT - 0.5)
    bank.lend("one")
    bank.lending.end("two")
    bank.wait(0.5 + CROWDED)
    assert bank.taken_back == ["three"]
    bank.wait(LENT)
    assert bank.taken_back == ["three", "one"]
    assert clock.getDelayedCalls() == []


def test_a_session_that_nobody_waits_for_is_left_with_its_borrower(clock: ManualClock) -> None:
    bank = Bank(clock)
    bank.lend("one")
    bank.wait(10 * LENT)
    assert bank.taken_back == []
    bank.home.wanted = True
    bank.wait(CROWDED)
    assert bank.taken_back == ["one"]
    bank.home.wanted = False
    bank.lend("two")
    bank.wait(KEPT + 2 * CROWDED)
    assert bank.taken_back == ["one", "two"]


def test_a_host_above_its_share_gives_back_as_many_as_others_wait_for_the_oldest_first(clock: ManualClock) -> None:
    bank = Bank(clock)
    bank.home.needy, bank.home.surplus = 2, {"198.51.100.7": 5}
    bank.lend("small")
    for number in range(8):
        bank.lend(f"big {number}", "198.51.100.7")
    clock.advance(CROWDED)
    assert bank.taken_back == ["big 0", "big 1"]


def test_a_loan_is_never_shorter_than_a_round_trip(clock: ManualClock) -> None:
    bank = Bank(clock)
    bank.home.needy, bank.home.surplus = 2, {"192.0.2.1": 5}
    bank.lend("one")
    clock.advance(CROWDED - 0.05)
    bank.lend("two")
    clock.advance(0.05)
    assert bank.taken_back == ["one"]
