"""What `app.server` joins, on a machine and a network that are not real: one process, from its start to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from typing import Any

from twisted.internet.defer import Deferred

from mpcontinuity.access.imap.factory import ImapFactory
from mpcontinuity.access.imap.services import ImapServices
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.judging import Judge
from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.accounts.signing import Signer
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.accounts.users import User
from mpcontinuity.alerts.service import Watcher
from mpcontinuity.alerts.telling import EVERY as TELLING_EVERY
from mpcontinuity.alerts.telling import tell_left
from mpcontinuity.app.server.housekeeping import Housekeeping
from mpcontinuity.archive import retention as archive_retention
from mpcontinuity.archive.archived import Archived
from mpcontinuity.archive.folder import EmailArchives
from mpcontinuity.archive.indexer import Indexer
from mpcontinuity.control.merging import finish_merges
from mpcontinuity.control.operation import Control
from mpcontinuity.control.removal import finish_removals
from mpcontinuity.delivery import answered
from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.delivery.internal import Internal
from mpcontinuity.delivery.outward import Submissions
from mpcontinuity.delivery.relay import repair
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.delivery.submission import submission_of
from mpcontinuity.dispatch.lane import LaneEnvironment
from mpcontinuity.dispatch.service import Dispatch
from mpcontinuity.dispatch.turnover import Turnover
from mpcontinuity.homes.service import Watch
from mpcontinuity.inbound.factory import SmtpFactory
from mpcontinuity.inbound.services import Role, SmtpServices
from mpcontinuity.mailbox.append import NewEntry
from mpcontinuity.mailbox.view import Views
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.recipients import Recipients
from mpcontinuity.model.settings import Settings
from mpcontinuity.outbound.home import HomeServers
from mpcontinuity.outbound.imap.sessions import ImapSessions
from mpcontinuity.outbound.opening import ClientEnvironment
from mpcontinuity.outbound.resolution import Exchange, Exchanges
from mpcontinuity.outbound.world import World
from mpcontinuity.queue import folding, kept
from mpcontinuity.redelivery.environment import FlushEnvironment
from mpcontinuity.redelivery.pace import Paces
from mpcontinuity.redelivery.service import Redelivery
from mpcontinuity.reports.service import Reports
from mpcontinuity.store.store import Store
from mpcontinuity.store.timekeeping import LOOK_EVERY, Timekeeping, guarded
from mpcontinuity.store.upkeep import generation, retention
from mpcontinuity.store.upkeep.reconcile import reconcile
from mpcontinuity.tracking import retention as tracking_retention
from mpcontinuity.writing import desk
from mpcontinuity.writing.outbox import EVERY as OUTBOX_EVERY
from mpcontinuity.writing.outbox import Outbox
from tests.fakes.clock import SeededRandomness
from tests.fakes.jobs import Here
from tests.simulation.machine import Machine
from tests.simulation.network import Network
from tests.simulation.world import ProcessTime

HOSTNAME = "mx.example"
EXCHANGER = "mx.world.example"  # that takes all mail to the world
ALERTS_EVERY = 10.0  # s: less often than in a server, since hours are played
TOLD_AFTER = 20 * SECOND  # that a home server is down


class Process:
    """Of one life of the machine."""

    def __init__(
        self,
        machine: Machine,
        network: Network,
        settings: Settings,
        *,
        sends: bool,
        numbers: dict[int, int],
        moment: Callable[[str], None],
    ) -> None:
        """``sends``: users send, too, so that what takes their mail on its way is at work. ``numbers``: of letters that
        are written by webmail, by their drafts. ``moment`` is told what is being done now: "indexing" or "filling"."""
        self._moment = moment
        self.settings = settings
        self.time = machine.time
        self.clock = machine.clock
        self.life = machine.life
        self.serves = False  # whether the doors are open
        self.stops = False
        self._world = machine.world
        self._randomness = SeededRandomness(machine.world.chance("randomness", self.life.number).getrandbits(32))
        self.store = machine.boot()
        self.directory = Directory(self.store)
        self._make_access()
        self._make_delivery(network)
        self.sends = sends
        if sends:
            self._make_leaving(network, numbers)
        self.indexer = Indexer(self.store, _Indexers(moment), self.time)
        self.housekeeping = Housekeeping(
            self.time,
            self.store.election,
            [
                ("generation", partial(generation.advance, self.store)),
                ("reconciliation", partial(reconcile, self.store, repair)),
                ("archive", guarded(self.store, partial(archive_retention.sweep, self.store))),
                ("answered", guarded(self.store, partial(answered.sweep, self.store))),
                ("tracking", guarded(self.store, partial(tracking_retention.sweep, self.store))),
                ("ledger", guarded(self.store, partial(folding.sweep, self.store))),
                ("packs", guarded(self.store, partial(retention.sweep, self.store))),
                ("merges", partial(finish_merges, self.control)),
                ("removals", partial(finish_removals, self.control)),
                ("drafts", partial(desk.sweep, self.store)),
            ],
        )

        watcher = Watcher(self.store, settings, self._randomness, down_for=TOLD_AFTER)
        alerting = [("outages", watcher.look)]
        self.alerts = Housekeeping(self.time, self.store.election, alerting, every=ALERTS_EVERY)
        # Each minute, as no story lasts for days.
        self.leaving = Housekeeping(
            self.time, self.store.election, [("kept", guarded(self.store, partial(kept.sweep, self.store)))], every=60.0
        )
        telling = [("telling", partial(tell_left, self.store, settings))]
        self.telling = Housekeeping(self.time, self.store.election, telling, every=TELLING_EVERY)
        self.timekeeping = Timekeeping(self.store)
        watching = [("clock", self.timekeeping.look)]
        self.clock_watch = Housekeeping(self.time, self.store.election, watching, every=LOOK_EVERY)

    def _make_access(self) -> None:
        passwords = Passwords("plaintext", ())  # or hashing would be all that is measured
        self.control = Control(
            self.store,
            self.settings,
            passwords,
            self._at_once,
            self._randomness,
            listening=list,
            serving=True,
            jobs=Here(),
            delivery=lambda: self.delivery,
        )
        judge = Judge(
            passwords,
            failures=self.settings.limits.login_failures,
            failures_per_host=self.settings.limits.login_failures_per_host,
            trusted=(),
            compute=self._at_once,
            sleep=self.sleep,
            clock=self.clock,
            randomness=self._randomness,
        )
        self.login = UserLogin(self.store, self.directory, judge)
        self.views = Views(self.store)
        self._quotas = Quotas(self.store, self.directory, self.settings.limits)
        services = ImapServices(
            store=self.store,
            directory=self.directory,
            login=self.login,
            views=self.views,
            rations=Rations(self.settings.limits, self.time.seconds),
            quotas=self._quotas,
            archives=_Archives(self.store, self.time, self._moment),
            timer=self.time,
            tls=None,
            hostname=HOSTNAME,
            limits=self.settings.limits,
            plaintext_login_networks=(ip_network("0.0.0.0/0"),),
        )
        self.imap = ImapFactory(services)

    def _make_delivery(self, network: Network) -> None:
        settings, time = self.settings, self.time
        means = ClientEnvironment(HOSTNAME, settings.home, time, network.connector(self.life), _no_tls)
        self.homes = HomeServers(means, self.clock)
        self.watch = Watch(
            self.store,
            self.directory,
            self.homes,
            settings.home,
            timer=time,
            randomness=self._randomness,
            give_up=settings.retry.give_up,
        )
        no_tokens: Any = None
        self.home_imap = ImapSessions(means, no_tokens)
        paces = Paces(settings.home.connections, time)
        flushing = FlushEnvironment(self.store, time, self._randomness, settings.retry, paces, self.home_imap)
        self.redelivery = Redelivery(flushing, self.directory, self.homes)
        self.delivery = Delivery(
            self.store,
            self.directory,
            self.homes,
            hostname=HOSTNAME,
            limits=settings.limits,
            timer=time,
            retry_after=int(settings.retry.first * SECOND),
        )
        self.services = SmtpServices(
            store=self.store,
            directory=self.directory,
            login=self.login,
            begin=partial(Incoming, self.delivery),
            submit=_nobody_submits,
            stop_waiting=self.delivery.awaited.stop_waiting,
            hostname=HOSTNAME,
            limits=settings.limits,
            rations=self.delivery.rations,
            timer=time,
            tls=None,
            arrival=lambda end: end.arrived,
        )
        self.smtp = SmtpFactory(self.services)

    def _make_leaving(self, network: Network, numbers: dict[int, int]) -> None:
        """As `app.server.outbound`, the doors 587 and 465 and webmail do."""
        settings, time, store = self.settings, self.time, self.store
        names: Any = _OneExchanger()
        connect = network.connector(self.life)
        world = World(
            settings.outbound, settings.retry, names, hostname=HOSTNAME, timer=time, connect=connect, secure=_no_tls
        )
        environment = LaneEnvironment(
            store,
            self.directory,
            world,
            Internal(self.delivery),
            time,
            self._randomness,
            settings.retry,
            settings.outbound.route,
            Signer(store, HOSTNAME),
        )
        self.exchangers = world
        self.dispatch = Dispatch(environment)
        self.turnover = Turnover(store, self.directory, timer=time)
        self.reports = Reports(store, self.directory, hostname=HOSTNAME, retry=settings.retry, timer=time)
        submissions = Submissions(
            self.delivery,
            Recipients(settings.limits.user_recipients_per_hour, self.clock),
            self._quotas,
            give_up=int(settings.retry.give_up * SECOND),
        )
        services = replace(
            self.services,
            role=Role.SUBMISSION,
            submit=partial(submission_of, submissions),
            plaintext_login_networks=(ip_network("0.0.0.0/0"),),
        )
        self.submission = SmtpFactory(services)
        self.desk = _Desk(store, self._quotas, self._randomness, HOSTNAME, settings.limits)
        self.desk.numbers = numbers
        self.outbox = Outbox(self.desk, partial(submission_of, submissions), time)
        chores = [("outbox", self.outbox.look)]
        self.writing = Housekeeping(time, store.election, chores, every=OUTBOX_EVERY)

    async def start(self) -> None:
        """As `app.server.parts` does."""
        await generation.begin(self.store)
        await self.timekeeping.begin()
        await self.watch.start()
        await self.redelivery.start()
        if self.sends:
            await self.dispatch.start()
            await self.turnover.start()
            self.reports.start()
            self.writing.start()
        self.serves = True
        self.housekeeping.start()
        self.indexer.start()
        self.clock_watch.start()
        self.telling.start()
        self.alerts.start()
        self.leaving.start()

    async def stop(self) -> None:
        """SIGTERM."""
        self.serves, self.stops = False, True
        self.housekeeping.stop()
        self.indexer.stop()
        self.clock_watch.stop()
        self.telling.stop()
        self.alerts.stop()
        self.leaving.stop()
        self.imap.stop()
        if self.sends:
            self.writing.stop()
        redelivery = Deferred.fromCoroutine(self.redelivery.stop())
        dispatch = Deferred.fromCoroutine(self.dispatch.stop()) if self.sends else None
        if self.sends:
            await self.submission.stop()
        await self.smtp.stop()
        await redelivery
        if dispatch is not None:
            await dispatch
            await self.reports.stop()
        await self.delivery.stop()
        await self.watch.stop()
        self.homes.close()
        self.home_imap.close()
        if self.sends:
            self.exchangers.close()
        await self.store.close()

    async def _at_once(self, work: Callable[[], Any], host: str = "") -> Any:
        await self.sleep(0.002)
        return work()

    def sleep(self, seconds: float) -> Deferred[None]:
        """For as long as the process lives."""
        slept: Deferred[None] = Deferred()
        self.time.callLater(seconds, slept.callback, None)
        return slept


class _Desk(desk.Desk):
    """Names what users write as other letters are named, so that it is known again wherever it comes to."""

    numbers: dict[int, int]  # of letters, by their drafts

    def message_id(self, user: User, draft: int) -> str:
        return f"<{self.numbers[draft]}@client.example>"


class _Indexers(Here):
    """Tells when a segment of the index is about to be made."""

    def __init__(self, moment: Callable[[str], None]) -> None:
        super().__init__()
        self._moment = moment

    async def begin(self, kind: str, argument: bytes) -> Any:
        self._moment("indexing")
        return await super().begin(kind, argument)


class _Archives(EmailArchives):
    """Tells when a message is about to be put into a user's Email Archive."""

    def __init__(self, store: Store, time: ProcessTime, moment: Callable[[str], None]) -> None:
        super().__init__(store, Here(), time)
        self._moment = moment

    async def _entry(self, message: Archived) -> NewEntry:
        self._moment("filling")
        return await super()._entry(message)


class _OneExchanger:
    """Instead of `outbound.resolution`: all domains of the world have the same MX host."""

    async def exchanges(self, domain: str) -> Exchanges:
        return Exchanges((Exchange(EXCHANGER, (EXCHANGER,)),))

    def forget(self, domain: str) -> None:
        """Nothing is remembered."""

    def forget_all(self) -> None:
        """Nothing is remembered."""


def _nobody_submits(*_: object) -> Any:
    raise AssertionError("nobody logs in to send")


def _no_tls(host: str, verify: bool, authorities: str, certificate: str) -> Any:
    raise AssertionError("home offers no STARTTLS")
