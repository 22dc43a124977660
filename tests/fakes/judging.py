"""A judge of passwords whose time and threads a test holds in its hand."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from mpcontinuity.accounts.judging import Judge
from mpcontinuity.accounts.passwords import Passwords
from tests.fakes.clock import ManualClock, SeededRandomness

HERE, ELSEWHERE, OFFICE = "192.0.2.1", "192.0.2.2", "198.51.100.7"
LIMIT = 3
HOST_LIMIT = 30


class PlainPasswords:
    """Fast, and countable."""

    def __init__(self) -> None:
        self.checked: list[str] = []

    def hash(self, password: str) -> str:
        return f"${password}"

    def outdated(self, hashed: str) -> bool:
        return hashed.startswith("$old$")

    def verify(self, password: str, hashed: str) -> bool:
        if self.outdated(hashed):
            return hashed == f"$old${password}"
        self.checked.append(hashed)
        return hashed == f"${password}"


class Court:
    """``slept`` are the seconds that attempts were made to wait; ``failing`` is what computing fails with."""

    def __init__(self, clock: ManualClock, passwords: Passwords | PlainPasswords | None = None) -> None:
        self.clock = clock
        chosen: Any = passwords or PlainPasswords()
        self.passwords = chosen
        self.slept: list[float] = []
        self.failing: Exception | None = None
        self.judge = Judge(
            self.passwords,
            failures=LIMIT,
            failures_per_host=HOST_LIMIT,
            trusted=[ip_network("198.51.100.0/24")],
            compute=self._compute,
            sleep=self._sleep,
            clock=clock,
            randomness=SeededRandomness(),
        )

    def _compute(self, work: Callable[[], bool], host: str) -> Deferred[Any]:
        return fail(self.failing) if self.failing else succeed(work())

    def _sleep(self, seconds: float) -> Deferred[None]:
        self.slept.append(seconds)
        self.clock.advance(seconds)
        return succeed(None)
