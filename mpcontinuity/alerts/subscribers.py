"""Rows of the table ``subscriber``: who hears of the availability of a domain. All are work for one transaction."""

from __future__ import annotations

from typing import NamedTuple

from mpcontinuity.model.address import Address
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MOST = 50  # of a domain: all of them are written to at once, and one transaction holds what all get

_ADD = Statement(
    """INSERT INTO subscriber (domain, key, address, created) VALUES (:domain, :key, :address, :now)
    ON CONFLICT (domain, key) DO NOTHING"""
)
_COUNT = Statement("SELECT COUNT(*) FROM subscriber WHERE domain = :domain")
_REMOVE = Statement("DELETE FROM subscriber WHERE domain = :domain AND key = :key")
_LIST = Statement(
    """SELECT subscriber.domain, key, address, subscriber.created, domain.name
    FROM subscriber JOIN domain ON domain.id = subscriber.domain
    WHERE (:domain = 0 OR subscriber.domain = :domain) AND (domain.name > :name OR domain.name = :name AND key > :key)
    ORDER BY domain.name, key LIMIT :limit"""
)
_OF_DOMAINS = Statement(
    "SELECT domain, key, address, created FROM subscriber WHERE domain IN [:domains] ORDER BY domain, key"
)
_NUMBERS = Statement("SELECT domain, COUNT(*) FROM subscriber WHERE domain IN [:domains] GROUP BY domain")


class Subscriber(NamedTuple):
    """Somebody who hears of a domain: its id, their address as it is compared and as it was given, and since when
    (µs)."""

    domain: int
    key: str
    address: str
    created: int


def add(tx: Transaction, domain: int, address: Address) -> None:
    """Subscribes the address to a domain. Raises Refused where it is subscribed already, or MOST others are."""
    if int(tx.value(_COUNT, domain=domain)) >= MOST:
        raise Refused(f"{address}: {MOST} subscribers hear already; give a distribution list as one of them")
    if not tx.run(_ADD, domain=domain, key=address.key, address=address.text, now=tx.now):
        raise Refused(f"{address}: hears of it already", "taken")


def remove(tx: Transaction, domain: int, address: Address) -> None:
    """Ends the subscription of the address. Raises Refused where it has none."""
    if not tx.run(_REMOVE, domain=domain, key=address.key):
        raise Refused(f"{address}: does not hear of it", "unknown", Hint("alert list", "shows who does"))


def listing(
    tx: Transaction, domain: int, *, after: tuple[str, str] = ("", ""), limit: int = MOST
) -> list[tuple[str, Subscriber]]:
    """Returns up to ``limit`` subscribers of a domain, or of all for 0, each with the name of their domain.

    They are in the order of these names and of their keys, behind the name and the key ``after``.
    """
    name, key = after
    rows = tx.all(_LIST, domain=domain, name=name, key=key, limit=limit)
    return [(domain_name, Subscriber(*columns)) for *columns, domain_name in rows]


def of_domains(tx: Transaction, domains: list[int]) -> dict[int, list[Subscriber]]:
    """Returns the subscribers of those domains that have any."""
    found: dict[int, list[Subscriber]] = {}
    for one in tx.records(Subscriber, _OF_DOMAINS, domains=domains):
        found.setdefault(one.domain, []).append(one)
    return found


def numbers(tx: Transaction, domains: list[int]) -> dict[int, int]:
    """Returns how many subscribers each of those domains has that has any."""
    return dict(tx.all(_NUMBERS, domains=domains))
