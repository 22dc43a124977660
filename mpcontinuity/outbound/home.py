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
    """What is needed of a domain (accounts.domains.Domain)."""

    @property
    def id(self) -> int:
        """The id of its row."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def settings(self) -> DomainSettings:
        """Its settings as they are now."""
        ...


class HomeServer:
    """The home server of one domain, as that domain sees it. It lives in the reactor thread.

    ``listeners`` hear of every change of ``health``, whichever domain's traffic has brought it about.
    """

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
        """The hosts as ``host:port``, in order of preference."""
        return list(self.settings.home)

    @property
    def addresses(self) -> list[str]:
        """The IP addresses of the hosts: as the domain names them, or where each was reached last."""
        return self.server.pool.opener.addresses

    @property
    def health(self) -> Health:
        """The state of the server, which all its domains share."""
        return self.server.health

    @property
    def offers(self) -> Offers:
        return self.server.offers

    @offers.setter
    def offers(self, offers: Offers) -> None:
        self.server.offers = offers

    @property
    def pool(self) -> Pool:
        """The sessions to the server, which all its domains share."""
        return self.server.pool

    @property
    def domains(self) -> list[int]:
        """The ids of all domains that name the same home server."""
        return list(self.server.views)

    @property
    def leads(self) -> bool:
        """Whether this is the domain that has the home server probed for all."""
        return self.domain == min(self.server.views)

    def begin(self, known: Health, offers: Offers | None) -> None:
        """Adopts what the store remembers; where another domain has named the server before, it is known better."""
        if not self.server.remembered:
            self.server.remembered = True
            self.server.health = known
            self.server.offers = offers or self.server.offers

    def move(self, server: Server) -> None:
        """Changes to another server, which the domain names now."""
        self.server.views.pop(self.domain)
        self.server = server
        server.views[self.domain] = self
        self.observed = []
        self.changed()

    def gate(self) -> Gate:
        """Returns what a new message finds. TRY is given to one at a time, who may begin a transaction now."""
        return self.server.gate()

    def transaction(
        self, reverse_path: Address | None, parameters: MailParameters, *, client: str = ""
    ) -> PeerTransaction:
        """Returns a new transaction, for the client host ``client``. Nothing is said to home before the first
        recipient."""
        return self.server.transaction(reverse_path, parameters, client=client)

    @property
    def wanted(self) -> bool:
        """Whether anybody waits for a session with the server."""
        return self.server.pool.capacity.wanted

    def claims(self) -> tuple[int, dict[str, int]]:
        """Returns how many client hosts wait for a session and hold less than their share, and what others hold
        above theirs."""
        return self.server.pool.claims()

    async def probe(self, recipient: Address | None) -> Outcome:
        """Asks home on a fresh session for MAIL and RCPT of a known user, and returns the outcome. Observes nothing
        itself."""
        return await self.server.probe(recipient)

    def observe(self, observation: Observation, reason: str = "") -> None:
        """Changes the health by what was observed, and tells the listeners."""
        self.server.observe(observation, reason)

    def adopt(self, known: Health) -> None:
        """Adopts the health to which another process changed it."""
        self.server.adopt(known, self.observed)

    def note(self, observed: Observed) -> None:
        """Keeps an observation that other processes do not know yet."""
        self.observed = [*self.observed[1 - _OBSERVED :], observed]

    async def users(self) -> list[Address]:
        """Returns some addresses that home should know."""
        return await self.known_users()

    def changed(self) -> None:
        """Tells the listeners."""
        for listener in list(self.listeners):
            listener(self)


async def _nobody() -> list[Address]:
    return []


class HomeServers:
    """The home servers of all domains.

    Two domains have the same one where hosts and TLS are the same; those whose first host alone is the same share its
    connections.
    """

    def __init__(self, environment: ClientEnvironment, clock: Clock) -> None:
        self._environment = environment
        self._clock = clock
        self._homes: dict[int, HomeServer] = {}
        self._servers: dict[tuple[tuple[str, ...], Security], Server] = {}
        self._capacities: dict[str, Capacity] = {}

    def of(self, domain: Domain) -> HomeServer:
        """Returns the one object for this domain, with its settings as they are given here."""
        home = self._homes.get(domain.id)
        if home is None:
            known = Health(since=self._clock.now())
            home = self._homes[domain.id] = HomeServer(domain, self._server(domain.settings, known))
        elif home.settings is not domain.settings:
            self._update(home, domain)
        return home

    def all(self) -> list[HomeServer]:
        """Returns those of all domains that were asked for."""
        return list(self._homes.values())

    def all_report(self) -> bool:
        """Returns whether each of them, and there is one, offered DSN at its last EHLO."""
        return bool(self._homes) and all(home.offers.dsn for home in self._homes.values())

    def keep_only(self, domains: Collection[int]) -> None:
        """Forgets the home servers of domains that were removed."""
        for gone in self._homes.keys() - set(domains):
            home = self._homes.pop(gone)
            home.server.views.pop(gone)
            self._forget(home.server)

    def stop_waiting(self) -> None:
        """Ends all waiting for a session, as we stop."""
        for server in self._servers.values():
            server.pool.refuse(Outcome(Verdict.FAILED, Stage.CONNECT, None, "this server stops"))

    def close(self) -> None:
        """Closes all idle sessions; those in use end with their transactions."""
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
        security = Security(
            settings.home_tls,
            name=settings.home_tls_name,
            authorities=settings.home_tls_ca,
            certificate=settings.home_tls_certificate,
        )
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
