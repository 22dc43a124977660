"""What twistd runs: the parts joined, started in order, and stopped so that nothing is half done."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.python.usage import Options as TwistedOptions

from mpcontinuity.app.listening.certificate import make_if_missing
from mpcontinuity.app.listening.listeners import EarlyPorts
from mpcontinuity.app.process import log
from mpcontinuity.app.process.permissions import PRIVATE
from mpcontinuity.app.process.refusal import why
from mpcontinuity.app.process.reload import Reload
from mpcontinuity.app.process.supervisor import Supervisor
from mpcontinuity.app.server.parts import Parts
from mpcontinuity.config.read import DEFAULT, BadConfiguration, read
from mpcontinuity.model import hosts
from mpcontinuity.model.errors import Refused, Stopping, Temporary
from mpcontinuity.model.settings import Settings

# Two threads beside the reactor must not make it wait for 5 ms each (design 3).
_SWITCH_INTERVAL = 0.0005
# SIGTERM to exit takes 10 s at most: first what is under way may end, then the store closes.
_SESSIONS_WITHIN = 8.0
_EXIT_WITHIN = 9.5
_ALL = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_log = Logger()


class Options(TwistedOptions):
    """The options of ``twistd mpcontinuity``."""

    optParameters: ClassVar[list[list[str]]] = [  # noqa: N815  Twisted's name
        ["config", "c", os.environ.get("MPCONTINUITY_CONFIG", str(DEFAULT)), "The configuration file."]
    ]
    optFlags: ClassVar[list[list[str | None]]] = [  # noqa: N815  Twisted's name
        ["allow-root", None, "Serve other machines as root, which is refused without it."]
    ]


def makeService(options: Options) -> Server:  # noqa: N802  the name that ServiceMaker looks for
    """Reads the configuration and returns the service. What is wrong with the configuration is told in one line, and
    ends the process with status 1.
    """
    try:
        settings = read(Path(options["config"]))
    except BadConfiguration as error:
        refuse(error)
    parent: Any = options.parent or {}
    output = None
    if not (parent.get("logger") or parent.get("syslog")):
        output = log.Output(_log_file(parent))
    return Server(settings, path=Path(options["config"]), output=output, allow_root=bool(options["allow-root"]))


def _log_file(parent: Mapping[str, Any]) -> Path | None:
    """As twistd would have it; None: standard error."""
    named = parent.get("logfile")
    if named == "-" or (not named and parent.get("nodaemon")):
        return None
    return Path(named or "twistd.log").absolute()


def steady(reactor: Any) -> None:
    """Lets the reactor's timers follow a clock that nobody sets. It is to be called before anything waits.

    Those of Twisted follow the wall clock: where that is set back by an hour, nothing would time out for an hour; where
    it is set forward, everything would at once.
    """
    reactor.seconds = time.monotonic


def refuse(error: Exception) -> Any:
    """Ends a start that cannot go on, with one line that says why and status 1."""
    print(f"mpcontinuity: {' '.join(why(error).split())}", file=sys.__stderr__, flush=True)
    raise SystemExit(1)


class Server(Service):
    """One process that serves one data folder. Everything is opened in startService, after twistd has forked."""

    name: str = "mpcontinuity"

    def __init__(self, settings: Settings, *, path: Path, output: log.Output | None, allow_root: bool = False) -> None:
        """``settings`` were read from ``path``. ``output`` is where our own log goes; None where twistd was told to log
        by other means. ``allow_root`` lets root serve other machines.
        """
        self._settings = settings
        self._path = path
        self._output = output
        self._allow_root = allow_root
        self._supervisor: Supervisor | None = None
        self._reloading: Reload | None = None
        self._parts: Parts | None = None
        self._begun = False
        self._early = EarlyPorts()

    def setServiceParent(self, parent: Any) -> None:  # noqa: N802
        """Logs to standard error where twistd was told nothing else."""
        if self._output is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, log.observer(self._settings.log.format, self._output))  # type: ignore[no-untyped-call]
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
        os.umask(PRIVATE)
        try:
            self._refuse_root()
            if make_if_missing(self._settings):
                _log.info("made a self-signed certificate: {path}", path=self._settings.tls.certificate)
            self._parts = Parts(self._settings, reactor, self._path, self._early)
            self._parts.bind()
            self._reloading = Reload(
                self._path,
                self._settings,
                reopen=self._output.reopen if self._output is not None else lambda: None,
                look=self._parts.certificate.look,
                adopt=self._parts.adopt,
            )
        except (BadConfiguration, Refused, Temporary, OSError) as error:
            refuse(error)
        any_reactor: Any = reactor
        any_reactor.callWhenRunning(self._heed_signals, any_reactor)
        any_reactor.callWhenRunning(self._begin)

    def _refuse_root(self) -> None:
        """After ``twistd --uid`` has given it up. On loopback, where only this machine is served, one may try it so.

        Raises Refused.
        """
        if os.geteuid() != 0 or self._allow_root:
            return
        open_doors = [
            f"{interface or '*'}:{port}"
            for interface, port in hosts.listeners(self._settings.listen)
            if not interface or (hosts.contains(_ALL, interface) and not hosts.contains(_LOOPBACK, interface))
        ]
        if open_doors:
            raise Refused(
                f"listen: {open_doors[0]}: other machines are not served by root, whose rights a fault of ours would"
                " give away: run it as another user, or by `twistd --uid USER --gid GROUP`, or say --allow-root"
            )

    def _begin(self) -> None:
        Deferred.fromCoroutine(self._start_parts()).addErrback(self._failed)

    async def _start_parts(self) -> None:
        from twisted.internet import reactor

        assert self._parts is not None
        await self._parts.start()
        self._begun = True
        self._supervisor = Supervisor(os.environ, reactor)
        self._supervisor.ready()
        _log.info(
            "ready: {hostname}, data in {folder}", hostname=self._settings.hostname, folder=self._settings.data_dir
        )

    def _heed_signals(self, reactor: Any) -> None:
        """Takes SIGTERM and SIGHUP over from twistd.

        It would die of SIGTERM after a clean stop, which is the normal way to stop us and means exit 0. And it would
        die of SIGHUP at once, which a closed terminal sends, or somebody who has moved the log away.
        """

        def stop(number: int, frame: object) -> None:
            reactor.callFromThread(_stop_once, reactor)

        def reload(number: int, frame: object) -> None:
            reactor.callFromThread(self._reload)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        signal.signal(signal.SIGHUP, reload)

    def _reload(self) -> None:
        """Before the parts have begun there is nothing that could be old."""
        if not self._begun or self._reloading is None:
            return
        if self._supervisor is not None:
            self._supervisor.reloading()
        self._reloading()
        if self._supervisor is not None:
            self._supervisor.ready()

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, Stopping) and not self.running:
            _log.info("asked to stop before it had begun")  # the store was closed under the start: that is how it ends
            return
        if isinstance(failure.value, Refused):
            print(f"mpcontinuity: {why(failure.value)}", file=sys.__stderr__, flush=True)
        else:
            _log.failure("cannot start", failure)
        os._exit(1)

    def stopService(self) -> Deferred[Any]:  # noqa: N802
        """Stops all parts. The result fires when everything is stored and closed, within 10 s."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        from twisted.internet import reactor

        clock: Any = reactor
        parts = self._parts
        if parts is None:
            return
        _log.info("stopping")
        if self._supervisor is not None:
            self._supervisor.stopping()
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


def _stop_once(reactor: Any) -> None:
    if reactor.running and not getattr(reactor, "_stopped", False):
        reactor.stop()
