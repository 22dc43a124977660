from __future__ import annotations

import pytest

from mpcontinuity.accounts import counters, domains, users
from mpcontinuity.model.address import parse
from mpcontinuity.model.owed import DELIVERED, OUTCOMES
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result

COUNTERS = Statement(
    "SELECT taken_in, folded_delivered, folded_deleted, folded_failed, folded_expired, folded_released "
    "FROM account WHERE id = :account"
)


@pytest.fixture
def accounts(store: Store) -> tuple[int, int]:
    def work(tx: Transaction) -> tuple[int, int]:
        domain = domains.add(tx, "x.org", DomainSettings()).id
        ann, bob = (users.add_user(tx, domain=domain, address=parse(f"{name}@x.org")).id for name in ("ann", "bob"))
        return ann, bob

    return result(store.run(work))


def test_what_is_taken_in_and_folded_adds_up_for_each_account(store: Store, accounts: tuple[int, int]) -> None:
    ann, bob = accounts

    def work(tx: Transaction) -> None:
        counters.take_in(tx, [(bob, 2), (ann, 7)])
        counters.take_back(tx, bob)
        for outcome in OUTCOMES:
            counters.fold(tx, ann, outcome, 1)
        assert (counters.unfolded(tx, ann), counters.unfolded(tx, bob), counters.unfolded(tx, 1)) == (2, 1, 0)

    result(store.run(work))
    assert result(store.read(lambda tx: tx.one(COUNTERS, account=ann))) == (7, 1, 1, 1, 1, 1)
    assert result(store.read(lambda tx: tx.one(COUNTERS, account=bob))) == (1, 0, 0, 0, 0, 0)


def test_a_ledger_is_mended_only_as_it_was_found(store: Store, accounts: tuple[int, int]) -> None:
    ann, _ = accounts

    def mend(tx: Transaction) -> bool:
        return counters.balance(tx, ann, was=5, taken_in=5, released=4)

    result(store.run(lambda tx: counters.take_in(tx, [(ann, 4)])))
    assert not result(store.run(mend))
    result(store.run(lambda tx: counters.take_in(tx, [(ann, 1)])))
    result(store.run(lambda tx: counters.fold(tx, ann, DELIVERED, 1)))
    assert result(store.run(mend))
    assert result(store.read(lambda tx: tx.one(COUNTERS, account=ann))) == (5, 1, 0, 0, 0, 4)
