"""Sessions with home servers that are reserved for SMTP clients between RCPT and the end of their message.

A home server grants us few sessions. A transaction takes one at RCPT, and a client that is slow, or means ill, could
hold it for minutes. So a reservation is revoked after WHILE_OTHERS_WAIT seconds as soon as anybody waits for a session,
and home is asked for the recipients again when the message is complete. While nobody waits it stays, because what home
has taken once it may not take twice (some servers limit how often they are asked for an address). Where one client host
holds more than its share while others wait, the oldest of its reservations are revoked sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.outbound.home import HomeServer

WHILE_OTHERS_WAIT = 2.0  # seconds
WHILE_NOBODY_WAITS = 60.0  # seconds: home would close a silent session after some minutes (RFC 5321 §4.5.3.2)
ABOVE_SHARE = 0.25  # seconds: DATA follows RCPT within a round trip, where a client is at work


@dataclass(frozen=True, slots=True)
class _Reservation:
    since: float
    home: HomeServer
    client: str
    revoke: Callable[[], None]


class Reservations:
    """The reservations of one process. It lives in the reactor thread and needs one timer, however many there are."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._held: dict[object, _Reservation] = {}  # the oldest first
        self._alarm: Alarm | None = None

    def hold(self, holder: object, home: HomeServer, client: str, revoke: Callable[[], None]) -> None:
        """Notes that ``holder`` keeps a session of ``home`` for the client host ``client`` from now on.

        ``revoke`` is called once when the session has to go back, and not after `release`.
        """
        self._held.pop(holder, None)
        self._held[holder] = _Reservation(self._timer.seconds(), home, client, revoke)
        if self._alarm is None:
            self._alarm = self._timer.callLater(ABOVE_SHARE, self._look)

    def release(self, holder: object) -> None:
        """Ends the holder's reservation, if it has one: its client has gone on, or the transaction has ended."""
        self._held.pop(holder, None)

    def _look(self) -> None:
        self._alarm = None
        now = self._timer.seconds()
        homes = {held.home for held in self._held.values()}
        patience = {home: WHILE_OTHERS_WAIT if home.wanted else WHILE_NOBODY_WAITS for home in homes}
        due = [holder for holder, held in self._held.items() if held.since + patience[held.home] <= now]
        for home in homes:
            due += self._above_share(home, now)
        for holder in due:
            held = self._held.pop(holder, None)
            if held is not None:
                held.revoke()
        if self._held:
            self._alarm = self._timer.callLater(ABOVE_SHARE, self._look)

    def _above_share(self, home: HomeServer, now: float) -> list[object]:
        """The oldest holders for client hosts that hold too many, as many as others wait for."""
        needy, surplus = home.claims()
        above: list[object] = []
        for holder, held in self._held.items():
            if len(above) == needy or held.since + ABOVE_SHARE > now:
                break
            if held.home is home and surplus.get(held.client, 0) > 0:
                surplus[held.client] -= 1
                above.append(holder)
        return above
