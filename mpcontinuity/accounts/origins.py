"""Which domains' home servers a client may be, by its IP address (domain setting ``home-networks``)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.model import hosts
from mpcontinuity.model.events import DomainsChanged, Everything, Notice
from mpcontinuity.model.settings import Network
from mpcontinuity.store.store import Store


class Origins:
    """Knows the networks of home servers of one store, in the reactor thread, until domains change."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._directory = directory
        self._table: list[tuple[Domain, tuple[Network, ...]]] | None = None
        store.listen(self._heard)

    def _heard(self, notices: Sequence[Notice]) -> None:
        if any(isinstance(notice, DomainsChanged | Everything) for notice in notices):
            self._table = None

    @property
    def none(self) -> bool:
        """Says whether it is known that no domain names networks, so that there is nothing to be asked."""
        return self._table is not None and not self._table

    @property
    def shared(self) -> bool:
        """Says whether a domain shares its home server with others (``home-tenant``), so that a client's certificate
        matters; False while that is not known yet."""
        return self._table is not None and any(domain.settings.home_tenant for domain, _ in self._table)

    async def of(self, peer: str) -> list[Domain]:
        """Returns the domains whose home servers send from that IP address, by name. Raises Temporary."""
        while self._table is None:
            self._table = [
                (domain, tuple(ip_network(text) for text in domain.settings.home_networks))
                for domain in await self._directory.domains()
                if domain.settings.home_networks
            ]
        return [domain for domain, networks in self._table if hosts.contains(networks, peer)]
