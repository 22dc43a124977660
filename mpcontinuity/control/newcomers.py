"""Forgets users whom `relay-check` has found and for whom home had no mail since: a chore."""

from __future__ import annotations

from functools import partial

from mpcontinuity.accounts import domains, relay_check, users
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.taken import note_taken
from mpcontinuity.control.operation import Control
from mpcontinuity.control.removal import erase
from mpcontinuity.model.clock import DAY
from mpcontinuity.queue.removal import open_rows
from mpcontinuity.store.transaction import Transaction


async def forget_unused(control: Control) -> None:
    """Forgets, in domains with `relay-check`, whom it has found and for whom home took no mail for `relay-check-days`.

    Whoever has a password, mail here, an alias or an alternate address stays. Raises Temporary.
    """
    for domain in await control.store.read(domains.listing):
        if domain.settings.relay_check:
            await _forget_unused(control, domain)


async def _forget_unused(control: Control, domain: Domain) -> None:
    store = control.store
    before = store.clock.now() - domain.settings.relay_check_days * DAY
    after = 0
    while found := await store.read(partial(relay_check.unused, domain=domain.id, before=before, after=after)):
        after = found[-1].account
        # Before this was noted: nobody knows when home took mail for them last, so their time begins now.
        await store.run(partial(note_taken, keys=[each.key for each in found if not each.noted]), bulk=True)
        for each in found:
            if each.noted and await store.run(partial(_forget, domain=domain.id, before=before, account=each.account)):
                await erase(control, each.account)


def _forget(tx: Transaction, domain: int, before: int, account: int) -> bool:
    if open_rows(tx, account=account) or not relay_check.still_unused(tx, domain, before, account):
        return False
    users.forget(tx, account, domain, for_good=False)
    return True
