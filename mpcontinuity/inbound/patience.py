"""How long a client is borne with: looked at now and then, so that it costs nothing while it does as it should.

A client that says nothing is let go by the time of its last complete command or piece of a message (RFC 5321
§4.5.3.2.7). One that sends an octet now and then, or commands that lead to nothing, would hold its place for days.
"""

from __future__ import annotations

from mpcontinuity.door.lastword import LastWord

IDLE = 300.0  # seconds without a complete command or a piece of a message
PACE = 500  # octets per second of a message, on the average since the last look; GPRS has twice that
FRUITLESS = 1800.0  # seconds without the end of a message

SILENT = LastWord("nothing heard for 5 minutes", "4.4.2")
SLOW = LastWord(f"the message comes too slowly: fewer than {PACE} octets per second", "4.4.2")
NO_MESSAGE = LastWord("no message for 30 minutes", "4.4.2")

_LEAST = 60.0  # seconds over which a pace can be told


class Patience:
    """What one connection is granted. Times are those of a `Timer`, in seconds."""

    __slots__ = ("_measured", "_messages", "_since")

    def __init__(self, now: float) -> None:
        self._messages = 0
        self._since = now  # the last message ended, as far as was looked
        self._measured: tuple[int, int, float] | None = None  # number of the message, octets of it, and when

    def look(self, now: float, *, heard: float, messages: int, octets: int) -> LastWord | float:
        """Returns why the connection ends, or the seconds until it has to be looked at again.

        ``heard`` is when a command or a piece of a message came last, ``messages`` how many have ended, and ``octets``
        how much has come of the one that is arriving, -1 where none is.
        """
        if messages != self._messages:
            self._messages, self._since = messages, now
        if heard + IDLE <= now:
            return SILENT
        if octets >= 0 and self._slow(now, messages, octets):
            return SLOW
        if octets < 0 and self._since + FRUITLESS <= now:
            return NO_MESSAGE
        return max(heard + IDLE - now, _LEAST if octets >= 0 else 1.0)

    def _slow(self, now: float, message: int, octets: int) -> bool:
        if self._measured is None or self._measured[0] != message:
            self._measured = (message, octets, now)
            return False
        _, before, then = self._measured
        if now - then < _LEAST:
            return False
        self._measured = (message, octets, now)
        return octets - before < PACE * (now - then)
