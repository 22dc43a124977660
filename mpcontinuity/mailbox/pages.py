"""A mailbox a page at a time, the newest messages first, as webmail lists them.

A page is found by its place in the index and reads no more rows than it shows, however many there are in the mailbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.mailbox.read import BODY, FLAGS, INTERNALDATE, MODSEQ, RENDERED, SIZE, UID, Row, rows
from mpcontinuity.message import rendered
from mpcontinuity.message.overview import Correspondent, Overview, has_attachment, overview, sender
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.model.flags import ANSWERED, FLAGGED, SEEN
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

_HEAD: Final = 32 * 1024  # octets of a message whose header is too long to be stored beside its row
_OLDER = Statement(
    "SELECT id & 4294967295 FROM entry WHERE id >= :first AND id < :before ORDER BY id DESC LIMIT :limit"
)
_NEWER = Statement("SELECT id & 4294967295 FROM entry WHERE id > :after AND id <= :last ORDER BY id LIMIT :limit")


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as a list shows it. ``date`` is when it came, in µs; ``flags`` are as in model/flags.py."""

    uid: int
    flags: int
    modseq: int
    date: int
    size: int
    attachment: bool
    overview: Overview

    @property
    def seen(self) -> bool:
        """Whether it was read."""
        return bool(self.flags & SEEN)

    @property
    def flagged(self) -> bool:
        """Whether the user has marked it."""
        return bool(self.flags & FLAGGED)

    @property
    def answered(self) -> bool:
        """Whether the user has answered it."""
        return bool(self.flags & ANSWERED)


def older(tx: Transaction, mailbox: int, before: int = MAX_UID + 1, limit: int = 50) -> list[int]:
    """Returns the UIDs of up to ``limit`` messages below the UID ``before``, the newest first."""
    base = mailbox << UID_BITS
    return [uid for (uid,) in tx.all(_OLDER, first=base, before=base + before, limit=limit)]


def newer(tx: Transaction, mailbox: int, after: int, limit: int = 50) -> list[int]:
    """Returns the UIDs of up to ``limit`` messages above the UID ``after``, those next to it, the newest first."""
    base = mailbox << UID_BITS
    return [uid for (uid,) in reversed(tx.all(_NEWER, after=base + after, last=base | MAX_UID, limit=limit))]


async def listed(store: Store, mailbox: int, uids: Sequence[int]) -> list[Listed]:
    """Returns those of up to `read.MOST` messages that are there, in the order of ``uids``. Raises Temporary.

    Of a message whose header cannot be read, nothing is known but its row.
    """
    found, long = await store.read(partial(_listed, mailbox=mailbox, uids=sorted(uids)))
    for row in long:
        found[row[UID]] = _shown(row, await _head(store, row[BODY]))
    return [found[uid] for uid in uids if uid in found]


async def senders(store: Store, mailbox: int, uids: Sequence[int]) -> dict[int, Correspondent]:
    """Returns who sent those messages, up to `read.MOST`, which rise; of those that are there. Raises Temporary."""
    found, long = await store.read(partial(_senders, mailbox=mailbox, uids=uids))
    for row in long:
        found[row[UID]] = sender(await _head(store, row[BODY]))
    return found


def _senders(tx: Transaction, mailbox: int, uids: Sequence[int]) -> tuple[dict[int, Correspondent], list[Row]]:
    heads = {row[UID]: _stored(row) for row in rows(tx, mailbox, uids, rendered=True)}
    lacking = [uid for uid, head in heads.items() if head is None]
    found = {uid: sender(head) for uid, head in heads.items() if head is not None}
    return found, rows(tx, mailbox, lacking, rendered=True, body=True)


def _listed(tx: Transaction, mailbox: int, uids: Sequence[int]) -> tuple[dict[int, Listed], list[Row]]:
    """What is shown of them by UID, and the rows of those whose header has to be read from the message."""
    found: dict[int, Listed] = {}
    lacking: list[int] = []
    for row in rows(tx, mailbox, uids, rendered=True):
        head = _stored(row)
        if head is None:
            lacking.append(row[UID])
        else:
            found[row[UID]] = _shown(row, head)
    return found, rows(tx, mailbox, lacking, rendered=True, body=True)


def _stored(row: Row) -> bytes | None:
    """The header as it stands beside the row; None where it has to be read from the message."""
    blob = row[RENDERED] or b""
    return None if rendered.outdated(blob) else rendered.header(blob)


def _shown(row: Row, head: bytes) -> Listed:
    blob = row[RENDERED] or b""
    attachment = not rendered.outdated(blob) and has_attachment(rendered.bodystructure(blob))
    return Listed(row[UID], row[FLAGS], row[MODSEQ], row[INTERNALDATE], row[SIZE], attachment, overview(head))


async def _head(store: Store, body: Body | None) -> bytes:
    if body is None:
        return b""
    try:
        return await store.bodies.read(body, 0, min(_HEAD, body.length))
    except Corrupt:
        return b""
