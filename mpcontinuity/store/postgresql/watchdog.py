"""Notices that a PostgreSQL server has fallen silent: its machine hangs, or a network device swallows what is sent.

TCP alone does not notice while something on the way still acknowledges, and a statement waits for as long as that goes
on. So when one has waited for some seconds, the server is asked whether it takes another connection. If that is not
answered either, all that wait are let go, and their callers hear that the database is away.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import Final, Protocol

import psycopg
from psycopg.conninfo import make_conninfo

_TICK = 1.0  # s between two looks
_LONG: Final = 5.0  # s that an answer is waited for before anybody wonders; a lock that is waited for takes as long
_CONNECT = 3  # s that the server has to answer a new connection
_ASK_AGAIN = 5.0  # s; it did answer, and only that statement takes long


class Watched(Protocol):
    """A connection that waits for answers."""

    since: float  # time.monotonic() when an answer began to be waited for; 0: none is

    def descriptor(self) -> int:
        """Returns the descriptor of its socket; -1 where there is none."""
        ...


class Watchdog:
    """Lets go those who wait for a server that has fallen silent. It watches connections from a thread of its own."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = make_conninfo(conninfo, connect_timeout=_CONNECT, application_name="mpcontinuity watchdog")
        self._watched: list[Watched] = []
        self._ended = threading.Event()
        self._quiet_until = 0.0

    def watch(self, connection: Watched) -> None:
        """Watches the connection from now on, for good."""
        self._watched.append(connection)

    def loop(self) -> None:
        """Looks once a second until `end` is called: the work of its thread."""
        while not self._ended.wait(_TICK):
            self.look(time.monotonic())

    def end(self) -> None:
        """Ends the loop."""
        self._ended.set()

    def look(self, now: float) -> None:
        """Breaks the connections that wait for long, if the server does not take another one.

        ``now`` is time.monotonic().
        """
        waiting = [one for one in self._watched if one.since and now - one.since > _LONG]
        if not waiting or now < self._quiet_until:
            return
        if self._answers():
            self._quiet_until = now + _ASK_AGAIN
            return
        for one in waiting:
            if one.since and now - one.since > _LONG:  # still
                with contextlib.suppress(psycopg.Error, OSError):
                    _break(one.descriptor())

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._conninfo).close()
        except psycopg.errors.ConnectionTimeout:
            return False
        except psycopg.Error:  # no to this one: an answer all the same
            return True
        return True


def _break(descriptor: int) -> None:
    """Whoever waits for the socket, in another thread, reads its end."""
    if descriptor >= 0:
        with socket.socket(fileno=os.dup(descriptor)) as ours:
            ours.shutdown(socket.SHUT_RDWR)
