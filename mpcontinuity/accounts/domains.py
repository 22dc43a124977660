"""Rows of the table ``domain``: which domains we take mail for, and their settings.

All functions are work for one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from mpcontinuity.accounts import administrators, drills, plans
from mpcontinuity.accounts.drills import Drill
from mpcontinuity.accounts.plans import Plan
from mpcontinuity.model.address import domain_key
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.events import CONTAINED, DECLARED, DomainsChanged
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_DEFAULTS = msgspec.to_builtins(DomainSettings())
_decoder = msgspec.json.Decoder(DomainSettings)

_NOBODY: frozenset[int] = frozenset()

Mode = Literal["disabled", "optional", "enabled"]

_COLUMNS = "id, name, settings, contained"
_LIST = Statement(f"SELECT {_COLUMNS} FROM domain ORDER BY name")
_PAGE = Statement(f"SELECT {_COLUMNS} FROM domain WHERE name > :after ORDER BY name LIMIT :limit")
_NAMES = Statement("SELECT id, name FROM domain WHERE id IN [:ids]")
_FIND = Statement(f"SELECT {_COLUMNS} FROM domain WHERE name = :name")
_ADD = Statement("INSERT INTO domain (id, name, settings, created, since) VALUES (:id, :name, :settings, :now, :now)")
_SET = Statement("UPDATE domain SET settings = :settings WHERE id = :id")
_NOTE_MODE = Statement("UPDATE domain SET mode_since = :now, mode_by = :by WHERE id = :id")
_REMOVE = Statement("DELETE FROM domain WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Domain:
    """A subscribed domain: the id of its row, its name in lower case, and its settings.

    ``plans`` are the outages that are planned for it, the next one first; those that have ended may be among them.
    ``contained`` is since when its home server is cut off (µs); 0: it is not. ``drill`` is the one that is under way,
    or has ended just now.
    """

    id: int
    name: str
    settings: DomainSettings
    plans: tuple[Plan, ...] = ()
    contained: int = 0
    drill: Drill | None = None

    def mode(self, now: int) -> Mode:
        """Returns the mode that is in force at ``now`` (µs): ``enabled`` while a plan is under way, else what the
        administrator set, as long as that holds (``--until``)."""
        if self.plan(now) is not None:
            return "enabled"
        until = self.settings.mode_until
        return "disabled" if until and until <= now else self.settings.mode

    def plan(self, now: int) -> Plan | None:
        """Returns the plan that is under way at ``now`` (µs)."""
        return next((plan for plan in self.plans if plan.under_way(now)), None)

    def why_not_home(self, now: int) -> str:
        """Returns why nothing may go to the home server at ``now`` (µs), as tracking says it: it is cut off, or an
        outage is declared. Empty: mail may go there."""
        if self.contained:
            return CONTAINED
        return DECLARED if self.mode(now) == "enabled" else ""

    def sends_home(self, now: int) -> bool:
        """Returns whether mail may go to the home server at ``now`` (µs)."""
        return not self.why_not_home(now)

    def drilled(self, now: int) -> frozenset[int]:
        """Returns the accounts for which an outage is played at ``now`` (µs): their mail does not go home."""
        drill = self.drill
        return drill.accounts if drill is not None and now < drill.over else _NOBODY  # a clock may be set back

    @property
    def next_turn(self) -> int | None:
        """When something of it begins or ends next by itself (µs), which may be past if nobody has noted it yet;
        None: nothing will."""
        turns = [self.settings.mode_until] if self.settings.mode_until else []
        turns += [plan.next_turn for plan in self.plans]
        turns += [self.drill.ends] if self.drill is not None else []
        return min(turns, default=None)


def encode(settings: DomainSettings) -> str:
    """Returns JSON of the settings that differ from the defaults, so that a later version's defaults reach domains."""
    given = msgspec.to_builtins(settings)
    changed = {key: value for key, value in given.items() if value != _DEFAULTS[key]}
    return msgspec.json.encode(changed).decode()


def _domains(tx: Transaction, rows: Sequence[tuple[int, str, str, int]]) -> list[Domain]:
    """Returns the domains of rows, whose settings are JSON, with their plans and drills."""
    only = rows[0][0] if len(rows) == 1 else 0
    planned = plans.open_plans(tx, only) if rows else {}
    drilling = drills.open_drills(tx, only) if rows else {}
    return [
        Domain(id_, name, _decoder.decode(settings), planned.get(id_, ()), contained, drilling.get(id_))
        for id_, name, settings, contained in rows
    ]


def listing(tx: Transaction) -> list[Domain]:
    """Returns all domains, by name."""
    return _domains(tx, tx.all(_LIST))


def page(tx: Transaction, only: str | None, after: str, limit: int) -> list[Domain]:
    """Returns up to ``limit`` domains by name, those with a name above ``after``; or the one domain ``only``.

    Raises Refused where that is not here.
    """
    if only is not None:
        domain = known(tx, only)
        return [domain] if domain.name > after else []
    return _domains(tx, tx.all(_PAGE, after=after, limit=limit))


def names(tx: Transaction, ids: Collection[int]) -> dict[int, str]:
    """Returns the names of domains by their ids, of those that are here."""
    return dict(tx.all(_NAMES, ids=list(ids)))


def find(tx: Transaction, name: str) -> Domain | None:
    """Returns the domain of that name, in any case and with U-labels or A-labels; None where there is none."""
    found = _domains(tx, tx.all(_FIND, name=domain_key(name)))
    return found[0] if found else None


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


def note_mode(tx: Transaction, domain: Domain, by: str) -> None:
    """Remembers since when the mode of a domain is what it is, and the administrator who set it."""
    tx.run(_NOTE_MODE, id=domain.id, now=tx.now, by=by)


def turn(tx: Transaction) -> int:
    """Ends modes whose `--until` has come, for everyone to see: they are 'disabled'. Notes which plans have begun or
    ended, and which drills have ended. Returns how many it changed; listeners hear of it where that is any."""
    ended = [domain for domain in listing(tx) if 0 < domain.settings.mode_until <= tx.now]
    for domain in ended:
        change(tx, domain, msgspec.structs.replace(domain.settings, mode="disabled", mode_until=0))
    return len(ended) + plans.turn(tx) + drills.turn(tx)
