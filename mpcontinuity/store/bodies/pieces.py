"""Messages in the table `content`: an entry as in a pack, its head in front of the body, cut into pieces.

The head is known before the first piece is written, other than in a pack; header and head say of themselves whether
they are whole, so that an index can be built again from this table as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mpcontinuity.model.body import IN_DATABASE, Body
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.bodies import layout
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.layout import Entry, Record
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction

# What doors ask for at a time when they pass on a large message: they read two pieces then, where larger ones would be
# read several times over. Most mail is one piece.
PIECE: Final = 64 * 1024

Piece = tuple[int, int, bytes]  # a row of `content`: body, number from 0, data

_INSERT = Rows("INSERT INTO content (body, piece, data) VALUES [3]")
# A message that is moved here may have been begun before.
_PUT = Rows(
    "INSERT INTO content (body, piece, data) VALUES [3] ON CONFLICT (body, piece) DO UPDATE SET data = excluded.data"
)
_READ = Statement("SELECT data FROM content WHERE body = :body AND piece >= :first AND piece <= :last ORDER BY piece")
_FIRST = Statement("SELECT body, data FROM content WHERE body IN [:bodies] AND piece = 0")
_COUNT = Statement("SELECT COUNT(*) FROM content WHERE body = :body")
_DROP = Statement("DELETE FROM content WHERE body IN [:bodies]")
_DROP_LAST = Statement("DELETE FROM content WHERE body = :body AND piece >= :first")
_LAST = Statement("SELECT MAX(piece) FROM content WHERE body = :body")


def encode(head: Head, length: int, crc: int) -> bytes:
    """Returns what stands before a body."""
    raw_head = layout.encode_head(head)
    return layout.entry_header(Record.BODY, raw_head, length, crc) + raw_head


def place(head: Head, before: bytes, length: int, crc: int) -> Body:
    """Returns the row of `body` for an entry that begins with ``before``."""
    return Body(head.id, IN_DATABASE, len(before), length, head.prefix, crc)


def cut(body: int, number: int, data: bytes) -> list[Piece]:
    """Returns the data in pieces, numbered from ``number`` on; the last may be shorter."""
    if len(data) <= PIECE:
        return [(body, number, data)]
    return [(body, number + start // PIECE, data[start : start + PIECE]) for start in range(0, len(data), PIECE)]


def count(body: Body) -> int:
    """Returns how many pieces a message has."""
    return max(-(-(body.offset + body.length) // PIECE), 1)


def insert(tx: Transaction, pieces: Sequence[Piece]) -> None:
    """Inserts pieces."""
    tx.rows(_INSERT, pieces)


def put(pieces: Sequence[Piece], tx: Transaction) -> None:
    """Inserts some pieces of a message that goes in by several transactions."""
    tx.rows(_PUT, pieces)


def check_whole(tx: Transaction, body: Body) -> None:
    """Raises Temporary unless all pieces are there, before the index names what came in by several transactions."""
    if tx.value(_COUNT, body=body.id) != count(body):
        raise Temporary("pieces of the message are gone before it was stored")


def read(tx: Transaction, body: int, start: int, stop: int) -> bytes:
    """Returns the entry's octets from ``start`` to ``stop``; fewer where they are not there."""
    first = start // PIECE
    rows = tx.all(_READ, body=body, first=first, last=(stop - 1) // PIECE)
    data = rows[0][0] if len(rows) == 1 else b"".join([row[0] for row in rows])
    start -= first * PIECE
    return bytes(data[start : stop - first * PIECE])


def read_small(tx: Transaction, bodies: Sequence[Body]) -> dict[int, bytes]:
    """Returns the contents of bodies that have one piece, by id. What is missing is left out."""
    spans = {body.id: slice(body.offset, body.offset + body.length) for body in bodies}
    return {body: bytes(data[spans[body]]) for body, data in tx.all(_FIRST, bodies=list(spans))}


def entry(tx: Transaction, body: int) -> Entry | None:
    """Returns what the message says of itself; None where it is not there, or damaged before its body."""
    return layout.read_head_first(lambda length, offset: read(tx, body, offset, offset + length))


def drop(bodies: Sequence[int], tx: Transaction) -> None:
    """Drops all pieces of some small messages."""
    tx.run(_DROP, bodies=bodies)


def drop_last(body: int, pieces: int, tx: Transaction) -> bool:
    """Drops the last pieces of one message, so many at the most. Returns whether it has more."""
    last = tx.value(_LAST, body=body)
    if last is None:
        return False
    first = max(last + 1 - pieces, 0)
    tx.run(_DROP_LAST, body=body, first=first)
    return bool(first)
