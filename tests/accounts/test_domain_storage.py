"""The sum of what a domain stores: remembered for seconds, read once for all who ask."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import domain_storage, domains, users
from mpcontinuity.accounts.domain_storage import REMEMBERED, DomainStorage
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

_FILL = Statement(
    "UPDATE mailbox SET octets = :octets WHERE name = 'INBOX' "
    "AND account IN (SELECT id FROM account WHERE address = :address)"
)


class Sums:
    """Two domains, and how often a sum was read from the store."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self.storage = DomainStorage(store)
        self.readings = 0
        self.org, self.net = (self._add(name) for name in ("example.org", "example.net"))
        genuine = domain_storage.stored

        def counted(tx: Transaction, domain: int) -> int:
            self.readings += 1
            return genuine(tx, domain)

        monkeypatch.setattr(domain_storage, "stored", counted)

    def _add(self, name: str) -> Domain:
        def work(tx: Transaction) -> Domain:
            domain = domains.add(tx, name, DomainSettings(total_quota=1000))
            for user in ("ann", "bob"):
                users.add_user(tx, domain=domain.id, address=parse(f"{user}@{name}"), password_hash="")
            return domain

        return result(self.store.run(work))

    def fill(self, address: str, octets: int) -> None:
        result(self.store.run(lambda tx: tx.run(_FILL, address=address, octets=octets)))

    def held(self, domain: Domain) -> int:
        return result(Deferred.fromCoroutine(self.storage.held(domain)))

    def take(self, domain: Domain, octets: int) -> None:
        result(Deferred.fromCoroutine(self.storage.count(domain, octets)))


@pytest.fixture
def sums(store: Store, monkeypatch: pytest.MonkeyPatch) -> Sums:
    return Sums(store, monkeypatch)


def test_it_is_of_all_users_and_of_one_domain(sums: Sums) -> None:
    sums.fill("ann@example.org", 100)
    sums.fill("bob@example.org", 20)
    sums.fill("ann@example.net", 3)
    assert (sums.held(sums.org), sums.held(sums.net)) == (120, 3)


def test_it_is_not_read_for_each_message(sums: Sums) -> None:
    for _ in range(200):
        sums.take(sums.org, 5)
    with pytest.raises(MailboxRefused, match=r"more than 1000 octets in all mailboxes of example\.org"):
        sums.take(sums.org, 1)
    assert sums.readings == 1


def test_who_asks_at_once_waits_for_one_reading(sums: Sums) -> None:
    asked = [Deferred.fromCoroutine(sums.storage.held(sums.org)) for _ in range(20)]
    assert [result(one) for one in asked] == [0] * 20
    assert sums.readings == 1


def test_what_others_stored_is_known_after_seconds(sums: Sums, clock: ManualClock) -> None:
    assert sums.held(sums.org) == 0
    sums.fill("ann@example.org", 100)
    clock.advance(REMEMBERED / SECOND - 0.001)
    assert sums.held(sums.org) == 0
    clock.advance(0.001)
    assert sums.held(sums.org) == 100


def test_a_clock_that_steps_back_does_not_keep_a_sum(sums: Sums, clock: ManualClock) -> None:
    assert sums.held(sums.org) == 0
    sums.fill("ann@example.org", 100)
    sums.storage._sums[sums.org.id].read += 3600 * SECOND
    assert sums.held(sums.org) == 100
