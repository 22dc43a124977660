"""A home server that serves, refuses, stalls and forgets to answer, as chance has it."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tests.fakes.clock import ManualClock

_PATH = re.compile(rb"<([^>]*)>")
_IDS = re.compile(rb"(?:X-MPContinuity-Id: \S+\r\n)+")

UNKNOWN = "nobody@a.example"  # a recipient that it does not have

# What it may be like for a while, and how often.
MOODS = {
    "well": 6,
    "refuses connections": 2,
    "does not answer": 1,
    "says nothing": 1,
    "greets with 421": 1,
    "tempfails recipients": 1,
    "tempfails messages": 1,
    "takes and hangs up": 2,
    "takes and answers late": 1,
    "hangs up in the message": 1,
}


@dataclass
class Taken:
    """A message that it has. ``confirmed``: our server went on in the session, so it knows."""

    ids: frozenset[bytes]  # X-MPContinuity-Id, one per recipient
    recipients: tuple[str, ...]
    content: bytes  # without those lines
    life: int  # of our machine
    confirmed: bool = False


class Home:
    def __init__(self, chance: random.Random) -> None:
        self.taken: list[Taken] = []
        self.mood = "well"
        self.life = 0
        self.clock = ManualClock()
        self._chance = chance

    def change_mood(self) -> None:
        self.mood = self._chance.choices(list(MOODS), list(MOODS.values()))[0]

    def accept(self) -> Protocol | None:
        if self.mood == "refuses connections":
            raise ConnectionRefusedError
        return None if self.mood == "does not answer" else HomeSession(self)


class HomeSession(Protocol):
    transport: Any

    def __init__(self, home: Home) -> None:
        self._home = home
        self._buffer = b""
        self._recipients: list[str] = []
        self._in_message = False
        self._unconfirmed: Taken | None = None
        self._stuck = False  # waits before it answers; pipelined commands wait too

    def connectionMade(self) -> None:
        if self._home.mood == "greets with 421":
            self._say(b"421 4.3.2 Not now")
            self.transport.loseConnection()
        elif self._home.mood != "says nothing":
            self._say(b"220 home.a.example")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stuck = True

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        self._turn()

    def _turn(self) -> None:
        while not self._stuck:
            end = b"\r\n.\r\n" if self._in_message else b"\r\n"
            piece, found, rest = self._buffer.partition(end)
            if self._in_message and self._home.mood == "hangs up in the message" and len(self._buffer) > 50:
                self._hang_up()
            elif found:
                self._buffer = rest
                self._message(piece + b"\r\n") if self._in_message else self._command(piece)
            else:
                return

    def _command(self, line: bytes) -> None:
        if self._unconfirmed is not None:
            self._unconfirmed.confirmed = True
            self._unconfirmed = None
        verb = line[:4].upper()
        if verb == b"EHLO":
            self._say(b"250-home.a.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES")
        elif verb == b"MAIL":
            self._recipients = []
            self._say(b"250 2.1.0 Fine")
        elif verb == b"RCPT":
            self._recipient(line)
        elif verb == b"DATA" and self._recipients:
            self._in_message = True
            self._say(b"354 Go on")
        elif verb == b"DATA":
            self._say(b"554 5.5.1 No recipients")
        elif verb == b"QUIT":
            self._say(b"221 2.0.0 Bye")
            self.transport.loseConnection()
        else:
            self._say(b"250 2.0.0 Fine")

    def _recipient(self, line: bytes) -> None:
        match = _PATH.search(line)
        assert match
        address = match[1].decode()
        if address == UNKNOWN:
            self._say(b"550 5.1.1 Unknown")
        elif self._home.mood == "tempfails recipients":
            self._say(b"451 4.3.0 Not now")
        else:
            self._recipients.append(address)
            self._say(b"250 2.1.5 Fine")

    def _message(self, stuffed: bytes) -> None:
        self._in_message = False
        if self._home.mood == "tempfails messages":
            self._say(b"451 4.3.0 Not now")
            return
        content = stuffed[1:] if stuffed.startswith(b".") else stuffed
        content = content.replace(b"\r\n..", b"\r\n.")
        match = _IDS.match(content)
        assert match, content[:80]
        ids = frozenset(line.split()[1] for line in match[0].splitlines())
        taken = Taken(ids, tuple(self._recipients), content[match.end() :], self._home.life)
        self._home.taken.append(taken)
        if self._home.mood == "takes and hangs up":
            self._hang_up()
        elif self._home.mood == "takes and answers late":
            self._stuck = True
            self._home.clock.callLater(8.0, self._answer_late)
        else:
            self._unconfirmed = taken
            self._say(b"250 2.0.0 Taken")

    def _answer_late(self) -> None:
        self._stuck = False
        self._say(b"250 2.0.0 Taken, at last")
        self._turn()

    def _hang_up(self) -> None:
        self._stuck = True
        self.transport.abortConnection()

    def _say(self, line: bytes) -> None:
        self.transport.write(line + b"\r\n")
