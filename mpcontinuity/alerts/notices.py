"""Lets users know when continuity begins and ends for their domain, where `notify-users` is on.

A step of the watcher (service.py): it begins a telling, and marks the outage in the same transaction. The telling
itself is done beside it (telling.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from mpcontinuity.accounts import domains
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.alerts import outages, tellings, user_texts
from mpcontinuity.alerts.outages import Cause, Outage, Told
from mpcontinuity.alerts.service import DOWN_FOR
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

MOST_A_DAY: Final = 12  # tellings of a domain, beginnings and ends: a home that comes and goes all day is no more news

BEGAN: Final = "users told"  # steps that are marked in `Outage.told`
OVER: Final = "users told of the end"


class Notices:
    """Begins what users are told of outages."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    async def look(self, outages: Sequence[Outage]) -> None:
        """Begins what is due about these outages, and marks it in their ``told``. Raises Temporary."""
        now = self._store.clock.now()
        due = [outage for outage in outages if _begins(outage, now) or _ends(outage)]
        if not due:
            return
        known = {domain.id: domain for domain in await self._store.read(domains.listing)}
        for outage in due:
            domain = known.get(outage.domain)
            if domain is not None and (_ends(outage) or _wants(domain)):
                await self._store.run(partial(self._tell, outage=outage, domain=domain))

    def _tell(self, tx: Transaction, outage: Outage, domain: Domain) -> None:
        try:
            if _ends(outage):
                self._tell_of_end(tx, outage, domain)
            else:
                self._tell_of_beginning(tx, outage, domain)
        except Told:  # by somebody else, who was the elected one before
            return

    def _tell_of_beginning(self, tx: Transaction, outage: Outage, domain: Domain) -> None:
        if tellings.made_of_late(tx, domain.id, by_server=True) >= MOST_A_DAY:
            return
        outages.tell(tx, outage.id, BEGAN)
        subject = user_texts.beginning_subject(self._settings, domain.name)
        text = user_texts.beginning(self._settings, domain.name, outage.began)
        tellings.add(tx, domain.id, subject, text, outage=outage.id)

    def _tell_of_end(self, tx: Transaction, outage: Outage, domain: Domain) -> None:
        """Only those who were told of the beginning; who was not yet is spared both."""
        outages.tell(tx, outage.id, OVER)
        last = tellings.cut(tx, outage.id)
        if last:
            subject, text = user_texts.end_subject(domain.name), user_texts.end(domain.name, outage.ended)
            tellings.add(tx, domain.id, subject, text, outage=outage.id, last=last)


def _wants(domain: Domain) -> bool:
    return domain.settings.notify_users and domain.settings.continuity


def _begins(outage: Outage, now: int) -> bool:
    if outage.ended or BEGAN in outage.told:
        return False
    declared = any(cause != Cause.DOWN for cause in outage.causes)
    return declared or now >= outage.causes.get(Cause.DOWN, now) + DOWN_FOR


def _ends(outage: Outage) -> bool:
    return bool(outage.ended) and BEGAN in outage.told and OVER not in outage.told
