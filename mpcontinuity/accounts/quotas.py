"""Which quota a user has: the domain's, where it has one of its own, else the server's."""

from __future__ import annotations

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.users import User
from mpcontinuity.mailbox.quota import Quota
from mpcontinuity.model.address import parse
from mpcontinuity.model.settings import Limits


class Quotas:
    def __init__(self, directory: Directory, limits: Limits) -> None:
        self._directory = directory
        self.limits = limits

    async def of(self, user: User) -> Quota:
        limits = self.limits
        domain = await self._directory.domain(parse(user.address).domain)
        octets, mailboxes = (domain.settings.quota, domain.settings.mailboxes) if domain is not None else (0, 0)
        return Quota(octets or limits.user_storage, limits.user_messages, mailboxes or limits.user_mailboxes)
