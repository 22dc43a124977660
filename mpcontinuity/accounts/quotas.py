"""Which quotas of storage a user has, of their own and with all users of their domain."""

from __future__ import annotations

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.domain_storage import DomainStorage
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.users import User
from mpcontinuity.mailbox.quota import Quota
from mpcontinuity.model.address import parse
from mpcontinuity.model.settings import Limits
from mpcontinuity.store.store import Store


class Quotas:
    """Tells what users may store, in the reactor thread. ``limits`` may be replaced while the server runs.

    A user's own quota is the domain's setting ``quota`` for each user, where it has one, else the server's. The sum of
    all users of a domain is bounded by its ``total-quota`` (docs/decisions/0020).
    """

    def __init__(self, store: Store, directory: Directory, limits: Limits) -> None:
        self._directory = directory
        self._storage = DomainStorage(store)
        self.limits = limits

    async def of(self, user: User) -> Quota:
        """Returns what the user may store, in octets, messages and mailboxes. Raises Temporary."""
        limits = self.limits
        domain = await self._domain(user)
        octets, mailboxes = (domain.settings.quota, domain.settings.mailboxes) if domain is not None else (0, 0)
        return Quota(octets or limits.user_storage, limits.user_messages, mailboxes or limits.user_mailboxes)

    async def domain_usage(self, user: User) -> tuple[int, int] | None:
        """Returns the octets that all users of the user's domain store, and those that they may store in all.

        None: the domain has no such quota. Raises Temporary.
        """
        domain = await self._domain(user)
        if domain is None or not domain.settings.total_quota:
            return None
        return await self._storage.held(domain), domain.settings.total_quota

    async def check_domain(self, user: User, *, octets: int = 0, stretched: bool = False) -> None:
        """Raises MailboxRefused where all users of the user's domain would store more than they may in all.

        ``octets`` are to be added to what is stored. ``stretched`` allows an eighth more, as `Quota.stretched` does.
        Raises Temporary.
        """
        domain = await self._domain(user)
        if domain is not None:
            await self._storage.check(domain, octets=octets, stretched=stretched)

    async def count_for_domain(self, user: User, octets: int) -> None:
        """Checks as `check_domain` does, just before ``octets`` are stored, and counts them from now on."""
        domain = await self._domain(user)
        if domain is not None:
            await self._storage.count(domain, octets)

    async def _domain(self, user: User) -> Domain | None:
        return await self._directory.domain(parse(user.address).domain)
