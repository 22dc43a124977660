"""Sessions with home servers that wait for our clients: lent for seconds only, where others wait for one.

A home server grants us few sessions. One is taken at RCPT, and a client that is slow, or means ill, could hold it for
minutes. After LENT it goes back as soon as anybody waits for a session, and the recipients are asked for again when the
message is complete; unasked it stays, because what home has taken once it may not take twice (some servers limit how
often they are asked for an address). Where a client host holds more than its share while others wait, some of them go
back sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpcontinuity.model.timer import Alarm, Timer

if TYPE_CHECKING:
    from mpcontinuity.outbound.home import HomeServer

LENT = 2.0  # seconds, while others wait
KEPT = 60.0  # seconds, while nobody does: home would close a silent session after some minutes (RFC 5321 §4.5.3.2)
CROWDED = 0.25  # seconds for those above their share: DATA follows RCPT within a round trip, where a client is at work


@dataclass(frozen=True, slots=True)
class _Loan:
    since: float
    home: HomeServer
    client: str
    take_back: Callable[[], None]


class Lending:
    """Of one process; in the reactor thread. One timer, however many are lent."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._lent: dict[object, _Loan] = {}  # the oldest first
        self._alarm: Alarm | None = None

    def begin(self, borrower: object, home: HomeServer, client: str, take_back: Callable[[], None]) -> None:
        """The borrower, for that client host, waits for it from now on."""
        self._lent.pop(borrower, None)
        self._lent[borrower] = _Loan(self._timer.seconds(), home, client, take_back)
        if self._alarm is None:
            self._alarm = self._timer.callLater(CROWDED, self._look)

    def end(self, borrower: object) -> None:
        """It goes on with home, or is done."""
        self._lent.pop(borrower, None)

    def _look(self) -> None:
        self._alarm = None
        now = self._timer.seconds()
        homes = {loan.home for loan in self._lent.values()}
        patience = {home: LENT if home.wanted else KEPT for home in homes}
        due = [borrower for borrower, loan in self._lent.items() if loan.since + patience[loan.home] <= now]
        for home in homes:
            due += self._above_share(home, now)
        for borrower in due:
            loan = self._lent.pop(borrower, None)
            if loan is not None:
                loan.take_back()
        if self._lent:
            self._alarm = self._timer.callLater(CROWDED, self._look)

    def _above_share(self, home: HomeServer, now: float) -> list[object]:
        """As many of the oldest as others wait for, of client hosts that hold too many."""
        needy, surplus = home.claims()
        above: list[object] = []
        for borrower, loan in self._lent.items():
            if len(above) == needy or loan.since + CROWDED > now:
                break
            if loan.home is home and surplus.get(loan.client, 0) > 0:
                surplus[loan.client] -= 1
                above.append(borrower)
        return above
