"""What twistd runs: the parts joined, started in order, and stopped so that nothing is half done."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.python.usage import Options as TwistedOptions

from mpcontinuity.app import log
from mpcontinuity.app.certificate import make_if_missing
from mpcontinuity.app.configuration import DEFAULT
from mpcontinuity.app.listeners import EarlyPorts
from mpcontinuity.app.parts import Parts
from mpcontinuity.config.read import BadConfiguration, read
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.settings import Settings

# Two threads beside the reactor must not make it wait for 5 ms each (design 3).
_SWITCH_INTERVAL = 0.0005
# SIGTERM to exit takes 10 s at most: first what is under way may end, then the store closes.
_SESSIONS_WITHIN = 8.0
_EXIT_WITHIN = 9.5

_log = Logger()


class Options(TwistedOptions):
    """Of ``twistd mpcontinuity``."""

    optParameters: ClassVar[list[list[str]]] = [  # noqa: N815  Twisted's name
        ["config", "c", os.environ.get("MPCONTINUITY_CONFIG", str(DEFAULT)), "The configuration file."]
    ]


def makeService(options: Options) -> Server:  # noqa: N802  the name that ServiceMaker looks for
    """Reads the configuration. What is wrong with it is one line and exit 1."""
    try:
        settings = read(Path(options["config"]))
    except BadConfiguration as error:
        refuse(error)
    parent: Any = options.parent or {}
    own_log = not (parent.get("logfile") or parent.get("logger") or parent.get("syslog"))
    return Server(settings, own_log=own_log and bool(parent.get("nodaemon")))


def steady(reactor: Any) -> None:
    """Timers of Twisted's reactors follow the wall clock. Where that is set back by an hour, nothing would time out for
    an hour; where it is set forward, everything would at once. To be called before anything waits."""
    reactor.seconds = time.monotonic


def refuse(error: Exception) -> Any:
    """Ends a start that cannot go on."""
    print(f"mpcontinuity: {' '.join(str(error).split())}", file=sys.__stderr__, flush=True)
    raise SystemExit(1)


class Server(Service):
    """One process that serves one data folder. Everything is opened in startService, after twistd has forked."""

    name: str = "mpcontinuity"

    def __init__(self, settings: Settings, *, own_log: bool) -> None:
        self._settings = settings
        self._own_log = own_log
        self._parts: Parts | None = None
        self._begun = False
        self._early = EarlyPorts()

    def setServiceParent(self, parent: Any) -> None:  # noqa: N802
        """Logs to standard error where twistd was told nothing else."""
        if self._own_log and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, log.observer(self._settings.log.format))  # type: ignore[no-untyped-call]
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    def privilegedStartService(self) -> None:  # noqa: N802
        """Binds what only root may, while ``twistd --uid`` has not yet given that up."""
        from twisted.internet import reactor

        super().privilegedStartService()  # type: ignore[no-untyped-call]
        try:
            self._early.bind(reactor, self._settings.listen)
        except BadConfiguration as error:
            refuse(error)

    def startService(self) -> None:  # noqa: N802
        """Opens store and listeners; they accept once home servers are known. Ends the process where that fails."""
        from twisted.internet import reactor

        super().startService()  # type: ignore[no-untyped-call]
        sys.setswitchinterval(_SWITCH_INTERVAL)
        steady(reactor)
        try:
            if make_if_missing(self._settings):
                _log.info("made a self-signed certificate: {path}", path=self._settings.tls.certificate)
            os.umask(0o077)
            self._parts = Parts(self._settings, reactor, self._early)
            self._parts.bind()
        except (BadConfiguration, Refused, Temporary, OSError) as error:
            refuse(error)
        any_reactor: Any = reactor
        any_reactor.callWhenRunning(_exit_cleanly_on_signals, any_reactor)
        any_reactor.callWhenRunning(self._begin)

    def _begin(self) -> None:
        Deferred.fromCoroutine(self._start_parts()).addErrback(self._failed)

    async def _start_parts(self) -> None:
        assert self._parts is not None
        await self._parts.start()
        self._begun = True
        _log.info(
            "ready: {hostname}, data in {folder}", hostname=self._settings.hostname, folder=self._settings.data_dir
        )

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, Refused):
            print(f"mpcontinuity: {failure.value}", file=sys.__stderr__, flush=True)
        else:
            _log.failure("cannot start", failure)
        os._exit(1)

    def stopService(self) -> Deferred[Any]:  # noqa: N802
        """Fires when everything is stored and closed, within 10 s."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        from twisted.internet import reactor

        clock: Any = reactor
        parts = self._parts
        if parts is None:
            return
        _log.info("stopping")
        # What hangs (a disk) must not keep the process: all that was answered is durable.
        deadline = clock.callLater(_EXIT_WITHIN, _give_up)
        ended = Deferred.fromCoroutine(parts.stop_sessions())
        ended.addErrback(lambda failure: _log.failure("a part did not stop cleanly", failure))
        timeout: Deferred[None] = deferLater(clock, _SESSIONS_WITHIN)
        await DeferredList([ended, timeout], fireOnOneCallback=True)
        if not timeout.called:
            timeout.addErrback(lambda _: None)
            timeout.cancel()
        await parts.close()
        deadline.cancel()
        _log.info("stopped")


def _give_up() -> None:
    _log.warn("not everything ended in time: exit all the same, the store takes care of the rest")
    os._exit(0)


def _exit_cleanly_on_signals(reactor: Any) -> None:
    """twistd would die of the signal after a clean stop; SIGTERM is the normal way to stop us, and means exit 0."""

    def stop(number: int, frame: object) -> None:
        reactor.callFromThread(_stop_once, reactor)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _stop_once(reactor: Any) -> None:
    if reactor.running and not getattr(reactor, "_stopped", False):
        reactor.stop()
