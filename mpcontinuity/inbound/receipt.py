"""Whether a client can have read the answer to its message: what TCP knows of it (decisions/0004).

Who cannot have read a 250 may send the same message again, and is not to have it twice (delivery/answered.py). Many
devices say nothing after they have read it: they close without QUIT, or wrote QUIT behind their final dot. So the end
of the connection is looked at: an answer that was acknowledged, before a close in order, has been read as far as
anybody can tell; a reset, or an answer that nobody acknowledges, has not.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import socket
import struct
import termios
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from mpcontinuity.delivery.transaction import MailTransaction
from mpcontinuity.model.timer import Alarm, Timer

FIRST_LOOK = 0.02  # seconds; the next ones come at twice the time each
# Seconds for a client under TLS to close by itself: our own end of TLS is data that it may never read, and then the
# connection ends in a reset, as if its 250 had not been read either.
TLS_END = 1.0
_COUNT = struct.Struct("i")


class Arrival(enum.Enum):
    """What has become of that which was written to a connection."""

    ACKNOWLEDGED = "acknowledged"
    UNDER_WAY = "under way"
    RESET = "reset"


def connection_of(transport: Any) -> Any:
    """Returns the TCP connection that TLS, where there is any, runs over."""
    while (below := getattr(transport, "transport", None)) is not None:
        transport = below
    return transport


def arrival(transport: Any) -> Arrival:
    """Returns what the kernel says of all that was written, an end of the connection that we have sent included."""
    connection: socket.socket | None = getattr(connection_of(transport), "socket", None)
    if connection is None:
        return Arrival.RESET  # closed already
    try:
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return Arrival.RESET
        (waiting,) = _COUNT.unpack(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(_COUNT.size)))
    except OSError:
        return Arrival.RESET
    return Arrival.UNDER_WAY if waiting else Arrival.ACKNOWLEDGED


class Receipt:
    """Finds out whether the client has read the answer to one message, and tells the transaction, once.

    ``arrival`` looks at the connection; ``close`` ends it, which is done here once we part. Under ``tls`` Twisted
    closes as soon as the client has closed: so that its end is seen before, it is taken here.
    """

    def __init__(
        self,
        transaction: MailTransaction,
        transport: Any,
        timer: Timer,
        arrival: Callable[[Any], Arrival],
        close: Callable[[], None],
        *,
        tls: bool,
    ) -> None:
        self._transaction: MailTransaction | None = transaction
        self._transport = transport
        self._timer = timer
        self._arrival = arrival
        self._close = close
        self._alarm: Alarm | None = None
        self._wait = FIRST_LOOK
        self._tls = tls
        self._parting = False
        self._written = False  # all that we had to say, and our end, is with the kernel
        self._heard_out = False  # the client has closed
        transaction.on_its_way(self.look)
        if tls:
            connection_of(transport).readConnectionLost = self._closed_below

    @property
    def settled(self) -> bool:
        """Whether the transaction has been told; then the receipt is of no further use."""
        return self._transaction is None

    def read(self) -> None:
        """Is told that the client has sent something since, and so has read the answer."""
        self._settle(read=True)

    def look(self) -> None:
        """Looks whether the answer has arrived at a silent client: it may have been read, and counts as read."""
        if not self.settled and self._arrival(self._transport) is Arrival.ACKNOWLEDGED:
            self._settle(read=True)

    def end(self, reason: Failure) -> None:
        """Is told that the connection is lost. TLS that was closed in order was closed by somebody who is there."""
        self._parting = False
        self._settle(read=self._tls and isinstance(reason.value, ConnectionDone))

    def give_up(self) -> None:
        """Is told that nobody will know: the client sends the next message without having read an answer."""
        self._settle(read=False)

    def part(self, *, heard_out: bool) -> None:
        """Closes the connection once the client has, which shows what it has read; all was said. ``heard_out``: it has
        closed already."""
        self._parting, self._heard_out = True, heard_out
        if self._tls:
            self._alarm = self._timer.callLater(TLS_END, self._end_tls)
        else:
            self._transport.loseWriteConnection()

    def written(self) -> None:
        """Is told that all that we had to say, and our end, is with the kernel."""
        self._written = True
        self._may_close()

    def closed(self) -> None:
        """Is told that the client has closed its direction."""
        self._heard_out = True
        self._may_close()

    def _may_close(self) -> None:
        if not (self._written and self._heard_out) or self.settled:
            return
        found = self._arrival(self._transport)
        if found is Arrival.UNDER_WAY:
            self._alarm = self._timer.callLater(self._wait, self._may_close)
            self._wait *= 2
            return
        self._settle(read=found is Arrival.ACKNOWLEDGED)

    def _end_tls(self) -> None:
        self.look()
        if not self.settled:
            self._close()

    def _closed_below(self, reason: Failure) -> None:
        """The client has closed the connection under TLS, in order (TLS says no more of it than of a reset)."""
        connection = connection_of(self._transport)
        del connection.readConnectionLost
        self._parting = self._heard_out = True
        self._cancel()
        self._close = lambda: connection.readConnectionLost(reason)
        # What is written still waits for the reactor to send it: twice around, and it has.
        self._alarm = self._timer.callLater(0, self._timer.callLater, FIRST_LOOK, self._end_below)

    def _end_below(self) -> None:
        if not self.settled:
            with contextlib.suppress(OSError):  # reset: it is about to be seen
                connection_of(self._transport).socket.shutdown(socket.SHUT_WR)
            self.written()

    def _settle(self, *, read: bool) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return
        self._cancel()
        if self._tls:
            vars(connection_of(self._transport)).pop("readConnectionLost", None)
        if read:
            transaction.went_on()
        else:
            transaction.lost()
        if self._parting:
            self._close()

    def _cancel(self) -> None:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
