"""Reads rows of messages, as FETCH and POP3 need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mpcontinuity.mailbox import conversations
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.model.body import Body
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

# A plain tuple, since FETCH and SEARCH take a hundred thousand of them; these are the places of its columns. The
# internal date is in µs; what is rendered and the body are None unless they were asked for.
Row = tuple[int, int, int, int, int, bytes | None, Body | None]
UID: Final = 0
FLAGS: Final = 1
MODSEQ: Final = 2
INTERNALDATE: Final = 3
SIZE: Final = 4
RENDERED: Final = 5
BODY: Final = 6

MOST = 1000  # rows per read: longer lists of UIDs are read in steps, each a transaction of its own (design 5)

_ENTRY = "entry.id & 4294967295, entry.flags, entry.modseq, entry.internaldate, entry.size"
_BODY = 'body.id, body.pack, body."offset", body.length, body.prefix, body.crc'
_JOIN = "JOIN body ON body.id = entry.body"
_SPAN, _LISTED = "entry.id BETWEEN :first AND :last ORDER BY entry.id", "entry.id IN [:ids] ORDER BY entry.id"


_BODIES = Statement("SELECT id, body FROM entry WHERE id IN [:ids]")


def _statements(columns: str, join: str = "") -> tuple[Statement, Statement]:
    text = f"SELECT {_ENTRY}, {columns} FROM entry {join} WHERE "
    return Statement(text + _SPAN), Statement(text + _LISTED)


_BY_NEED = {  # (rendered, body)
    (False, False): _statements("NULL, NULL"),
    (True, False): _statements("entry.rendered, NULL"),
    (False, True): _statements(f"NULL, {_BODY}", _JOIN),
    (True, True): _statements(f"entry.rendered, {_BODY}", _JOIN),
}


def rows(
    tx: Transaction, mailbox: int, uids: Sequence[int], *, rendered: bool = False, body: bool = False
) -> list[Row]:
    """Returns the rows of those UIDs (rising, at most MOST) that exist, in order. Raises ValueError for what cannot be
    a UID."""
    if not uids:
        return []
    if uids[0] < 0 or uids[-1] >> UID_BITS:  # it would name a message of another mailbox
        raise ValueError("no UID")
    span, listed = _BY_NEED[rendered, body]
    base = mailbox << UID_BITS
    found: list[Any]
    if uids[-1] - uids[0] < 2 * len(uids):  # a range scan is twice as fast as a lookup per UID, gaps and all
        found = tx.all(span, first=base | uids[0], last=base | uids[-1])
        if len(found) > len(uids) or uids[-1] - uids[0] >= len(uids):
            wanted = frozenset(uids)
            found = [row for row in found if row[UID] in wanted]
    else:
        found = tx.all(listed, ids=[base | uid for uid in uids])
    if body:
        return [(*row[:BODY], Body(*row[BODY:])) for row in found]
    return found


def objects(tx: Transaction, mailbox: int, uids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Returns, by UID, the body and the conversation of each of those messages (rising, at most MOST) that exist; the
    conversation is 0 where it is not known yet."""
    ids = [mailbox << UID_BITS | uid for uid in uids]
    known = conversations.of(tx, ids)
    return {id_ & MAX_UID: (body, known.get(id_, 0)) for id_, body in tx.all(_BODIES, ids=ids)}
