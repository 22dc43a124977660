"""Rows of `body`: where a message is, and how long it is needed.

``keep_until`` is a hint for retention: a body that an entry, an open owed row or an archive row refers to is never
dropped, whatever it says (upkeep/retention.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from mpcontinuity.model.body import Body
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction

_INSERT = Rows('INSERT INTO body (id, pack, "offset", length, prefix, crc, keep_until) VALUES [7]')
_KEEP_LONGER = Statement(
    "UPDATE body SET keep_until = :until WHERE id = :id AND keep_until <> 0 AND keep_until < :until"
)
_HOLD = Statement("UPDATE body SET keep_until = 0 WHERE id = :id AND keep_until <> 0")
_FIND = Statement('SELECT id, pack, "offset", length, prefix, crc FROM body WHERE id = :id')
_FIND_MANY = Statement('SELECT id, pack, "offset", length, prefix, crc FROM body WHERE id IN [:ids]')


def insert_body(tx: Transaction, body: Body, keep_until: int) -> None:
    """``keep_until`` in µs; 0: held, because it is owed or in a mailbox."""
    insert_bodies(tx, [(body, keep_until)])


def insert_bodies(tx: Transaction, bodies: Sequence[tuple[Body, int]]) -> None:
    """Each with its ``keep_until``."""
    tx.run_rows(
        _INSERT,
        [
            (body.id, body.pack, body.offset, body.length, body.prefix, body.crc, keep_until)
            for body, keep_until in bodies
        ],
    )


def keep_longer(tx: Transaction, body_id: int, until: int) -> None:
    """At least until then, in µs."""
    tx.run(_KEEP_LONGER, id=body_id, until=until)


def hold(tx: Transaction, body_id: int) -> None:
    """Without an end: it is owed, or in a mailbox."""
    tx.run(_HOLD, id=body_id)


def find(tx: Transaction, body_id: int) -> Body | None:
    row = tx.one(_FIND, id=body_id)
    return Body(*row) if row else None


def find_many(tx: Transaction, body_ids: Sequence[int]) -> dict[int, Body]:
    """Those that there are, by id."""
    return {row[0]: Body(*row) for row in tx.all(_FIND_MANY, ids=body_ids)}
