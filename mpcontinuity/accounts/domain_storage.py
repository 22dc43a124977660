"""How much all users of a domain store in all, for its setting ``total-quota``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from twisted.internet.defer import DeferredLock

from mpcontinuity.accounts.domains import Domain
from mpcontinuity.mailbox.names import ARCHIVED_USE, MailboxRefused
from mpcontinuity.model.clock import SECOND
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# How long a sum is believed. Of 10,000 users it costs 16 ms, which no message may: a third of a percent of the time.
REMEMBERED = 5 * SECOND

_STORED = Statement(
    "SELECT COALESCE(SUM(mailbox.octets), 0) FROM account JOIN mailbox ON mailbox.account = account.id "
    f"WHERE account.domain = :domain AND mailbox.use <> '{ARCHIVED_USE}'"
)
_ATTACHED = Statement(  # to drafts of webmail (mailbox/enclosures.py)
    "SELECT COALESCE(SUM(enclosure.size), 0) FROM account JOIN enclosure ON enclosure.account = account.id "
    "WHERE account.domain = :domain"
)


def stored(tx: Transaction, domain: int) -> int:
    """Returns the octets in all mailboxes of a domain, by its id, and of what is attached to its users' drafts.

    It reads one counter for each mailbox, and for each attachment.
    """
    return int(tx.value(_STORED, domain=domain)) + int(tx.value(_ATTACHED, domain=domain))


@dataclass(slots=True)
class _Sum:
    octets: int
    read: int  # when, in µs


class DomainStorage:
    """Remembers for some seconds how much each domain stores, for one process, in the reactor thread.

    The sums are of the store, read anew when they are `REMEMBERED` long and somebody asks; what this process stores
    for its users is added meanwhile. So a sum lacks at most what other processes stored and what came in since then,
    and what was on its way into the store when it was read; room that was made shows with the next reading.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sums: dict[int, _Sum] = {}  # of domains that have a total-quota
        self._reading = DeferredLock()  # those who ask at once wait for one reading

    async def held(self, domain: Domain) -> int:
        """Returns the octets that all users of the domain store. Raises Temporary."""
        return (await self._sum(domain)).octets

    async def check(self, domain: Domain, *, octets: int, stretched: bool = False) -> None:
        """Raises MailboxRefused where the domain would store more than it may with ``octets`` added.

        ``stretched`` allows an eighth more, as `Quota.stretched` does. Raises Temporary.
        """
        if domain.settings.total_quota:
            _refuse_beyond(domain, (await self._sum(domain)).octets + octets, stretched)

    async def count(self, domain: Domain, octets: int) -> None:
        """Checks as `check` does, just before ``octets`` are stored, and counts them from now on."""
        if domain.settings.total_quota:
            known = await self._sum(domain)
            _refuse_beyond(domain, known.octets + octets)
            known.octets += octets

    def _remembered(self, domain: int) -> _Sum | None:
        known = self._sums.get(domain)
        if known is None or not 0 <= self._store.clock.now() - known.read < REMEMBERED:  # a clock may step back
            return None
        return known

    async def _sum(self, domain: Domain) -> _Sum:
        known = self._remembered(domain.id)
        if known is not None:
            return known
        await self._reading.acquire()
        try:
            known = self._remembered(domain.id)
            if known is None:
                now = self._store.clock.now()
                known = _Sum(await self._store.read(partial(stored, domain=domain.id)), now)
                self._sums[domain.id] = known
            return known
        finally:
            self._reading.release()


def _refuse_beyond(domain: Domain, octets: int, stretched: bool = False) -> None:
    most = domain.settings.total_quota
    if octets > (most * 9 // 8 if stretched else most):
        text = f"that is more than {most} octets in all mailboxes of {domain.name} together; its administrator can help"
        raise MailboxRefused("OVERQUOTA", text)
