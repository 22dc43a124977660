"""The parts of the server, made in the order of their layers, started and stopped in the order of their needs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from mpcontinuity.access.imap.factory import ImapFactory
from mpcontinuity.access.imap.services import Services as ImapServices
from mpcontinuity.access.pop3.factory import Pop3Factory
from mpcontinuity.access.pop3.lock import Locks
from mpcontinuity.access.pop3.services import Services as Pop3Services
from mpcontinuity.accounts.administration import AdministratorLogin
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.failures import EVERY as SHARED_EVERY
from mpcontinuity.accounts.failures import FailureExchange
from mpcontinuity.accounts.judging import Judge
from mpcontinuity.accounts.login import UserLogin
from mpcontinuity.accounts.origins import Origins
from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.accounts.rotation import take_over
from mpcontinuity.app.listening.certificate import Asking, Certificate
from mpcontinuity.app.listening.descriptors import Descriptors
from mpcontinuity.app.listening.gatekeeper import Gatekeeper
from mpcontinuity.app.listening.listeners import EarlyPorts, say_not_served
from mpcontinuity.app.listening.spending import SpendingExchange
from mpcontinuity.app.server.control_port import ControlPort
from mpcontinuity.app.server.housekeeping import Housekeeping
from mpcontinuity.app.server.sending import Sending
from mpcontinuity.app.server.workers import Workers
from mpcontinuity.app.watch.pages import Watching
from mpcontinuity.archive import retention as archive_retention
from mpcontinuity.children.pool import Children
from mpcontinuity.control.operation import Control
from mpcontinuity.control.removal import finish_removals
from mpcontinuity.control.socket import ControlFactory, place
from mpcontinuity.delivery import answered
from mpcontinuity.delivery.from_home import HomeMail
from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.delivery.internal import Internal
from mpcontinuity.delivery.outward import Submissions
from mpcontinuity.delivery.relay import repair
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.delivery.submission import submission_of
from mpcontinuity.door.closing import Closing
from mpcontinuity.homes.service import Watch
from mpcontinuity.inbound.factory import SmtpFactory
from mpcontinuity.inbound.services import Role
from mpcontinuity.inbound.services import Services as SmtpServices
from mpcontinuity.mailbox import sent
from mpcontinuity.mailbox.view import Views
from mpcontinuity.model import hosts
from mpcontinuity.model.clock import SECOND, SteadyClock, SystemClock
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import DomainsChanged, Everything, Notice
from mpcontinuity.model.randomness import SystemRandomness
from mpcontinuity.model.recipients import Recipients
from mpcontinuity.model.settings import Limits, Settings
from mpcontinuity.outbound.home import HomeServers
from mpcontinuity.outbound.lookup import Lookup
from mpcontinuity.outbound.network import connector, securing
from mpcontinuity.outbound.opening import ClientEnvironment
from mpcontinuity.outbound.resolution import questions
from mpcontinuity.queue import folding, outbound
from mpcontinuity.queue.holders import LOOK_EVERY, Holders
from mpcontinuity.redelivery.environment import FlushEnvironment
from mpcontinuity.redelivery.pace import Paces
from mpcontinuity.redelivery.service import Redelivery
from mpcontinuity.reports.service import Reports
from mpcontinuity.store.bodies import folder as packs_folder
from mpcontinuity.store.bodies.draft import Room
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.election import Alone
from mpcontinuity.store.lock import held
from mpcontinuity.store.runner import Threads
from mpcontinuity.store.store import open_store
from mpcontinuity.store.timekeeping import LOOK_EVERY as CLOCK_EVERY
from mpcontinuity.store.timekeeping import Timekeeping, guarded
from mpcontinuity.store.upkeep import generation, retention
from mpcontinuity.store.upkeep.reconcile import reconcile, repair_unrecorded
from mpcontinuity.tracking import retention as tracking_retention
from mpcontinuity.verdicts.service import Verdicts

_PATIENCE = 3.0  # s
_OWN_CHORES = 30.0  # s between rounds of what every process does for itself
_IMPLICIT_TLS = ("submissions", "imaps", "pop3s")

_log = Logger()


class Parts:
    """Made before the reactor runs. Raises BadConfiguration, Refused or OSError where something cannot be had."""

    def __init__(self, settings: Settings, reactor: Any, early: EarlyPorts | None = None) -> None:
        """``early``: ports that are bound already."""
        self._settings = settings
        self._reactor = reactor
        self._clock, self._randomness = SteadyClock(SystemClock().now), SystemRandomness()
        self._places: list[tuple[str, int]] = []
        self.descriptors = Descriptors(settings.limits)
        self.gatekeeper = Gatekeeper(settings.limits, self.descriptors.room, reactor, early)
        self.certificate = Certificate(settings.tls, reactor, settings.limits.handshake)
        folder = Path(settings.data_dir)
        place(folder)  # said before anything is opened
        if settings.store.database == "sqlite":
            _wait_for_commands(folder)
        self.store = open_store(
            folder,
            settings.store,
            clock=self._clock,
            randomness=self._randomness,
            runner=Threads(),
            disk=RealDisk(),
            room=Room(settings.limits.spool_size, settings.limits.free_space),
            reactor_call=reactor.callFromThread,
        )
        self.directory = Directory(self.store)
        self._make_access()
        self._make_delivery()
        doors = {
            **{name: door.connections for name, door in self._smtp.items()},
            **{name: door.count for name, door in self._access.items()},
        }
        self.watching = Watching(self, settings, reactor, doors)
        self.housekeeping = Housekeeping(
            reactor,
            self.store.election,
            [
                ("generation", partial(generation.advance, self.store)),
                ("reconciliation", partial(reconcile, self.store, repair)),
                ("archive", guarded(self.store, partial(archive_retention.sweep, self.store))),
                ("answered", guarded(self.store, partial(answered.sweep, self.store))),
                ("tracking", guarded(self.store, partial(tracking_retention.sweep, self.store))),
                ("sent", guarded(self.store, partial(sent.sweep, self.store))),
                ("ledger", guarded(self.store, partial(folding.sweep, self.store))),
                ("outbound", guarded(self.store, partial(outbound.sweep, self.store))),
                ("dkim", partial(take_over, self.store, self.lookup)),
                (
                    "packs",
                    guarded(self.store, partial(retention.sweep, self.store)),
                ),  # last: drops what nothing refers to any more
                ("removals", partial(finish_removals, self.control)),
            ],
        )
        self.own_housekeeping = Housekeeping(
            reactor,
            Alone(),
            [
                ("unrecorded", partial(repair_unrecorded, self.store, repair)),
                ("files", partial(self.store.bodies.background, self.store.packs.leave_gone)),
            ],
            every=_OWN_CHORES,
        )
        self.shared = Housekeeping(
            reactor,
            Alone(),
            [
                ("failures", FailureExchange(self.store, self.judge.throttle).exchange),
                ("spending", SpendingExchange(self.store, self.gatekeeper.rations, self.recipients).exchange),
            ],
            every=SHARED_EVERY,
        )
        self.timekeeping = Timekeeping(self.store)
        self.clock_watch = Housekeeping(reactor, Alone(), [("clock", self.timekeeping.look)], every=CLOCK_EVERY)
        self.holders = Housekeeping(reactor, Alone(), [("leases", Holders(self.store).look)], every=LOOK_EVERY)
        self._control_port = ControlPort(
            reactor, folder, ControlFactory(self.control, reactor), alone=settings.store.database == "sqlite"
        )

    def _make_access(self) -> None:
        """What users and administrators come in by."""
        settings, reactor = self._settings, self._reactor
        passwords = Passwords(settings.password.scheme)
        self.login_workers = Workers(reactor, "login", threads=2, most=500, most_of_host=100)
        self.control_workers = Workers(reactor, "control", threads=1, most=500)
        self.control = Control(
            self.store,
            settings,
            passwords,
            self.control_workers,
            self._randomness,
            listening=self._listening,
            serving=True,
            homes=lambda: self.homes,
        )
        self.judge = Judge(
            passwords,
            failures=settings.limits.login_failures,
            failures_per_host=settings.limits.login_failures_per_host,
            trusted=_networks(settings.limits.trusted_networks),
            compute=self.login_workers,
            sleep=partial(deferLater, reactor),
            clock=self._clock,
            randomness=self._randomness,
        )
        self.login = UserLogin(self.store, self.directory, self.judge)
        self.administrator_login = AdministratorLogin(self.store, self.judge)
        self.quotas = Quotas(self.store, self.directory, settings.limits)
        plaintext = _networks(settings.tls.plaintext_login_networks)
        imap = ImapServices(
            store=self.store,
            directory=self.directory,
            login=self.login,
            views=Views(self.store),
            rations=self.gatekeeper.rations,
            quotas=self.quotas,
            timer=reactor,
            tls=self.certificate,
            hostname=settings.hostname,
            message_size=settings.limits.message_size,
            plaintext_login_networks=plaintext,
        )
        pop3 = Pop3Services(
            store=self.store,
            directory=self.directory,
            login=self.login,
            locks=Locks(reactor),
            rations=self.gatekeeper.rations,
            timer=reactor,
            tls=self.certificate,
            hostname=settings.hostname,
            plaintext_login_networks=plaintext,
        )
        self._access: dict[str, ImapFactory | Pop3Factory] = {
            "imap": ImapFactory(imap),
            "imaps": ImapFactory(imap, implicit_tls=True),
            "pop3": Pop3Factory(pop3),
            "pop3s": Pop3Factory(pop3, implicit_tls=True),
        }

    def _make_delivery(self) -> None:
        """What mail passes through."""
        settings, reactor = self._settings, self._reactor
        client = ClientEnvironment(
            settings.hostname, settings.home, reactor, connector(reactor), securing(), self._listening
        )
        self.homes = HomeServers(client, self._clock)
        self.watch = Watch(
            self.store,
            self.directory,
            self.homes,
            settings.home,
            timer=reactor,
            randomness=self._randomness,
            give_up=settings.retry.give_up,
        )
        paces = Paces(settings.home.connections)
        flushing = FlushEnvironment(self.store, reactor, self._randomness, settings.retry, paces)
        self.redeliveries = flushing.outcomes
        self.refusals = flushing.refusals
        self.redelivery = Redelivery(flushing, self.directory, self.homes)
        self.reports = Reports(
            self.store, self.directory, hostname=settings.hostname, retry=settings.retry, timer=reactor
        )
        self.delivery = Delivery(
            self.store,
            self.directory,
            self.homes,
            hostname=settings.hostname,
            limits=settings.limits,
            timer=reactor,
            retry_after=int(settings.retry.first * SECOND),
            rations=self.gatekeeper.rations,
        )
        internal = Internal(self.delivery)
        asked: Any = questions(settings.outbound.resolvers, reactor)
        self.lookup = Lookup(asked)
        self.children = Children(reactor)
        trusted = _networks(settings.limits.trusted_networks)
        self.verdicts = Verdicts(self.store, self.lookup, self.children, reactor, settings.hostname, trusted)
        self.delivery.verdicts = self.verdicts
        self.sending = Sending(self.store, self.directory, settings, reactor, self._randomness, internal)
        self.recipients = Recipients(settings.limits.user_recipients_per_hour, self._clock)
        self.submissions = Submissions(
            self.delivery,
            self.recipients,
            self.quotas,
            give_up=int(settings.retry.give_up * SECOND),
        )
        self.origins = Origins(self.store, self.directory)
        self._smtp = {
            "smtp": self._smtp_door(Role.INBOUND),
            "submission": self._smtp_door(Role.SUBMISSION),
            "submissions": self._smtp_door(Role.SUBMISSION, implicit_tls=True),
        }

    def _smtp_door(self, role: Role, *, implicit_tls: bool = False) -> SmtpFactory:
        settings = self._settings
        services = SmtpServices(
            begin=partial(Incoming, self.delivery),
            hostname=settings.hostname,
            limits=settings.limits,
            rations=self.gatekeeper.rations,
            identifiers=self.store.identifiers,
            timer=self._reactor,
            tls=Asking(self.certificate, lambda: self.origins.shared) if role is Role.INBOUND else self.certificate,
            role=role,
            login=self.login,
            home=HomeMail(self.submissions, self.origins) if role is Role.INBOUND else None,
            reports_to_strangers=self.homes.all_report,
            submit=partial(submission_of, self.submissions),
            plaintext_login_networks=_networks(settings.tls.plaintext_login_networks),
        )
        self.store.listen(Closing(self.directory, self._reactor, services.sessions).heard)
        return SmtpFactory(services, self._stop_waiting, implicit_tls=implicit_tls)

    def bind(self) -> None:
        """Listens everywhere, without accepting yet. Raises BadConfiguration."""
        certificate: Any = self.certificate
        doors: dict[str, Any] = {**self._smtp, **self._access}
        words = {door: factory.TURNED_AWAY for door, factory in doors.items() if door not in _IMPLICIT_TLS}
        for door in _IMPLICIT_TLS:
            doors[door] = TLSMemoryBIOFactory(certificate, False, doors[door], self._reactor)
        listen = self._settings.listen
        for door, factory in doors.items():
            for endpoint in getattr(listen, door):
                word = words.get(door, b"")
                self._places.append(self.gatekeeper.bind(self._reactor, door, endpoint, factory, word))
        self.watching.bind()
        say_not_served(listen)

    async def start(self) -> None:
        """In the running reactor; ends by accepting connections. Raises Refused."""
        await packs_folder.begin(self.store, self._settings.store.messages)
        await generation.begin(self.store)
        await self.timekeeping.begin()
        self.login_workers.start()
        self.control_workers.start()
        self.certificate.start()
        await self.watch.start()
        self.store.listen(self._forget_homes)
        await self.redelivery.start()
        await self.sending.dispatch.start()
        self.reports.start()
        self._control_port.open()
        self.gatekeeper.open()
        self.watching.begin()
        self.housekeeping.start()
        self.own_housekeeping.start()
        self.holders.start()
        self.clock_watch.start()
        self.shared.start()

    async def stop_sessions(self) -> None:
        """No new connections; ends when nothing is under way any more."""
        self.watching.end()
        self.housekeeping.stop()
        self.own_housekeeping.stop()
        self.holders.stop()
        self.clock_watch.stop()
        self.shared.stop()
        self.certificate.stop()
        await self.gatekeeper.close()
        for door in self._access.values():
            door.stop()
        await self._control_port.close()
        redelivery = Deferred.fromCoroutine(self.redelivery.stop())
        dispatch = Deferred.fromCoroutine(self.sending.dispatch.stop())
        await DeferredList([door.stop() for door in self._smtp.values()])
        await redelivery
        await dispatch
        await self.reports.stop()
        self.verdicts.stop()
        self.children.stop()
        await self.delivery.stop()
        await self.watch.stop()

    async def close(self) -> None:
        self.homes.close()
        self.sending.world.close()
        await self.store.close()
        self.login_workers.stop()
        self.control_workers.stop()
        await self.watching.close()

    def adopt(self, limits: Limits) -> None:
        """Limits that changed while the server runs; sessions that stand keep what they began with."""
        self.delivery.limits = limits
        self.recipients.per_hour = limits.user_recipients_per_hour
        self.gatekeeper.rations.adopt(limits)
        self.quotas.limits = limits
        for door in self._smtp.values():
            door.services.limits = limits
        for access in self._access.values():
            if isinstance(access, ImapFactory):
                access.services.message_size = limits.message_size

    def _stop_waiting(self) -> None:
        """Home servers are waited for no longer: what is complete is answered by what is known."""
        self.homes.stop_waiting()
        self.delivery.awaited.stop_waiting()

    def _forget_homes(self, notices: Sequence[Notice]) -> None:
        if any(isinstance(notice, DomainsChanged | Everything) for notice in notices):
            Deferred.fromCoroutine(self._keep_homes()).addErrback(_failed)

    async def _keep_homes(self) -> None:
        self.homes.keep_only({domain.id for domain in await self.directory.domains()})

    def _listening(self) -> list[tuple[str, int]]:
        return [*hosts.listeners(self._settings.listen), *self._places]


def _wait_for_commands(folder: Path) -> None:
    """A command that opened the store because no server ran ends soon; before the reactor runs, so it may block."""
    until = time.monotonic() + _PATIENCE
    while folder.exists() and held(folder) and time.monotonic() < until:
        time.sleep(0.05)


def _failed(failure: Failure) -> None:
    if isinstance(failure.value, Temporary):  # `Everything` comes when the database is back
        _log.warn("cannot tell which domains there are: {error}", error=failure.value)
    elif not isinstance(failure.value, Stopping):
        _log.failure("cannot tell which domains there are", failure)


def _networks(texts: tuple[str, ...]) -> list[Any]:
    return [ip_network(text) for text in texts]
