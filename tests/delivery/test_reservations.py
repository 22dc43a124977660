"""Sessions are reserved for clients for seconds, and for less where a host holds more than its share."""

from __future__ import annotations

from typing import Any

from mpcontinuity.delivery.reservations import ABOVE_SHARE, WHILE_NOBODY_WAITS, WHILE_OTHERS_WAIT, Reservations
from tests.delivery.homes import FakeHome
from tests.fakes.clock import ManualClock


class Desk:
    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.home: Any = FakeHome()
        self.reservations = Reservations(clock)
        self.revoked: list[str] = []

    def hold(self, holder: str, client: str = "192.0.2.1") -> None:
        self.reservations.hold(holder, self.home, client, lambda: self.revoked.append(holder))

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.clock.advance(0.05)


def test_a_session_is_reserved_for_its_time_from_the_last_recipient_on(clock: ManualClock) -> None:
    desk = Desk(clock)
    desk.home.wanted = True
    for holder in ("one", "two", "three"):
        desk.hold(holder)
    desk.wait(WHILE_OTHERS_WAIT - 0.5)
    desk.hold("one")
    desk.reservations.release("two")
    desk.wait(0.5 + ABOVE_SHARE)
    assert desk.revoked == ["three"]
    desk.wait(WHILE_OTHERS_WAIT)
    assert desk.revoked == ["three", "one"]
    assert clock.getDelayedCalls() == []


def test_a_session_that_nobody_waits_for_is_left_with_its_holder(clock: ManualClock) -> None:
    desk = Desk(clock)
    desk.hold("one")
    desk.wait(10 * WHILE_OTHERS_WAIT)
    assert desk.revoked == []
    desk.home.wanted = True
    desk.wait(ABOVE_SHARE)
    assert desk.revoked == ["one"]
    desk.home.wanted = False
    desk.hold("two")
    desk.wait(WHILE_NOBODY_WAITS + 2 * ABOVE_SHARE)
    assert desk.revoked == ["one", "two"]


def test_a_host_above_its_share_gives_back_as_many_as_others_wait_for_the_oldest_first(clock: ManualClock) -> None:
    desk = Desk(clock)
    desk.home.needy, desk.home.surplus = 2, {"198.51.100.7": 5}
    desk.hold("small")
    for number in range(8):
        desk.hold(f"big {number}", "198.51.100.7")
    clock.advance(ABOVE_SHARE)
    assert desk.revoked == ["big 0", "big 1"]


def test_a_reservation_is_never_shorter_than_a_round_trip(clock: ManualClock) -> None:
    desk = Desk(clock)
    desk.home.needy, desk.home.surplus = 2, {"192.0.2.1": 5}
    desk.hold("one")
    clock.advance(ABOVE_SHARE - 0.05)
    desk.hold("two")
    clock.advance(0.05)
    assert desk.revoked == ["one"]
