"""Whether the home server of a domain is cut off, so that nothing goes there: in the row of the domain.

Every function is work for one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import DomainsChanged, OwedChanged
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

LONGEST_NOTE = 500  # characters

_FIND = Statement("SELECT contained, contained_by, contained_note FROM domain WHERE id = :domain")
_BEGIN = Statement(
    """UPDATE domain SET contained = :now, contained_by = :by, contained_note = :note
    WHERE id = :domain AND contained = 0"""
)
_END = Statement("UPDATE domain SET contained = 0, contained_by = '', contained_note = '' WHERE id = :domain")
_CONTAINED = Statement("SELECT id FROM domain WHERE contained > 0")


@dataclass(frozen=True, slots=True)
class Containment:
    """How a home server is cut off: ``since`` when in µs (0: it is not), by which administrator, and their note."""

    since: int
    by: str
    note: str


def contained(tx: Transaction) -> set[int]:
    """Returns the ids of the domains whose home servers are cut off."""
    return {row[0] for row in tx.all(_CONTAINED)}


def find(tx: Transaction, domain: int) -> Containment:
    """Returns how the home server of that domain stands."""
    return tx.record(Containment, _FIND, domain=domain) or Containment(0, "", "")


def begin(tx: Transaction, domain: int, by: str, note: str) -> Containment:
    """Cuts the home server off, where it is not cut off already, and returns how it stands.

    Raises Refused for a note that is no line of at most LONGEST_NOTE characters.
    """
    if len(note) > LONGEST_NOTE or not note.isprintable():
        raise Refused(f"note: must be one line of at most {LONGEST_NOTE} characters")
    if tx.run(_BEGIN, domain=domain, now=tx.now, by=by, note=note):
        tx.announce(DomainsChanged())
    return find(tx, domain)


def end(tx: Transaction, domain: int) -> None:
    """Lifts it. Whoever calls this has seen to what was kept meanwhile (queue/contained.py)."""
    tx.run(_END, domain=domain)
    tx.announce(DomainsChanged())
    tx.announce(OwedChanged(domain))
