"""Home servers as domains see them: those that name the same one share its sessions, its health and its silence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from mpcontinuity.model import hosts
from mpcontinuity.model.address import Address
from mpcontinuity.model.clock import Clock
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.reply import Outcome, Stage, Verdict
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.outbound.capacity import Capacity
from mpcontinuity.outbound.opening import SMTP_PORT, ClientEnvironment, Security
from mpcontinuity.outbound.pool import Pool
from mpcontinuity.outbound.server import Observed, Server
from mpcontinuity.outbound.transaction import PeerTransaction
from mpcontinuity.protocols.smtp.client import Offers
from mpcontinuity.routing.health import Gate, Health, Observation

_OBSERVED = 20  # kept while the store cannot be told


class Domain(Protocol):
    """accounts.domains.Domain."""

    @property
    def id(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> DomainSettings: ...


class HomeServer:
    """One per domain, in the reactor thread. ``listeners`` hear of every change of ``health``, whichever domain's
    traffic has brought it about."""

    def __init__(self, domain: Domain, server: Server) -> None:
        self.domain = domain.id
        self.name = domain.name
        self.listeners: list[Callable[[HomeServer], None]] = []
        self.observed: list[Observed] = []  # what other processes do not know yet; emptied by homes/
        self.settings = domain.settings
        self.known_users: Callable[[], Awaitable[list[Address]]] = _nobody  # the store has them
        self.server = server
        server.views[domain.id] = self

    @property
    def hosts(self) -> list[str]:
        """``host:port``, in order of preference."""
        return list(self.settings.home)

    @property
    def health(self) -> Health:
        return self.server.health

    @property
    def offers(self) -> Offers:
        return self.server.offers

    @offers.setter
    def offers(self, offers: Offers) -> None:
        self.server.offers = offers

    @property
    def pool(self) -> Pool:
        return self.server.pool

    @property
    def domains(self) -> list[int]:
        """All that name the same home server."""
        return list(self.server.views)

    @property
    def leads(self) -> bool:
        """One of the domains of a home server has it probed for all."""
        return self.domain == min(self.server.views)

    def begin(self, known: Health, offers: Offers | None) -> None:
        """What is remembered of it. Where another domain has named it before, it is known better."""
        if not self.server.remembered:
            self.server.remembered = True
            self.server.health = known
            self.server.offers = offers or self.server.offers

    def move(self, server: Server) -> None:
        """The domain names another one now."""
        self.server.views.pop(self.domain)
        self.server = server
        server.views[self.domain] = self
        self.observed = []
        self.changed()

    def gate(self) -> Gate:
        """What a new message finds. TRY to one at a time: who gets it may begin a transaction now."""
        return self.server.gate()

    def transaction(
        self, reverse_path: Address | None, parameters: MailParameters, *, client: str = ""
    ) -> PeerTransaction:
        """Nothing is said to home before the first recipient. ``client``: the host on whose behalf."""
        return self.server.transaction(reverse_path, parameters, client=client)

    @property
    def wanted(self) -> bool:
        """Whether anybody waits for a session with the server."""
        return self.server.pool.capacity.wanted

    def claims(self) -> tuple[int, dict[str, int]]:
        """How many client hosts wait for a session and hold less than their share, and what others hold above it."""
        return self.server.pool.claims()

    async def probe(self, recipient: Address | None) -> Outcome:
        """A fresh session, MAIL and RCPT of a known user, and away. Observes nothing itself."""
        return await self.server.probe(recipient)

    def observe(self, observation: Observation, reason: str = "") -> None:
        """Feeds the state machine and tells the listeners."""
        self.server.observe(observation, reason)

    def adopt(self, known: Health) -> None:
        """Another process changed ``health`` to this."""
        self.server.adopt(known, self.observed)

    def note(self, observed: Observed) -> None:
        self.observed = [*self.observed[1 - _OBSERVED :], observed]

    async def users(self) -> list[Address]:
        return await self.known_users()

    def changed(self) -> None:
        for listener in list(self.listeners):
            listener(self)


async def _nobody() -> list[Address]:
    return []


class HomeServers:
    """All of them, by domain. They are one where hosts and TLS are the same; those that share their first host alone
    share its connections."""

    def __init__(self, environment: ClientEnvironment, clock: Clock) -> None:
        self._environment = environment
        self._clock = clock
        self._homes: dict[int, HomeServer] = {}
        self._servers: dict[tuple[tuple[str, ...], Security], Server] = {}
        self._capacities: dict[str, Capacity] = {}

    def of(self, domain: Domain) -> HomeServer:
        """The one object for this domain, with its settings as they are given here."""
        home = self._homes.get(domain.id)
        if home is None:
            known = Health(since=self._clock.now())
            home = self._homes[domain.id] = HomeServer(domain, self._server(domain.settings, known))
        elif home.settings is not domain.settings:
            self._update(home, domain)
        return home

    def all(self) -> list[HomeServer]:
        return list(self._homes.values())

    def all_report(self) -> bool:
        """Whether each of them, and there is one, offered DSN at its last EHLO."""
        return bool(self._homes) and all(home.offers.dsn for home in self._homes.values())

    def keep_only(self, domains: Collection[int]) -> None:
        """Forgets the home servers of domains that were removed."""
        for gone in self._homes.keys() - set(domains):
            home = self._homes.pop(gone)
            home.server.views.pop(gone)
            self._forget(home.server)

    def stop_waiting(self) -> None:
        """We stop: nobody waits for a session any more."""
        for server in self._servers.values():
            server.pool.refuse(Outcome(Verdict.FAILED, Stage.CONNECT, None, "this server stops"))

    def close(self) -> None:
        for server in self._servers.values():
            server.close()

    def _update(self, home: HomeServer, domain: Domain) -> None:
        """Other hosts, or another TLS policy: sessions begin anew. What was known of the last ones holds until the
        first probe has found it otherwise."""
        home.name, home.settings = domain.name, domain.settings
        before, now = home.server, self._server(domain.settings, home.server.health)
        if now is not before:
            now.remembered = True
            home.move(now)
            self._forget(before)

    def _server(self, settings: DomainSettings, known: Health) -> Server:
        security = Security(settings.home_tls, name=settings.home_tls_name, authorities=settings.home_tls_ca)
        key = tuple(_canonical(host) for host in settings.home), security
        server = self._servers.get(key)
        if server is None:
            most = self._environment.settings.connections
            bears = self._capacities.setdefault(key[0][0] if key[0] else "", Capacity(most))
            server = self._servers[key] = Server(settings.home, security, self._environment, self._clock, bears, known)
        return server

    def _forget(self, server: Server) -> None:
        """One that no domain names any more."""
        if not server.views:
            server.retire()
            self._servers = {key: each for key, each in self._servers.items() if each is not server}
            self._capacities = {host: each for host, each in self._capacities.items() if each.members}


def _canonical(host: str) -> str:
    name, port = hosts.split(host, SMTP_PORT)
    return f"{name.lower().rstrip('.')}:{port}"
