"""The parts of the server, made in the order of their needs: accounts, mail, doors, chores; ended in the reverse."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from mpcontinuity.app.listening.certificate import Certificate
from mpcontinuity.app.listening.descriptors import Descriptors
from mpcontinuity.app.listening.gatekeeper import Gatekeeper
from mpcontinuity.app.listening.listeners import EarlyPorts
from mpcontinuity.app.server.accounts import Accounts
from mpcontinuity.app.server.chores import Chores
from mpcontinuity.app.server.doors import Doors
from mpcontinuity.app.server.mail import Mail
from mpcontinuity.app.server.watched import sources
from mpcontinuity.app.watch.examiner import Examiner
from mpcontinuity.app.watch.monitoring import Monitoring
from mpcontinuity.control.operation import Control
from mpcontinuity.control.socket import place
from mpcontinuity.model import hosts
from mpcontinuity.model.clock import SteadyClock, SystemClock
from mpcontinuity.model.randomness import SystemRandomness
from mpcontinuity.model.settings import Limits, Settings
from mpcontinuity.store.bodies.draft import Room
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.lock import held
from mpcontinuity.store.runner import Threads
from mpcontinuity.store.store import Store, open_store
from mpcontinuity.store.upkeep import generation, packs_folder

_PATIENCE = 3.0  # s for a command that has the store


class Parts:
    """Joins all that a server is made of, before the reactor runs."""

    def __init__(self, settings: Settings, reactor: Any, path: Path, early: EarlyPorts | None = None) -> None:
        """``path`` is that of the configuration; ``early`` are ports that are bound already.

        Raises BadConfiguration, Refused or OSError where something cannot be had.
        """
        self._settings = settings
        clock, randomness = SteadyClock(SystemClock().now), SystemRandomness()
        descriptors = Descriptors(settings.limits)
        self._gatekeeper = Gatekeeper(settings.limits, descriptors.room, reactor, early)
        self.certificate = Certificate(settings.tls, reactor, settings.limits.handshake)
        self._store = _open(settings, reactor, clock, randomness)
        self._accounts = Accounts(settings, self._store, reactor=reactor, clock=clock, randomness=randomness)
        self._mail = Mail(
            settings,
            self._store,
            self._accounts,
            reactor=reactor,
            clock=clock,
            randomness=randomness,
            rations=self._gatekeeper.rations,
            listening=self._listening,
        )
        self._examiner = Examiner(path, reactor)
        control = Control(
            self._store,
            settings,
            self._accounts.passwords,
            self._accounts.control_workers,
            randomness,
            listening=self._listening,
            serving=True,
            homes=lambda: self._mail.homes,
            imap=lambda: self._mail.imap,
            jobs=self._mail.children,
            delivery=lambda: self._mail.delivery,
            lookup=lambda: self._mail.lookup,
            https=lambda: self._mail.https,
            examine=self._examiner,
            administrator_login=lambda: self._accounts.administrator_login,
        )
        self._doors = Doors(
            settings,
            self._store,
            self._accounts,
            self._mail,
            control,
            gatekeeper=self._gatekeeper,
            certificate=self.certificate,
            reactor=reactor,
        )
        self._chores = Chores(
            self._store, self._accounts, self._mail, control, rations=self._gatekeeper.rations, reactor=reactor
        )
        self._monitoring = Monitoring(
            settings,
            self._store,
            reactor,
            self._gatekeeper,
            sources(
                self._store,
                self._accounts,
                self._mail,
                self._doors,
                gatekeeper=self._gatekeeper,
                certificate=self.certificate,
                descriptors=descriptors,
            ),
        )

    def bind(self) -> None:
        """Listens everywhere, without accepting yet. Raises BadConfiguration."""
        self._doors.bind()
        self._monitoring.bind()

    async def start(self) -> None:
        """Starts all parts in the running reactor, and ends by accepting connections. Raises Refused."""
        await packs_folder.begin(self._store, self._settings.store.messages)
        await generation.begin(self._store)
        await self._chores.begin()
        self._accounts.start()
        self.certificate.start()
        await self._mail.start()
        self._doors.open()
        self._monitoring.begin()
        self._chores.start()

    async def stop_sessions(self) -> None:
        """Accepts no new connections; ends when nothing is under way any more."""
        self._monitoring.end()
        self._examiner.stop()
        self._chores.stop()
        self.certificate.stop()
        await self._doors.close()
        sending = Deferred.fromCoroutine(self._mail.stop_sending())
        await self._doors.end_smtp()
        await sending
        await self._mail.stop()

    async def close(self) -> None:
        """Closes connections to other servers, the store, and the pages of those who watch."""
        self._mail.close()
        await self._accounts.login.logins.write()
        await self._store.close()
        self._accounts.close()
        await self._monitoring.close()

    def adopt(self, limits: Limits) -> None:
        """Takes limits that changed while the server runs; sessions that stand keep what they began with."""
        self._accounts.adopt(limits)
        self._mail.adopt(limits)
        self._doors.adopt(limits)

    def _listening(self) -> list[tuple[str, int]]:
        return [*hosts.listeners(self._settings.listen), *self._gatekeeper.places]


def _open(settings: Settings, reactor: Any, clock: SteadyClock, randomness: SystemRandomness) -> Store:
    folder = Path(settings.data_dir)
    place(folder)  # said before anything is opened
    if settings.store.database == "sqlite":
        _wait_for_commands(folder)
    return open_store(
        folder,
        settings.store,
        clock=clock,
        randomness=randomness,
        runner=Threads(),
        disk=RealDisk(),
        room=Room(settings.limits.spool_size, settings.limits.free_space),
        reactor_call=reactor.callFromThread,
    )


def _wait_for_commands(folder: Path) -> None:
    """A command that opened the store because no server ran ends soon; before the reactor runs, so it may block."""
    until = time.monotonic() + _PATIENCE
    while folder.exists() and held(folder) and time.monotonic() < until:
        time.sleep(0.05)
