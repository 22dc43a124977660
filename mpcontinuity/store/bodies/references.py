"""Rows of `body`: where a message is, and how long it is needed.

``keep_until`` is a hint for retention: a body that an entry, an open owed row or an archive row refers to is never
dropped, whatever it says (upkeep/retention.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mpcontinuity.model.body import Body
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction

_INSERT = Rows('INSERT INTO body (id, pack, "offset", length, prefix, crc, keep_until) VALUES [7]')
_KEEP_LONGER = Statement(
    "UPDATE body SET keep_until = :until WHERE id = :id AND keep_until <> 0 AND keep_until < :until"
)
_HOLD = Statement("UPDATE body SET keep_until = 0 WHERE id = :id AND keep_until <> 0")
# A body that the last entry left is kept as long as anything else needs it: without end while it is owed.
_RELEASE = Statement(
    "UPDATE body SET keep_until = "
    "COALESCE((SELECT MAX(archive.expires) FROM archive WHERE archive.body = body.id), :now) "
    "WHERE id IN [:bodies] AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.body = body.id) "
    "AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.body = body.id "
    "AND owed.state IN ('owed', 'claimed', 'in_flight', 'in_doubt'))"
)
_SET_ORIGIN = Statement("UPDATE body SET origin = :origin WHERE id = :id")
_POINT = Statement(
    'UPDATE body SET pack = :pack, "offset" = :offset, length = :length, crc = :crc, prefix = :prefix WHERE id = :id'
)
_MOVE = Statement('UPDATE body SET pack = :pack, "offset" = :offset WHERE id = :id AND pack = :old')
_FIND = Statement('SELECT id, pack, "offset", length, prefix, crc FROM body WHERE id = :id')
_FIND_MANY = Statement('SELECT id, pack, "offset", length, prefix, crc FROM body WHERE id IN [:ids]')


def insert_body(tx: Transaction, body: Body, keep_until: int) -> None:
    """Inserts the row. ``keep_until`` is in µs; 0 holds the body, because it is owed or in a mailbox."""
    insert_bodies(tx, [(body, keep_until)])


def insert_bodies(tx: Transaction, bodies: Sequence[tuple[Body, int]]) -> None:
    """Inserts the rows of bodies, each with its ``keep_until``, as `insert_body` does."""
    tx.run_rows(
        _INSERT,
        [
            (body.id, body.pack, body.offset, body.length, body.prefix, body.crc, keep_until)
            for body, keep_until in bodies
        ],
    )


def keep_longer(tx: Transaction, body_id: int, until: int) -> None:
    """Keeps the body at least until that time, in µs."""
    tx.run(_KEEP_LONGER, id=body_id, until=until)


def hold(tx: Transaction, body_id: int) -> None:
    """Keeps the body without an end, because it is owed or in a mailbox."""
    tx.run(_HOLD, id=body_id)


def release(tx: Transaction, body_ids: Collection[int]) -> None:
    """Ends the holding of those bodies that no entry and no open owed row names: at once, or as the archive says."""
    tx.run(_RELEASE, bodies=body_ids, now=tx.now)


def set_origin(tx: Transaction, body_id: int, origin: int) -> None:
    """Notes that the body is another form of the message whose body is ``origin``."""
    tx.run(_SET_ORIGIN, id=body_id, origin=origin)


def move(tx: Transaction, old: Body, new: Body) -> None:
    """Notes the new place of a body that has been copied, unless it has moved from the old one meanwhile."""
    tx.run(_MOVE, id=old.id, old=old.pack, pack=new.pack, offset=new.offset)


def point(tx: Transaction, body: Body) -> None:
    """Notes that the body of that id is at this place, whatever was known of it before: a repair."""
    tx.run(
        _POINT,
        id=body.id,
        pack=body.pack,
        offset=body.offset,
        length=body.length,
        crc=body.crc,
        prefix=body.prefix,
    )


def find(tx: Transaction, body_id: int) -> Body | None:
    """Returns where the body is; None where the index does not have it."""
    return tx.record(Body, _FIND, id=body_id)


def find_many(tx: Transaction, body_ids: Sequence[int]) -> dict[int, Body]:
    """Returns where those bodies are that the index has, by their ids."""
    return {body.id: body for body in tx.records(Body, _FIND_MANY, ids=body_ids)}
