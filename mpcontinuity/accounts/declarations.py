"""What administrators have declared about home servers and is in force now: what nobody may forget to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mpcontinuity.accounts import domains
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_MODES = Statement("SELECT id, mode_since, mode_by FROM domain")
_CONTAINED = Statement("SELECT id, contained_by, contained_note FROM domain WHERE contained > 0")


@dataclass(frozen=True, slots=True)
class Declaration:
    """Something that keeps mail from going home because an administrator said so.

    ``domain`` is the id of the domain, ``name`` its name. ``what`` is ``mode`` for mode=enabled, ``plan`` for a planned
    outage that is under way, or ``contain`` for a home server that is cut off. ``since`` and ``until`` are times in µs;
    0: not known, or without an end. ``by`` is the name of the administrator, empty where that is not known.
    """

    domain: int
    name: str
    what: Literal["mode", "plan", "contain"]
    since: int
    until: int
    by: str
    note: str


def in_force(tx: Transaction) -> list[Declaration]:
    """Returns what is declared now, by the names of the domains. It is work for one transaction."""
    found = []
    modes = {domain: (since, by) for domain, since, by in tx.all(_MODES)}
    contained = {domain: (by, note) for domain, by, note in tx.all(_CONTAINED)}
    for domain in domains.listing(tx):
        if domain.contained:
            by, note = contained[domain.id]
            found.append(Declaration(domain.id, domain.name, "contain", domain.contained, 0, by, note))
        until = domain.settings.mode_until
        if domain.settings.mode == "enabled" and not 0 < until <= tx.now:
            since, by = modes[domain.id]
            found.append(Declaration(domain.id, domain.name, "mode", since, until, by, ""))
        plan = domain.plan(tx.now)
        if plan is not None:
            declared = Declaration(domain.id, domain.name, "plan", plan.starts, plan.ends, plan.planner, plan.note)
            found.append(declared)
    return found
