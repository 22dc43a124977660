"""Mail: what a message passes through, from the decision about it until home servers and the world have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.alerts.first_logins import FirstLogins
from mpcontinuity.alerts.notices import Notices
from mpcontinuity.alerts.service import Watcher
from mpcontinuity.app.server.accounts import Accounts
from mpcontinuity.app.server.outbound import OutboundMail
from mpcontinuity.archive.indexer import Indexer
from mpcontinuity.children import readers
from mpcontinuity.children.pool import Children
from mpcontinuity.delivery.internal import Internal
from mpcontinuity.delivery.outward import Submissions
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.delivery.submission import submission_of
from mpcontinuity.dispatch.turnover import Turnover
from mpcontinuity.homes.service import Watch
from mpcontinuity.homes.user_side import UserSide
from mpcontinuity.model import hosts
from mpcontinuity.model.clock import SECOND, Clock
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import DomainsChanged, Everything, Notice
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.recipients import Recipients
from mpcontinuity.model.settings import Limits, Settings
from mpcontinuity.outbound.home import HomeServers
from mpcontinuity.outbound.https import HttpsClient
from mpcontinuity.outbound.imap.sessions import ImapSessions
from mpcontinuity.outbound.imap.tokens import Tokens
from mpcontinuity.outbound.lookup import Lookup
from mpcontinuity.outbound.network import addresses, connector, securing
from mpcontinuity.outbound.opening import ClientEnvironment
from mpcontinuity.outbound.resolution import questions
from mpcontinuity.redelivery.environment import FlushEnvironment
from mpcontinuity.redelivery.pace import Paces
from mpcontinuity.redelivery.service import Redelivery
from mpcontinuity.reports.service import Reports
from mpcontinuity.store.store import Store
from mpcontinuity.vacation.service import Vacations
from mpcontinuity.verdicts.service import Verdicts
from mpcontinuity.writing.desk import Desk
from mpcontinuity.writing.outbox import Outbox

_log = Logger()


class Mail:
    """Joins what decides, delivers, redelivers, sends and reports. Doors, webmail and the API put mail in by
    ``delivery`` (from strangers) and ``submissions`` (from users).
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        accounts: Accounts,
        *,
        reactor: Any,
        clock: Clock,
        randomness: Randomness,
        rations: Rations,
        listening: Callable[[], list[tuple[str, int]]],
    ) -> None:
        """``rations`` are what a client's host may take. ``listening`` gives host and port of each of our listeners,
        none of which may be a home server.
        """
        self._store = store
        self._directory = accounts.directory
        own = (settings.tls.certificate, settings.tls.private_key)
        client = ClientEnvironment(
            settings.hostname, settings.home, reactor, connector(reactor), securing(own), listening
        )
        self.homes = HomeServers(client, clock)
        self._watch = Watch(
            store,
            self._directory,
            self.homes,
            settings.home,
            timer=reactor,
            randomness=randomness,
            give_up=settings.retry.give_up,
        )
        paces = Paces(settings.home.connections, reactor)
        self.https = HttpsClient(
            addresses=addresses(reactor),
            connect=connector(reactor),
            secure=securing(),
            timer=reactor,
            allow_private=settings.outbound.allow_private,
        )
        self.imap = ImapSessions(client, Tokens(self.https, clock))
        flushing = FlushEnvironment(store, reactor, randomness, settings.retry, paces, self.imap)
        self.redeliveries = flushing.outcomes
        self.refusals = flushing.refusals
        self._redelivery = Redelivery(flushing, self._directory, self.homes)
        self.alerts = Watcher(store, settings, randomness, steps=[Notices(store, settings), FirstLogins(store)])
        self.reports = Reports(store, self._directory, hostname=settings.hostname, retry=settings.retry, timer=reactor)
        self.vacations = Vacations(store, settings)
        self.delivery = Delivery(
            store,
            self._directory,
            self.homes,
            hostname=settings.hostname,
            limits=settings.limits,
            timer=reactor,
            retry_after=int(settings.retry.first * SECOND),
            rations=rations,
        )
        asked: Any = questions(settings.outbound.resolvers, reactor)
        self.lookup = Lookup(asked)
        self.user_side = UserSide(store, self._directory, client, self.https, reactor)
        self.children = Children(reactor)
        self.readers = readers.pool(reactor)
        trusted = hosts.networks(settings.limits.trusted_networks)
        self.verdicts = Verdicts(store, self.lookup, self.children, reactor, settings.hostname, trusted)
        self.delivery.verdicts = self.verdicts
        self.indexer = Indexer(store, self.children, reactor)
        self.outbound = OutboundMail(store, self._directory, settings, reactor, randomness, Internal(self.delivery))
        self._turnover = Turnover(store, self._directory, timer=reactor)
        self.recipients = Recipients(settings.limits.user_recipients_per_hour, clock)
        self.submissions = Submissions(
            self.delivery, self.recipients, accounts.quotas, give_up=int(settings.retry.give_up * SECOND)
        )

        self.desk = Desk(store, accounts.quotas, randomness, settings.hostname, settings.limits)
        self.outbox = Outbox(self.desk, partial(submission_of, self.submissions), reactor)

    async def start(self) -> None:
        """Begins to watch home servers, and to deliver what waits for them and for the world."""
        await self._watch.start()
        self._store.listen(self._forget_homes)
        await self._redelivery.start()
        await self.outbound.dispatch.start()
        await self._turnover.start()
        self.reports.start()
        self.indexer.start()

    async def stop_sending(self) -> None:
        """Begins no delivery any more; ends when none is under way. Doors may still hand in what they have."""
        redelivery = Deferred.fromCoroutine(self._redelivery.stop())
        dispatch = Deferred.fromCoroutine(self.outbound.dispatch.stop())
        await redelivery
        await dispatch

    async def stop(self) -> None:
        """Ends what serves the doors, once they have ended."""
        await self.reports.stop()
        self.verdicts.stop()
        self.indexer.stop()
        self.children.stop()
        self.readers.stop()
        await self.delivery.stop()
        await self._watch.stop()

    def close(self) -> None:
        """Closes the connections to home servers and to the world."""
        self.homes.close()
        self.imap.close()
        self.outbound.world.close()

    def adopt(self, limits: Limits) -> None:
        """Takes limits that changed while the server runs."""
        self.delivery.limits = limits
        self.desk.limits = limits
        self.recipients.per_hour = limits.user_recipients_per_hour

    def stop_waiting(self) -> None:
        """Waits for home servers no longer: what is complete is answered by what is known."""
        self.homes.stop_waiting()
        self.delivery.awaited.stop_waiting()

    def _forget_homes(self, notices: Sequence[Notice]) -> None:
        if any(isinstance(notice, DomainsChanged | Everything) for notice in notices):
            Deferred.fromCoroutine(self._keep_homes()).addErrback(_failed)

    async def _keep_homes(self) -> None:
        self.homes.keep_only({domain.id for domain in await self._directory.domains()})


def _failed(failure: Failure) -> None:
    if isinstance(failure.value, Temporary):  # `Everything` comes when the database is back
        _log.warn("cannot tell which domains there are: {error}", error=failure.value)
    elif not isinstance(failure.value, Stopping):
        _log.failure("cannot tell which domains there are", failure)
