"""Tells systemd of the server (sd_notify(3)): that it is ready, reloads, stops, and that it is still alive."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from twisted.logger import Logger

from mpcontinuity.model.timer import Alarm, Timer

_log = Logger()


class Supervisor:
    """Speaks to the socket that ``environment`` names, and says nothing where there is none.

    With a watchdog (``WatchdogSec=`` of the unit) systemd is told twice in its time that the reactor turns. A server
    whose reactor stands still is killed and started again: nothing that was answered 250 is lost by that.
    """

    def __init__(self, environment: Mapping[str, str], timer: Timer) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._timer = timer
        self._every = _watchdog(environment) / 2
        self._alarm: Alarm | None = None

    def ready(self) -> None:
        """Tells that clients are served. It is said after a reload too."""
        self._say("READY=1")
        if self._address and self._every and self._alarm is None:
            self._alive()

    def reloading(self) -> None:
        """Tells that the configuration is being read again, which ends with ``ready``."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Tells that the server stops, and gives no sign of life any more."""
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._say("STOPPING=1")

    def _alive(self) -> None:
        self._say("WATCHDOG=1")
        self._alarm = self._timer.callLater(self._every, self._alive)

    def _say(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as own:
                own.sendto(state.encode(), self._address)
        except OSError as error:  # it is not there, or reads nothing: mail goes on without it
            _log.warn("systemd is not told {state}: {error}", state=state.partition("\n")[0], error=error, often=True)


def _address(text: str) -> str:
    """An abstract socket is written with @; others are paths."""
    return "\0" + text[1:] if text.startswith("@") else text


def _watchdog(environment: Mapping[str, str]) -> float:
    """Seconds; 0 where there is none, or it is for another process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    try:
        return max(int(environment.get("WATCHDOG_USEC", "0")), 0) / 1_000_000
    except ValueError:
        return 0.0
