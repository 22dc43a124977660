"""Rows of the table ``dkim``: the key that signs a domain's mail, and the one that takes over once DNS has it.

All functions are work for one transaction.
"""

from __future__ import annotations

import msgspec

from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import DomainsChanged
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_LIST = Statement(
    """SELECT domain.id, domain.name, selector, private_key, next_selector, next_key
    FROM dkim JOIN domain ON domain.id = dkim.domain ORDER BY domain.name"""
)
_FIND = Statement(
    """SELECT domain.id, domain.name, selector, private_key, next_selector, next_key
    FROM dkim JOIN domain ON domain.id = dkim.domain WHERE domain.id = :domain"""
)
_ADD = Statement("INSERT INTO dkim (domain, selector, private_key, created) VALUES (:domain, :selector, :key, :now)")
_NEXT = Statement("UPDATE dkim SET next_selector = :selector, next_key = :key WHERE domain = :domain")
_SWITCH = Statement(
    """UPDATE dkim SET selector = next_selector, private_key = next_key, next_selector = '', next_key = '',
        created = :now
    WHERE domain = :domain AND next_selector = :selector AND next_selector <> ''"""
)
_REMOVE = Statement("DELETE FROM dkim WHERE domain = :domain")


class Keys(msgspec.Struct, frozen=True):
    """The keys of a domain, which has the id ``domain`` and the name ``name``.

    Private keys are PEM. ``next_selector`` and ``next_key`` are empty where no key is about to take over.
    """

    domain: int
    name: str
    selector: str
    key: str
    next_selector: str = ""
    next_key: str = ""


def listing(tx: Transaction) -> list[Keys]:
    """Returns the keys of all domains that sign, by name."""
    return tx.records(Keys, _LIST)


def find(tx: Transaction, domain: int) -> Keys | None:
    """Returns the keys of the domain with that id; None where it does not sign."""
    return tx.record(Keys, _FIND, domain=domain)


def add(tx: Transaction, domain: int, selector: str, key: str) -> None:
    """Gives a domain its first key, which signs from now on. Raises Refused where it has one meanwhile."""
    if find(tx, domain) is not None:
        raise Refused("another administrator has made a key just now; ask again to see it", "conflict")
    tx.run(_ADD, domain=domain, selector=selector, key=key, now=tx.now)
    tx.announce(DomainsChanged())


def rotate(tx: Transaction, domain: int, selector: str, key: str) -> None:
    """Gives a domain a key that waits to take over by `switch`. Raises Refused where one waits already."""
    keys = find(tx, domain)
    if keys is None or keys.next_selector:
        raise Refused("another administrator has changed the keys just now; ask again to see them", "conflict")
    tx.run(_NEXT, domain=domain, selector=selector, key=key)
    tx.announce(DomainsChanged())


def switch(tx: Transaction, domain: int, selector: str) -> bool:
    """Lets the waiting key with this selector sign from now on. False: it does not wait (any more)."""
    if not tx.run(_SWITCH, domain=domain, selector=selector, now=tx.now):
        return False
    tx.announce(DomainsChanged())
    return True


def remove(tx: Transaction, domain: int) -> bool:
    """Removes a domain's keys, so that nothing is signed any more. False: it had none."""
    removed = tx.run(_REMOVE, domain=domain) > 0
    if removed:
        tx.announce(DomainsChanged())
    return removed
