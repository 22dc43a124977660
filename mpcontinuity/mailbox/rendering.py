"""Reading and rendering a message without making others wait: what may take long is done in a thread (design 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.read import BODY, RENDERED, SIZE, UID, Row, rows
from mpcontinuity.message.fields import Content
from mpcontinuity.message.render import render, render_scanned, render_whole
from mpcontinuity.message.rendered import ANYTHING, lacks, octets_added, outdated
from mpcontinuity.message.structure import scan
from mpcontinuity.message.summary import Summary, summary
from mpcontinuity.model.errors import Corrupt, Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

T = TypeVar("T")
C = TypeVar("C", bound=Content)

# Below all three a message is scanned and rendered within a millisecond.
LARGE: Final = 64 * 1024  # octets
_PARTS = 64
_SIGNS = 1000  # that make a token of an address, a parameter or an encoded word each

_MADE_OF = b',;<(":@['

# Octets of messages that are rendered again together: what that gives can be some thirty times as much.
_TOGETHER = 256 * 1024

_RENEW = Statement("UPDATE entry SET rendered = :rendered, pop3_added = :added WHERE id = :id")


def takes_long(content: Content) -> bool:
    """Returns whether reading or rendering the message may take more than a millisecond.

    It judges by the size and by what the message is made of, in some microseconds.
    """
    if not isinstance(content, bytes) or len(content) > LARGE:
        return True
    signs = len(content) - len(content.translate(None, _MADE_OF))  # one pass, a fifth of what counting each costs
    return content.count(b"\n--") > _PARTS or signs + content.count(b"=?") > _SIGNS


async def examined(store: Store, content: C, work: Callable[[C], T]) -> T:
    """Returns ``work(content)``, which is computed in a thread where the message may take long.

    The message must not be discarded meanwhile.
    """
    return await store.bodies.background(partial(work, content)) if takes_long(content) else work(content)


async def rendered(store: Store, content: Content) -> bytes:
    """Returns what a mailbox entry stores of a message (message/render.py)."""
    return await examined(store, content, render)


async def rendered_and_summary(store: Store, content: Content) -> tuple[bytes, Summary]:
    """Returns `rendered` and what tracking and the archive show of the message, which is read once for both."""
    return await examined(store, content, _rendered_and_summary)


def _rendered_and_summary(content: Content) -> tuple[bytes, Summary]:
    scanned = scan(content)
    return render_scanned(content, scanned), summary(scanned.fields)


def portions(found: Sequence[Row], needed: int) -> Iterator[Sequence[Row]]:
    """Yields rows in their order: those that lack nothing together, others in portions as `renewed` may take them."""
    start, octets, lacking = 0, 0, False
    for at, row in enumerate(found):
        size = row[SIZE] if lacks(row[RENDERED] or b"", needed) else 0
        if at > start and (lacking != bool(size) or octets + size > _TOGETHER):
            yield found[start:at]
            start, octets = at, 0
        octets += size
        lacking = bool(size)
    if start < len(found):
        yield found[start:]


async def renewed(store: Store, mailbox: int, found: Sequence[Row], needed: int) -> list[Row | Corrupt]:
    """Returns the rows with all segments that are needed, rendered again from their messages where they lack one.

    What an older version of the program rendered is stored anew, so that a mailbox is read in this way once. Rows of
    messages that are expunged meanwhile are left out.
    """
    lacking = {row[UID] for row in found if lacks(row[RENDERED] or b"", needed)}
    if not lacking:
        return list(found)
    read = await store.read(partial(rows, mailbox=mailbox, uids=sorted(lacking), body=True))
    contents = await store.bodies.read_many([row[BODY] for row in read if row[BODY] is not None])
    old = {row[UID] for row in found if outdated(row[RENDERED] or b"")}
    given = [(content, row[UID] in old) for row, content in zip(read, contents, strict=True)]
    made = await store.bodies.background(lambda: [_rendered(content, outdated) for content, outdated in given])
    fresh = {row[UID]: blobs for row, blobs in zip(read, made, strict=True)}
    await _keep(store, mailbox, {uid: blobs[0] for uid, blobs in fresh.items() if not isinstance(blobs, Corrupt)})
    answer: list[Row | Corrupt] = []
    for row in found:
        blobs = fresh.get(row[UID])
        if row[UID] not in lacking:
            answer.append(row)
        elif isinstance(blobs, Corrupt):
            answer.append(blobs)
        elif blobs is not None:
            answer.append((*row[:RENDERED], blobs[1], row[BODY]))
    return answer


def _rendered(content: bytes | Corrupt, old: bool) -> tuple[bytes, bytes] | Corrupt:
    """As it is to be stored, where what is stored is old; and whole."""
    if isinstance(content, Corrupt):
        return content
    if not old:
        return b"", render_whole(content)
    blob = render(content)
    return blob, render_whole(content) if lacks(blob, ANYTHING) else blob


async def _keep(store: Store, mailbox: int, blobs: dict[int, bytes]) -> None:
    stored = [(uid, blob) for uid, blob in blobs.items() if blob]
    if stored:
        with suppress(Temporary):  # a full disk keeps nobody from reading
            await store.run(partial(_renew, mailbox=mailbox, stored=stored))


def _renew(tx: Transaction, mailbox: int, stored: Sequence[tuple[int, bytes]]) -> None:
    for uid, blob in stored:
        tx.run(_RENEW, id=mailbox << UID_BITS | uid, rendered=blob, added=octets_added(blob))
