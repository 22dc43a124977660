"""Times TLS handshakes: a client that is silent in one would hold its connection for as long as it likes.

Twisted has no limit of time there, and a connection that is closed in the middle of one waits for its end.
"""

from __future__ import annotations

from collections import deque
from typing import Any
from weakref import ref

from mpcontinuity.model.timer import Timer

_LOOK = 1.0  # s


class Handshakes:
    """Cuts connections whose handshake does not end in time."""

    def __init__(self, timer: Timer, patience: float) -> None:
        """``patience`` is the seconds from the beginning of a handshake, that of STARTTLS too, until the connection is
        cut.
        """
        self._timer = timer
        self._patience = patience
        self._begun: deque[tuple[float, ref[Any]]] = deque()  # when to look at it; what is gone costs nothing more

    def begin(self, connection: Any) -> None:
        """Times the handshake of ``connection``, Twisted's protocol that speaks TLS (TLSMemoryBIOProtocol)."""
        self._begun.append((self._timer.seconds() + self._patience, ref(connection)))
        if len(self._begun) == 1:
            self._timer.callLater(self._patience, self._look)

    def _look(self) -> None:
        now = self._timer.seconds()
        while self._begun and self._begun[0][0] <= now:
            connection = self._begun.popleft()[1]()
            if connection is None or (tls := connection.getHandle()) is None:
                continue  # it was closed
            if tls.get_peer_finished() is None:
                connection.abortConnection()
        if self._begun:
            # One look for all that are due within a moment: handshakes come by the hundred a second.
            self._timer.callLater(max(self._begun[0][0] - now, min(_LOOK, self._patience)), self._look)
