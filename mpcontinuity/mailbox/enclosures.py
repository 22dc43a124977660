"""What is attached to drafts: files that come in pieces, of which each is durable when it is answered.

They are in tables of their own, so that any process of several can go on with a file, and take it into the message. An
enclosure goes with its draft, by and by (`sweep`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.quota import Quota, used
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

PIECE: Final = 256 * 1024  # octets of a row: the writer is held for about a millisecond
MOST: Final = 100  # of one draft
STEP: Final = 40  # pieces that are removed in one transaction: 10 MiB

_COLUMNS = "enclosure.id, enclosure.draft, enclosure.name, enclosure.kind, enclosure.size, enclosure.received"
_OF = Statement(f"SELECT {_COLUMNS} FROM enclosure WHERE draft = :draft ORDER BY id LIMIT {MOST}")
_FIND = Statement(f"SELECT {_COLUMNS} FROM enclosure WHERE id = :id AND draft = :draft")
_OF_ACCOUNT = Statement(
    "SELECT COALESCE(SUM(enclosure.size), 0) FROM enclosure JOIN draft ON draft.id = enclosure.draft "
    "WHERE draft.account = :account"
)
_INSERT = Statement(
    "INSERT INTO enclosure (id, draft, name, kind, size, received) VALUES (:id, :draft, :name, :kind, :size, 0)"
)
_ADD = Statement("INSERT INTO enclosure_piece (enclosure, start, data) VALUES (:enclosure, :start, :data)")
_RECEIVED = Statement(
    "UPDATE enclosure SET received = received + :octets "
    "WHERE id = :id AND received = :start AND :start + :octets <= size"
)
_SIZE = Statement("UPDATE enclosure SET size = :size WHERE id = :id AND received = :size")
_READ = Statement("SELECT data FROM enclosure_piece WHERE enclosure = :enclosure AND start = :start")
_DROP = Statement("DELETE FROM enclosure WHERE id = :id AND draft = :draft")
_COPY = Statement(
    "INSERT INTO enclosure (id, draft, name, kind, size, received) "
    "SELECT :new, :draft, name, kind, size, 0 FROM enclosure WHERE id = :id"
)
_SWEEP = Statement(
    """DELETE FROM enclosure WHERE id IN (SELECT id FROM enclosure
        WHERE NOT EXISTS (SELECT 1 FROM draft WHERE draft.id = enclosure.draft) LIMIT :step)"""
)
_SWEEP_PIECES = Statement(
    """DELETE FROM enclosure_piece WHERE (enclosure, start) IN (SELECT enclosure, start FROM enclosure_piece
        WHERE NOT EXISTS (SELECT 1 FROM enclosure WHERE enclosure.id = enclosure_piece.enclosure) LIMIT :step)"""
)


class Attached(msgspec.Struct, frozen=True):
    """A row of ``enclosure``: ``received`` of its ``size`` octets are there."""

    id: int
    draft: int
    name: str
    kind: str
    size: int
    received: int

    @property
    def complete(self) -> bool:
        """Whether all of it has come."""
        return self.received == self.size


def of(tx: Transaction, draft: int) -> list[Attached]:
    """Returns what is attached to a draft, in the order in which it was begun. The caller knows whose draft it is."""
    return tx.records(Attached, _OF, draft=draft)


def find(tx: Transaction, draft: int, id_: int) -> Attached | None:
    """Returns one of a draft's enclosures; None where it has none of that id."""
    return tx.record(Attached, _FIND, id=id_, draft=draft)


def begin(
    tx: Transaction, account: int, draft: int, name: str, kind: str, size: int, *, quota: Quota, longest: int
) -> Attached:
    """Begins an enclosure of ``size`` octets.

    Raises Refused where it would be more than ``longest`` together with the others, or more than the user may store.
    """
    others = of(tx, draft)
    if len(others) >= MOST:
        raise Refused(f"a message has at most {MOST} attachments", "conflict")
    if sum(one.size for one in others) + size > longest:
        raise Refused("together with this file the message would be too large", "conflict")
    if quota.octets:
        held = used(tx, account).octets + int(tx.value(_OF_ACCOUNT, account=account))
        if held + size > quota.octets:
            raise MailboxRefused("OVERQUOTA", "your mailbox is full: delete some messages first")
    id_ = tx.identifier()
    tx.run(_INSERT, id=id_, draft=draft, name=name, kind=kind, size=size)
    return Attached(id_, draft, name, kind, size, 0)


def add(tx: Transaction, id_: int, start: int, data: bytes) -> bool:
    """Adds the next octets, at most `PIECE`. Returns whether it is the next ones that were given."""
    if not tx.run(_RECEIVED, id=id_, start=start, octets=len(data)):
        return False
    tx.run(_ADD, enclosure=id_, start=start, data=data)
    return True


def end(tx: Transaction, id_: int, size: int) -> bool:
    """Notes that an enclosure has only ``size`` octets, which have come: a form does not say how many there are."""
    return bool(tx.run(_SIZE, id=id_, size=size))


def read(tx: Transaction, id_: int, start: int) -> bytes:
    """Returns the piece that begins at ``start``; nothing where there is none."""
    found = tx.value(_READ, enclosure=id_, start=start)
    return bytes(found) if found is not None else b""


def drop(tx: Transaction, draft: int, id_: int) -> bool:
    """Removes an enclosure, whose pieces go by `sweep`. Returns whether there was one."""
    return bool(tx.run(_DROP, id=id_, draft=draft))


def sweep(tx: Transaction) -> int:
    """Removes enclosures of drafts that are gone, and up to STEP of their pieces. Returns how many pieces."""
    tx.run(_SWEEP, step=STEP)
    return tx.run(_SWEEP_PIECES, step=STEP)


def total(attached: Sequence[Attached]) -> int:
    """Returns the octets of all of them."""
    return sum(one.size for one in attached)
