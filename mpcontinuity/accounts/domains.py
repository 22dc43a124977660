"""Rows of the table ``domain``: which domains we take mail for, and their settings.

All functions are work for one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from mpcontinuity.accounts import administrators
from mpcontinuity.model.address import domain_key
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.events import DomainsChanged
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_DEFAULTS = msgspec.to_builtins(DomainSettings())
_decoder = msgspec.json.Decoder(DomainSettings)

_LIST = Statement("SELECT id, name, settings FROM domain ORDER BY name")
_PAGE = Statement("SELECT id, name, settings FROM domain WHERE name > :after ORDER BY name LIMIT :limit")
_FIND = Statement("SELECT id, name, settings FROM domain WHERE name = :name")
_ADD = Statement("INSERT INTO domain (id, name, settings, created, since) VALUES (:id, :name, :settings, :now, :now)")
_SET = Statement("UPDATE domain SET settings = :settings WHERE id = :id")
_REMOVE = Statement("DELETE FROM domain WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Domain:
    """A subscribed domain: the id of its row, its name in lower case, and its settings."""

    id: int
    name: str
    settings: DomainSettings

    def mode(self, now: int) -> Literal["disabled", "optional", "enabled"]:
        """Returns the mode that the administrator chose, as long as it holds (``--until``). ``now`` is in µs."""
        until = self.settings.mode_until
        return "disabled" if until and until <= now else self.settings.mode


def encode(settings: DomainSettings) -> str:
    """Returns JSON of the settings that differ from the defaults, so that a later version's defaults reach domains."""
    given = msgspec.to_builtins(settings)
    changed = {key: value for key, value in given.items() if value != _DEFAULTS[key]}
    return msgspec.json.encode(changed).decode()


def _domain(id_: int, name: str, settings: str) -> Domain:
    """Returns a row's domain, whose settings are JSON."""
    return Domain(id_, name, _decoder.decode(settings))


def listing(tx: Transaction) -> list[Domain]:
    """Returns all domains, by name."""
    return tx.records(_domain, _LIST)


def page(tx: Transaction, only: str | None, after: str, limit: int) -> list[Domain]:
    """Returns up to ``limit`` domains by name, those with a name above ``after``; or the one domain ``only``.

    Raises Refused where that is not here.
    """
    if only is not None:
        domain = known(tx, only)
        return [domain] if domain.name > after else []
    rows = tx.all(_PAGE, after=after, limit=limit)
    return [Domain(domain, name, _decoder.decode(settings)) for domain, name, settings in rows]


def find(tx: Transaction, name: str) -> Domain | None:
    """Returns the domain of that name, in any case and with U-labels or A-labels; None where there is none."""
    return tx.record(_domain, _FIND, name=domain_key(name))


def known(tx: Transaction, name: str) -> Domain:
    """Returns the domain of that name, as `find` does. Raises Refused where there is none."""
    domain = find(tx, name)
    if domain is None:
        raise Refused(f"{name}: no such domain here", "unknown", Hint("domain list", "shows them"))
    return domain


def add(tx: Transaction, name: str, settings: DomainSettings) -> Domain:
    """Adds a domain and returns it. Raises Refused when it exists."""
    if find(tx, name) is not None:
        raise Refused(
            f"{name.lower()}: is a domain here already",
            "taken",
            Hint("domain set", "changes it", {"name": name.lower()}),
        )
    domain = Domain(tx.identifier(), name.lower(), settings)
    tx.run(_ADD, id=domain.id, name=domain.name, settings=encode(settings), now=tx.now)
    tx.announce(DomainsChanged())
    return domain


def change(tx: Transaction, domain: Domain, settings: DomainSettings) -> None:
    """Gives a domain other settings."""
    tx.run(_SET, id=domain.id, settings=encode(settings))
    tx.announce(DomainsChanged())


def remove(tx: Transaction, domain: Domain) -> None:
    """Removes the row of a domain that has no users and no owed rows left, and its administrators.

    Somebody else may subscribe a domain of that name one day.
    """
    administrators.remove_of_domain(tx, domain.name)
    tx.run(_REMOVE, id=domain.id)
    tx.announce(DomainsChanged())


def end_modes(tx: Transaction) -> int:
    """Ends modes whose `--until` has come, for everyone to see: they are 'disabled'. Returns how many it ended."""
    ended = [domain for domain in listing(tx) if 0 < domain.settings.mode_until <= tx.now]
    for domain in ended:
        change(tx, domain, msgspec.structs.replace(domain.settings, mode="disabled", mode_until=0))
    return len(ended)
