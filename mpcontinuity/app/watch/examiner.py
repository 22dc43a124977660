"""Runs ``mpcontinuity doctor`` beside a running server, for those who ask by API or portal.

It is the same examination as on the command line, in a process of its own: it waits for servers that do not answer, and
the reactor must not.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

import mpcontinuity
from mpcontinuity.app.watch.single_flight import SingleFlight
from mpcontinuity.model.errors import Temporary

WITHIN: Final = 50.0  # s that somebody waits for it: a reverse proxy gives up after a minute
_LONGEST: Final = 300.0  # s of an examination: each home server that does not answer takes ten
_KEPT_FOR: Final = 30.0  # s, in which who asks again gets the same
_MOST: Final = 4 << 20  # octets of what it says: a line has some 200, and a domain some lines
_FOUND: Final = (0, 1)  # exit status: nothing is wrong, or something is
_RUN: Final = "from mpcontinuity.app.program import main; main()"

_log = Logger()


class Examiner:
    """Examines the server with the configuration at ``path``, once for all who ask at the time."""

    def __init__(self, path: Path, reactor: Any) -> None:
        self._path = path.absolute()
        self._reactor = reactor
        self._flight: SingleFlight[bytes] = SingleFlight(self._examine, reactor, within=WITHIN)
        self._last = b""
        self._at = 0.0
        self._running: _Doctor | None = None

    async def __call__(self) -> bytes:
        """Returns what `doctor --json` prints. Raises Temporary where that takes too long, or cannot be had."""
        if self._last and self._reactor.seconds() < self._at + _KEPT_FOR:
            return self._last
        said = await self._flight.get()
        if said is None:
            raise Temporary("the examination takes long, and goes on; ask again in a minute")
        if not said:
            raise Temporary("the examination failed; the log says more")
        return said

    def stop(self) -> None:
        """Ends what is under way."""
        if self._running is not None:
            self._running.end()

    async def _examine(self) -> bytes:
        ended: Deferred[bytes] = Deferred()
        self._running = doctor = _Doctor(ended)
        environment = {**os.environ, "PYTHONPATH": str(Path(mpcontinuity.__file__).parent.parent)}
        arguments = [sys.executable, "-c", _RUN, "--config", str(self._path), "doctor", "--json"]
        alarm = self._reactor.callLater(_LONGEST, doctor.end)
        try:
            self._reactor.spawnProcess(doctor, arguments[0], arguments, env=environment)
            said = await ended
        except OSError as error:
            _log.warn("the examination cannot be begun: {error}", error=error)
            return b""
        finally:
            self._running = None
            if alarm.active():
                alarm.cancel()
        self._last, self._at = said, self._reactor.seconds()
        return said


class _Doctor(ProcessProtocol):
    """The process. ``ended`` has what it printed, nothing where it failed."""

    def __init__(self, ended: Deferred[bytes]) -> None:
        self._ended = ended
        self._said = bytearray()
        self._complaint = b""

    def outReceived(self, data: bytes) -> None:  # noqa: N802
        self._said += data
        if len(self._said) > _MOST:
            self.end()

    def errReceived(self, data: bytes) -> None:  # noqa: N802
        self._complaint = (self._complaint + data)[-1000:]

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        ended: Any = reason.value
        status = 0 if isinstance(ended, ProcessDone) else ended.exitCode
        if status not in _FOUND:
            said = self._complaint.decode("utf-8", "replace").strip().rpartition("\n")[2]
            _log.warn("the examination ended with {status}: {said}", status=status, said=said)
            self._said.clear()
        self._ended.callback(bytes(self._said))

    def end(self) -> None:
        """Kills the process."""
        process: Any = self.transport
        if process is not None:
            with suppress(ProcessExitedAlready):
                process.signalProcess("KILL")
