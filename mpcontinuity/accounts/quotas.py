"""Which quotas a user has: the domain's for each user, where it has one of its own, else the server's; and the
domain's for all its users together."""

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
    def __init__(self, store: Store, directory: Directory, limits: Limits) -> None:
        self._directory = directory
        self._together = DomainStorage(store)
        self.limits = limits

    async def of(self, user: User) -> Quota:
        limits = self.limits
        domain = await self._domain(user)
        octets, mailboxes = (domain.settings.quota, domain.settings.mailboxes) if domain is not None else (0, 0)
        return Quota(octets or limits.user_storage, limits.user_messages, mailboxes or limits.user_mailboxes)

    async def together(self, user: User) -> tuple[int, int] | None:
        """What all users of the domain store, and may; None: the domain has no such quota."""
        domain = await self._domain(user)
        if domain is None or not domain.settings.total_quota:
            return None
        return await self._together.held(domain), domain.settings.total_quota

    async def check_together(self, user: User, *, octets: int = 0, stretched: bool = False) -> None:
        """Raises MailboxRefused where the domain has more than its users together may, with what is to be added."""
        domain = await self._domain(user)
        if domain is not None:
            await self._together.check(domain, octets=octets, stretched=stretched)

    async def take_together(self, user: User, octets: int) -> None:
        """As ``check_together``, just before ``octets`` are stored, which count from now on."""
        domain = await self._domain(user)
        if domain is not None:
            await self._together.take(domain, octets)

    async def _domain(self, user: User) -> Domain | None:
        return await self._directory.domain(parse(user.address).domain)
