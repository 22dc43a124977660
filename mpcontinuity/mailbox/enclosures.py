"""What is attached to drafts: files that come in pieces, of which each is durable when it is answered.

They are in tables of their own, so that any process of several can go on with a file, and take it into the message. An
enclosure goes in the transaction in which its draft does, and its octets soon after, in steps. It is found together
with its draft and its draft's user alone: the id of a draft is no secret, since what was sent says it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.quota import Quota, used
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.texts import marked, said
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

PIECE: Final = 256 * 1024  # octets of a row: the writer is held for about a millisecond
MOST: Final = 100  # of one draft
STEP: Final = 40  # pieces that are removed in one transaction: 10 MiB

# What an enclosure is for: a file, a picture that is only sent where the text shows it, or what the letter quotes.
Role = Literal["", "picture", "quote"]

_COLUMNS = ", ".join(
    f"enclosure.{name}" for name in ("id", "draft", "name", "kind", "size", "received", "role", "content_id")
)
_THEIRS = "enclosure JOIN draft ON draft.id = enclosure.draft AND draft.account = enclosure.account"
_OF = Statement(f"SELECT {_COLUMNS} FROM {_THEIRS} WHERE enclosure.draft = :draft ORDER BY enclosure.id LIMIT {MOST}")
_FIND = Statement(f"SELECT {_COLUMNS} FROM {_THEIRS} WHERE enclosure.id = :id AND enclosure.draft = :draft")
_OF_ACCOUNT = Statement("SELECT COALESCE(SUM(size), 0) FROM enclosure WHERE account = :account")
_INSERT = Statement(
    "INSERT INTO enclosure (id, account, draft, name, kind, size, received, role, content_id) "
    "VALUES (:id, :account, :draft, :name, :kind, :size, 0, :role, :content_id)"
)
_ADD = Statement("INSERT INTO enclosure_piece (enclosure, start, data) VALUES (:enclosure, :start, :data)")
_RECEIVED = Statement(
    "UPDATE enclosure SET received = received + :octets "
    "WHERE id = :id AND received = :start AND :start + :octets <= size"
)
_SIZE = Statement("UPDATE enclosure SET size = :size WHERE id = :id AND received = :size")
_READ = Statement("SELECT data FROM enclosure_piece WHERE enclosure = :enclosure AND start = :start")
_DROP = Statement("DELETE FROM enclosure WHERE id = :id AND draft = :draft AND account = :account")
_GO = Statement("DELETE FROM enclosure WHERE draft IN [:drafts] RETURNING id")
_MOVE = Statement("UPDATE enclosure SET draft = :new WHERE draft = :old AND account = :account")
_ORPHAN = "NOT EXISTS (SELECT 1 FROM draft WHERE draft.id = enclosure.draft AND draft.account = enclosure.account)"
_ORPHANS = Statement(f"SELECT id FROM enclosure WHERE {_ORPHAN} LIMIT :step")
_DROP_ORPHANS = Statement(f"DELETE FROM enclosure WHERE id IN [:ids] AND {_ORPHAN}")
_LEFT = Statement(
    """SELECT DISTINCT enclosure FROM enclosure_piece
    WHERE NOT EXISTS (SELECT 1 FROM enclosure WHERE enclosure.id = enclosure_piece.enclosure) LIMIT :step"""
)
_DROP_PIECES = Statement(
    """DELETE FROM enclosure_piece WHERE enclosure = :id
    AND start IN (SELECT start FROM enclosure_piece WHERE enclosure = :id ORDER BY start LIMIT :step)
    AND NOT EXISTS (SELECT 1 FROM enclosure WHERE enclosure.id = :id)"""
)


class File(msgspec.Struct, frozen=True):
    """What is to be attached: its name, its media type and ``size`` in octets.

    ``content_id``, without angle brackets, is by which the HTML of the letter may name it; empty: it does not.
    """

    name: str
    kind: str
    size: int
    role: Role = ""
    content_id: str = ""


class Attached(msgspec.Struct, frozen=True):
    """A row of ``enclosure``: ``received`` of its ``size`` octets are there."""

    id: int
    draft: int
    name: str
    kind: str
    size: int
    received: int
    role: Role = ""
    content_id: str = ""

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


def begin(tx: Transaction, account: int, draft: int, file: File, *, quota: Quota, longest: int) -> Attached:
    """Begins an enclosure.

    Raises Refused where it would be more than ``longest`` together with the others, or more than the user may store.
    """
    others = of(tx, draft)
    if len(others) >= MOST:
        raise Refused(said("a message has at most %(most)d attachments", most=MOST), "conflict")
    if sum(one.size for one in others) + file.size > longest:
        raise Refused(marked("together with this file the message would be too large"), "conflict")
    if quota.octets:
        held = used(tx, account).octets + int(tx.value(_OF_ACCOUNT, account=account))
        if held + file.size > quota.octets:
            raise MailboxRefused("OVERQUOTA", marked("your mailbox is full: delete some messages first"))
    id_ = tx.identifier()
    values = msgspec.structs.asdict(file)
    tx.run(_INSERT, id=id_, account=account, draft=draft, **values)
    return Attached(id=id_, draft=draft, received=0, **values)


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


def drop(tx: Transaction, account: int, draft: int, id_: int) -> bool:
    """Removes an enclosure, whose octets go by `drop_pieces`. Returns whether there was one."""
    return bool(tx.run(_DROP, id=id_, draft=draft, account=account))


def go(tx: Transaction, drafts: Sequence[int]) -> list[int]:
    """Removes what is attached to drafts that go in this transaction, and returns the ids, for `drop_pieces`."""
    return [id_ for (id_,) in tx.all(_GO, drafts=drafts)] if drafts else []


def move(tx: Transaction, account: int, old: int, new: int) -> None:
    """Attaches to a draft what is attached to another one of the same user."""
    tx.run(_MOVE, account=account, old=old, new=new)


def drop_pieces(tx: Transaction, id_: int) -> int:
    """Removes up to STEP pieces of an enclosure that is gone, and returns how many."""
    return tx.run(_DROP_PIECES, id=id_, step=STEP)


def orphans(tx: Transaction) -> list[int]:
    """Returns up to STEP enclosures whose draft is gone."""
    return [id_ for (id_,) in tx.all(_ORPHANS, step=STEP)]


def drop_orphans(tx: Transaction, ids: Sequence[int]) -> int:
    """Removes those of the enclosures whose draft is gone, and returns how many."""
    return tx.run(_DROP_ORPHANS, ids=ids)


def left(tx: Transaction) -> list[int]:
    """Returns up to STEP enclosures that are gone, of which there are octets."""
    return [id_ for (id_,) in tx.all(_LEFT, step=STEP)]


def total(attached: Sequence[Attached]) -> int:
    """Returns the octets of all of them."""
    return sum(one.size for one in attached)
