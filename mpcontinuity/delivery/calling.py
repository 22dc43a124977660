"""A home server asks for what it is owed, by ETRN (RFC 1985): it is back, and says so before a probe finds out."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_network

from twisted.logger import Logger

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.origins import Origins
from mpcontinuity.accounts.users import User
from mpcontinuity.delivery import replies
from mpcontinuity.model import hosts
from mpcontinuity.model.address import parse
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.reply import Reply
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.home import HomeServers
from mpcontinuity.queue import due
from mpcontinuity.queue.wanted import MOST_COUNTED, want
from mpcontinuity.store.store import Store

AGAIN = 30.0  # seconds in which a further call for a domain does nothing: what the last one began is under way

_log = Logger()


class HomeCalls:
    """Answers ETRN. It lives in the reactor thread.

    Who may ask for a domain is its home server: a client of its ``home-networks`` (where no other tenants send from
    there), one at whose address home was reached last, or one that has logged in as a user who stands for it. All
    others get the same answer, whether the domain is here or not.
    """

    def __init__(
        self, store: Store, directory: Directory, origins: Origins, homes: HomeServers, *, timer: Timer
    ) -> None:
        self._store = store
        self._directory = directory
        self._origins = origins
        self._homes = homes
        self._timer = timer
        self._called: dict[int, float] = {}  # by domain

    async def start(self, node: str, peer: str, user: User | None, *, subdomains: bool = False) -> Reply:
        """Has what is owed to the domain ``node``, and to those below it for ``subdomains``, go home now.

        ``peer`` is the client's IP address, ``user`` who has logged in. Returns the reply of RFC 1985 §5.2.
        """
        try:
            allowed = [each for each in await self._named(node, subdomains) if await self._is_home(each, peer, user)]
            if not allowed:
                return replies.node_not_allowed(node)
            now = self._store.clock.now()
            wanted = [domain for domain in allowed if domain.sends_home(now)]
            if not wanted:
                return replies.node_is_away(node)
            fresh = [domain for domain in wanted if self._may_call(domain)]
            count = 0
            for domain in fresh:
                _log.info("{peer} asks for what {domain} is owed (ETRN)", peer=peer, domain=domain.name)
                count += await self._start(domain.id)
        except Temporary as error:
            _log.warn("ETRN {node}: {error}", node=node, error=error, often=True)
            return replies.node_not_now(node)
        if not fresh:
            return replies.node_started_before(node)
        return replies.node_started(node, count, exact=count < MOST_COUNTED)

    async def _named(self, node: str, subdomains: bool) -> list[Domain]:
        if not subdomains:
            domain = await self._directory.domain(node)
            return [domain] if domain is not None else []
        every = await self._directory.domains()
        return [domain for domain in every if domain.name == node or domain.name.endswith(f".{node}")]

    async def _is_home(self, domain: Domain, peer: str, user: User | None) -> bool:
        if user is not None and await self._stands_for(user, domain):
            return True
        if hosts.contains(map(ip_network, self._homes.of(domain).addresses), peer):
            return True
        # Of a tenant's network anybody may be the client: only its mail says whose it is (delivery/from_home.py).
        return not domain.settings.home_tenant and domain.id in {each.id for each in await self._origins.of(peer)}

    async def _stands_for(self, user: User, domain: Domain) -> bool:
        own = parse(user.address)
        now = await self._directory.user(own) if own.domain == domain.name else None
        return now is not None and now.id == user.id and now.relay and now.status == "active"

    def _may_call(self, domain: Domain) -> bool:
        now = self._timer.seconds()
        if now - self._called.get(domain.id, float("-inf")) < AGAIN:
            return False
        self._called[domain.id] = now
        return True

    async def _start(self, domain: int) -> int:
        try:
            while await self._store.run(partial(due.make_due, domain=domain), bulk=True) >= due.STEP:
                pass
            return await self._store.run(partial(want, domain=domain))
        except BaseException:
            self._called.pop(domain, None)
            raise
