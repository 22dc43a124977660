"""The control socket of a data folder. Of the processes that share the folder one has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mpcontinuity.control.socket import ControlFactory, place
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.timer import Alarm
from mpcontinuity.store.lock import Lock, lock

_AGAIN = 2.0  # s until it is asked again whether the process that has it is gone


class ControlPort:
    """Serves operations on the socket. They all go through the database, so that it does not matter which process
    answers.
    """

    def __init__(self, reactor: Any, folder: Path, factory: ControlFactory, *, alone: bool) -> None:
        """``alone`` says that the store has the lock of the folder, so that the socket is ours; otherwise whoever gets
        the lock has it.
        """
        self._reactor = reactor
        self._folder = folder
        self._factory = factory
        self._alone = alone
        self._lock: Lock | None = None
        self._port: Any = None
        self._alarm: Alarm | None = None

    def open(self) -> None:
        """Listens, or tries again every few seconds where another process has the socket."""
        if not self._alone:
            try:
                self._lock = lock(self._folder)
            except Refused:
                self._alarm = self._reactor.callLater(_AGAIN, self.open)
                return
        path = place(self._folder)
        path.unlink(missing_ok=True)  # of a process that was killed: the lock of the folder is ours
        self._port = self._reactor.listenUNIX(str(path), self._factory, mode=0o600)

    async def close(self) -> None:
        """Listens no more, and leaves the socket to others."""
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        if self._port is not None:
            await self._port.stopListening()
        if self._lock is not None:
            self._lock.release()
